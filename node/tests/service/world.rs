//! One node with its disk in memory, and a client of it.

use std::{sync::Arc, time::Duration};

use floe_chain::{
    epoch::Epoch,
    event::{BlobRegistered, ChainEvent, EventCursor},
    id::{ChainId, NetworkId, NodeId, ObjectId, SystemId},
    keys::BlsSecretKey,
};
use floe_codec::{BlobId, BlobLayout, Codec, ShardCount};
use floe_node::{
    Node,
    control::{Archive, Directory},
    service::NodeService,
};
use floe_p2p::{
    address::PeerAddress,
    class::ConnectionClass,
    client::{CallError, CallOptions, DataClient},
    control::{book::AddressBook, news::InconsistencyNotice},
    identity::Identity,
    plane::DataPlane,
    server::ServerSettings,
    transport::sim::SimNetwork,
    wire::{Status, TrafficClass},
};
use floe_storage::{EventBatch, Settings, Stamp, Storage, backend::MemoryBackend};
use tokio::sync::mpsc;

pub(crate) const OBJECT: ObjectId = ObjectId::from_bytes([5; 32]);
const SHARDS: u16 = 4;

/// A node that answers, and how to ask it.
pub(crate) struct World {
    pub(crate) storage: Storage,
    pub(crate) peers: DataClient,
    pub(crate) address: PeerAddress,
    pub(crate) options: CallOptions,
    /// Proofs that the node wants others to hear of.
    pub(crate) told: mpsc::Receiver<InconsistencyNotice>,
    server: DataPlane<NodeService>,
    /// What the ledger has followed.
    cursor: EventCursor,
}

impl World {
    pub(crate) fn start() -> Self {
        let network = NetworkId {
            chain: ChainId::from_bytes([2; 32]),
            system: SystemId::from_bytes([3; 32]),
        };
        let stamp = Stamp {
            node: NodeId::from_bytes([1; 32]),
            network,
            shards: ShardCount::new(SHARDS).expect("enough"),
        };
        let backend = Arc::new(MemoryBackend::default());
        let (storage, _) =
            Storage::open_inline(backend, stamp, &Settings::default()).expect("opens");
        let key = BlsSecretKey::from_seed(&[1; 32]);
        let codec = Codec::new(1).expect("a thread");
        let node = Node::new(stamp.node, network, storage.clone(), codec, key).expect("opens");

        let world = SimNetwork::new(1);
        let (ours, theirs) = (Identity::generate(), Identity::generate());
        let directory = Directory {
            book: Arc::new(AddressBook::new(network)),
            archive: Archive::new(Arc::new(MemoryBackend::default())),
        };
        let (proofs, told) = mpsc::channel(4);
        let server = DataPlane::start(
            Arc::new(world.join(ours.peer_id())),
            NodeService::new(node, directory, ours.peer_id(), proofs),
            Arc::new(|_: &_| ConnectionClass::Anonymous),
            ServerSettings::default(),
        );
        Self {
            storage,
            peers: DataPlane::client_only(Arc::new(world.join(theirs.peer_id())))
                .client()
                .clone(),
            address: PeerAddress {
                peer: ours.peer_id(),
                addresses: Vec::new(),
            },
            options: CallOptions {
                deadline: Duration::from_secs(5),
                class: TrafficClass::Control,
                epoch: Epoch::ZERO,
            },
            told,
            server,
            cursor: EventCursor::START,
        }
    }

    /// One more checkpoint, with this event.
    pub(crate) async fn apply(&mut self, event: ChainEvent) {
        let up_to = EventCursor::end_of(self.cursor.checkpoint + 1);
        let batch = EventBatch {
            after: self.cursor,
            events: vec![(up_to, event)],
            up_to,
        };
        let applied = self.storage.apply(batch).expect("room").await;
        applied.expect("applied");
        self.cursor = up_to;
    }

    pub(crate) async fn stop(self) {
        self.server.shutdown(Duration::ZERO).await;
    }
}

pub(crate) fn layout(source: &[u8]) -> BlobLayout {
    let shards = ShardCount::new(SHARDS).expect("enough");
    BlobLayout::for_shards(shards, source.len() as u64).expect("fits")
}

pub(crate) fn registered(
    blob: BlobId,
    layout: BlobLayout,
    object: ObjectId,
    end: Epoch,
) -> ChainEvent {
    ChainEvent::BlobRegistered(BlobRegistered {
        epoch: Epoch::ZERO,
        blob,
        size: layout.length(),
        encoding: layout.encoding(),
        end,
        deletable: true,
        object,
    })
}

/// Whether the node refused with this kind of status.
pub(crate) fn is(error: CallError, expected: &Status) -> bool {
    matches!(error, CallError::Refused(refusal)
        if std::mem::discriminant(&refusal.status) == std::mem::discriminant(expected))
}
