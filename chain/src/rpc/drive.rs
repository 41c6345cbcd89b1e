//! What the epoch machine waits for. Any node or tool may take the next step; a lost race is no
//! error.

use super::operation::Operation;
use super::state::EpochState;
use crate::epoch::{ChainTime, EpochPhase};

/// Pools settled in one transaction: what the contract does at most, so that a transaction stays
/// below Sui's 1,000 dynamic fields.
const POOLS: u64 = 180;

/// The next thing to happen in the epoch machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Pools of the last committee are to be paid.
    Settle,
    /// The next committee is to be selected.
    Select,
    /// The epoch is to be ended.
    Advance,
    /// Nothing before this moment of the chain's clock.
    Wait(ChainTime),
    /// Members have to attest that they hold their shards.
    Sync,
    /// No node competes for shards.
    NoCandidates,
}

impl Step {
    /// What anybody may execute to take the step, if it is due.
    #[must_use]
    pub fn operation(self) -> Option<Operation> {
        match self {
            Self::Settle => Some(Operation::Settle { pools: POOLS }),
            Self::Select => Some(Operation::Select),
            Self::Advance => Some(Operation::Advance),
            Self::Wait(_) | Self::Sync | Self::NoCandidates => None,
        }
    }
}

/// Which step is next at `now`, by the chain's clock.
#[must_use]
pub fn next_step(state: &EpochState, now: ChainTime) -> Step {
    let EpochState {
        schedule,
        params,
        unsettled,
        candidates,
    } = state;
    if *unsettled {
        return Step::Settle;
    }
    let (due, step) = match schedule.phase {
        EpochPhase::Sync { .. } => return Step::Sync,
        EpochPhase::Open => (schedule.select_due(params.select_bps), Step::Select),
        EpochPhase::Selected => (schedule.ends(), Step::Advance),
    };
    if now < due {
        Step::Wait(due)
    } else if candidates.is_empty() && schedule.phase == EpochPhase::Open {
        Step::NoCandidates
    } else {
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::Wal;
    use crate::epoch::{Epoch, Schedule};
    use crate::id::NodeId;
    use crate::rpc::state::Params;

    #[test]
    fn steps_follow_phase_and_time() {
        let at = ChainTime::from_ms;
        let mut state = EpochState {
            schedule: Schedule {
                epoch: Epoch::FIRST,
                phase: EpochPhase::Open,
                started: at(1_000),
                opened: at(1_000),
                duration_ms: 1_000,
            },
            params: Params {
                epoch_ms: 1_000,
                select_bps: 5_000,
                burn_bps: 0,
                cap_bps: 1_000,
                max_nodes: 10,
                min_stake: Wal::from_units(1),
            },
            unsettled: false,
            candidates: vec![],
        };
        assert_eq!(next_step(&state, at(1_499)), Step::Wait(at(1_500)));
        assert_eq!(next_step(&state, at(1_500)), Step::NoCandidates);
        state
            .candidates
            .push((NodeId::from_bytes([1; 32]), Wal::from_units(1)));
        assert_eq!(next_step(&state, at(1_500)), Step::Select);
        state.unsettled = true;
        assert_eq!(next_step(&state, at(0)), Step::Settle);
        state.unsettled = false;
        state.schedule.phase = EpochPhase::Selected;
        assert_eq!(next_step(&state, at(1_999)), Step::Wait(at(2_000)));
        assert_eq!(next_step(&state, at(2_000)), Step::Advance);
        state.schedule.phase = EpochPhase::Sync { weight: 3 };
        assert_eq!(next_step(&state, at(9_000)), Step::Sync);
    }
}
