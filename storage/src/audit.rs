//! The audit: everything that is derived, derived again from what it follows from.
//!
//! Reads the whole index into memory; for `fsck` and for tests, not for a node that serves.

use std::collections::{BTreeMap, BTreeSet};

use floe_codec::{Axis, BlobId, ShardIndex};

use crate::{
    holdings::{Raw, segment_count, segments_held, summarize},
    index::Snapshot,
    inventory::BlobSeq,
    ledger::RunDigest,
    log::volume::VolumeId,
    store::Storage,
    table::{IndexError, Page, Rows, Table, blob::BlobRow, shard::ShardState},
};

/// Two parts of the index that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table}: {what}")]
pub struct Discrepancy {
    /// The table whose row is not what it should be.
    pub table: &'static str,
    /// Which row, and what it should be.
    pub what: String,
}

impl Storage {
    /// Checks that all counts, bitmaps and digests are what the rows they are derived from say.
    pub fn audit(&self) -> Result<Vec<Discrepancy>, IndexError> {
        let mut audit = Audit {
            found: Vec::new(),
            snapshot: self.snapshot()?,
        };
        audit.registrations()?;
        audit.lives()?;
        let held = audit.slivers()?;
        audit.inventory(&held, self)?;
        Ok(audit.found)
    }
}

/// Segments held, by blob, shard and axis.
type Held = BTreeMap<(BlobId, ShardIndex, Axis), u32>;

struct Audit {
    found: Vec<Discrepancy>,
    snapshot: Snapshot,
}

fn all<T: Table>(rows: &Rows<T, impl Raw>) -> Result<Page<T>, IndexError> {
    rows.page(None, usize::MAX, |_| true)
}

impl Audit {
    fn expect(&mut self, holds: bool, table: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            let what = what();
            self.found.push(Discrepancy { table, what });
        }
    }

    /// Blobs sum up their registrations; each registration has its expiry.
    fn registrations(&mut self) -> Result<(), IndexError> {
        let mut sums: BTreeMap<BlobId, (u32, u32, u64)> = BTreeMap::new();
        let mut ends = BTreeSet::new();
        for ((blob, object), row) in all(&self.snapshot.registrations()?)? {
            let sum = sums.entry(blob).or_default();
            sum.0 += 1;
            sum.1 += u32::from(row.certified);
            sum.2 += u64::from(row.certified) * u64::from(row.end.get());
            ends.insert((row.end, blob, object));
        }
        let expiries = all(&self.snapshot.expiries()?)?;
        let expiries = expiries.into_iter().map(|(key, ())| key).collect();
        self.expect(ends == expiries, "expiry", || {
            "differs from registrations".into()
        });
        for (blob, row) in all(&self.snapshot.blobs()?)? {
            let sum = sums.remove(&blob).unwrap_or_default();
            let found = (row.registered, row.certified, row.certified_ends);
            self.expect(found == sum, "blob", || {
                format!("{blob}: {found:?} for {sum:?}")
            });
        }
        self.expect(sums.is_empty(), "blob", || format!("no rows for {sums:?}"));
        Ok(())
    }

    /// Live blobs have numbers, bits and a place in the digest, and nothing else has.
    fn lives(&mut self) -> Result<(), IndexError> {
        let rows = all(&self.snapshot.blobs()?)?;
        let next = self
            .snapshot
            .ledger()?
            .get(&())?
            .unwrap_or_default()
            .next_seq;
        let mut numbers = BTreeMap::new();
        let mut runs: BTreeMap<u32, RunDigest> = BTreeMap::new();
        for (blob, row) in &rows {
            let right = row.live.is_some() == row.should_live();
            self.expect(right, "blob", || format!("{blob}: live is {:?}", row.live));
            if let Some(seq) = row.live {
                self.expect(seq < next, "blob", || {
                    format!("{blob}: {seq} is not below {next}")
                });
                numbers.insert(seq, *blob);
                let run = runs.entry(RunDigest::run_of(seq)).or_default();
                *run = run.plus(RunDigest::of(blob, row));
            }
        }
        let sequences: BTreeMap<_, _> = all(&self.snapshot.sequences()?)?.into_iter().collect();
        self.expect(sequences == numbers, "sequence", || {
            "differs from live blobs".into()
        });
        let bits: BTreeSet<BlobSeq> = all(&self.snapshot.live()?)?
            .iter()
            .flat_map(|(page, bitmap)| {
                let bits: Vec<u64> = bitmap.ones().collect();
                bits.into_iter()
                    .map(|bit| BlobSeq::first_of(*page).plus(bit))
            })
            .collect();
        let live = numbers.keys().copied().collect();
        self.expect(bits == live, "live", || "differs from live blobs".into());
        for (run, digest) in all(&self.snapshot.digests()?)? {
            let sum = runs.remove(&run).unwrap_or_default();
            self.expect(digest == sum, "digest", || format!("run {run}"));
        }
        self.expect(runs.is_empty(), "digest", || {
            format!("no rows for {runs:?}")
        });
        Ok(())
    }

    /// Segments held and volumes' live bytes are what the sliver rows say.
    fn slivers(&mut self) -> Result<Held, IndexError> {
        let mut held = Held::new();
        let mut volumes: BTreeMap<VolumeId, (u64, u64)> = BTreeMap::new();
        for (key, location) in all(&self.snapshot.slivers()?)? {
            *held.entry((key.blob, key.shard, key.axis)).or_default() += 1;
            let volume = volumes.entry(location.volume_of(key.shard)).or_default();
            volume.0 = volume.0.max(location.offset + location.record_size());
            volume.1 += location.record_size();
        }
        let (rows, slivers) = (self.snapshot.held()?, self.snapshot.slivers()?);
        for (&(blob, shard, axis), &count) in &held {
            let found = segments_held(&rows, &slivers, &blob, shard, axis)?;
            self.expect(found == count, "held", || {
                format!("{blob} {shard} {axis}: {found} for {count}")
            });
        }
        for (key, _) in all(&rows)? {
            self.expect(held.contains_key(&key), "held", || {
                format!("{key:?} is not held")
            });
        }
        for (id, row) in all(&self.snapshot.volumes()?)? {
            let (end, live) = volumes.remove(&id).unwrap_or_default();
            self.expect(row.live == live, "volume", || {
                format!("{id}: {row:?}, live {live}")
            });
            self.expect(row.len >= end, "volume", || {
                format!("{id}: {row:?}, end {end}")
            });
            self.expect(!row.removed || live == 0, "volume", || {
                format!("{id} is removed")
            });
        }
        self.expect(volumes.is_empty(), "volume", || {
            format!("no rows for {volumes:?}")
        });
        Ok(held)
    }

    /// A live blob's bit says whether all of its segments are held; watermarks are not too high.
    fn inventory(&mut self, held: &Held, storage: &Storage) -> Result<(), IndexError> {
        let blobs: BTreeMap<BlobId, BlobRow> = all(&self.snapshot.blobs()?)?.into_iter().collect();
        let inventory = self.snapshot.inventory()?;
        for (shard, state) in all(&self.snapshot.shards()?)? {
            if state == ShardState::Dropped {
                continue;
            }
            for axis in Axis::BOTH {
                let mut first_gap = None;
                for (seq, blob) in all(&self.snapshot.sequences()?)? {
                    let segments = blobs
                        .get(&blob)
                        .and_then(|row| segment_count(row, storage.stamp().shards));
                    let count = held.get(&(blob, shard, axis)).copied().unwrap_or_default();
                    let complete = segments == Some(count);
                    let bitmap = inventory
                        .get(&(seq.page(), shard, axis))?
                        .unwrap_or_default();
                    self.expect(bitmap.get(seq.bit()) == complete, "inventory", || {
                        format!("{seq} of shard {shard} {axis} should be {complete}")
                    });
                    if !complete && first_gap.is_none() {
                        first_gap = Some(seq);
                    }
                }
                let (watermarks, live) = (self.snapshot.watermarks()?, self.snapshot.live()?);
                let next = self
                    .snapshot
                    .ledger()?
                    .get(&())?
                    .unwrap_or_default()
                    .next_seq;
                let summary = summarize(&watermarks, &live, &inventory, (shard, axis), next)?;
                let right = summary.complete_up_to == first_gap.unwrap_or(next);
                self.expect(right, "watermark", || {
                    format!("shard {shard} {axis}: {summary:?}, first gap {first_gap:?}")
                });
            }
        }
        Ok(())
    }
}
