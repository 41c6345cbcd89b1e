//! What a failed call to a node means for a journey: try again, go on without the node, or look at
//! the chain again. One table for writing and reading.

use std::time::Duration;

use floe_chain::epoch::Epoch;
use floe_p2p::{client::CallError, wire::Status};

/// What to do after a failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The node may answer later.
    Retry(Duration),
    /// The node does not help any more in this journey.
    GiveUp,
    /// The node lives in a later epoch than the caller believes current.
    Epoch(Epoch),
}

/// Between two tries when the node names no time.
const PAUSE: Duration = Duration::from_millis(250);
/// Between two tries when the node is only a moment behind the chain.
const MOMENT: Duration = Duration::from_millis(50);
/// Longest time a node may send the caller away for at once.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a node that fails so may go on doing it, of the patience with nodes that do not answer at
/// all: one that follows the chain over a bad line is some way behind, and will be there.
pub(crate) fn patience(error: &CallError, patience: Duration) -> Duration {
    match error {
        CallError::Refused(refusal) if matches!(refusal.status, Status::NotRegistered { .. }) => {
            2 * patience
        }
        _ => patience,
    }
}

/// Judges a failed call made in `epoch`.
pub(crate) fn judge(error: &CallError, epoch: Epoch) -> Verdict {
    let refusal = match error {
        CallError::Refused(refusal) => refusal,
        CallError::Wire(_) => return Verdict::GiveUp,
        CallError::Dial(_) | CallError::Stream(_) | CallError::Deadline | CallError::TooSlow => {
            return Verdict::Retry(PAUSE);
        }
    };
    match &refusal.status {
        Status::NotRegistered { .. } => Verdict::Retry(MOMENT),
        Status::Busy { retry_after } => Verdict::Retry(retry_after.duration().min(LONGEST_PAUSE)),
        Status::WrongShard { epoch: theirs } | Status::WrongEpoch { epoch: theirs } => {
            if *theirs > epoch {
                Verdict::Epoch(*theirs)
            } else if *theirs < epoch {
                Verdict::Retry(PAUSE)
            } else {
                Verdict::GiveUp
            }
        }
        Status::Frozen { .. } | Status::Deadline | Status::ShuttingDown | Status::Internal => {
            Verdict::Retry(PAUSE)
        }
        Status::Ok
        | Status::NotHeld
        | Status::Inconsistent
        | Status::Expired
        | Status::Full
        | Status::NotAuthorized
        | Status::BadRequest
        | Status::Unsupported { .. } => Verdict::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use floe_p2p::wire::Refusal;

    use super::*;

    #[test]
    fn a_node_that_is_behind_the_chain_is_waited_for_longer() {
        let second = Duration::from_secs(1);
        let cursor = floe_chain::event::EventCursor::START;
        let behind = Refusal::from(Status::NotRegistered { cursor });
        assert_eq!(patience(&behind.into(), second), 2 * second);
        assert_eq!(patience(&CallError::Deadline, second), second);
    }

    #[test]
    fn only_a_later_epoch_sends_the_caller_to_the_chain() {
        let judged = |theirs| {
            let status = Status::WrongShard {
                epoch: Epoch::new(theirs),
            };
            judge(&CallError::Refused(Refusal::from(status)), Epoch::new(5))
        };
        assert_eq!(judged(4), Verdict::Retry(PAUSE));
        assert_eq!(judged(5), Verdict::GiveUp);
        assert_eq!(judged(6), Verdict::Epoch(Epoch::new(6)));
    }
}
