//! What this node does for the epoch machine, and when. Pure.
//!
//! Which step is next is the same for everybody; nodes only take turns at taking it.

use floe_chain::{
    epoch::ChainTime,
    id::NodeId,
    rpc::{
        EpochState, Operation,
        drive::{Step, next_step},
    },
};

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EpochPlan {
    /// Take a step that anybody may take.
    Take(Box<Operation>),
    /// Attest that this node holds all its shards.
    Attest,
    /// Nothing before this time, by the chain's clock.
    Wait(ChainTime),
    /// Nothing until something happens on the chain.
    Idle,
}

/// This node's part in the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The node, whose turn among the others follows from its id.
    pub node: NodeId,
    /// It is in the committee and has not attested yet.
    pub owes_attestation: bool,
    /// It holds everything it must hold to attest.
    pub holds_its_shards: bool,
}

/// What is due at `now`.
///
/// Each node waits a part of the epoch that depends on its id and the epoch, so that usually one
/// transaction is sent, and nobody in particular is needed.
#[must_use]
pub fn plan(state: &EpochState, standing: &Standing, now: ChainTime) -> EpochPlan {
    let turn = turn_ms(standing.node, state);
    // Before its turn, a node sees the clock as it was that long ago.
    let mine = ChainTime::from_ms(now.as_ms().saturating_sub(turn));
    let step = next_step(state, mine);
    match step {
        Step::Sync if standing.owes_attestation && standing.holds_its_shards => EpochPlan::Attest,
        Step::Sync | Step::NoCandidates => EpochPlan::Idle,
        Step::Wait(due) => EpochPlan::Wait(due.plus_ms(turn)),
        _ if mine < state.schedule.started => EpochPlan::Wait(state.schedule.started.plus_ms(turn)),
        step => step
            .operation()
            .map_or(EpochPlan::Idle, |step| EpochPlan::Take(Box::new(step))),
    }
}

/// How long this node lets others go first: up to a fiftieth of the epoch, at most five seconds.
fn turn_ms(node: NodeId, state: &EpochState) -> u64 {
    let window = (state.schedule.duration_ms / 50).min(5_000);
    let mut hasher = blake3::Hasher::new();
    hasher.update(node.as_bytes());
    hasher.update(&state.schedule.epoch.get().to_le_bytes());
    let mut draw = [0; 8];
    hasher.finalize_xof().fill(&mut draw);
    u64::from_le_bytes(draw).checked_rem(window).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use floe_chain::{
        amount::Wal,
        epoch::{Epoch, EpochPhase, Schedule},
        rpc::state::Params,
    };

    use super::*;

    const STARTED: u64 = 1_000_000;
    const DURATION: u64 = 100_000;

    fn state(phase: EpochPhase, unsettled: bool) -> EpochState {
        EpochState {
            schedule: Schedule {
                epoch: Epoch::new(3),
                phase,
                started: ChainTime::from_ms(STARTED),
                opened: ChainTime::from_ms(STARTED),
                duration_ms: DURATION,
            },
            params: Params {
                epoch_ms: DURATION,
                select_bps: 5_000,
                burn_bps: 300,
                cap_bps: 1_000,
                max_nodes: 100,
                min_stake: Wal::ZERO,
            },
            unsettled,
            candidates: vec![(NodeId::from_bytes([1; 32]), Wal::from_units(1))],
        }
    }

    fn standing(node: u8, owes: bool, holds: bool) -> Standing {
        Standing {
            node: NodeId::from_bytes([node; 32]),
            owes_attestation: owes,
            holds_its_shards: holds,
        }
    }

    fn at(ms: u64) -> ChainTime {
        ChainTime::from_ms(STARTED + ms)
    }

    #[test]
    fn each_phase_has_its_step_when_its_time_has_come() {
        let me = standing(1, false, true);
        let open = state(EpochPhase::Open, false);
        assert!(matches!(plan(&open, &me, at(0)), EpochPlan::Wait(due) if due >= at(50_000)));
        assert_eq!(
            plan(&open, &me, at(52_000)),
            EpochPlan::Take(Box::new(Operation::Select))
        );
        let selected = state(EpochPhase::Selected, false);
        assert!(matches!(
            plan(&selected, &me, at(99_999)),
            EpochPlan::Wait(_)
        ));
        assert_eq!(
            plan(&selected, &me, at(102_000)),
            EpochPlan::Take(Box::new(Operation::Advance))
        );
        let unsettled = state(EpochPhase::Open, true);
        assert!(matches!(plan(&unsettled, &me, at(0)), EpochPlan::Wait(due) if due < at(2_000)));
        let settle = plan(&unsettled, &me, at(2_000));
        assert!(
            matches!(settle, EpochPlan::Take(step) if matches!(*step, Operation::Settle { .. }))
        );
    }

    #[test]
    fn a_node_attests_only_what_it_holds_and_only_once() {
        let sync = state(EpochPhase::Sync { weight: 0 }, false);
        assert_eq!(
            plan(&sync, &standing(1, true, true), at(0)),
            EpochPlan::Attest
        );
        assert_eq!(
            plan(&sync, &standing(1, true, false), at(0)),
            EpochPlan::Idle
        );
        assert_eq!(
            plan(&sync, &standing(1, false, true), at(0)),
            EpochPlan::Idle
        );
    }

    #[test]
    fn nodes_take_turns_within_a_fiftieth_of_the_epoch() {
        let open = state(EpochPhase::Open, false);
        let turns: Vec<u64> = (0..50)
            .map(|node| turn_ms(NodeId::from_bytes([node; 32]), &open))
            .collect();
        assert!(turns.iter().all(|turn| *turn < DURATION / 50));
        assert!(
            turns
                .iter()
                .collect::<std::collections::BTreeSet<_>>()
                .len()
                > 40
        );
    }
}
