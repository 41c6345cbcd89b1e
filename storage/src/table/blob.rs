//! Table `blob`: what the chain said about each blob, summed up over its registrations.

use floe_codec::{BlobId, Encoding};

use super::{Bytes, Table, Take};
use crate::inventory::BlobSeq;

/// A blob as the ledger knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlobRow {
    /// Bytes of the blob.
    pub(crate) size: u64,
    pub(crate) encoding: Encoding,
    /// Registrations neither deleted nor past their end.
    pub(crate) registered: u32,
    /// Those of them that are certified.
    pub(crate) certified: u32,
    /// The sum of their ends, for the ledger digest: constant time where the latest end is not.
    pub(crate) certified_ends: u64,
    /// A quorum of validity found it inconsistently encoded. For ever.
    pub(crate) invalid: bool,
    /// Its sequence number while it is live.
    pub(crate) live: Option<BlobSeq>,
}

impl BlobRow {
    /// A blob nobody registered.
    pub(crate) const fn new(size: u64, encoding: Encoding) -> Self {
        Self {
            size,
            encoding,
            registered: 0,
            certified: 0,
            certified_ends: 0,
            invalid: false,
            live: None,
        }
    }

    /// Whether its slivers may be stored and must not be collected.
    pub(crate) const fn is_kept(&self) -> bool {
        self.registered > 0 && !self.invalid
    }

    /// Whether it is to have a sequence number.
    pub(crate) const fn should_live(&self) -> bool {
        self.certified > 0 && !self.invalid
    }
}

/// One row for each blob with a registration, or found invalid.
///
/// # Layout
/// ```text
/// blob id 32  ->  size u64 | encoding u8 | registered u32 | certified u32 | certified ends u64 |
///                 invalid u8 | live u8 | sequence number u64 (0 if not live)
/// ```
#[derive(Debug)]
pub(crate) struct BlobTable;

impl Table for BlobTable {
    const NAME: &'static str = "blob";
    type Key = BlobId;
    type Value = BlobRow;

    fn encode_key(blob: &BlobId, out: &mut Bytes) {
        out.blob(blob);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<BlobId> {
        bytes.blob()
    }

    fn encode_value(row: &BlobRow, out: &mut Bytes) {
        out.u64_le(row.size)
            .put(&[row.encoding.code()])
            .u32_le(row.registered)
            .u32_le(row.certified)
            .u64_le(row.certified_ends)
            .flag(row.invalid)
            .flag(row.live.is_some())
            .u64_le(row.live.map_or(0, BlobSeq::get));
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<BlobRow> {
        Some(BlobRow {
            size: bytes.u64_le()?,
            encoding: Encoding::try_from(bytes.byte()?).ok()?,
            registered: bytes.u32_le()?,
            certified: bytes.u32_le()?,
            certified_ends: bytes.u64_le()?,
            invalid: bytes.flag()?,
            live: {
                let live = bytes.flag()?;
                let seq = BlobSeq(bytes.u64_le()?);
                live.then_some(seq)
            },
        })
    }
}

#[cfg(test)]
super::table_tests!(
    BlobTable,
    blob(),
    (
        any::<(u64, bool, u32, u32, u64, bool)>(),
        prop::option::of(seq()),
    )
        .prop_map(
            |((size, eight, registered, certified, certified_ends, invalid), live)| BlobRow {
                size,
                encoding: if eight {
                    Encoding::RedStuff8
                } else {
                    Encoding::RedStuff16
                },
                registered,
                certified,
                certified_ends,
                invalid,
                live,
            }
        ),
    "0496ebd75c07f7cd1499e74ed5c9bb038f1fc97267718c3b850b2002dec8a36c",
    "677e0d8fe7dda318023e73c38651eb516966fe324e8e87e7a3010000000000000000000117c60df0c4ef\
     3a"
);
