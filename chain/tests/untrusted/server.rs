//! Servers of a synthetic chain: honest ones, and some with one thing wrong with them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use floe_chain::id::{ChainId, SystemId};
use floe_chain::light::TrustAnchor;
use floe_chain::rpc::{ChainError, ClientSettings, NetworkConfig, SuiChain};
use serde::Serialize;
use sui_rpc::proto::sui::rpc::v2::ledger_service_server::{LedgerService, LedgerServiceServer};
use sui_rpc::proto::sui::rpc::v2::{self as proto, get_checkpoint_request::CheckpointId};
use sui_sdk_types::{
    Address, Digest, Identifier, MoveStruct, Object, ObjectData, Owner, StructTag,
};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

use crate::support::{self, Made, SyntheticChain};

pub(crate) const CHAIN: [u8; 32] = [0xcc; 32];
pub(crate) const SYSTEM: [u8; 32] = [0x55; 32];
pub(crate) const PACKAGE: [u8; 32] = [9; 32];

/// What is wrong with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lie {
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
    /// It serves other objects than were written.
    Substitutes,
}

struct Liar {
    lie: Lie,
    chain: Arc<Mutex<SyntheticChain>>,
    asked: Asked,
}

/// Checkpoints that a server was asked for, in order.
pub(crate) type Asked = Arc<Mutex<Vec<u64>>>;

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

pub(crate) fn system() -> Object {
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
        let chain = self.chain.lock().unwrap();
        let written = chain.checkpoints.iter().flat_map(|made| &made.transactions);
        let mut written = written.flat_map(|done| done.objects.clone());
        let found = written.find(|object| object.object_id().to_string() == wanted);
        let is_system = wanted == SystemId::from_bytes(SYSTEM).to_string();
        let found = found.or_else(|| is_system.then(system));
        let mut found = found.ok_or_else(|| Status::not_found("no such object"))?;
        if self.lie == Lie::Substitutes && !is_system {
            let (data, owner) = (found.data().clone(), *found.owner());
            found = Object::new(data, owner, found.previous_transaction(), 1);
        }
        let mut object = proto::Object::default();
        object.bcs = Some(bcs::to_bytes(&found).unwrap().into());
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
        self.asked.lock().unwrap().push(sequence);
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

pub(crate) async fn serve(lie: Lie, chain: &Arc<Mutex<SyntheticChain>>) -> String {
    serve_watched(lie, chain).await.0
}

/// Serves, and remembers what it is asked for.
pub(crate) async fn serve_watched(lie: Lie, chain: &Arc<Mutex<SyntheticChain>>) -> (String, Asked) {
    let asked = Asked::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = LedgerServiceServer::new(Liar {
        lie,
        chain: Arc::clone(chain),
        asked: Arc::clone(&asked),
    });
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming),
    );
    (format!("http://{address}"), asked)
}

pub(crate) fn config(urls: Vec<String>) -> NetworkConfig {
    NetworkConfig {
        urls,
        chain_id: ChainId::from_bytes(CHAIN),
        system_object: SystemId::from_bytes(SYSTEM),
        trust_anchor: Some(TrustAnchor(SyntheticChain::anchor(1)).to_hex()),
    }
}

pub(crate) async fn connect(urls: Vec<String>) -> Result<SuiChain, ChainError> {
    let settings = ClientSettings {
        deadline: Duration::from_millis(500),
        ..ClientSettings::default()
    };
    SuiChain::connect_with(&config(urls), settings).await
}
