//! What an operation needs before it can be written: money, and the objects it names.

use super::super::operation::{Operation, Room};
use crate::amount::{Sui, Wal};
use crate::id::ObjectId;

/// Whether the operation takes WAL from the account.
pub(super) fn wal(operation: &Operation) -> bool {
    use Operation as O;
    match operation {
        O::Reserve { .. }
        | O::Register { .. }
        | O::Extend { .. }
        | O::Stake { .. }
        | O::Share { .. }
        | O::Fund { .. }
        | O::AddFunds { .. }
        | O::SendWal { .. } => true,
        O::RegisterNode(registration) => registration.stake > Wal::ZERO,
        _ => false,
    }
}

/// The objects that an operation names.
pub(super) fn objects(operation: &Operation, ids: &mut Vec<ObjectId>) {
    use Operation as O;
    match operation {
        O::Register {
            room: Room::Owned(storage),
            ..
        }
        | O::SplitStorageByEpoch { storage, .. }
        | O::SplitStorageBySize { storage, .. }
        | O::DestroyStorage { storage } => ids.push(*storage),
        O::FuseStorage { storage, other } => ids.extend([*storage, *other]),
        O::ExtendWith { blob, storage } => ids.extend([*blob, *storage]),
        O::Certify { blob, .. }
        | O::Extend { blob, .. }
        | O::Delete { blob }
        | O::Burn { blob }
        | O::SetAttribute { blob, .. }
        | O::RemoveAttribute { blob, .. }
        | O::Share { blob, .. } => ids.push(*blob),
        O::Fund { shared, .. } | O::ExtendShared { shared, .. } => ids.push(*shared),
        O::DescribeNode { cap, .. }
        | O::RotateKeys { cap, .. }
        | O::SetVote { cap, .. }
        | O::SetCommission { cap, .. }
        | O::SyncDone { cap, .. } => ids.push(*cap),
        O::RequestExit { stake } | O::Withdraw { stake } | O::SplitStake { stake, .. } => {
            ids.push(*stake);
        }
        O::JoinStake { stake, other } => ids.extend([*stake, *other]),
        O::Send { object, .. } => ids.push(*object),
        _ => {}
    }
}

/// The SUI that it takes out of the gas coin.
pub(super) fn sui_amount(operation: &Operation) -> Sui {
    match operation {
        Operation::SendSui { amount, .. } => *amount,
        _ => Sui::ZERO,
    }
}

/// The WAL that it takes, as far as it says so itself; prices are not counted.
pub(super) fn wal_amount(operation: &Operation) -> Wal {
    match operation {
        Operation::SendWal { amount, .. } | Operation::Stake { amount, .. } => *amount,
        Operation::Share { funds, .. }
        | Operation::Fund { funds, .. }
        | Operation::AddFunds { funds, .. } => *funds,
        Operation::RegisterNode(registration) => registration.stake,
        _ => Wal::ZERO,
    }
}
