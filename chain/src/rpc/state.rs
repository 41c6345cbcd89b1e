//! What the contract's objects say, as plain values.

use std::ops::Range;

use floe_codec::ShardCount;
use serde::{Deserialize, Serialize};

use crate::amount::{Sui, Wal};
use crate::cost::Prices;
use crate::epoch::{Epoch, Schedule};
use crate::id::{Address, NetworkId, NodeId, ObjectId};
use crate::keys::{BlsPublicKey, IdentityPublicKey};

/// The `System` object: what users deal with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemState {
    /// Its name in everything signed.
    pub network: NetworkId,
    /// Where the newest code is: transactions call this package.
    pub package: ObjectId,
    /// Where the types were first defined: type names carry this package for ever.
    pub origin: ObjectId,
    /// The `Staking` object.
    pub staking: ObjectId,
    /// Type of the WAL coin, e.g. `0x...::wal::WAL`.
    pub wal_type: String,
    /// The number of shards.
    pub shards: ShardCount,
    /// The running epoch.
    pub epoch: Epoch,
    /// What storage costs in it.
    pub prices: Prices,
    /// Encoded bytes that all nodes together can hold.
    pub capacity: u64,
    /// Encoded bytes sold: for the running epoch and each one after it that can be bought.
    pub used: Vec<u64>,
}

impl SystemState {
    /// The first epoch that cannot be paid for yet.
    #[must_use]
    pub fn horizon(&self) -> Epoch {
        let epochs = u32::try_from(self.used.len()).unwrap_or(u32::MAX);
        self.epoch.after(epochs).unwrap_or(Epoch::new(u32::MAX))
    }

    /// Encoded bytes left for sale over a whole period; zero beyond the horizon.
    #[must_use]
    pub fn available(&self, period: &Range<Epoch>) -> u64 {
        let slots = period.start.get()..period.end.get();
        slots
            .map(|epoch| {
                let slot = epoch.checked_sub(self.epoch.get())?;
                let used = self.used.get(usize::try_from(slot).ok()?)?;
                Some(self.capacity.saturating_sub(*used))
            })
            .map(Option::unwrap_or_default)
            .min()
            .unwrap_or(0)
    }
}

/// What governance may tune.
///
/// # Layout
/// BCS of the Move struct `params::Params`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// Length of an epoch in milliseconds.
    pub epoch_ms: u64,
    /// When the next committee is selected, in hundredths of a percent of the epoch.
    pub select_bps: u16,
    /// Part of an epoch's income that is burned, in hundredths of a percent.
    pub burn_bps: u16,
    /// Most shards that one of many nodes may hold, in hundredths of a percent.
    pub cap_bps: u16,
    /// Nodes that compete for shards.
    pub max_nodes: u16,
    /// Stake below which a node does not compete.
    pub min_stake: Wal,
}

/// The epoch machine: the `Staking` object without its pools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochState {
    /// Phase and clock.
    pub schedule: Schedule,
    /// Its parameters.
    pub params: Params,
    /// Members of the last committee whose pools are not settled yet; the next committee cannot be
    /// selected before.
    pub unsettled: bool,
    /// Nodes that compete for shards, ascending by id, with the stake they compete with.
    pub candidates: Vec<(NodeId, Wal)>,
}

/// A node's vote on prices, and its capacity.
///
/// # Layout
/// BCS of the Move struct `terms::Vote`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The least prices it accepts.
    pub prices: Prices,
    /// Encoded bytes on its own disks.
    pub capacity: u64,
}

/// A storage node's pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The node.
    pub id: NodeId,
    /// What it calls itself.
    pub name: String,
    /// Where it said it can be reached: a first hint.
    pub addresses: Vec<String>,
    /// Its protocol key for committees selected from now on.
    pub bls_key: BlsPublicKey,
    /// Its identity key for committees selected from now on.
    pub identity: IdentityPublicKey,
    /// Collects the commission and speaks for the node in governance.
    pub governance: Address,
    /// What it voted.
    pub vote: Vote,
    /// The operator's part of the pay, in hundredths of a percent.
    pub commission_bps: u16,
    /// A changed commission and the epoch from which it holds.
    pub next_commission: Option<(u16, Epoch)>,
    /// The epoch at whose start the numbers below are.
    pub settled: Epoch,
    /// Stake that earns.
    pub active: Wal,
    /// The shares it is divided into.
    pub shares: u128,
    /// Commission that may be collected.
    pub commission: Wal,
}

/// Bought room: so many encoded bytes in each epoch of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageResource {
    /// The `Storage` object.
    pub object: ObjectId,
    /// From which epoch and up to which (exclusive).
    pub period: Range<Epoch>,
    /// Encoded bytes.
    pub bytes: u64,
}

/// Where a delegator's claim on a pool stands.
///
/// # Layout
/// BCS of the Move enum `stake::StakeState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StakeState {
    /// Becomes active at the start of an epoch.
    Pending {
        /// That epoch.
        from: Epoch,
    },
    /// Earns.
    Active,
    /// Earns until the start of an epoch, when it can be withdrawn.
    Exiting {
        /// That epoch.
        at: Epoch,
    },
}

/// A delegator's claim on a pool.
///
/// # Layout
/// BCS of the Move struct `stake::Stake`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stake {
    /// The `Stake` object.
    pub object: ObjectId,
    /// With which node.
    pub node: NodeId,
    /// Where it stands.
    pub state: StakeState,
    /// Units of WAL while pending, shares of the pool after.
    pub amount: u128,
}

/// The right to operate a node.
///
/// # Layout
/// BCS of the Move struct `staking::NodeCap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCap {
    /// The `NodeCap` object.
    pub object: ObjectId,
    /// The node.
    pub node: NodeId,
    /// The last epoch for which it attested that its shards are in place.
    pub synced: Epoch,
}

/// An account's money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Pays for transactions.
    pub sui: Sui,
    /// Pays for storage.
    pub wal: Wal,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ChainId, SystemId};

    #[test]
    fn room_is_the_least_over_the_period() {
        let id = ObjectId::from_bytes([0; 32]);
        let system = SystemState {
            network: NetworkId {
                chain: ChainId::from_bytes([0; 32]),
                system: SystemId::from_bytes([0; 32]),
            },
            package: id,
            origin: id,
            staking: id,
            wal_type: String::new(),
            shards: ShardCount::MIN,
            epoch: Epoch::new(5),
            prices: Prices {
                storage: Wal::ZERO,
                write: Wal::ZERO,
            },
            capacity: 100,
            used: vec![10, 70, 120],
        };
        let period = |a, b| Epoch::new(a)..Epoch::new(b);
        assert_eq!(system.horizon(), Epoch::new(8));
        assert_eq!(system.available(&period(5, 6)), 90);
        assert_eq!(system.available(&period(5, 7)), 30);
        for none in [period(5, 8), period(4, 6), period(5, 9), period(6, 6)] {
            assert_eq!(system.available(&none), 0, "{none:?}");
        }
    }
}
