//! The index database's file on a [`Backend`](super::Backend), so that one seed simulates the whole
//! store, and with a checksum on every block, because redb trusts what it reads.
//!
//! Owns the mapping of the database's bytes to blocks. Knows nothing of pages, tables or commits,
//! except that only the first block is ever overwritten while somebody may need its old content:
//! all others are written before anything durable refers to them, so a torn one is never read.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
};

use super::{Backend, File, durably, memory::locked};

/// Bytes of the database in a block: a page of the database.
const BLOCK: usize = 4096;
const CHECKSUM: usize = 16;
/// Bytes of a block in the file.
const STRIDE: usize = BLOCK + CHECKSUM;

static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| blake3::derive_key("floe/index block/1", b""));

/// A [`File`] as redb wants it.
///
/// The directory lock already excludes other processes, so redb's own locking is left out.
///
/// The first sync of a commit also syncs the volumes that the commit will refer to. It comes before
/// the commit takes effect, so the order of every promise holds, and a commit costs two syncs
/// instead of three.
///
/// # Layout
/// `(block 4096 | checksum 16)*`, the checksum being the first 16 bytes of BLAKE3, keyed with
/// derive_key(`floe/index block/1`), of block number u64 LE and block. Zeros throughout are a block
/// of zeros. The first block, redb's header with checksums of its own, has none: zeros instead.
#[derive(Debug)]
pub(crate) struct IndexFile {
    backend: Arc<dyn Backend>,
    file: Arc<dyn File>,
    /// Volumes to be synced with the database.
    volumes: Arc<Mutex<Vec<Arc<dyn File>>>>,
}

/// Where volumes are left to be synced by the next commit.
#[derive(Clone, Debug, Default)]
pub(crate) struct SyncWithIndex(Arc<Mutex<Vec<Arc<dyn File>>>>);

impl SyncWithIndex {
    pub(crate) fn add(&self, files: impl IntoIterator<Item = Arc<dyn File>>) {
        locked(&self.0).extend(files);
    }
}

/// The blocks that cover some bytes of the database.
struct Cover {
    first: u64,
    blocks: usize,
    /// Where the bytes begin in the first block.
    skip: usize,
}

impl Cover {
    fn of(offset: u64, len: usize) -> io::Result<Self> {
        let skip = usize::try_from(offset % BLOCK as u64).map_err(io::Error::other)?;
        Ok(Self {
            first: offset / BLOCK as u64,
            blocks: (skip + len).div_ceil(BLOCK),
            skip,
        })
    }

    /// Where they lie in the file.
    fn position(&self) -> u64 {
        self.first * STRIDE as u64
    }

    /// Numbers and bytes of the blocks in `raw`.
    fn strides<'a>(&self, raw: &'a mut [u8]) -> impl Iterator<Item = (u64, &'a mut [u8])> {
        (self.first..).zip(raw.chunks_exact_mut(STRIDE))
    }
}

fn checksum(number: u64, block: &[u8]) -> [u8; CHECKSUM] {
    let mut out = [0; CHECKSUM];
    if number > 0 {
        let mut hasher = blake3::Hasher::new_keyed(&KEY);
        hasher.update(&number.to_le_bytes()).update(block);
        out.copy_from_slice(&hasher.finalize().as_bytes()[..CHECKSUM]);
    }
    out
}

impl IndexFile {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        file: Arc<dyn File>,
        volumes: &SyncWithIndex,
    ) -> Self {
        Self {
            backend,
            file,
            volumes: Arc::clone(&volumes.0),
        }
    }

    /// The blocks of a cover, without their checksums.
    fn read_blocks(&self, cover: &Cover) -> io::Result<Vec<u8>> {
        let mut raw = vec![0; cover.blocks * STRIDE];
        self.file.read_exact_at(cover.position(), &mut raw)?;
        let mut blocks = Vec::with_capacity(cover.blocks * BLOCK);
        for (number, stride) in cover.strides(&mut raw) {
            let (block, sum) = stride.split_at(BLOCK);
            if *sum != checksum(number, block) && stride.iter().any(|byte| *byte != 0) {
                let error = format!("block {number} of the index is damaged");
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            blocks.extend_from_slice(block);
        }
        Ok(blocks)
    }
}

impl redb::StorageBackend for IndexFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.size()? / STRIDE as u64 * BLOCK as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let cover = Cover::of(offset, out.len())?;
        let blocks = self.read_blocks(&cover)?;
        out.copy_from_slice(&blocks[cover.skip..cover.skip + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let blocks = len.div_ceil(BLOCK as u64);
        self.file.set_len(blocks * STRIDE as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut files = std::mem::take(&mut *locked(&self.volumes));
        files.push(Arc::clone(&self.file));
        durably(|| self.backend.sync(&files))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let cover = Cover::of(offset, data.len())?;
        let whole = cover.skip == 0 && data.len().is_multiple_of(BLOCK);
        let mut blocks = if whole {
            Vec::new()
        } else {
            self.read_blocks(&cover)?
        };
        let content = if whole {
            data
        } else {
            blocks[cover.skip..cover.skip + data.len()].copy_from_slice(data);
            &blocks
        };
        let mut raw = vec![0; cover.blocks * STRIDE];
        for ((number, stride), block) in cover.strides(&mut raw).zip(content.chunks_exact(BLOCK)) {
            let (into, sum) = stride.split_at_mut(BLOCK);
            into.copy_from_slice(block);
            sum.copy_from_slice(&checksum(number, block));
        }
        self.file.write_all_at(cover.position(), &raw)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redb::StorageBackend;

    use super::*;
    use crate::backend::{FileName, MemoryBackend};

    fn file() -> (Arc<dyn File>, IndexFile) {
        let name = FileName::new("index").unwrap();
        let backend = Arc::new(MemoryBackend::default());
        let file = backend.create(&name).unwrap();
        let index = IndexFile::new(backend, Arc::clone(&file), &SyncWithIndex::default());
        (file, index)
    }

    proptest! {
        #[test]
        fn it_is_a_file_like_any_other(
            writes in prop::collection::vec((0..30_000usize, 1..9000usize, any::<u8>()), 0..20),
        ) {
            let (_, index) = file();
            let mut model = vec![0; 40_960];
            index.set_len(40_960).unwrap();
            for (offset, len, byte) in writes {
                let data = vec![byte; len];
                index.write(offset as u64, &data).unwrap();
                model[offset..offset + data.len()].copy_from_slice(&data);
            }
            let mut read = vec![0; 40_000];
            index.read(7, &mut read).unwrap();
            prop_assert_eq!(&read[..], &model[7..40_007]);
            prop_assert_eq!(index.len().unwrap(), 40_960);
        }
    }

    #[test]
    fn any_damage_behind_the_header_is_told() {
        let (raw, index) = file();
        index.set_len(4 * BLOCK as u64).unwrap();
        index.write(BLOCK as u64, &[7; 2 * BLOCK]).unwrap();
        let mut block = [0; BLOCK];
        for position in [
            STRIDE,
            2 * STRIDE - 1,
            3 * STRIDE - CHECKSUM,
            3 * STRIDE + 9,
        ] {
            let mut byte = [0];
            raw.read_exact_at(position as u64, &mut byte).unwrap();
            raw.write_all_at(position as u64, &[byte[0] ^ 4]).unwrap();
            let number = (position / STRIDE) as u64;
            let error = index.read(number * BLOCK as u64, &mut block).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            raw.write_all_at(position as u64, &byte).unwrap();
            index.read(number * BLOCK as u64, &mut block).unwrap();
        }
    }
}
