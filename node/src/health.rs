//! Whether the node serves, and if not, everything that keeps it from it.

use floe_p2p::wire::message::NotReady;

use crate::node::Node;

/// Everything that keeps the node from serving fully, worst last; empty when it is ready.
#[must_use]
pub fn not_ready(node: &Node) -> Vec<NotReady> {
    let view = node.view();
    let mut reasons = Vec::new();
    if view.alarm.is_some() || !view.in_reach {
        reasons.push(NotReady::ChainUnreachable);
    } else if !view.caught_up {
        reasons.push(NotReady::ChainBehind);
    }
    match &view.membership {
        Some(membership) if membership.is_member() => {}
        _ => reasons.push(NotReady::NotAMember),
    }
    if node.storage().has_no_room() {
        reasons.push(NotReady::DiskFull);
    }
    if node.storage().failure().is_some() {
        reasons.push(NotReady::DiskFailed);
    }
    reasons
}

/// What an operator can do about it.
#[must_use]
pub fn advice(reason: NotReady) -> &'static str {
    match reason {
        NotReady::ChainBehind => "it is catching up with the chain; wait",
        NotReady::ChainUnreachable => {
            "no chain endpoint gives checkpoints that verify; reads go on, nothing is signed; see the log"
        }
        NotReady::NotAMember => {
            "it has no shards in this epoch; stake with it and wait for the next committee"
        }
        NotReady::Syncing => "it is receiving shards; wait",
        NotReady::DiskFull => "its disk is full; free or add space",
        NotReady::DiskFailed => "its disk failed; repair it and restart the node",
        NotReady::ShuttingDown => "it is going away",
    }
}
