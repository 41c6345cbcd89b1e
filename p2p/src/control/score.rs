//! How far each peer is trusted on a plane: faults cost, time heals, and who falls too low
//! is banned for a while. Local opinions, never told to anybody. Pure.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::identity::PeerId;

/// Something a peer did that no honest peer does, or does rarely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A message that does not decode, or is too long.
    Malformed,
    /// A signature or certificate that does not verify.
    Forged,
    /// More than its share of requests.
    Flooding,
    /// A request it did not answer.
    Unanswered,
    /// So much invalid or promised gossip that nobody listens to it any more.
    Spam,
    /// A request that breaks the protocol, or bytes that are not what they should be.
    BadRequest,
    /// A stream that it kept open and hardly used.
    Dripping,
    /// A request before the time it was told to wait for.
    Hasty,
}

impl Fault {
    /// What it costs.
    const fn cost(self) -> f64 {
        match self {
            Self::Malformed => 10.0,
            Self::Forged => 20.0,
            Self::Flooding => 5.0,
            Self::Unanswered => 1.0,
            // A ban at once.
            Self::Spam => 2.0 * -Scores::BAN_BELOW,
            Self::BadRequest => 2.0,
            Self::Dripping => 1.0,
            Self::Hasty => 0.5,
        }
    }

    /// A word for metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Forged => "forged",
            Self::Flooding => "flooding",
            Self::Unanswered => "unanswered",
            Self::Spam => "spam",
            Self::BadRequest => "bad_request",
            Self::Dripping => "dripping",
            Self::Hasty => "hasty",
        }
    }
}

/// The scores of all peers that misbehaved lately.
#[derive(Debug, Default)]
pub struct Scores {
    peers: HashMap<PeerId, Score>,
    /// Who was banned, and made room since.
    forgotten: Vec<PeerId>,
}

#[derive(Clone, Copy, Debug)]
struct Score {
    /// Zero for a peer that did nothing wrong; sinks with every fault.
    value: f64,
    at: Instant,
    banned_until: Option<Instant>,
    bans: u32,
}

impl Score {
    fn now(&self, now: Instant) -> f64 {
        let halves = now.duration_since(self.at).as_secs_f64() / Scores::HALF_LIFE.as_secs_f64();
        self.value * 0.5_f64.powf(halves)
    }
}

impl Scores {
    /// Peers remembered; the least guilty makes room.
    pub const MAX_PEERS: usize = 4_096;
    /// Time in which half of the guilt is forgotten.
    pub const HALF_LIFE: Duration = Duration::from_secs(600);
    /// Below this a peer is banned.
    pub const BAN_BELOW: f64 = -50.0;
    /// The first ban; each further one lasts twice as long.
    pub const FIRST_BAN: Duration = Duration::from_secs(60);
    /// The longest ban.
    pub const LONGEST_BAN: Duration = Duration::from_secs(3_600);
    /// The longest ban of a committee member, which is accountable and needed.
    pub const LONGEST_MEMBER_BAN: Duration = Duration::from_secs(60);

    /// Counts a fault. Returns until when the peer is banned, if this was one too many.
    pub fn fault(
        &mut self,
        peer: PeerId,
        fault: Fault,
        member: bool,
        now: Instant,
    ) -> Option<Instant> {
        self.make_room(&peer, now);
        let score = self.peers.entry(peer).or_insert(Score {
            value: 0.0,
            at: now,
            banned_until: None,
            bans: 0,
        });
        score.value = score.now(now) - fault.cost();
        score.at = now;
        if score.banned_until.is_some() || score.value >= Self::BAN_BELOW {
            return None;
        }
        let longest = if member {
            Self::LONGEST_MEMBER_BAN
        } else {
            Self::LONGEST_BAN
        };
        let ban = Self::FIRST_BAN * 2u32.saturating_pow(score.bans.min(16));
        score.bans = score.bans.saturating_add(1);
        let until = now + ban.min(longest);
        score.banned_until = Some(until);
        Some(until)
    }

    /// Ends the bans that are over: who is free again, with half of the guilt that is one ban.
    pub fn release(&mut self, now: Instant) -> Vec<PeerId> {
        let mut free = std::mem::take(&mut self.forgotten);
        for (peer, score) in &mut self.peers {
            if score.banned_until.is_some_and(|until| until <= now) {
                score.banned_until = None;
                score.value = Self::BAN_BELOW / 2.0;
                score.at = now;
                free.push(*peer);
            }
        }
        free
    }

    /// A peer's score: zero or below.
    #[must_use]
    pub fn get(&self, peer: &PeerId, now: Instant) -> f64 {
        self.peers.get(peer).map_or(0.0, |score| score.now(now))
    }

    /// Whether a peer is banned.
    #[must_use]
    pub fn is_banned(&self, peer: &PeerId) -> bool {
        self.banned_until(peer).is_some()
    }

    /// Until when a peer is banned, if it is.
    #[must_use]
    pub fn banned_until(&self, peer: &PeerId) -> Option<Instant> {
        self.peers.get(peer)?.banned_until
    }

    fn make_room(&mut self, peer: &PeerId, now: Instant) {
        if self.peers.len() < Self::MAX_PEERS || self.peers.contains_key(peer) {
            return;
        }
        let least = self
            .peers
            .iter()
            .max_by(|(_, a), (_, b)| a.now(now).total_cmp(&b.now(now)))
            .map(|(peer, _)| *peer);
        if let Some(peer) = least
            && let Some(score) = self.peers.remove(&peer)
            && score.banned_until.is_some()
        {
            self.forgotten.push(peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::identity;
    use super::*;

    fn forge_until_banned(
        scores: &mut Scores,
        peer: PeerId,
        member: bool,
        now: Instant,
    ) -> Duration {
        for _ in 0..10 {
            if let Some(until) = scores.fault(peer, Fault::Forged, member, now) {
                return until - now;
            }
        }
        Duration::ZERO
    }

    #[tokio::test(start_paused = true)]
    async fn bans_end_return_sooner_and_last_longer() {
        let (mut scores, peer) = (Scores::default(), identity(1).peer_id());
        let mut last = Duration::ZERO;
        for _ in 0..10 {
            let ban = forge_until_banned(&mut scores, peer, false, Instant::now());
            assert!(ban > last || ban == Scores::LONGEST_BAN, "{ban:?}");
            assert!(scores.is_banned(&peer));
            tokio::time::advance(ban).await;
            assert_eq!(scores.release(Instant::now()), vec![peer]);
            assert!(!scores.is_banned(&peer));
            last = ban;
        }
        assert_eq!(last, Scores::LONGEST_BAN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_is_never_banned_for_long_and_rare_faults_are_forgiven() {
        let (mut scores, peer) = (Scores::default(), identity(1).peer_id());
        for _ in 0..5 {
            let ban = forge_until_banned(&mut scores, peer, true, Instant::now());
            assert_eq!(ban, Scores::LONGEST_MEMBER_BAN);
            tokio::time::advance(ban).await;
            scores.release(Instant::now());
        }
        let rare = identity(2).peer_id();
        for _ in 0..1_000 {
            assert_eq!(
                scores.fault(rare, Fault::Unanswered, false, Instant::now()),
                None
            );
            tokio::time::advance(Duration::from_secs(30)).await;
        }
        assert!(scores.get(&rare, Instant::now()) > Scores::BAN_BELOW);
    }

    #[tokio::test(start_paused = true)]
    async fn the_book_of_scores_is_bounded() {
        let (mut scores, now) = (Scores::default(), Instant::now());
        let guilty = identity(1).peer_id();
        scores.fault(guilty, Fault::Forged, false, now);
        for _ in 0..Scores::MAX_PEERS + 10 {
            scores.fault(PeerId::random(), Fault::Unanswered, false, now);
        }
        assert_eq!(scores.peers.len(), Scores::MAX_PEERS);
        assert!(scores.get(&guilty, now) < -19.0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_forgotten_while_banned_is_let_free() {
        let (mut scores, now) = (Scores::default(), Instant::now());
        for _ in 0..Scores::MAX_PEERS + 10 {
            let peer = PeerId::random();
            assert!(!forge_until_banned(&mut scores, peer, false, now).is_zero());
        }
        assert_eq!(scores.release(now).len(), 10);
        let over = now + Scores::FIRST_BAN;
        assert_eq!(scores.release(over).len(), Scores::MAX_PEERS);
    }
}
