//! The ledger digest: how nodes see that their ledgers agree, without sending them.

use std::{fmt, sync::LazyLock};

use floe_codec::BlobId;

use crate::{inventory::BlobSeq, table::blob::BlobRow};

static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| blake3::derive_key("floe/ledger/1", b""));

/// The digest of a run of [`RunDigest::LENGTH`] sequence numbers: the sum, modulo 2^256, of one
/// keyed hash for each live blob.
///
/// A sum, so that a change costs the same however many blobs there are. Whoever can choose blob
/// ids can in theory make two *different* ledgers sum alike; the digest is there to tell honest
/// nodes that they computed different ledgers from the same events, not to prove anything.
///
/// # Layout
/// 32 bytes, the sum as a little-endian integer. The hash of a blob is BLAKE3 keyed with
/// derive_key(`floe/ledger/1`) of 60 bytes: sequence number u64 LE, blob id 32, size u64 LE,
/// certified registrations u32 LE, sum of their ends u64 LE.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RunDigest([u8; 32]);

impl fmt::Debug for RunDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunDigest({self})")
    }
}

impl fmt::Display for RunDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl RunDigest {
    /// Sequence numbers in a run.
    pub const LENGTH: u64 = 4096;

    /// A digest from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The run a sequence number belongs to.
    pub(crate) fn run_of(seq: BlobSeq) -> u32 {
        u32::try_from(seq.get() / Self::LENGTH).unwrap_or(u32::MAX)
    }

    /// The digest of one live blob; nothing if it is not live.
    pub(crate) fn of(blob: &BlobId, row: &BlobRow) -> Self {
        let Some(seq) = row.live else {
            return Self::default();
        };
        let mut hasher = blake3::Hasher::new_keyed(&KEY);
        hasher
            .update(&seq.get().to_le_bytes())
            .update(blob.as_bytes())
            .update(&row.size.to_le_bytes())
            .update(&row.certified.to_le_bytes())
            .update(&row.certified_ends.to_le_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        let mut carry = 0u16;
        let mut sum = [0; 32];
        for (out, (a, b)) in sum.iter_mut().zip(self.0.iter().zip(other.0)) {
            carry += u16::from(*a) + u16::from(b);
            [*out, _] = carry.to_le_bytes();
            carry >>= 8;
        }
        Self(sum)
    }

    #[must_use]
    pub(crate) fn minus(self, other: Self) -> Self {
        // a - b = a + not b + 1, modulo 2^256.
        let mut one = [0; 32];
        one[0] = 1;
        self.plus(Self(other.0.map(|byte| !byte))).plus(Self(one))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_form_a_group(a: [u8; 32], b: [u8; 32], c: [u8; 32]) {
            let (a, b, c) = (RunDigest(a), RunDigest(b), RunDigest(c));
            prop_assert_eq!(a.plus(b).minus(b), a);
            prop_assert_eq!(a.plus(b).plus(c), c.plus(b).plus(a));
            prop_assert_eq!(a.minus(a), RunDigest::default());
        }
    }
}
