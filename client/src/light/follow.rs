//! From the anchor to the newest committee, step by step, whoever answers.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use floe_chain::{
    certificate::UnverifiedCertificate,
    committee::Committee,
    epoch::{ChainTime, Epoch},
    id::NetworkId,
    statement::Handover,
    succession::Succession,
};
use floe_p2p::identity::PeerId;
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::{Answer, Directory, LightError, Standing, TrustAnchor};
use crate::disk::trust::{TrustFile, Trusted};

/// Peers asked at the same time.
const AT_ONCE: usize = 64;
/// Answers that verify and agree, after which nobody else is asked.
const ENOUGH: usize = 2;
/// How long all peers together may take to name a committee.
const ROUND: Duration = Duration::from_secs(10);
/// How long others may take to contradict the first answer that verifies.
const OBJECTIONS: Duration = Duration::from_secs(1);

/// A committee and the certificate that names it.
type Named = (Committee, UnverifiedCertificate<Handover>);
/// The same, where the first has no certificate: the anchor names it.
pub(super) type Step = (Committee, Option<UnverifiedCertificate<Handover>>);

/// Follows the committees of one network.
pub(super) struct Follower {
    anchor: TrustAnchor,
    directory: Arc<dyn Directory>,
    clock: fn() -> ChainTime,
    file: TrustFile,
    trusted: Mutex<Trusted>,
    /// Held by whoever is asking.
    turn: tokio::sync::Mutex<()>,
}

impl Follower {
    /// Takes up what the file knows, or fetches the committee of the anchor.
    pub(super) async fn start(
        anchor: TrustAnchor,
        file: TrustFile,
        directory: Arc<dyn Directory>,
        clock: fn() -> ChainTime,
    ) -> Result<Self, LightError> {
        let known = file.load()?;
        let trusted = match known {
            Some(known) if known.newest.epoch() >= anchor.epoch => {
                for committee in known.before.iter().chain([&known.newest]) {
                    if committee.epoch() == anchor.epoch && committee.digest() != anchor.committee {
                        return Err(file.contradiction(anchor.epoch).into());
                    }
                }
                known
            }
            _ => {
                let newest = first(&anchor, &*directory).await?;
                let trusted = Trusted {
                    before: None,
                    newest,
                };
                file.save(&trusted)?;
                trusted
            }
        };
        Ok(Self {
            anchor,
            directory,
            clock,
            file,
            trusted: Mutex::new(trusted),
            turn: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn network(&self) -> NetworkId {
        self.anchor.network
    }

    pub(super) fn directory(&self) -> &dyn Directory {
        &*self.directory
    }

    fn trusted(&self) -> Trusted {
        let trusted = self.trusted.lock().unwrap_or_else(PoisonError::into_inner);
        trusted.clone()
    }

    /// The committee that serves now, going by its schedule.
    pub(super) fn serving(&self) -> Committee {
        self.trusted().serving((self.clock)()).clone()
    }

    /// Asks for later committees until nobody knows one.
    pub(super) async fn advance(&self) -> Result<Standing, LightError> {
        let _turn = self.turn.lock().await;
        let mut steps = 0;
        loop {
            let before = self.trusted().newest;
            let Some((newest, _)) = self.next(&before).await? else {
                let ends = before.start().plus_ms(before.duration_ms());
                return Ok(Standing {
                    epoch: before.epoch(),
                    steps,
                    overdue: (self.clock)() > ends,
                });
            };
            let trusted = Trusted {
                before: Some(before),
                newest,
            };
            self.file.save(&trusted)?;
            *self.trusted.lock().unwrap_or_else(PoisonError::into_inner) = trusted;
            steps += 1;
        }
    }

    /// Every committee from the anchor's to that of `epoch`, fetched and verified again, each with the
    /// certificate that names it.
    pub(super) async fn history(&self, epoch: Epoch) -> Result<Vec<Step>, LightError> {
        let mut newest = first(&self.anchor, &*self.directory).await?;
        let mut history = vec![(newest.clone(), None)];
        while newest.epoch() < epoch {
            let next = self.next(&newest).await?;
            let (next, handover) = next.ok_or_else(|| LightError::Missing {
                after: newest.epoch(),
            })?;
            history.push((next.clone(), Some(handover)));
            newest = next;
        }
        Ok(history)
    }

    /// The committee after `newest` with its certificate, if somebody has one that verifies.
    async fn next(&self, newest: &Committee) -> Result<Option<Named>, LightError> {
        let Some(epoch) = newest.epoch().next() else {
            return Ok(None);
        };
        let now = (self.clock)();
        let mut answers = ask(&*self.directory, epoch);
        let mut found: Option<Named> = None;
        let mut agreed = 0;
        let mut until = Instant::now() + ROUND;
        while let Ok(Some((peer, answer))) = timeout_at(until, answers.next()).await {
            let mut chain =
                Succession::new(self.anchor.network, newest.clone(), self.anchor.window_ms);
            let Some(Answer {
                committee,
                handover: Some(handover),
            }) = answer
            else {
                continue;
            };
            match chain.accept(committee.clone(), handover.clone(), now) {
                Ok(_) => {}
                Err(error) => {
                    if let Some(condemned) = LightError::of(&error) {
                        return Err(condemned);
                    }
                    tracing::debug!(%peer, %epoch, %error, "a peer's committee is refused");
                    continue;
                }
            }
            if found.as_ref().is_some_and(|(found, _)| *found != committee) {
                return Err(LightError::Fork { epoch });
            }
            found = Some((committee, handover));
            until = until.min(Instant::now() + OBJECTIONS);
            agreed += 1;
            if agreed == ENOUGH {
                break;
            }
        }
        Ok(found)
    }
}

/// The committee the anchor names, from whoever has it.
async fn first(anchor: &TrustAnchor, directory: &dyn Directory) -> Result<Committee, LightError> {
    let mut answers = ask(directory, anchor.epoch);
    let mut asked = BTreeSet::new();
    let until = Instant::now() + ROUND;
    while let Ok(Some((peer, answer))) = timeout_at(until, answers.next()).await {
        asked.insert(peer);
        if let Some(Answer { committee, .. }) = answer
            && committee.digest() == anchor.committee
            && committee.epoch() == anchor.epoch
        {
            return Ok(committee);
        }
    }
    Err(LightError::NoAnchor {
        epoch: anchor.epoch,
        asked: asked.len(),
    })
}

/// What each peer says, as peers are reached and answers come.
fn ask(
    directory: &dyn Directory,
    epoch: Epoch,
) -> impl futures::Stream<Item = (PeerId, Option<Answer>)> + Unpin {
    let asks = directory.peers().map(move |peer| async move {
        let answer = directory.committee(peer, epoch).await;
        (
            peer,
            answer.filter(|answer| answer.committee.epoch() == epoch),
        )
    });
    Box::pin(asks.buffer_unordered(AT_ONCE))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use async_trait::async_trait;
    use floe_chain::{
        committee::CommitteeDigest,
        id::{NetworkId, SystemId},
    };
    use floe_p2p::{address::DataAddress, identity::Identity};
    use futures::stream::{self, BoxStream};

    use super::*;
    use crate::light::testing::{
        EPOCH_MS, NETWORK, anchor, certified, committee, committee_of, handover,
    };

    /// Peers with prepared answers.
    #[derive(Default)]
    struct Said(Vec<(PeerId, BTreeMap<Epoch, Answer>)>);

    impl Said {
        /// Adds a peer that tells these committees.
        fn peer(mut self, answers: impl IntoIterator<Item = Answer>) -> Self {
            let seed = [u8::try_from(self.0.len()).unwrap(); 32];
            let peer = Identity::from_seed(seed).peer_id();
            let answers = answers.into_iter().map(|a| (a.committee.epoch(), a));
            self.0.push((peer, answers.collect()));
            self
        }
    }

    #[async_trait]
    impl Directory for Said {
        fn peers(&self) -> BoxStream<'_, PeerId> {
            Box::pin(stream::iter(self.0.iter().map(|(peer, _)| *peer)))
        }

        async fn committee(&self, peer: PeerId, epoch: Epoch) -> Option<Answer> {
            let (_, answers) = self.0.iter().find(|(known, _)| *known == peer)?;
            answers.get(&epoch).cloned()
        }

        async fn addresses(&self, committee: &Committee) -> Vec<Vec<DataAddress>> {
            vec![Vec::new(); committee.members().len()]
        }
    }

    /// The same, but these peers only seem to be there: each takes as long as is waited for one.
    struct Silent(Said, usize);

    #[async_trait]
    impl Directory for Silent {
        fn peers(&self) -> BoxStream<'_, PeerId> {
            self.0.peers()
        }

        async fn committee(&self, peer: PeerId, epoch: Epoch) -> Option<Answer> {
            let at = self.0.0.iter().position(|(known, _)| *known == peer)?;
            if at < self.1 {
                tokio::time::sleep(Duration::from_secs(5)).await;
                return None;
            }
            self.0.committee(peer, epoch).await
        }

        async fn addresses(&self, committee: &Committee) -> Vec<Vec<DataAddress>> {
            self.0.addresses(committee).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silent_peers_cost_seconds_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut said = Said::default();
        for _ in 0..20 {
            said = said.peer([]);
        }
        let said = Silent(said.peer((1..=3).map(honest)), 20);
        let file = TrustFile::new(dir.path(), NETWORK).unwrap();
        let begun = Instant::now();
        let follower = Follower::start(anchor(), file, Arc::new(said), in_epoch_3)
            .await
            .unwrap();
        assert_eq!(follower.advance().await.unwrap().epoch, Epoch::new(3));
        // The anchor's committee, two more, and nobody who knows a third.
        assert!(begun.elapsed() <= 4 * ROUND);
    }

    fn honest(epoch: u32) -> Answer {
        let committee = committee(epoch);
        let handover = (epoch > 1).then(|| handover(&committee));
        Answer {
            committee,
            handover,
        }
    }

    /// A moment in the middle of epoch 3.
    fn in_epoch_3() -> ChainTime {
        ChainTime::from_ms(3 * EPOCH_MS + EPOCH_MS / 2)
    }

    async fn follow(
        dir: &std::path::Path,
        anchor: TrustAnchor,
        said: Said,
        clock: fn() -> ChainTime,
    ) -> Result<(Standing, Trusted), LightError> {
        let file = TrustFile::new(dir, anchor.network)?;
        let follower = Follower::start(anchor, file, Arc::new(said), clock).await?;
        let standing = follower.advance().await?;
        Ok((standing, follower.trusted()))
    }

    #[tokio::test]
    async fn one_honest_peer_among_liars_is_enough() {
        let dir = tempfile::tempdir().unwrap();
        // A committee nobody certified, one certified for another network, one with another's
        // certificate, one without.
        let twin = NetworkId {
            system: SystemId::from_bytes([9; 32]),
            ..NETWORK
        };
        let next = committee(2);
        let forged = |handover| Answer {
            committee: committee_of(2, 5),
            handover,
        };
        let by = committee(1);
        let said = Said::default()
            .peer([forged(Some(certified(
                NETWORK,
                &committee_of(1, 5),
                Handover::to(&committee_of(2, 5)),
            )))])
            .peer([forged(Some(certified(
                twin,
                &by,
                Handover::to(&committee_of(2, 5)),
            )))])
            .peer([forged(Some(handover(&next)))])
            .peer([forged(None)])
            .peer([])
            .peer((1..=4).map(honest));
        let (standing, trusted) = follow(dir.path(), anchor(), said, in_epoch_3)
            .await
            .unwrap();
        assert_eq!(
            (standing.epoch, standing.steps, standing.overdue),
            (Epoch::new(4), 3, false)
        );
        assert_eq!(trusted.serving(in_epoch_3()).epoch(), Epoch::new(3));
    }

    #[tokio::test]
    async fn what_is_known_is_never_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let all = Said::default().peer((1..=3).map(honest));
        follow(dir.path(), anchor(), all, in_epoch_3).await.unwrap();
        // Later only a peer that lives in the past answers.
        let old = Said::default().peer((1..=2).map(honest));
        let later = || ChainTime::from_ms(4 * EPOCH_MS + 1);
        let (standing, trusted) = follow(dir.path(), anchor(), old, later).await.unwrap();
        assert_eq!(
            (standing.epoch, standing.steps, standing.overdue),
            (Epoch::new(3), 0, true)
        );
        assert_eq!(trusted.newest, committee(3));
        // An anchor that says otherwise of a known epoch is refused.
        let wrong = TrustAnchor {
            epoch: Epoch::new(3),
            committee: CommitteeDigest::from_bytes([7; 32]),
            ..anchor()
        };
        let refused = follow(dir.path(), wrong, Said::default(), later).await;
        assert!(matches!(refused, Err(LightError::State(_))));
    }

    #[tokio::test]
    async fn gaps_old_anchors_and_forks_are_refused() {
        let dir = || tempfile::tempdir().unwrap();
        let missing = Said::default().peer([honest(1), honest(3)]);
        let here = dir();
        let (standing, _) = follow(here.path(), anchor(), missing, in_epoch_3)
            .await
            .unwrap();
        assert_eq!(standing.epoch, Epoch::FIRST);

        let all = || Said::default().peer((1..=3).map(honest));
        let late = || ChainTime::from_ms(3 * EPOCH_MS + 1);
        let here = dir();
        let brief = TrustAnchor {
            window_ms: EPOCH_MS,
            ..anchor()
        };
        let old = follow(here.path(), brief, all(), late).await;
        assert!(matches!(old, Err(LightError::TooOld { trusted, .. }) if trusted == Epoch::FIRST));

        let other = committee_of(2, 5);
        let fork = Answer {
            handover: Some(certified(NETWORK, &committee(1), Handover::to(&other))),
            committee: other,
        };
        let both = Said::default().peer((1..=2).map(honest)).peer([fork]);
        let early = || ChainTime::from_ms(2 * EPOCH_MS);
        let here = dir();
        let forked = follow(here.path(), anchor(), both, early).await;
        assert!(matches!(forked, Err(LightError::Fork { epoch }) if epoch == Epoch::new(2)));

        let here = dir();
        let nobody = follow(here.path(), anchor(), Said::default().peer([]), early).await;
        assert!(matches!(nobody, Err(LightError::NoAnchor { asked: 1, .. })));
    }
}
