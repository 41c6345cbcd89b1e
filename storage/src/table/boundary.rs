//! Table `boundary`: the ledger as it stood at the start of each of the last epochs.

use floe_chain::{epoch::Epoch, event::EventCursor};

use super::{Bytes, Table, Take};
use crate::{inventory::BlobSeq, ledger::RunDigest};

/// The ledger right after an `EpochStarted` event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// The position of the event.
    pub cursor: EventCursor,
    /// The sequence number that came next: shards are complete for the epoch up to here.
    pub next_seq: BlobSeq,
    /// The digest of each run of sequence numbers, from the first. Equal on all honest nodes.
    pub runs: Vec<RunDigest>,
}

/// The last few epochs.
///
/// # Layout
/// ```text
/// epoch u32 BE  ->  checkpoint u64 | transaction u32 | event u32 | next sequence number u64 |
///                   run digest 32, each run
/// ```
#[derive(Debug)]
pub(crate) struct BoundaryTable;

impl Table for BoundaryTable {
    const NAME: &'static str = "boundary";
    type Key = Epoch;
    type Value = Boundary;

    fn encode_key(epoch: &Epoch, out: &mut Bytes) {
        out.u32_be(epoch.get());
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<Epoch> {
        bytes.epoch_be()
    }

    fn encode_value(row: &Boundary, out: &mut Bytes) {
        out.cursor(&row.cursor).u64_le(row.next_seq.get());
        for run in &row.runs {
            out.put(run.as_bytes());
        }
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<Boundary> {
        let cursor = bytes.cursor()?;
        let next_seq = BlobSeq(bytes.u64_le()?);
        let (runs, []) = bytes.rest().as_chunks::<32>() else {
            return None;
        };
        let runs = runs.iter().copied().map(RunDigest::from_bytes).collect();
        Some(Boundary {
            cursor,
            next_seq,
            runs,
        })
    }
}

#[cfg(test)]
super::table_tests!(
    BoundaryTable,
    epoch(),
    (
        cursor(),
        seq(),
        prop::collection::vec(any::<[u8; 32]>().prop_map(RunDigest::from_bytes), 0..3),
    )
        .prop_map(|(cursor, next_seq, runs)| Boundary {
            cursor,
            next_seq,
            runs
        }),
    "3cc19304",
    "ebcb3dcfd734d25c5c94ff0e07b4bc1af7ff7eb5cd457b8799e74ed5c9bb038f1fc97267718c3b850b20\
     02dec8a36cb2731d9cefcb4821acb238614b8a57860fe4e5eefb56e2d1c00b09c59819b6b567e7b33e51\
     668e74f5a84061cdb2f0cbdc"
);
