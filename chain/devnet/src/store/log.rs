//! Frames on disk: reading a log back, telling a torn tail from damage. Refuses to guess about acknowledged bytes.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use sui_sdk_types::hash::Hasher;

use super::Record;

/// First bytes of every frame.
const MAGIC: [u8; 4] = *b"FLDN";
/// Bytes before the payload.
const HEADER: usize = 4 + 4 + 8 + 8;
/// Longest payload: genesis with its packages stays far below.
const PAYLOAD_BYTES: usize = 16 * 1024 * 1024;

/// Why a log cannot be opened or extended.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// File concerned.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Bytes that were durable are no longer what was written.
    #[error(
        "{path}: damaged at byte {offset}: data up to byte {durable} was durable; restore a copy or start with an empty directory"
    )]
    Damaged {
        /// File concerned.
        path: PathBuf,
        /// Where the first bad frame starts.
        offset: u64,
        /// How far the log was known to be on disk.
        durable: u64,
    },
    /// A frame is whole but its payload is no record of this version.
    #[error("{path}: record at byte {offset} is not understood: {source}")]
    Record {
        /// File concerned.
        path: PathBuf,
        /// Where the frame starts.
        offset: u64,
        /// What the decoder said.
        source: bcs::Error,
    },
    /// A record is larger than a frame may be.
    #[error("record of {bytes} bytes exceeds the frame limit of {limit}")]
    TooLarge {
        /// Size of the record.
        bytes: usize,
        /// Limit.
        limit: usize,
    },
}

/// Appends the frame of `record` to `out`; `offset` is where the frame will lie in the file, `durable` how much of the file is on disk.
///
/// # Layout
///
/// ```text
/// frame    = "FLDN" | length u32 LE | durable u64 LE | checksum 8 | payload
/// checksum = BLAKE2b-256(offset u64 LE | durable u64 LE | payload)[..8]
/// ```
///
/// The offset in the checksum keeps a frame from being accepted anywhere but where it was written. `durable` tells a reader that finds
/// a bad frame whether it lies in the part that was acknowledged.
pub(super) fn frame(
    record: &Record,
    offset: u64,
    durable: u64,
    out: &mut Vec<u8>,
) -> Result<(), LogError> {
    let payload = bcs::to_bytes(record).expect("records contain no type that BCS cannot encode");
    let too_large = LogError::TooLarge {
        bytes: payload.len(),
        limit: PAYLOAD_BYTES,
    };
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= PAYLOAD_BYTES)
        .ok_or(too_large)?;
    out.extend(MAGIC);
    out.extend(length.to_le_bytes());
    out.extend(durable.to_le_bytes());
    out.extend(checksum(offset, durable, &payload));
    out.extend(payload);
    Ok(())
}

fn checksum(offset: u64, durable: u64, payload: &[u8]) -> [u8; 8] {
    let mut hasher = Hasher::new();
    hasher.update(offset.to_le_bytes());
    hasher.update(durable.to_le_bytes());
    hasher.update(payload);
    let digest = hasher.finalize().into_inner();
    let mut short = [0; 8];
    short.copy_from_slice(&digest[..8]);
    short
}

/// A whole frame found at some offset.
struct Frame<'a> {
    payload: &'a [u8],
    durable: u64,
    end: usize,
}

fn parse(bytes: &[u8], offset: usize) -> Option<Frame<'_>> {
    let header = bytes.get(offset..offset + HEADER)?;
    let length = u32::from_le_bytes(header[4..8].try_into().ok()?);
    let durable = u64::from_le_bytes(header[8..16].try_into().ok()?);
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= PAYLOAD_BYTES)?;
    let end = offset + HEADER + length;
    let payload = bytes.get(offset + HEADER..end)?;
    let whole = header[..4] == MAGIC
        && header[16..] == checksum(u64::try_from(offset).ok()?, durable, payload);
    whole.then_some(Frame {
        payload,
        durable,
        end,
    })
}

/// The records of a log, read at start.
pub(crate) struct Frames {
    /// Records in the order they were written.
    pub records: Vec<Record>,
    /// The file, positioned by [`Frames::end`]; anything beyond was torn and has been cut off.
    pub file: File,
    /// Length of the intact part in bytes.
    pub end: u64,
    /// Bytes of a torn tail that were cut off.
    pub torn: u64,
}

impl Frames {
    /// Opens or creates the log at `path`, which only its owner may read (it holds the chain's keys), and reads it whole.
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let io = |source| LogError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;

        let mut records = Vec::new();
        let mut at = 0;
        while let Some(frame) = parse(&bytes, at) {
            let record = bcs::from_bytes(frame.payload).map_err(|source| LogError::Record {
                path: path.to_owned(),
                offset: position(at),
                source,
            })?;
            records.push(record);
            at = frame.end;
        }
        if let Some(durable) = durable_beyond(&bytes, at) {
            return Err(LogError::Damaged {
                path: path.to_owned(),
                offset: position(at),
                durable,
            });
        }
        let torn = position(bytes.len() - at);
        if torn > 0 {
            file.set_len(position(at)).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        Ok(Self {
            records,
            file,
            end: position(at),
            torn,
        })
    }
}

/// Whether an intact frame after the bad one at `at` proves that `at` had already been durable.
///
/// After a power cut the unsynced tail may hold holes with intact frames behind them; those frames were written before any sync that
/// covers the hole, so none of them claims durability beyond `at`.
fn durable_beyond(bytes: &[u8], at: usize) -> Option<u64> {
    let mut next = at + 1;
    while let Some(found) = bytes
        .get(next..)
        .and_then(|rest| rest.windows(MAGIC.len()).position(|window| window == MAGIC))
    {
        next += found;
        if let Some(frame) = parse(bytes, next).filter(|frame| frame.durable > position(at)) {
            return Some(frame.durable);
        }
        next += 1;
    }
    None
}

fn position(offset: usize) -> u64 {
    u64::try_from(offset).expect("a file read into memory is shorter than 2^64 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(records: &[(u64, u64)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (timestamp_ms, durable) in records {
            let offset = position(bytes.len());
            frame(
                &Record::Window {
                    timestamp_ms: *timestamp_ms,
                },
                offset,
                *durable,
                &mut bytes,
            )
            .unwrap();
        }
        bytes
    }

    fn reopen(bytes: &[u8]) -> Result<Frames, LogError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chain.log");
        std::fs::write(&path, bytes).unwrap();
        Frames::open(&path)
    }

    #[test]
    fn golden_frame() {
        let bytes = log(&[(1_700_000_000_000, 0)]);
        assert_eq!(bytes.len(), HEADER + 9);
        assert_eq!(&bytes[..16], b"FLDN\x09\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(&bytes[HEADER..], b"\x01\x00\x68\xe5\xcf\x8b\x01\x00\x00");
    }

    #[test]
    fn every_truncation_keeps_whole_frames() {
        let bytes = log(&[(1, 0), (2, 33), (3, 33)]);
        for length in 0..=bytes.len() {
            let frames = reopen(&bytes[..length]).unwrap();
            assert_eq!(frames.records.len(), length / 33);
            assert_eq!(frames.end, position(length / 33 * 33));
        }
    }

    #[test]
    fn a_flipped_bit_in_durable_data_is_damage() {
        let bytes = log(&[(1, 0), (2, 33), (3, 66)]);
        for bit in 0..33 * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(
                matches!(reopen(&bytes), Err(LogError::Damaged { offset: 0, .. })),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn a_hole_in_the_unsynced_tail_is_torn() {
        let mut bytes = log(&[(1, 0), (2, 33), (3, 33), (4, 33)]);
        bytes[33..66].fill(0);
        let frames = reopen(&bytes).unwrap();
        assert_eq!((frames.records.len(), frames.end, frames.torn), (1, 33, 99));
    }
}
