//! One volume file: its name, its header, and how its records are found without an index.

use std::{
    fmt, io,
    sync::{Arc, LazyLock},
};

use floe_codec::ShardIndex;

use super::record::{HEADER_SIZE, MAGIC, RecordHeader, is_unreadable};
use crate::backend::{File, FileName};

/// Bytes before the first record.
pub(crate) const VOLUME_HEADER_SIZE: u64 = VolumeId::HEADER as u64;

const VOLUME_MAGIC: [u8; 8] = *b"FLOEVOLM";
const VERSION: u16 = 1;
/// Looking for the next record after damage reads this much at once.
const SEARCH_WINDOW: usize = 1 << 20;

static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| blake3::derive_key("floe/volume/1", b""));

/// A volume of this store. Numbers ascend over all shards and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId {
    /// The shard whose slivers it keeps.
    pub shard: ShardIndex,
    /// Its number.
    pub number: u64,
}

/// Which store a volume belongs to: 16 bytes derived from the stamp.
pub(crate) type Owner = [u8; 16];

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file_name().fmt(f)
    }
}

impl VolumeId {
    const SUFFIX: &str = ".slivers";
    const HEADER: usize = 48;

    /// `SSSSS-NNNNNNNNNN.slivers`: shard and number in decimal.
    pub(crate) fn file_name(self) -> FileName {
        let Self { shard, number } = self;
        FileName::new(&format!("{:05}-{number:010}{}", shard.get(), Self::SUFFIX))
            .expect("digits, a dash, a dot and letters, at most 34 bytes")
    }

    /// The volume a file is named after.
    pub(crate) fn from_file_name(name: &FileName) -> Option<Self> {
        let (shard, number) = name.as_str().strip_suffix(Self::SUFFIX)?.split_once('-')?;
        let id = Self {
            shard: ShardIndex(shard.parse().ok()?),
            number: number.parse().ok()?,
        };
        (id.file_name() == *name).then_some(id)
    }

    /// The first bytes of the volume's file.
    ///
    /// # Layout
    /// Integers little-endian, 48 bytes:
    /// ```text
    /// magic "FLOEVOLM" 8 | version u16 = 1 | shard u16 | zero 4 | number u64 | owner 16 |
    /// checksum 8 (of the 40 bytes before, keyed BLAKE3, key: derive_key of `floe/volume/1`)
    /// ```
    pub(crate) fn header(self, owner: &Owner) -> [u8; Self::HEADER] {
        let mut out = [0; Self::HEADER];
        out[0..8].copy_from_slice(&VOLUME_MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_le_bytes());
        out[10..12].copy_from_slice(&self.shard.get().to_le_bytes());
        out[16..24].copy_from_slice(&self.number.to_le_bytes());
        out[24..40].copy_from_slice(owner);
        let sum = blake3::keyed_hash(&KEY, &out[..40]);
        out[40..].copy_from_slice(&sum.as_bytes()[..8]);
        out
    }

    /// The owner in the header of `file`; `None` if the header is not one of this volume.
    pub(crate) fn owner_in(self, file: &dyn File) -> io::Result<Option<Owner>> {
        let mut header = [0; Self::HEADER];
        match file.read_exact_at(0, &mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut owner = Owner::default();
        owner.copy_from_slice(&header[24..40]);
        Ok((header == self.header(&owner)).then_some(owner))
    }
}

/// Finds the records of a volume from front to back, stepping over whatever is not one.
pub(crate) struct Scan {
    file: Arc<dyn File>,
    end: u64,
    offset: u64,
}

impl Scan {
    /// Scans the bytes that are in the file now.
    pub(crate) fn new(file: Arc<dyn File>) -> io::Result<Self> {
        let end = file.size()?;
        Ok(Self {
            file,
            end,
            offset: VOLUME_HEADER_SIZE,
        })
    }

    /// The next intact record: where it begins and what it is. `None` at the end.
    pub(crate) fn next_record(&mut self) -> io::Result<Option<(u64, RecordHeader)>> {
        while let Some((offset, header)) = self.next_header()? {
            let mut sliver = vec![0; header.length as usize];
            let at = offset + HEADER_SIZE as u64;
            match self.file.read_exact_at(at, &mut sliver) {
                Err(error) if is_unreadable(&error) => continue,
                read => read?,
            }
            if header.verify(&sliver).is_ok() {
                return Ok(Some((offset, header)));
            }
        }
        Ok(None)
    }

    /// The next record with an intact header, whose sliver was not looked at.
    pub(crate) fn next_header(&mut self) -> io::Result<Option<(u64, RecordHeader)>> {
        while let Some(header) = self.header_at(self.offset)? {
            let offset = self.offset;
            if let Some(header) = header {
                self.offset += header.record_size();
                return Ok(Some((offset, header)));
            }
            self.offset = self.find_magic(offset + 1)?;
        }
        Ok(None)
    }

    /// `None` if no record fits any more, `Some(None)` if there is none at `offset`, or none that the
    /// disk can read.
    fn header_at(&self, offset: u64) -> io::Result<Option<Option<RecordHeader>>> {
        if offset + HEADER_SIZE as u64 > self.end {
            return Ok(None);
        }
        let mut bytes = [0; HEADER_SIZE];
        match self.file.read_exact_at(offset, &mut bytes) {
            Err(error) if is_unreadable(&error) => return Ok(Some(None)),
            read => read?,
        }
        let header = RecordHeader::decode(&bytes).ok();
        Ok(Some(header.filter(|header| {
            offset + header.record_size() <= self.end
        })))
    }

    /// Where the next record may begin, at `offset` or later.
    fn find_magic(&self, mut offset: u64) -> io::Result<u64> {
        let mut window = vec![0; SEARCH_WINDOW];
        while offset + HEADER_SIZE as u64 <= self.end {
            let rest = usize::try_from(self.end - offset).unwrap_or(usize::MAX);
            let window = &mut window[..rest.min(SEARCH_WINDOW)];
            match self.file.read_exact_at(offset, window) {
                Err(error) if is_unreadable(&error) => window.fill(0),
                read => read?,
            }
            if let Some(at) = window.windows(MAGIC.len()).position(|four| four == MAGIC) {
                return Ok(offset + at as u64);
            }
            // The magic may straddle two windows.
            offset += (window.len() - (MAGIC.len() - 1)) as u64;
        }
        Ok(self.end)
    }
}
