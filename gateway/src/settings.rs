//! What a gateway is told. Plain values; opens nothing.

use std::{net::SocketAddr, path::PathBuf};

/// How a gateway is run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where readers connect; port 0 is any.
    pub listen: SocketAddr,
    /// Where segments are kept; without, each is fetched again.
    pub cache: Option<CacheSettings>,
    /// Bytes that segments may take in memory while they are fetched or, where they are not cached,
    /// sent.
    pub memory: u64,
    /// Blobs that are sent at once; the next reader is asked to come again.
    pub requests: usize,
}

impl Default for Settings {
    /// Any port of this machine, no cache.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            cache: None,
            memory: 256 << 20,
            requests: 512,
        }
    }
}

/// A cache on disk.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    /// Its folder, made if it is not there. One gateway at a time uses it.
    pub dir: PathBuf,
    /// Most bytes of segments in it.
    pub size: u64,
}
