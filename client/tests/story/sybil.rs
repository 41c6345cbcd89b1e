//! Peers that surround others in the distributed hash table: their ids are ground to lie next to chosen
//! keys, they know only each other, and they lie or are silent. They keep no table and look nothing up, so
//! that a machine has room for hundreds.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use floe_chain::committee::{Candidate, Committee, MemberIndex};
use floe_p2p::control::{
    plane::wall_clock,
    record::{Bootstrap, ControlAddress, SignedRecord, VerifiedRecord},
    request::{ControlAnswer, ControlRequest, NamedCommittee, PROTOCOL, PeerKey},
};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder, identify,
    identity::Keypair,
    kad::KBucketKey,
    multiaddr::Protocol,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};

use crate::protobuf::{Field, bytes, fields, framed, varint};

pub(crate) const KAD: StreamProtocol = StreamProtocol::new("/floe/kad/1");
/// Peers in an answer of the table, and how many keep a record.
pub(crate) const NEAREST: usize = 20;
/// Keys tried for each that is ground.
const TRIES: usize = 20;
/// Messages of the table that keep a record, and ask for one.
const PUT_VALUE: u64 = 0;
const GET_VALUE: u64 = 1;
/// How far ahead of the true record a forged one claims to be written, in milliseconds.
const AHEAD_MS: u64 = 5 * 60 * 1_000;

/// How a Sybil treats those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Tells records that nobody signed, and a committee that nobody chose.
    Forges,
    /// Tells records that members signed before they moved.
    Replays,
    /// Tells of other Sybils, and of no record.
    Withholds,
    /// Takes every question and answers none.
    Silent,
}

impl Manner {
    const ALL: [Self; 4] = [Self::Forges, Self::Replays, Self::Withholds, Self::Silent];
}

/// One of them.
pub(crate) struct Sybil {
    peer: PeerId,
    manner: Manner,
    address: Multiaddr,
    key: KBucketKey<PeerId>,
    /// As others are told of it in answers of the table.
    told: Vec<u8>,
}

impl Sybil {
    pub(crate) fn bootstrap(&self) -> Bootstrap {
        Bootstrap {
            peer: self.peer,
            address: ControlAddress::new(self.address.clone()).unwrap(),
        }
    }
}

/// What is told of a member.
pub(crate) struct Lie {
    forged: SignedRecord,
    replayed: SignedRecord,
}

impl Lie {
    /// Of a member that was once where `old` says.
    pub(crate) fn about(old: &VerifiedRecord) -> Self {
        let mut value = (**old).clone();
        value.written = wall_clock().plus_ms(AHEAD_MS);
        let signed = bcs::to_bytes(old.signed()).unwrap();
        let signature = &signed[signed.len() - 64..];
        let value = bcs::to_bytes(&bcs::to_bytes(&value).unwrap()).unwrap();
        Self {
            forged: bcs::from_bytes(&[&value, signature].concat()).unwrap(),
            replayed: old.signed().clone(),
        }
    }
}

/// How often all of them together were asked by others than members.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// In the table.
    pub(crate) table: AtomicUsize,
    /// For records or a committee, directly.
    pub(crate) directly: AtomicUsize,
}

/// All Sybils, and what they know.
pub(crate) struct Ring {
    pub(crate) sybils: Vec<Sybil>,
    pub(crate) asked: Asked,
    lies: HashMap<Vec<u8>, Lie>,
    committee: Committee,
}

/// The key under which the table keeps a peer's record.
pub(crate) fn record_key(peer: &PeerId) -> Vec<u8> {
    let key = PeerKey::of(peer).unwrap();
    [b"/floe/node/1/", &bcs::to_bytes(&key).unwrap()[..]].concat()
}

/// For each target as many keypairs as it asks for, whose ids lie closer to it than those of all others.
fn ground(targets: &[(Vec<u8>, usize)]) -> Vec<Keypair> {
    let tries = targets.iter().map(|(_, count)| count * TRIES).sum();
    let pool: Vec<_> = (0..tries)
        .map(|number| {
            let seed = *blake3::hash(&number.to_le_bytes()).as_bytes();
            let keypair = Keypair::ed25519_from_bytes(seed).unwrap();
            let key = KBucketKey::from(keypair.public().to_peer_id());
            (key, keypair)
        })
        .collect();
    let mut used = HashSet::new();
    let mut chosen = Vec::new();
    for (target, count) in targets {
        let target = KBucketKey::new(target.clone());
        let mut free: Vec<_> = (0..pool.len()).filter(|at| !used.contains(at)).collect();
        free.sort_by_cached_key(|at| target.distance(&pool[*at].0));
        for at in free.into_iter().take(*count) {
            used.insert(at);
            chosen.push(pool[at].1.clone());
        }
    }
    chosen
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    streams: libp2p_stream::Behaviour,
}

/// Surrounds each target by as many Sybils as it says, every one with an address of its own, and has them
/// make themselves known to honest peers.
pub(crate) async fn surround(
    targets: &[(Vec<u8>, usize)],
    lies: HashMap<Vec<u8>, Lie>,
    committee: &Committee,
    honest: &[Bootstrap],
) -> Arc<Ring> {
    let (mut swarms, mut sybils) = (Vec::new(), Vec::new());
    for (number, keypair) in (0_u16..).zip(ground(targets)) {
        let [high, low] = number.to_be_bytes();
        let swarm = listening(keypair, Ipv4Addr::new(127, 77, high, low.max(1))).await;
        let address = swarm.listeners().next().unwrap().clone();
        let peer = *swarm.local_peer_id();
        let told = [
            bytes(1, &peer.to_bytes()),
            bytes(2, address.as_ref()),
            varint(3 << 3),
            varint(1),
        ];
        sybils.push(Sybil {
            peer,
            manner: Manner::ALL[usize::from(number) % 4],
            address,
            key: peer.into(),
            told: told.concat(),
        });
        swarms.push(swarm);
    }
    let ring = Arc::new(Ring {
        sybils,
        asked: Asked::default(),
        lies,
        committee: committee.clone(),
    });
    for (number, mut swarm) in swarms.into_iter().enumerate() {
        let manner = ring.sybils[number].manner;
        let mut control = swarm.behaviour().streams.new_control();
        for protocol in [KAD, StreamProtocol::new(PROTOCOL)] {
            let streams = control.accept(protocol.clone()).unwrap();
            let (ring, table) = (Arc::clone(&ring), protocol == KAD);
            tokio::spawn(streams.for_each_concurrent(None, move |(from, stream)| {
                let ring = Arc::clone(&ring);
                async move {
                    // Who asks may leave at any time.
                    let _ = ring.serve(from, stream, table, manner).await;
                }
            }));
        }
        let near = &honest[number % honest.len()];
        let address = near.address.as_multiaddr().clone();
        swarm.dial(address.with_p2p(near.peer).unwrap()).unwrap();
        tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        // A peer takes so many handshakes at once.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ring
}

/// A peer that listens at `ip`.
async fn listening(keypair: Keypair, ip: Ipv4Addr) -> Swarm<Behaviour> {
    let mut swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_behaviour(|keypair| Behaviour {
            identify: identify::Behaviour::new(identify::Config::new(
                "/floe/1".to_owned(),
                keypair.public(),
            )),
            streams: libp2p_stream::Behaviour::new(),
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build();
    let at = Multiaddr::from(ip).with(Protocol::Tcp(0));
    swarm.listen_on(at).unwrap();
    while !matches!(
        swarm.select_next_some().await,
        SwarmEvent::NewListenAddr { .. }
    ) {}
    swarm
}

impl Ring {
    /// How many of the peers nearest to a key are Sybils, in a network with these honest ones.
    pub(crate) fn hold(&self, key: &[u8], honest: &[PeerId]) -> usize {
        let target = KBucketKey::new(key.to_vec());
        let honest = honest.iter().map(|peer| (KBucketKey::from(*peer), false));
        let sybils = self.sybils.iter().map(|sybil| (sybil.key, true));
        let mut all: Vec<_> = honest.chain(sybils).collect();
        all.sort_by_cached_key(|(key, _)| target.distance(key));
        let nearest = all.into_iter().take(NEAREST);
        nearest.filter(|(_, is_sybil)| *is_sybil).count()
    }

    async fn serve(
        &self,
        from: PeerId,
        mut stream: Stream,
        table: bool,
        manner: Manner,
    ) -> Option<()> {
        loop {
            let (request, counter) = if table {
                (framed_request(&mut stream).await?, &self.asked.table)
            } else {
                let mut length = [0; 4];
                stream.read_exact(&mut length).await.ok()?;
                let request = content(&mut stream, u32::from_le_bytes(length).into()).await?;
                (request, &self.asked.directly)
            };
            if !self.lies.contains_key(&record_key(&from)) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            if manner == Manner::Silent {
                std::future::pending::<()>().await;
            }
            let answer = if table {
                framed(&self.look_up(&request, manner))
            } else {
                let answer = bcs::to_bytes(&self.answer(&request, manner)?).ok()?;
                let length = u32::try_from(answer.len()).ok()?;
                [&length.to_le_bytes()[..], &answer].concat()
            };
            stream.write_all(&answer).await.ok()?;
            stream.flush().await.ok()?;
        }
    }

    /// An answer of the table: the nearest of their own, and a record if there is a lie about it. What
    /// is to be kept is said to be kept.
    fn look_up(&self, request: &[u8], manner: Manner) -> Vec<u8> {
        let (kind, key) = kind_and_key(request);
        if kind == PUT_VALUE {
            return request.to_vec();
        }
        let mut answer = [varint(1 << 3), varint(kind)].concat();
        if kind == GET_VALUE
            && let Some(lie) = self.lies.get(key)
            && let Some(record) = lie.told(manner)
        {
            let value = bcs::to_bytes(record).unwrap();
            answer.extend(bytes(3, &[bytes(1, key), bytes(2, &value)].concat()));
        }
        let target = KBucketKey::new(key.to_vec());
        let mut all: Vec<_> = self.sybils.iter().collect();
        all.sort_by_cached_key(|sybil| target.distance(&sybil.key));
        for sybil in all.into_iter().take(NEAREST) {
            answer.extend(bytes(8, &sybil.told));
        }
        answer
    }

    /// A direct answer.
    fn answer(&self, request: &[u8], manner: Manner) -> Option<ControlAnswer> {
        let answer = match bcs::from_bytes(request).ok()? {
            ControlRequest::Records(keys) => {
                let peers = keys.iter().filter_map(PeerKey::peer);
                let lies = peers.filter_map(|peer| self.lies.get(&record_key(&peer)));
                let told: Vec<_> = lies.filter_map(|lie| lie.told(manner)).cloned().collect();
                ControlAnswer::Records(told.try_into().ok()?)
            }
            ControlRequest::Committee(epoch) if manner == Manner::Forges => {
                let (start, duration) = (self.committee.start(), self.committee.duration_ms());
                let first = &self.committee.members()[0];
                let only = vec![Candidate {
                    node: first.node(),
                    bls_key: *first.bls_key(),
                    identity: *first.identity(),
                }];
                let owners = vec![MemberIndex::new(0); self.committee.owners().len()];
                let committee = Committee::new(epoch, start, duration, only, owners);
                ControlAnswer::Committee(Box::new(NamedCommittee {
                    committee: committee.ok()?,
                    handover: None,
                }))
            }
            ControlRequest::Committee(epoch) if epoch == self.committee.epoch() => {
                ControlAnswer::Committee(Box::new(NamedCommittee {
                    committee: self.committee.clone(),
                    handover: None,
                }))
            }
            _ => ControlAnswer::Unknown,
        };
        Some(answer)
    }
}

impl Lie {
    fn told(&self, manner: Manner) -> Option<&SignedRecord> {
        match manner {
            Manner::Forges => Some(&self.forged),
            Manner::Replays => Some(&self.replayed),
            Manner::Withholds | Manner::Silent => None,
        }
    }
}

/// What a message of the table asks, and about which key.
fn kind_and_key(message: &[u8]) -> (u64, &[u8]) {
    let (mut kind, mut key) = (0, &[][..]);
    for field in fields(message) {
        match field {
            (1, Field::Number(number)) => kind = number,
            (2, Field::Bytes(content)) => key = content,
            _ => {}
        }
    }
    (kind, key)
}

async fn framed_request(stream: &mut Stream) -> Option<Vec<u8>> {
    let mut length = 0;
    for shift in (0..32).step_by(7) {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.ok()?;
        length |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    content(stream, length).await
}

async fn content(stream: &mut Stream, length: u64) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    stream.take(length).read_to_end(&mut content).await.ok()?;
    (content.len() as u64 == length).then_some(content)
}
