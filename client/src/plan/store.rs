//! The plan of a store: sizes, price, what is owned already, how long it lasts, what leaves this
//! machine. A pure function of what is known; `--dry-run` prints exactly this.

use std::{fmt, ops::Range};

use floe_chain::{
    amount::Wal,
    cost::{CostError, Prices, encoded_bytes},
    epoch::{ChainTime, Epoch, epoch_count},
    id::ObjectId,
    rpc::StorageResource,
};
use floe_codec::{Axis, BlobId, BlobLayout, LayoutError, ShardCount};
use serde::Serialize;

use super::ByteSize;

/// Everything the plan depends on.
#[derive(Debug, Clone)]
pub struct StoreQuestion {
    /// Bytes to store.
    pub length: u64,
    /// Its id, once the bytes were encoded.
    pub blob: Option<BlobId>,
    /// Epochs it shall last, counted from the current one.
    pub epochs: u32,
    /// Whether the owner may delete it.
    pub deletable: bool,
    /// The input can be read only once and is copied to disk first.
    pub spooled: bool,
    /// Shards of the network.
    pub shards: ShardCount,
    /// Nodes of the committee.
    pub nodes: u16,
    /// The current epoch, its start and its length in milliseconds.
    pub epoch: Epoch,
    /// When the current epoch began.
    pub epoch_start: ChainTime,
    /// Length of an epoch in milliseconds.
    pub epoch_ms: u64,
    /// Furthest end of storage, in epochs from the current one.
    pub max_epochs: u32,
    /// Current prices.
    pub prices: Prices,
    /// Storage resources of the wallet.
    pub storage: Vec<StorageResource>,
    /// Registrations of the same bytes by the wallet.
    pub registered: Option<Standing>,
}

/// How far an earlier attempt came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// Registered and paid for, not certified: the store goes on with it.
    Registered {
        /// The `Blob` object.
        object: ObjectId,
        /// First epoch no longer paid for.
        end: Epoch,
    },
    /// Nothing is left to do.
    Certified {
        /// The `Blob` object.
        object: ObjectId,
        /// First epoch no longer paid for.
        end: Epoch,
    },
}

/// What storing is going to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StorePlan {
    /// Its id, if known before the bytes were encoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<BlobId>,
    /// Bytes of the blob.
    pub size: ByteSize,
    /// Segments it is cut into.
    pub segments: u32,
    /// Bytes all nodes keep together; this is paid for.
    pub encoded: ByteSize,
    /// Bytes of slivers and metadata that leave this machine.
    pub upload: ByteSize,
    /// The input is copied to disk first.
    pub spooled: bool,
    /// Epochs it lasts: from the current one to, but without, the end.
    pub period: Range<Epoch>,
    /// When the end is expected, by the chain's clock.
    pub expires: ChainTime,
    /// Whether the owner may delete it.
    pub deletable: bool,
    /// What it costs, and with what it is paid.
    pub payment: Payment,
}

/// How the blob is paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payment {
    /// Where the storage comes from.
    pub purchase: Purchase,
    /// All WAL that leaves the wallet.
    pub total: Wal,
}

/// Where the storage comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "with", rename_all = "snake_case")]
pub enum Purchase {
    /// New storage is bought.
    Buy {
        /// For the space.
        storage: Wal,
        /// For the write.
        write: Wal,
    },
    /// A storage resource of the wallet is used; the smallest that fits.
    Reuse {
        /// The resource.
        object: ObjectId,
        /// For the write.
        write: Wal,
    },
    /// An earlier attempt has paid.
    Paid(Standing),
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The blob does not fit the network.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The price overflows.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// Lifetimes the network does not sell.
    #[error("{asked} epochs cannot be bought: this network sells from 1 to {max}")]
    Epochs {
        /// Epochs asked for.
        asked: u32,
        /// Most epochs on sale.
        max: u32,
    },
}

impl PlanError {
    /// What to ask for instead.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Layout(_) => "cut the input into several blobs".to_owned(),
            Self::Cost(_) => "ask for fewer epochs".to_owned(),
            Self::Epochs { max: 0, .. } => "none are on sale now; try in the next epoch".to_owned(),
            Self::Epochs { max, .. } => format!("--epochs {max} is the most; extend it later"),
        })
    }
}

impl StorePlan {
    /// Plans a store.
    ///
    /// # Errors
    /// The bytes or the lifetime do not fit the network.
    pub fn new(question: &StoreQuestion) -> Result<Self, PlanError> {
        let layout = BlobLayout::for_shards(question.shards, question.length)?;
        let encoded = encoded_bytes(&layout).ok_or(CostError {
            bytes: u64::MAX,
            epochs: question.epochs,
        })?;
        let no_such_end = PlanError::Epochs {
            asked: question.epochs,
            max: question.max_epochs,
        };
        if question.epochs == 0 || question.epochs > question.max_epochs {
            return Err(no_such_end);
        }
        let asked_end = question.epoch.after(question.epochs).ok_or(no_such_end)?;
        let (payment, end) = match &question.registered {
            Some(standing) => (
                Payment {
                    purchase: Purchase::Paid(standing.clone()),
                    total: Wal::ZERO,
                },
                standing.end(),
            ),
            None => {
                let period = question.epoch..asked_end;
                (Payment::new(question, encoded, &period)?, asked_end)
            }
        };
        let upload = match &question.registered {
            Some(Standing::Certified { .. }) => 0,
            _ => upload_bytes(&layout, question.nodes),
        };
        let period = question.epoch..end;
        let lasts = question
            .epoch_ms
            .saturating_mul(epoch_count(&period).into());
        Ok(Self {
            blob: question.blob,
            size: ByteSize(question.length),
            segments: layout.segment_count(),
            encoded: ByteSize(encoded),
            upload: ByteSize(upload),
            spooled: question.spooled,
            expires: question.epoch_start.plus_ms(lasts),
            period,
            deletable: question.deletable,
            payment,
        })
    }

    /// The wallet has these bytes certified for at least as long as asked.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(
            self.payment.purchase,
            Purchase::Paid(Standing::Certified { .. })
        )
    }
}

impl Standing {
    /// First epoch no longer paid for.
    #[must_use]
    pub fn end(&self) -> Epoch {
        match self {
            Self::Registered { end, .. } | Self::Certified { end, .. } => *end,
        }
    }

    /// The `Blob` object.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        match self {
            Self::Registered { object, .. } | Self::Certified { object, .. } => *object,
        }
    }
}

impl Payment {
    fn new(
        question: &StoreQuestion,
        encoded: u64,
        period: &Range<Epoch>,
    ) -> Result<Self, PlanError> {
        let write = question.prices.register(encoded)?;
        let fits = |resource: &&StorageResource| {
            resource.bytes >= encoded
                && resource.period.start <= period.start
                && resource.period.end >= period.end
        };
        let smallest = question
            .storage
            .iter()
            .filter(fits)
            .min_by_key(|resource| (resource.bytes, resource.period.end, resource.object));
        if let Some(resource) = smallest {
            return Ok(Self {
                purchase: Purchase::Reuse {
                    object: resource.object,
                    write,
                },
                total: write,
            });
        }
        let storage = question.prices.reserve(encoded, period)?;
        let total = storage.checked_add(write).ok_or(CostError {
            bytes: encoded,
            epochs: question.epochs,
        })?;
        Ok(Self {
            purchase: Purchase::Buy { storage, write },
            total,
        })
    }
}

/// Every sliver once, the metadata to every node.
pub(crate) fn upload_bytes(layout: &BlobLayout, nodes: u16) -> u64 {
    let slivers: u64 = Axis::BOTH
        .iter()
        .map(|axis| layout.sliver_size(*axis))
        .fold(0, u64::saturating_add)
        .saturating_mul(layout.shards().get().into());
    let metadata = 64u64
        .saturating_mul(layout.shards().get().into())
        .saturating_mul(layout.segment_count().into())
        .saturating_mul(nodes.into());
    slivers.saturating_add(metadata)
}

impl fmt::Display for StorePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(blob) = self.blob {
            writeln!(f, "blob        {blob}")?;
        }
        let segments = if self.segments == 1 {
            "segment"
        } else {
            "segments"
        };
        writeln!(
            f,
            "size        {} in {} {segments}",
            self.size, self.segments
        )?;
        writeln!(f, "encoded     {}", self.encoded)?;
        writeln!(f, "upload      {} leave this machine", self.upload)?;
        if self.spooled {
            writeln!(f, "spool       {}, copied to this disk first", self.size)?;
        }
        let epochs = epoch_count(&self.period);
        writeln!(
            f,
            "lifetime    {epochs} {}, until epoch {} begins, expected {}",
            if epochs == 1 { "epoch" } else { "epochs" },
            self.period.end,
            Date(self.expires),
        )?;
        writeln!(
            f,
            "deletable   {}",
            if self.deletable { "yes" } else { "no" }
        )?;
        write!(f, "{}", self.payment)
    }
}

impl fmt::Display for Payment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.purchase {
            Purchase::Buy { storage, write } => {
                write!(
                    f,
                    "price       {} (storage {storage}, write {write})",
                    self.total
                )
            }
            Purchase::Reuse { object, write } => {
                write!(
                    f,
                    "price       {write} for the write; storage {object} is reused"
                )
            }
            Purchase::Paid(Standing::Registered { object, .. }) => {
                write!(
                    f,
                    "price       paid already; blob object {object} is continued"
                )
            }
            Purchase::Paid(Standing::Certified { object, .. }) => {
                write!(
                    f,
                    "price       nothing: certified already as blob object {object}"
                )
            }
        }
    }
}

/// A point of chain time as a date in UTC.
#[derive(Debug, Clone, Copy)]
pub struct Date(pub ChainTime);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = i64::try_from(self.0.as_ms())
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        match date {
            Some(date) => write!(f, "{}", date.strftime("%Y-%m-%d %H:%M:%S UTC")),
            None => f.write_str("in the far future"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question(length: u64) -> StoreQuestion {
        StoreQuestion {
            length,
            blob: None,
            epochs: 3,
            deletable: true,
            spooled: false,
            shards: ShardCount::new(100).unwrap(),
            nodes: 10,
            epoch: Epoch::new(7),
            epoch_start: ChainTime::from_ms(1_700_000_000_000),
            epoch_ms: 3_600_000,
            max_epochs: 100,
            prices: Prices {
                storage: Wal::from_units(1_000),
                write: Wal::from_units(2_000),
            },
            storage: Vec::new(),
            registered: None,
        }
    }

    fn resource(id: u8, bytes: u64, period: Range<u32>) -> StorageResource {
        StorageResource {
            object: ObjectId::from_bytes([id; 32]),
            bytes,
            period: Epoch::new(period.start)..Epoch::new(period.end),
        }
    }

    #[test]
    fn a_plan_prints_everything_that_is_going_to_happen() {
        insta::assert_snapshot!("fresh", StorePlan::new(&question(64 << 20)).unwrap());
        let mut spooled = question(1);
        spooled.spooled = true;
        spooled.epochs = 1;
        spooled.storage = vec![
            resource(1, 1 << 30, 0..99),
            resource(2, 1 << 29, 0..99),
            resource(3, 100, 0..99),
            resource(4, 1 << 28, 8..99),
        ];
        insta::assert_snapshot!("reuse", StorePlan::new(&spooled).unwrap());
        let mut again = question(1 << 20);
        again.registered = Some(Standing::Certified {
            object: ObjectId::from_bytes([5; 32]),
            end: Epoch::new(20),
        });
        insta::assert_snapshot!("certified", StorePlan::new(&again).unwrap());
    }

    #[test]
    fn lifetimes_that_are_not_sold_are_refused() {
        for epochs in [0, 101] {
            let mut question = question(1);
            question.epochs = epochs;
            let expected = PlanError::Epochs {
                asked: epochs,
                max: 100,
            };
            assert_eq!(StorePlan::new(&question), Err(expected));
        }
    }

    proptest! {
        /// The parts of the price add up, a longer life never costs less, and owned storage is
        /// used only if it covers size and time.
        #[test]
        fn prices_add_up_and_grow_with_time(
            length in 0u64..1 << 40,
            epochs in 1u32..99,
            n in 4u16..300,
            bytes in 0u64..1 << 44,
            from in 0u32..20,
            to in 0u32..200,
        ) {
            let mut asked = question(length);
            asked.shards = ShardCount::new(n).unwrap();
            asked.epochs = epochs;
            let short = StorePlan::new(&asked).unwrap();
            asked.epochs = epochs + 1;
            let long = StorePlan::new(&asked).unwrap();
            prop_assert!(short.payment.total <= long.payment.total);
            prop_assert!(short.expires < long.expires);
            prop_assert!(short.upload.0 >= length);
            let Purchase::Buy { storage, write } = &long.payment.purchase else {
                return Err(TestCaseError::fail("nothing is owned"));
            };
            prop_assert_eq!(storage.checked_add(*write), Some(long.payment.total));
            asked.storage = vec![resource(9, bytes, from..to)];
            let plan = StorePlan::new(&asked).unwrap();
            let reused = matches!(plan.payment.purchase, Purchase::Reuse { .. });
            let covers = bytes >= plan.encoded.0 && from <= 7 && to > 7 + epochs;
            prop_assert_eq!(reused, covers);
        }
    }
}
