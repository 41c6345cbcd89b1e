//! Table `shard`: what this machine does with each shard.

use floe_chain::epoch::Epoch;
use floe_codec::ShardIndex;

use super::{Bytes, Table, Take};

/// What a store does with a shard it has slivers of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardState {
    /// Keeps it: accepts and serves slivers, answers for them in the inventory.
    Kept {
        /// The epoch it was taken over in.
        since: Epoch,
    },
    /// Belongs to somebody else by now, but is still served.
    Left {
        /// The first epoch in which it was somebody else's.
        since: Epoch,
    },
    /// Is being deleted: neither serves nor accepts slivers.
    Dropped,
}

/// One row for each shard with slivers on this machine.
///
/// # Layout
/// ```text
/// shard u16 BE  ->  state u8 (1 kept, 2 left, 3 dropped) | since u32 (0 if dropped)
/// ```
#[derive(Debug)]
pub(crate) struct ShardTable;

impl Table for ShardTable {
    const NAME: &'static str = "shard";
    type Key = ShardIndex;
    type Value = ShardState;

    fn encode_key(shard: &ShardIndex, out: &mut Bytes) {
        out.u16_be(shard.get());
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<ShardIndex> {
        bytes.shard()
    }

    fn encode_value(state: &ShardState, out: &mut Bytes) {
        let (code, since) = match state {
            ShardState::Kept { since } => (1, since.get()),
            ShardState::Left { since } => (2, since.get()),
            ShardState::Dropped => (3, 0),
        };
        out.put(&[code]).u32_le(since);
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<ShardState> {
        let code = bytes.byte()?;
        let since = bytes.epoch_le()?;
        match code {
            1 => Some(ShardState::Kept { since }),
            2 => Some(ShardState::Left { since }),
            3 if since == Epoch::ZERO => Some(ShardState::Dropped),
            _ => None,
        }
    }
}

#[cfg(test)]
super::table_tests!(
    ShardTable,
    shard(),
    prop_oneof![
        epoch().prop_map(|since| ShardState::Kept { since }),
        epoch().prop_map(|since| ShardState::Left { since }),
        Just(ShardState::Dropped),
    ],
    "9304",
    "02ef60694412c6df170818b73f"
);
