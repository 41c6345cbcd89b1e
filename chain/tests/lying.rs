//! Endpoints that lie, stall or babble: dropped or passed over, never acted upon.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; a failure is a failed test"
)]

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use floe_chain::event::{ChainEvent, EventCursor};
use floe_chain::id::{ChainId, SystemId};
use floe_chain::light::TrustAnchor;
use floe_chain::rpc::{
    ChainError, ChainEvents, ChainRead, ClientSettings, NetworkConfig, SuiChain,
};
use futures::StreamExt;
use serde::Serialize;
use sui_rpc::proto::sui::rpc::v2::ledger_service_server::{LedgerService, LedgerServiceServer};
use sui_rpc::proto::sui::rpc::v2::{self as proto, get_checkpoint_request::CheckpointId};
use sui_sdk_types::{
    Address, Digest, Event, Identifier, MoveStruct, Object, ObjectData, Owner, StructTag,
};
use support::{Made, SyntheticChain, done};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

const CHAIN: [u8; 32] = [0xcc; 32];
const SYSTEM: [u8; 32] = [0x55; 32];
const PACKAGE: [u8; 32] = [9; 32];

/// What is wrong with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    /// Nothing.
    None,
    /// It serves another chain.
    WrongChain,
    /// It leaves an event out of every transaction that has one.
    SkipsEvents,
    /// It leaves transactions out.
    SkipsTransactions,
    /// It serves checkpoints that other validators signed.
    Forges,
    /// It serves each checkpoint in place of the next.
    Shifts,
    /// It serves bytes that are nothing.
    Babbles,
    /// It never answers about checkpoints.
    Hangs,
    /// It answers that everything failed.
    Fails,
    /// It knows nothing after checkpoint 3.
    Stops,
    /// It announces more bytes than anybody may send.
    Bloats,
}

struct Liar {
    lie: Lie,
    chain: Arc<Mutex<SyntheticChain>>,
}

/// Field by field what the Move struct `system::System` holds.
#[derive(Serialize)]
struct System(
    [u8; 32],
    u64,
    [u8; 32],
    Vec<u8>,
    u16,
    [u8; 32],
    String,
    u32,
    (u64, u64, u64),
    (u32, Vec<u64>, Vec<u64>, u64),
    Option<u8>,
);

fn system() -> Object {
    let system = System(
        SYSTEM,
        1,
        PACKAGE,
        CHAIN.to_vec(),
        10,
        [3; 32],
        format!("{:0>64}::wal::WAL", "77"),
        1,
        (1, 2, 3),
        (1, vec![0; 4], vec![5, 6, 7, 8], 0),
        None,
    );
    let tag = StructTag::new(
        Address::new(PACKAGE),
        Identifier::new("system").unwrap(),
        Identifier::new("System").unwrap(),
        vec![],
    );
    let data = MoveStruct::new(tag, false, 7, bcs::to_bytes(&system).unwrap()).unwrap();
    Object::new(
        ObjectData::Struct(data),
        Owner::Shared(7),
        Digest::new([1; 32]),
        0,
    )
}

impl Liar {
    fn made(&self, sequence: u64) -> Option<Made> {
        let chain = self.chain.lock().unwrap();
        let sequence = match self.lie {
            Lie::Stops if sequence > 3 => return None,
            Lie::Shifts => sequence + 1,
            _ => sequence,
        };
        let mut made = chain
            .checkpoints
            .get(usize::try_from(sequence).unwrap())?
            .clone();
        match self.lie {
            Lie::SkipsEvents => {
                for transaction in &mut made.transactions {
                    if let Some(events) = &mut transaction.events {
                        events.0.pop();
                    }
                }
            }
            Lie::SkipsTransactions => {
                made.transactions.pop();
            }
            Lie::Forges => {
                let forger = support::Validators::new(made.summary.checkpoint.epoch, 99);
                let mut summary = made.summary.checkpoint.clone();
                summary.timestamp_ms += 1;
                made.summary = forger.sign(&summary);
            }
            _ => {}
        }
        Some(made)
    }
}

fn bcs_of(value: &impl Serialize, lie: Lie) -> Option<proto::Bcs> {
    let mut bytes = bcs::to_bytes(value).unwrap();
    match lie {
        Lie::Babbles => bytes
            .iter_mut()
            .for_each(|byte| *byte = byte.wrapping_mul(31) ^ 0x5a),
        // A length that says there are 4 GiB to come.
        Lie::Bloats => bytes = [&[0xff, 0xff, 0xff, 0xff, 0x0f], bytes.as_slice()].concat(),
        _ => {}
    }
    Some(bytes.into())
}

#[tonic::async_trait]
impl LedgerService for Liar {
    async fn get_service_info(
        &self,
        _: Request<proto::GetServiceInfoRequest>,
    ) -> Result<Response<proto::GetServiceInfoResponse>, Status> {
        let chain = if self.lie == Lie::WrongChain {
            [1; 32]
        } else {
            CHAIN
        };
        let mut info = proto::GetServiceInfoResponse::default();
        info.chain_id = Some(ChainId::from_bytes(chain).to_string());
        Ok(Response::new(info))
    }

    async fn get_object(
        &self,
        request: Request<proto::GetObjectRequest>,
    ) -> Result<Response<proto::GetObjectResponse>, Status> {
        let wanted = request.into_inner().object_id.unwrap_or_default();
        if wanted != SystemId::from_bytes(SYSTEM).to_string() {
            return Err(Status::not_found("no such object"));
        }
        let mut object = proto::Object::default();
        object.bcs = Some(bcs::to_bytes(&system()).unwrap().into());
        Ok(Response::new(proto::GetObjectResponse::new(object)))
    }

    async fn get_epoch(
        &self,
        request: Request<proto::GetEpochRequest>,
    ) -> Result<Response<proto::GetEpochResponse>, Status> {
        let number = request.into_inner().epoch.unwrap_or_default();
        let chain = self.chain.lock().unwrap();
        let of_epoch = |made: &&Made| made.summary.checkpoint.epoch == number;
        let last = chain.checkpoints.iter().rfind(of_epoch);
        let mut epoch = proto::Epoch::default();
        epoch.epoch = Some(number);
        epoch.last_checkpoint = last.map(|made| made.summary.checkpoint.sequence_number);
        Ok(Response::new(proto::GetEpochResponse::new(epoch)))
    }

    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        match self.lie {
            Lie::Hangs => std::future::pending::<()>().await,
            Lie::Fails => return Err(Status::internal("out of order")),
            _ => {}
        }
        let Some(CheckpointId::SequenceNumber(sequence)) = request.into_inner().checkpoint_id
        else {
            return Err(Status::invalid_argument("by number, please"));
        };
        let made = self
            .made(sequence)
            .ok_or_else(|| Status::not_found("not yet"))?;
        let mut checkpoint = proto::Checkpoint::default();
        let mut summary = proto::CheckpointSummary::default();
        summary.bcs = bcs_of(&made.summary.checkpoint, self.lie);
        checkpoint.summary = Some(summary);
        checkpoint.signature = Some(made.summary.signature.clone().into());
        let mut contents = proto::CheckpointContents::default();
        contents.bcs = bcs_of(&made.contents, self.lie);
        checkpoint.contents = Some(contents);
        checkpoint.transactions = made
            .transactions
            .iter()
            .map(|transaction| {
                let mut executed = proto::ExecutedTransaction::default();
                let mut effects = proto::TransactionEffects::default();
                effects.bcs = bcs_of(&transaction.effects, self.lie);
                executed.effects = Some(effects);
                executed.events = transaction.events.as_ref().map(|list| {
                    let mut events = proto::TransactionEvents::default();
                    events.bcs = bcs_of(list, self.lie);
                    events
                });
                executed
            })
            .collect();
        Ok(Response::new(proto::GetCheckpointResponse::new(checkpoint)))
    }
}

async fn serve(lie: Lie, chain: &Arc<Mutex<SyntheticChain>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = LedgerServiceServer::new(Liar {
        lie,
        chain: Arc::clone(chain),
    });
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming),
    );
    format!("http://{address}")
}

/// Accepts connections and sends bytes that never become an answer, for ever.
async fn serve_endless() -> String {
    use tokio::io::AsyncWriteExt;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // Settings, then empty continuation of nothing: frames of an unknown type.
                let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
                while stream
                    .write_all(&[0, 0, 8, 0xbb, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
                    .await
                    .is_ok()
                {
                    tokio::task::yield_now().await;
                }
            });
        }
    });
    format!("http://{address}")
}

fn config(urls: Vec<String>) -> NetworkConfig {
    NetworkConfig {
        urls,
        chain_id: ChainId::from_bytes(CHAIN),
        system_object: SystemId::from_bytes(SYSTEM),
        trust_anchor: Some(TrustAnchor(SyntheticChain::anchor(1)).to_hex()),
    }
}

async fn connect(urls: Vec<String>) -> Result<SuiChain, ChainError> {
    let settings = ClientSettings {
        deadline: Duration::from_millis(500),
        ..ClientSettings::default()
    };
    SuiChain::connect_with(&config(urls), settings).await
}

fn node_synced(n: u32) -> Event {
    let contents = bcs::to_bytes(&(n, [7u8; 32], 1u16)).unwrap();
    support::event("NodeSynced", &contents)
}

/// Six checkpoints over three epochs of validators, eight events of ours among others.
fn history() -> Arc<Mutex<SyntheticChain>> {
    let mut chain = SyntheticChain::new(1);
    chain.add(vec![]);
    chain.add(vec![done(1, vec![node_synced(0), node_synced(1)], vec![])]);
    chain.end_epoch();
    let mut foreign = node_synced(99);
    foreign.type_ = "0x77::events::NodeSynced".parse().unwrap();
    chain.add(vec![
        done(2, vec![node_synced(2), foreign], vec![]),
        done(3, vec![node_synced(3)], vec![]),
    ]);
    chain.end_epoch();
    chain.add(vec![done(
        4,
        vec![node_synced(4), node_synced(5), node_synced(6)],
        vec![],
    )]);
    chain.add(vec![done(5, vec![node_synced(7)], vec![])]);
    Arc::new(Mutex::new(chain))
}

/// Follows until all eight events are there.
async fn follow(chain: &SuiChain) -> Vec<u32> {
    let mut stream = chain.follow(EventCursor::START);
    let mut numbers = Vec::new();
    while numbers.len() < 8 {
        let batch = stream.next().await.unwrap().unwrap();
        for (_, event) in batch.events {
            let ChainEvent::NodeSynced(event) = event else {
                panic!("{event:?}")
            };
            numbers.push(event.epoch.get());
        }
    }
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_honest_endpoint_every_event_arrives_once_and_in_order() {
    let history = history();
    let lies = [
        Lie::None,
        Lie::WrongChain,
        Lie::SkipsEvents,
        Lie::SkipsTransactions,
        Lie::Forges,
        Lie::Shifts,
        Lie::Babbles,
        Lie::Hangs,
        Lie::Fails,
        Lie::Stops,
        Lie::Bloats,
    ];
    for lie in lies {
        let urls = vec![serve(lie, &history).await, serve(Lie::None, &history).await];
        let chain = connect(urls).await.unwrap();
        assert_eq!(follow(&chain).await, [0, 1, 2, 3, 4, 5, 6, 7], "{lie:?}");
    }
    let urls = vec![serve_endless().await, serve(Lie::None, &history).await];
    let chain = connect(urls).await.unwrap();
    assert_eq!(follow(&chain).await, [0, 1, 2, 3, 4, 5, 6, 7], "endless");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn liars_alone_convince_nobody() {
    let history = history();
    for lie in [
        Lie::SkipsEvents,
        Lie::SkipsTransactions,
        Lie::Forges,
        Lie::Shifts,
        Lie::Babbles,
    ] {
        let chain = connect(vec![serve(lie, &history).await]).await.unwrap();
        let mut stream = chain.follow(EventCursor::START);
        let mut seen = Vec::new();
        while let Ok(Some(batch)) =
            tokio::time::timeout(Duration::from_secs(2), stream.next()).await
        {
            seen.extend(batch.unwrap().events);
        }
        assert!(seen.is_empty(), "{lie:?}: {seen:?}");
    }
    let wrong = connect(vec![serve(Lie::WrongChain, &history).await])
        .await
        .unwrap_err();
    assert!(matches!(wrong, ChainError::WrongChain { .. }), "{wrong}");
    let silent = connect(vec![serve_endless().await]).await.unwrap_err();
    assert!(matches!(silent, ChainError::Unreachable { .. }), "{silent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_certified_histories_stop_everything() {
    let ours = history();
    // The same validators certify another checkpoint 6 that names another checkpoint 5.
    let mut twin = SyntheticChain::new(1);
    twin.add(vec![]);
    twin.add(vec![done(1, vec![node_synced(0), node_synced(1)], vec![])]);
    twin.end_epoch();
    twin.add(vec![done(9, vec![node_synced(40)], vec![])]);
    twin.end_epoch();
    twin.add(vec![]);
    twin.add(vec![]);
    let last = twin.checkpoints.pop().unwrap();
    {
        let mut ours = ours.lock().unwrap();
        let honest = ours.checkpoints.pop().unwrap();
        assert_eq!(
            honest.summary.checkpoint.sequence_number,
            last.summary.checkpoint.sequence_number
        );
        ours.checkpoints.push(last);
    }
    let chain = connect(vec![serve(Lie::None, &ours).await]).await.unwrap();
    let mut stream = chain.follow(EventCursor::START);
    let error = loop {
        match stream.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, ChainError::Fork { checkpoint: 5, .. }),
        "{error}"
    );
    assert!(stream.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_system_object_is_read_and_checked() {
    let history = history();
    let url = serve(Lie::None, &history).await;
    let chain = connect(vec![url.clone()]).await.unwrap();
    let system = chain.system().await.unwrap();
    assert_eq!(system.network, config(vec![]).network());
    assert_eq!(
        (system.epoch.get(), system.shards.get(), system.capacity),
        (1, 10, 3)
    );
    // Slot `epoch % horizon` of the ring is the running epoch's.
    assert_eq!(system.used, [6, 7, 8, 5]);

    let mut other = config(vec![url]);
    other.system_object = SystemId::from_bytes([8; 32]);
    let error = SuiChain::connect(&other).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongSystem { .. }), "{error}");
}
