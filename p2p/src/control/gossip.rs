//! How gossip is set up: what is passed on, how much of it, and what a peer's behaviour is worth. Judges no
//! news; that is the judge's.

use std::{
    collections::{HashMap, HashSet},
    io,
    time::Duration,
};

use floe_chain::id::NetworkId;
use libp2p::gossipsub::{
    Config, ConfigBuilder, DataTransform, IdentTopic, Message, MessageAuthenticity, MessageId,
    PeerScoreParams, PeerScoreThresholds, RawMessage, TopicHash, TopicScoreParams, ValidationMode,
    WhitelistSubscriptionFilter,
};

use super::{score::Scores, settings::Role, topic::Topic};
use crate::identity::Identity;

/// Gossip that knows the topics of one deployment and no others.
pub(super) type Gossip = libp2p::gossipsub::Behaviour<KnownTopics, WhitelistSubscriptionFilter>;

/// Share of the peers outside the mesh that are told what was heard, beyond the least number: all members
/// are connected with each other, and with the usual quarter these lists would be most of the traffic.
const GOSSIP_FACTOR: f64 = 0.02;
/// What gossipsub adds to a message: topic, author, key, signature, sequence number.
const ENVELOPE: usize = 1 << 10;
/// Messages in one frame; this software sends one.
const PER_FRAME: usize = 4;
/// Bytes of subscriptions and control messages in one frame: what they cost grows with their number.
const CONTROL_BYTES: usize = 4 << 10;
/// Messages named in one list, and asked of one peer in a second after it said that it has them.
const ASKED: usize = 128;
/// Lists of messages taken from one peer in a second: one for each topic, and some late ones.
const LISTS: usize = 10;
/// Messages waiting for a peer that reads slowly.
const WAITING: usize = 512;
/// Below this score a peer is not listened to any more; it is banned when that is noticed.
pub(super) const SHUT_OUT: f64 = -80.0;

/// Messages are validated elsewhere, and passed on only then.
pub(super) fn gossip_config() -> Config {
    ConfigBuilder::default()
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .max_transmit_size(Topic::MAX_SIZE + ENVELOPE)
        .max_publish_messages(PER_FRAME)
        .max_control_message_size(CONTROL_BYTES)
        .max_control_messages_sent(ASKED)
        .max_ihave_messages_heartbeat(LISTS)
        .connection_handler_queue_len(WAITING)
        // Whom a stranger names when it leaves the mesh is nobody's business: peers come from records.
        .prune_peers(0)
        // After a restart, peers hand back what this node wrote before. They did nothing wrong.
        .allow_self_origin(true)
        // Would be told to the whole mesh before a message is judged: one flooder, ten times as loud.
        .idontwant_message_size_threshold(Topic::MAX_SIZE + ENVELOPE)
        // The same news from two publishers is one message.
        .message_id_fn(|message| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(message.topic.as_str().as_bytes());
            hasher.update(&[0]);
            hasher.update(&message.data);
            MessageId::new(&hasher.finalize().as_bytes()[..20])
        })
        .history_length(12)
        .flood_publish(false)
        .gossip_factor(GOSSIP_FACTOR)
        .build()
        .expect("constants that agree with each other")
}

/// Gossip of a deployment, subscribed to what this peer needs to hear.
pub(super) fn gossip(
    identity: &Identity,
    network: NetworkId,
    role: Role,
) -> Result<Gossip, String> {
    let authenticity = MessageAuthenticity::Signed(identity.keypair().clone());
    let known = KnownTopics::new(network);
    let names = WhitelistSubscriptionFilter(known.0.keys().cloned().collect::<HashSet<_>>());
    let mut gossip = Gossip::new_with_subscription_filter_and_transform(
        authenticity,
        gossip_config(),
        names,
        known,
    )?;
    let topics: &[Topic] = match role {
        Role::Node => &Topic::ALL,
        Role::Client => &[Topic::Committee],
    };
    for topic in topics {
        gossip
            .subscribe(&ident(*topic, network))
            .map_err(|error| error.to_string())?;
    }
    gossip.with_peer_score(score_params(network), thresholds())?;
    Ok(gossip)
}

pub(super) fn ident(topic: Topic, network: NetworkId) -> IdentTopic {
    IdentTopic::new(topic.name(network))
}

/// Refuses messages of other topics, and longer ones than any honest one, before they are remembered.
#[derive(Clone, Debug)]
pub(super) struct KnownTopics(HashMap<TopicHash, Topic>);

impl KnownTopics {
    pub(super) fn new(network: NetworkId) -> Self {
        let topics = Topic::ALL.map(|topic| (ident(topic, network).hash(), topic));
        Self(topics.into())
    }

    pub(super) fn get(&self, topic: &TopicHash) -> Option<Topic> {
        self.0.get(topic).copied()
    }
}

impl DataTransform for KnownTopics {
    fn inbound_transform(&self, raw: RawMessage) -> io::Result<Message> {
        let max = self.get(&raw.topic).map_or(0, Topic::max_size);
        if raw.data.len() > max {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Message {
            source: raw.source,
            data: raw.data,
            sequence_number: raw.sequence_number,
            topic: raw.topic,
        })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> io::Result<Vec<u8>> {
        Ok(data)
    }
}

fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        graylist_threshold: SHUT_OUT,
        ..PeerScoreThresholds::default()
    }
}

fn score_params(network: NetworkId) -> PeerScoreParams {
    let topics = Topic::ALL.map(|topic| (ident(topic, network).hash(), topic_score()));
    PeerScoreParams {
        topics: topics.into(),
        app_specific_weight: 1.0,
        // Many honest peers share an address; how many connections one may have is limited elsewhere.
        ip_colocation_factor_weight: 0.0,
        // Promises broken by a machine under load or stopped for a while are few; those of a liar are
        // hundreds a second.
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 60.0,
        behaviour_penalty_decay: 0.9,
        // Its queue is bounded, so a slow reader harms itself only.
        slow_peer_weight: 0.0,
        // A ban outlasts this: who comes back begins anew.
        retain_score: Scores::FIRST_BAN.saturating_sub(Duration::from_secs(5)),
        ..PeerScoreParams::default()
    }
}

/// These topics say little, so nobody is blamed for silence: only invalid messages cost.
fn topic_score() -> TopicScoreParams {
    TopicScoreParams {
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 300.0,
        first_message_deliveries_weight: 0.5,
        first_message_deliveries_cap: 20.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -20.0,
        invalid_message_deliveries_decay: 0.99,
        ..TopicScoreParams::default()
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::{
        super::{
            score::Fault,
            testing::{NETWORK, identity},
        },
        *,
    };

    /// What gossipsub counts of one peer in one topic, and its score by the published formula
    /// (gossipsub 1.1, "peer scoring"), for the parts that an honest peer can lose.
    #[derive(Default)]
    struct Counted {
        in_mesh: Option<u32>,
        first: f64,
        delivered: f64,
        failure: f64,
        broken: f64,
        slow: f64,
    }

    impl Counted {
        fn second(&mut self, all: &PeerScoreParams, topic: &TopicScoreParams) {
            self.in_mesh = self.in_mesh.map(|seconds| seconds + 1);
            self.first *= topic.first_message_deliveries_decay;
            self.delivered *= topic.mesh_message_deliveries_decay;
            self.failure *= topic.mesh_failure_penalty_decay;
            self.broken *= all.behaviour_penalty_decay;
            self.slow *= all.slow_peer_decay;
        }

        /// How far the deliveries are below what is expected of a peer of the mesh.
        fn deficit(&self, topic: &TopicScoreParams) -> f64 {
            let since = self.in_mesh.map_or(0.0, f64::from);
            if since <= topic.mesh_message_deliveries_activation.as_secs_f64() {
                return 0.0;
            }
            let threshold = topic.mesh_message_deliveries_threshold;
            (threshold - self.delivered).max(0.0).powi(2)
        }

        fn leave(&mut self, topic: &TopicScoreParams) {
            self.failure += self.deficit(topic);
            self.in_mesh = None;
        }

        fn score(&self, all: &PeerScoreParams, topic: &TopicScoreParams, app: f64) -> f64 {
            let quanta =
                self.in_mesh.map_or(0.0, f64::from) / topic.time_in_mesh_quantum.as_secs_f64();
            let of_topic = quanta.min(topic.time_in_mesh_cap) * topic.time_in_mesh_weight
                + self.first.min(topic.first_message_deliveries_cap)
                    * topic.first_message_deliveries_weight
                + self.deficit(topic) * topic.mesh_message_deliveries_weight
                + self.failure * topic.mesh_failure_penalty_weight;
            let broken = (self.broken - all.behaviour_penalty_threshold).max(0.0);
            of_topic * topic.topic_weight
                + broken.powi(2) * all.behaviour_penalty_weight
                + (self.slow - all.slow_peer_threshold).max(0.0) * all.slow_peer_weight
                + app * all.app_specific_weight
        }
    }

    /// An hour of next to nothing, in which machines stop for a while, read slowly, leave the mesh and
    /// come back, and now and then do not answer.
    #[tokio::test(start_paused = true)]
    async fn an_hour_of_silence_and_churn_shuts_no_honest_peer_out() {
        let all = score_params(NETWORK);
        let thresholds = thresholds();
        all.validate().unwrap();
        thresholds.validate().unwrap();
        let topic = topic_score();
        let mut lowest = f64::MAX;
        for seed in 0..50 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut peer, mut scores) = (Counted::default(), Scores::default());
            let id = identity(1).peer_id();
            for _ in 0..3_600 {
                let now = tokio::time::Instant::now();
                let mut about = |seconds: u32| rng.random_ratio(1, seconds);
                if about(60) {
                    peer.leave(&topic);
                } else if about(20) && peer.in_mesh.is_none() {
                    peer.in_mesh = Some(0);
                }
                if about(60) {
                    peer.first += 1.0;
                    peer.delivered += 1.0;
                }
                // Stopped after it told of messages, which it cannot send now.
                if about(600) {
                    peer.broken += 20.0;
                }
                if about(300) {
                    peer.slow += 200.0;
                }
                if about(60) {
                    scores.fault(id, Fault::Unanswered, false, now);
                }
                lowest = lowest.min(peer.score(&all, &topic, scores.get(&id, now)));
                peer.second(&all, &topic);
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            assert!(!scores.is_banned(&id));
        }
        assert!(lowest > thresholds.publish_threshold, "{lowest}");
        assert!(thresholds.publish_threshold > thresholds.graylist_threshold);
    }

    #[test]
    fn a_second_of_broken_promises_or_three_forgeries_shut_a_liar_out() {
        let (all, topic) = (score_params(NETWORK), topic_score());
        let liar = Counted {
            broken: f64::from(u16::try_from(ASKED).unwrap()),
            ..Counted::default()
        };
        assert!(liar.score(&all, &topic, 0.0) < SHUT_OUT);
        let forged = 3.0_f64.powi(2) * topic.invalid_message_deliveries_weight * topic.topic_weight;
        assert!(forged < SHUT_OUT);
        // A ban outlasts what gossip remembers of the banned.
        assert!(all.retain_score < Scores::FIRST_BAN);
        // What a node wrote before it was restarted comes back from honest peers.
        assert!(gossip_config().allow_self_origin());
        assert_eq!(gossip_config().prune_peers(), 0);
    }

    #[test]
    fn other_topics_and_longer_messages_are_not_remembered() {
        let known = KnownTopics::new(NETWORK);
        let message = |topic: TopicHash, length: usize| RawMessage {
            source: None,
            data: vec![0; length],
            sequence_number: None,
            topic,
            signature: None,
            key: None,
            validated: false,
        };
        for topic in Topic::ALL {
            let name = ident(topic, NETWORK).hash();
            let longest = topic.max_size();
            assert!(
                known
                    .inbound_transform(message(name.clone(), longest))
                    .is_ok()
            );
            assert!(known.inbound_transform(message(name, longest + 1)).is_err());
        }
        let other = IdentTopic::new("/floe/1/other").hash();
        assert!(known.inbound_transform(message(other, 1)).is_err());
    }
}
