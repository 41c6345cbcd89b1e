//! What storage costs: a price for each MiB of encoded size and epoch, and one for writing.
//!
//! The same integers as the contract's; rounding is up, once, to whole MiB.

use std::ops::Range;

use floe_codec::BlobLayout;
use serde::{Deserialize, Serialize};

use crate::amount::Wal;
use crate::epoch::{Epoch, epoch_count};

/// Prices of one epoch, in WAL for each MiB of encoded size (rounded up).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// For keeping it, each epoch.
    pub storage: Wal,
    /// For writing it, once.
    pub write: Wal,
}

/// The price of an amount of storage does not fit the coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("storing {bytes} encoded bytes for {epochs} epochs costs more WAL than there can be")]
pub struct CostError {
    /// Encoded bytes.
    pub bytes: u64,
    /// For how many epochs.
    pub epochs: u32,
}

const MIB: u64 = 1 << 20;

impl Prices {
    /// What reserving `bytes` of encoded size over `period` costs.
    ///
    /// # Errors
    /// The product does not fit.
    pub fn reserve(&self, bytes: u64, period: &Range<Epoch>) -> Result<Wal, CostError> {
        let epochs = epoch_count(period);
        self.storage
            .checked_mul(bytes.div_ceil(MIB))
            .and_then(|cost| cost.checked_mul(epochs.into()))
            .ok_or(CostError { bytes, epochs })
    }

    /// What registering a blob of `bytes` encoded size costs.
    ///
    /// # Errors
    /// The product does not fit.
    pub fn register(&self, bytes: u64) -> Result<Wal, CostError> {
        self.write
            .checked_mul(bytes.div_ceil(MIB))
            .ok_or(CostError { bytes, epochs: 0 })
    }
}

/// The encoded size of a blob as the chain counts it; `None` when it exceeds the chain's integers.
#[must_use]
pub fn encoded_bytes(layout: &BlobLayout) -> Option<u64> {
    u64::try_from(layout.encoded_size()).ok()
}

#[cfg(test)]
mod tests {
    use floe_codec::ShardCount;

    use super::*;

    const PRICES: Prices = Prices {
        storage: Wal::from_units(5),
        write: Wal::from_units(7),
    };

    #[test]
    fn sizes_round_up_to_whole_mib() {
        let period = Epoch::new(2)..Epoch::new(5);
        for (bytes, mib) in [(0, 0), (1, 1), (MIB, 1), (MIB + 1, 2)] {
            assert_eq!(
                PRICES.reserve(bytes, &period),
                Ok(Wal::from_units(5 * mib * 3))
            );
            assert_eq!(PRICES.register(bytes), Ok(Wal::from_units(7 * mib)));
        }
        let most = Prices {
            storage: Wal::from_units(u64::MAX),
            ..PRICES
        };
        let error = most.reserve(MIB + 1, &period).unwrap_err();
        assert_eq!(
            error,
            CostError {
                bytes: MIB + 1,
                epochs: 3
            }
        );
    }

    #[test]
    fn what_is_paid_for_is_the_encoded_size() {
        let layout = BlobLayout::for_shards(ShardCount::new(10).unwrap(), 0).unwrap();
        assert_eq!(encoded_bytes(&layout), Some(6_620));
    }
}
