//! Checks what came in, off the swarm's task: gossip by the judge, records by their signature. One
//! task; what it has no room for is refused by whoever hands it over.

use std::{collections::HashMap, sync::Arc, time::Duration};

use floe_chain::committee::Committee;
use libp2p::{gossipsub, kad};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    book::AddressBook,
    judge::{Judge, Rejected, Verdict},
    metrics::Metrics,
    news::News,
    plane::wall_clock,
    record::{SignedRecord, VerifiedRecord},
    score::Fault,
    store::key_of,
    swarm::Command,
    topic::Topic,
};
use crate::identity::{PeerId, peer_id_of};

/// Something to check.
#[derive(Debug)]
pub(super) enum Checkable {
    /// A gossip message.
    Gossip {
        topic: Topic,
        /// Who passed it on: the one to blame.
        source: PeerId,
        /// Who signed it.
        publisher: PeerId,
        id: gossipsub::MessageId,
        data: Vec<u8>,
    },
    /// Records a peer answered with.
    Records {
        from: PeerId,
        records: Vec<SignedRecord>,
    },
    /// A record a peer wants kept in the table.
    Put { from: PeerId, record: kad::Record },
    /// A record found in the table.
    Found {
        from: Option<PeerId>,
        record: kad::Record,
    },
}

impl Checkable {
    /// Whom to blame.
    const fn from(&self) -> Option<PeerId> {
        match self {
            Self::Gossip { source: from, .. }
            | Self::Records { from, .. }
            | Self::Put { from, .. } => Some(*from),
            Self::Found { from, .. } => *from,
        }
    }

    /// Who wrote a message. What members write is looked at whoever passes it on: its copies are not.
    const fn publisher(&self) -> Option<PeerId> {
        match self {
            Self::Gossip { publisher, .. } => Some(*publisher),
            _ => None,
        }
    }

    /// What becomes of it when nobody looks: a message is not kept for an answer that never comes.
    fn ignored(self) -> Vec<Outcome> {
        let Self::Gossip { source, id, .. } = self else {
            return Vec::new();
        };
        vec![Outcome::Command(Command::Judged {
            id,
            source,
            acceptance: gossipsub::MessageAcceptance::Ignore,
        })]
    }
}

/// The checking task.
pub(super) struct Checker {
    pub(super) judge: Judge,
    pub(super) book: Arc<AddressBook>,
    pub(super) committees: watch::Receiver<Vec<Arc<Committee>>>,
    pub(super) inbox: mpsc::Receiver<Checkable>,
    pub(super) swarm: mpsc::Sender<Command>,
    pub(super) news: mpsc::Sender<News>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) blamed: Blamed,
}

/// Who was found guilty a moment ago: the rest of what it sent is not worth a look.
#[derive(Debug, Default)]
pub(super) struct Blamed(HashMap<PeerId, Instant>);

impl Blamed {
    /// For so long.
    const TIME: Duration = Duration::from_secs(2);
    /// Peers remembered.
    const PEERS: usize = 1_024;

    fn add(&mut self, peer: PeerId, now: Instant) {
        if self.0.len() >= Self::PEERS {
            self.0
                .retain(|_, since| now.duration_since(*since) < Self::TIME);
        }
        if self.0.len() < Self::PEERS {
            self.0.insert(peer, now);
        }
    }

    fn has(&self, peer: &PeerId, now: Instant) -> bool {
        let since = self.0.get(peer);
        since.is_some_and(|since| now.duration_since(*since) < Self::TIME)
    }
}

/// What a check leads to.
enum Outcome {
    Command(Command),
    News(Box<News>),
}

impl Checker {
    /// Things checked in one go.
    const BATCH: usize = 32;

    /// Checks until the swarm is gone.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(Self::BATCH);
        while self.inbox.recv_many(&mut batch, Self::BATCH).await > 0 {
            if self.committees.has_changed().unwrap_or(false) {
                let committees = self.committees.borrow_and_update().clone();
                self.judge.set_committees(&committees);
            }
            // Pairings take milliseconds: not on a thread that moves packets.
            let work = std::mem::take(&mut batch);
            let checked = tokio::task::spawn_blocking(move || {
                let outcomes: Vec<_> = work.into_iter().flat_map(|item| self.check(item)).collect();
                (self, outcomes)
            });
            let Ok((checker, outcomes)) = checked.await else {
                return;
            };
            self = checker;
            for outcome in outcomes {
                let gone = match outcome {
                    Outcome::Command(command) => self.swarm.send(command).await.is_err(),
                    Outcome::News(news) => self.news.send(*news).await.is_err(),
                };
                if gone {
                    return;
                }
            }
        }
    }

    fn check(&mut self, item: Checkable) -> Vec<Outcome> {
        let now = Instant::now();
        let worth_it = item.publisher().is_some_and(|by| self.book.is_member(&by));
        let is_blamed = |from| self.blamed.has(&from, now);
        if !worth_it && item.from().is_some_and(is_blamed) {
            return item.ignored();
        }
        let outcomes = self.look_at(item);
        for outcome in &outcomes {
            if let Outcome::Command(Command::Fault { peer, .. }) = outcome {
                self.blamed.add(*peer, now);
            }
        }
        outcomes
    }

    fn look_at(&mut self, item: Checkable) -> Vec<Outcome> {
        match item {
            Checkable::Gossip {
                topic,
                source,
                publisher,
                id,
                data,
            } => self.gossip(topic, source, publisher, id, &data),
            Checkable::Records { from, records } => records
                .into_iter()
                .filter(|record| self.is_wanted(from, record))
                .flat_map(|record| self.record(Some(from), record))
                .collect(),
            Checkable::Found { from, record } => match bcs::from_bytes(&record.value) {
                Ok(signed) => self.record(from, signed),
                Err(_) => blame(from, Fault::Malformed),
            },
            Checkable::Put { from, record } => self.put(from, record),
        }
    }

    fn gossip(
        &mut self,
        topic: Topic,
        source: PeerId,
        publisher: PeerId,
        id: gossipsub::MessageId,
        data: &[u8],
    ) -> Vec<Outcome> {
        use gossipsub::MessageAcceptance::{Accept, Ignore, Reject};
        let verdict = self.judge.judge(topic, publisher, data, wall_clock());
        let (word, acceptance, mut outcomes) = match verdict {
            Verdict::Accept(news) => {
                let mut outcomes = match &*news {
                    News::Record(record) => self.taken(record.clone()),
                    _ => Vec::new(),
                };
                outcomes.push(Outcome::News(news));
                ("accept", Accept, outcomes)
            }
            Verdict::Ignore(why) => {
                tracing::debug!(topic = topic.word(), %publisher, %why, "gossip ignored");
                (why.word(), Ignore, Vec::new())
            }
            Verdict::Reject(why) => {
                tracing::debug!(topic = topic.word(), %source, %why, "gossip rejected");
                let fault = match why {
                    Rejected::TooLong | Rejected::Malformed => Fault::Malformed,
                    Rejected::Signed(_) | Rejected::Certificate(_) => Fault::Forged,
                };
                ("reject", Reject, blame(Some(source), fault))
            }
        };
        self.metrics.judged(topic, word, data.len());
        outcomes.insert(
            0,
            Outcome::Command(Command::Judged {
                id,
                source,
                acceptance,
            }),
        );
        outcomes
    }

    /// Of others, a peer is asked about members only: with records of strangers, signed by keys made for
    /// it, it would fill the book.
    fn is_wanted(&self, from: PeerId, record: &SignedRecord) -> bool {
        let claim = record.peek().ok();
        let peer = claim.and_then(|claim| peer_id_of(&claim.identity.to_bytes()).ok());
        peer.is_none_or(|peer| peer == from || self.book.is_member(&peer))
    }

    fn record(&self, from: Option<PeerId>, record: SignedRecord) -> Vec<Outcome> {
        match record.verify(self.book.network(), wall_clock()) {
            Ok(record) => self.taken(record),
            Err(error) if error.blames_sender() => blame(from, Fault::Forged),
            Err(_) => Vec::new(),
        }
    }

    /// Puts a record into the book; if it is news, the peer is tried there.
    fn taken(&self, record: VerifiedRecord) -> Vec<Outcome> {
        let peer = record.peer();
        match self.book.offer(record) {
            Ok(()) => vec![Outcome::Command(Command::Moved(peer))],
            Err(why) => {
                tracing::trace!(%peer, %why, "record not taken");
                Vec::new()
            }
        }
    }

    fn put(&self, from: PeerId, record: kad::Record) -> Vec<Outcome> {
        let signed: SignedRecord = match bcs::from_bytes(&record.value) {
            Ok(signed) => signed,
            Err(_) => return blame(Some(from), Fault::Malformed),
        };
        match signed.verify(self.book.network(), wall_clock()) {
            // Of who is no member only itself: the book has few places for such.
            Ok(verified) if verified.peer() != from && !self.book.is_member(&verified.peer()) => {
                Vec::new()
            }
            Ok(verified) if key_of(&verified.peer()).as_ref() == Some(&record.key) => {
                let mut outcomes = self.taken(verified.clone());
                // An older record than the one known here is not kept for others either, nor one for
                // which there is no room in the book.
                if self.book.record(&verified.peer()) == Some(verified) {
                    outcomes.push(Outcome::Command(Command::Keep(record)));
                }
                outcomes
            }
            Ok(_) => blame(Some(from), Fault::Malformed),
            Err(error) if error.blames_sender() => blame(Some(from), Fault::Forged),
            Err(_) => Vec::new(),
        }
    }
}

fn blame(peer: Option<PeerId>, fault: Fault) -> Vec<Outcome> {
    peer.map(|peer| Outcome::Command(Command::Fault { peer, fault }))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NETWORK, identity, node, record};
    use super::*;

    /// A checker of a network whose only member is node 1.
    fn checker() -> Checker {
        let book = Arc::new(AddressBook::new(NETWORK));
        book.set_members([(identity(1).peer_id(), node(1))].into());
        Checker {
            judge: Judge::new(NETWORK),
            book,
            committees: watch::channel(Vec::new()).1,
            inbox: mpsc::channel(1).1,
            swarm: mpsc::channel(1).0,
            news: mpsc::channel(1).0,
            metrics: Arc::default(),
            blamed: Blamed::default(),
        }
    }

    fn put(from: u16, of: u16) -> Checkable {
        let peer = identity(of).peer_id();
        let signed = record(of, wall_clock(), 4000).signed().clone();
        Checkable::Put {
            from: identity(from).peer_id(),
            record: kad::Record::new(key_of(&peer).unwrap(), bcs::to_bytes(&signed).unwrap()),
        }
    }

    fn gossip(source: u16, publisher: u16) -> Checkable {
        Checkable::Gossip {
            topic: Topic::Record,
            source: identity(source).peer_id(),
            publisher: identity(publisher).peer_id(),
            id: gossipsub::MessageId::new(b"one"),
            data: b"junk".to_vec(),
        }
    }

    fn is_fault(outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Command(Command::Fault { .. }))
    }

    #[test]
    fn a_stranger_puts_its_own_record_into_the_table_and_those_of_members() {
        let mut checker = checker();
        let mut kept = |from, of| {
            let outcomes = checker.check(put(from, of));
            let kept = |it: &Outcome| matches!(it, Outcome::Command(Command::Keep(_)));
            outcomes.iter().any(kept)
        };
        assert!(kept(2, 2) && kept(2, 1));
        assert!(!kept(2, 3));
    }

    #[test]
    fn of_a_forger_only_what_members_wrote_is_looked_at() {
        let mut checker = checker();
        assert!(checker.check(gossip(2, 3)).iter().any(is_fault));
        let ignored = checker.check(gossip(2, 4));
        let acceptance = gossipsub::MessageAcceptance::Ignore;
        assert!(
            matches!(&ignored[..], [Outcome::Command(Command::Judged { acceptance: it, .. })]
            if *it == acceptance)
        );
        assert!(checker.check(put(2, 2)).is_empty());
        assert!(checker.check(gossip(2, 1)).iter().any(is_fault));
        assert!(checker.check(gossip(5, 4)).iter().any(is_fault));
    }
}
