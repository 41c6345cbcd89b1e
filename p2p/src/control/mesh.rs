//! Whom to dial: every member of the committee, until all are connected; bootstraps while too few
//! are. Pure.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::identity::PeerId;

/// Dials that failed, and when to try again.
#[derive(Debug, Default)]
pub struct Mesh {
    tries: HashMap<PeerId, Try>,
}

#[derive(Clone, Copy, Debug)]
struct Try {
    failures: u32,
    next: Instant,
}

impl Mesh {
    /// Dials begun at once.
    pub const BATCH: usize = 16;
    /// After the first failure; each further one waits twice as long.
    const FIRST_WAIT: Duration = Duration::from_millis(500);
    /// The longest wait.
    const LONGEST_WAIT: Duration = Duration::from_secs(60);
    /// How long the member with the larger id leaves the dialling to the other: one connection is
    /// enough for two. Nobody dials who is no member.
    const COURTESY: Duration = Duration::from_secs(2);

    /// Whom of `wanted` to dial now, at most [`Self::BATCH`]. Forgets whoever is no longer wanted.
    /// `local` is this side, `member` whether the others look for it, too.
    pub fn due(
        &mut self,
        local: PeerId,
        member: bool,
        wanted: &[PeerId],
        is_connected: impl Fn(&PeerId) -> bool,
        now: Instant,
    ) -> Vec<PeerId> {
        self.tries.retain(|peer, _| wanted.contains(peer));
        let mut due = Vec::new();
        for peer in wanted.iter().filter(|peer| **peer != local) {
            if is_connected(peer) {
                self.tries.remove(peer);
                continue;
            }
            let first = Try {
                failures: 0,
                next: if member && local > *peer {
                    now + Self::COURTESY
                } else {
                    now
                },
            };
            let attempt = self.tries.entry(*peer).or_insert(first);
            if attempt.next <= now && due.len() < Self::BATCH {
                let wait = Self::FIRST_WAIT * 2u32.saturating_pow(attempt.failures.min(16));
                attempt.failures = attempt.failures.saturating_add(1);
                attempt.next = now + wait.min(Self::LONGEST_WAIT);
                due.push(*peer);
            }
        }
        due
    }

    /// A new address of the peer is known: it is tried right away.
    pub fn moved(&mut self, peer: &PeerId) {
        self.tries.remove(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::identity;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn everybody_is_dialled_by_one_side_and_again_after_longer_waits() {
        let mut peers: Vec<_> = (1..=3).map(|n| identity(n).peer_id()).collect();
        peers.sort();
        let [first, local, last] = peers.try_into().expect("three");
        let mut mesh = Mesh::default();
        let wanted = [first, local, last];
        let none = |_: &PeerId| false;
        assert_eq!(
            mesh.due(local, true, &wanted, none, Instant::now()),
            vec![last]
        );
        assert_eq!(mesh.due(local, true, &wanted, none, Instant::now()), vec![]);
        tokio::time::advance(Mesh::COURTESY).await;
        assert_eq!(
            mesh.due(local, true, &wanted, none, Instant::now()),
            vec![first, last]
        );

        let mut waits = Vec::new();
        for _ in 0..12 {
            let begun = Instant::now();
            while mesh
                .due(local, true, &[last], none, Instant::now())
                .is_empty()
            {
                tokio::time::advance(Duration::from_millis(250)).await;
            }
            waits.push(begun.elapsed());
        }
        assert!(waits.is_sorted());
        assert_eq!(waits.last(), Some(&Mesh::LONGEST_WAIT));
        mesh.moved(&last);
        assert_eq!(
            mesh.due(local, true, &[last], none, Instant::now()),
            vec![last]
        );
        assert_eq!(
            mesh.due(local, true, &[last], |_| true, Instant::now()),
            vec![]
        );

        // Nobody else would dial a client.
        let all = mesh.due(local, false, &wanted, none, Instant::now());
        assert_eq!(all, [first, last]);
    }
}
