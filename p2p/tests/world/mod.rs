//! A service that keeps everything in memory, and two peers that talk over loopback.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by test files; each uses its own part"
)]

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use floe_chain::{
    blob::BlobState,
    epoch::Epoch,
    event::EventCursor,
    id::{ChainId, NetworkId, NodeId, ObjectId, SystemId},
};
use floe_codec::{Axis, BlobId, SegmentIndex, ShardIndex};
use floe_p2p::{
    address::PeerAddress,
    class::ConnectionClass,
    client::{CallOptions, DataClient},
    identity::{Identity, PeerId},
    plane::DataPlane,
    server::{Answer, Call, Items, Payload, ServerSettings, Service},
    transport::quic::{QuicSettings, QuicTransport},
    wire::{
        Bounded, ItemStatus, Refusal, Status, TrafficClass,
        message::{
            BlobStatus, CommitteeReply, GetBlobStatus, GetCommittee, GetInconsistency, GetMetadata,
            GetNodeInfo, GetSliver, Health, HealthReply, MissingSlivers, NodeInfo,
            PutInconsistency, PutMetadata, PutSliver, PutSliverReply, SegmentRange, SliverKey,
        },
    },
};
use tokio::sync::Semaphore;

/// Every sliver of the memory service has this size, as if derived from a layout.
pub const SLIVER: u32 = 100_000;
/// And every segment's metadata this one.
pub const METADATA: u32 = 640;

pub const NETWORK: NetworkId = NetworkId {
    chain: ChainId::from_bytes([2; 32]),
    system: SystemId::from_bytes([3; 32]),
};
pub const BLOB: BlobId = BlobId::from_bytes([0xb1; 32]);
pub const OBJECT: ObjectId = ObjectId::from_bytes([0x0b; 32]);

type SliverId = (BlobId, SegmentIndex, ShardIndex, Axis);

/// Requests that pass the gate at once; whoever takes them all closes it.
pub const GATE: u32 = 1 << 20;

pub struct Store {
    pub metadata: Mutex<HashMap<(BlobId, SegmentIndex), Bytes>>,
    pub slivers: Mutex<HashMap<SliverId, Bytes>>,
    pub proofs: Mutex<HashMap<BlobId, (SegmentIndex, Bytes)>>,
    /// Requests for slivers wait here.
    pub gate: Semaphore,
    /// How many have come.
    pub entered: AtomicUsize,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            metadata: Mutex::default(),
            slivers: Mutex::default(),
            proofs: Mutex::default(),
            gate: Semaphore::new(GATE as usize),
            entered: AtomicUsize::new(0),
        }
    }
}

#[derive(Clone, Default)]
pub struct MemoryService(pub Arc<Store>);

impl Service for MemoryService {
    async fn put_metadata(
        &self,
        _call: &Call,
        request: PutMetadata,
        payload: &mut Payload,
    ) -> Answer<()> {
        for segment in request.segments.iter() {
            let bytes = payload.next(METADATA).await?;
            self.0
                .metadata
                .lock()
                .unwrap()
                .insert((request.blob, segment), bytes);
        }
        Ok(())
    }

    async fn put_sliver(
        &self,
        _call: &Call,
        request: PutSliver,
        payload: &mut Payload,
    ) -> Answer<PutSliverReply> {
        if request.blob != BLOB {
            return Err(Status::NotRegistered {
                cursor: EventCursor::START,
            }
            .into());
        }
        if request.metadata {
            let bytes = payload.next(METADATA).await?;
            self.0
                .metadata
                .lock()
                .unwrap()
                .insert((request.blob, request.segment), bytes);
        }
        for key in &request.slivers {
            let bytes = payload.next(SLIVER).await?;
            let id = (request.blob, request.segment, key.shard, key.axis);
            self.0.slivers.lock().unwrap().insert(id, bytes);
        }
        Ok(PutSliverReply { confirmation: None })
    }

    async fn get_metadata(
        &self,
        _call: &Call,
        request: GetMetadata,
        items: &mut Items,
    ) -> Answer<()> {
        for segment in request.segments.iter() {
            let found = self
                .0
                .metadata
                .lock()
                .unwrap()
                .get(&(request.blob, segment))
                .cloned();
            match found {
                Some(bytes) => items.send(bytes, items.reserve(METADATA).await?).await?,
                None => items.absent(ItemStatus::NotHeld).await?,
            }
        }
        Ok(())
    }

    async fn get_sliver(&self, _call: &Call, request: GetSliver, items: &mut Items) -> Answer<()> {
        self.0.entered.fetch_add(1, Ordering::Relaxed);
        let _passed = self.0.gate.acquire().await;
        for segment in request.segments.iter() {
            for shard in &request.shards {
                let id = (request.blob, segment, *shard, request.axis);
                let grant = items.reserve(SLIVER).await?;
                let found = self.0.slivers.lock().unwrap().get(&id).cloned();
                match found {
                    Some(bytes) => items.send(bytes, grant).await?,
                    None => items.absent(ItemStatus::NotHeld).await?,
                }
            }
        }
        Ok(())
    }

    async fn get_blob_status(&self, _call: &Call, request: GetBlobStatus) -> Answer<BlobStatus> {
        if request.blob != BLOB {
            return Err(Status::NotRegistered {
                cursor: EventCursor::START,
            }
            .into());
        }
        Ok(BlobStatus {
            state: BlobState::Registered,
            missing: MissingSlivers::default(),
        })
    }

    async fn put_inconsistency(
        &self,
        _call: &Call,
        request: PutInconsistency,
        payload: &mut Payload,
    ) -> Answer<()> {
        let proof = payload.next_at_most(8 << 20).await?;
        self.0
            .proofs
            .lock()
            .unwrap()
            .insert(request.blob, (request.segment, proof));
        Ok(())
    }

    async fn get_inconsistency(
        &self,
        _call: &Call,
        request: GetInconsistency,
    ) -> Answer<(SegmentIndex, Bytes)> {
        let found = self.0.proofs.lock().unwrap().get(&request.blob).cloned();
        found.ok_or_else(|| Refusal::new(Status::NotHeld, "no proof of that"))
    }

    async fn get_committee(
        &self,
        _call: &Call,
        _request: GetCommittee,
    ) -> Answer<(CommitteeReply, Bytes)> {
        Ok((
            CommitteeReply { handover: None },
            Bytes::from(vec![7; 39_000]),
        ))
    }

    async fn get_node_info(&self, call: &Call, _request: GetNodeInfo) -> Answer<NodeInfo> {
        Ok(NodeInfo {
            node: NodeId::from_bytes([1; 32]),
            network: NETWORK,
            epoch: call.epoch,
            cursor: EventCursor::START,
            software: "floe-test/0".to_owned(),
        })
    }

    async fn health(&self, call: &Call, _request: Health) -> Answer<HealthReply> {
        Ok(HealthReply {
            epoch: call.epoch,
            not_ready: Bounded::default(),
        })
    }
}

/// A peer that answers and one that asks.
pub struct Pair {
    pub server: DataPlane<MemoryService>,
    pub store: Arc<Store>,
    pub plane: DataPlane,
    pub client: DataClient,
    pub to: PeerAddress,
}

pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

pub fn anonymous(_peer: &PeerId) -> ConnectionClass {
    ConnectionClass::Anonymous
}

pub fn serve(
    seed: u8,
    listen: SocketAddr,
    settings: ServerSettings,
) -> (DataPlane<MemoryService>, Arc<Store>, PeerAddress) {
    let service = MemoryService::default();
    let store = Arc::clone(&service.0);
    let identity = Identity::from_seed([seed; 32]);
    let transport = QuicTransport::bind(&identity, QuicSettings::node(listen)).unwrap();
    let to = PeerAddress::new(identity.peer_id(), transport.local_address());
    let server = DataPlane::start(Arc::new(transport), service, Arc::new(anonymous), settings);
    (server, store, to)
}

pub fn client() -> DataPlane {
    let transport = QuicTransport::bind(&Identity::generate(), QuicSettings::client()).unwrap();
    DataPlane::client_only(Arc::new(transport))
}

pub fn pair_with(settings: ServerSettings) -> Pair {
    let (server, store, to) = serve(1, loopback(), settings);
    let plane = client();
    let client = plane.client().clone();
    Pair {
        server,
        store,
        plane,
        client,
        to,
    }
}

pub fn pair() -> Pair {
    pair_with(ServerSettings::default())
}

pub fn options() -> CallOptions {
    CallOptions {
        deadline: Duration::from_secs(20),
        class: TrafficClass::Read,
        epoch: Epoch::new(3),
    }
}

pub fn segments(count: u32) -> SegmentRange {
    SegmentRange {
        first: SegmentIndex(0),
        count,
    }
}

/// Bytes that differ with their key and position.
pub fn content(key: u64, length: u32) -> Bytes {
    (0..u64::from(length))
        .map(|i| (i.wrapping_mul(31) ^ (key * 131)).to_le_bytes()[0])
        .collect()
}

pub fn keys(shards: std::ops::Range<u16>) -> Vec<SliverKey> {
    let key = |shard| {
        Axis::BOTH.map(|axis| SliverKey {
            shard: ShardIndex(shard),
            axis,
        })
    };
    shards.flat_map(key).collect()
}

pub fn put_sliver(segment: u32, keys: Vec<SliverKey>) -> PutSliver {
    PutSliver {
        blob: BLOB,
        object: OBJECT,
        segment: SegmentIndex(segment),
        metadata: true,
        slivers: keys.try_into().unwrap(),
        confirm: false,
    }
}

pub fn get_sliver(shards: std::ops::Range<u16>, count: u32) -> GetSliver {
    GetSliver {
        blob: BLOB,
        axis: Axis::Primary,
        shards: shards
            .map(ShardIndex)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap(),
        segments: segments(count),
    }
}
