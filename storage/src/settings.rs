//! What an operator may choose about a store. Plain data; the defaults work.

/// How a store behaves on its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A volume that reached this many bytes is closed and a new one begun.
    pub volume_bytes: u64,
    /// Slivers are refused while less than this is free on the disk, so that the index can still
    /// commit, and deletions with it.
    pub reserve_bytes: u64,
    /// Memory the index database may use to cache pages, in bytes.
    pub index_cache_bytes: usize,
    /// Payload bytes that may wait for the writer; beyond, puts are answered `Busy`.
    pub queue_bytes: usize,
    /// Jobs that may wait for the writer; beyond, everything is answered `Busy`.
    pub queue_jobs: usize,
    /// Payload bytes that one commit takes at most: bounds how long an acknowledgement waits.
    pub commit_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            volume_bytes: 256 << 20,
            reserve_bytes: 256 << 20,
            index_cache_bytes: 32 << 20,
            queue_bytes: 64 << 20,
            queue_jobs: 1024,
            commit_bytes: 16 << 20,
        }
    }
}
