//! A devnet and one account on it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use floe_chain::id::ChainId;
use floe_devnet::{Cadence, Devnet, Settings};
use sui_crypto::{SuiSigner, ed25519::Ed25519PrivateKey};
use sui_rpc::Client;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2::{
    ExecuteTransactionRequest, ExecutedTransaction, GetObjectRequest,
    changed_object::OutputObjectState,
};
use sui_sdk_types::{Address, Digest, Identifier};
use sui_transaction_builder::{Function, TransactionBuilder};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the devnet charges: MIST for a unit of computation, and the interpreter steps in one.
const PRICE: u64 = 1_000;
const STEPS_PER_UNIT: u64 = 20;

pub(crate) struct Chain {
    client: Client,
    key: Ed25519PrivateKey,
    devnet: Devnet,
    costs: Vec<(String, Cost)>,
    _directory: TempDir,
}

/// What the transactions of one step cost together.
#[derive(Clone, Copy, Default)]
struct Cost {
    transactions: usize,
    bytes: usize,
    touched: usize,
    written: usize,
    /// Interpreter steps, rounded up to 20,000 in each transaction.
    steps: u64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, more: Self) {
        self.transactions += more.transactions;
        self.bytes += more.bytes;
        self.touched += more.touched;
        self.written += more.written;
        self.steps += more.steps;
    }
}

impl Chain {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            directory: directory.path().to_owned(),
            packages: packages(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            cadence: Cadence {
                busy: Duration::from_millis(10),
                idle: Duration::from_secs(1),
                epoch: Duration::from_secs(360_000),
            },
            seed: Some([7; 32]),
            admin: true,
        };
        let devnet = Devnet::start(settings).await.unwrap();
        let client = Client::new(devnet.info().url.as_str()).unwrap();
        let chain = Self {
            client,
            key: Ed25519PrivateKey::new([7; 32]),
            devnet,
            costs: Vec::new(),
            _directory: directory,
        };
        let recipient = chain.address();
        let body = format!(r#"{{"FixedAmountRequest":{{"recipient":"{recipient}"}}}}"#);
        chain.post("/v2/gas", &body).await;
        chain
    }

    pub(crate) fn address(&self) -> Address {
        self.key.public_key().derive_address()
    }

    pub(crate) fn id(&self) -> ChainId {
        self.devnet.info().chain_id.parse().unwrap()
    }

    pub(crate) fn builder(&self) -> TransactionBuilder {
        let mut builder = TransactionBuilder::new();
        builder.set_sender(self.address());
        builder
    }

    /// Publishes a compiled package, its placeholders replaced by the ids of its dependencies.
    pub(crate) async fn publish(
        &mut self,
        name: &str,
        linked: &[(&str, Address)],
    ) -> ExecutedTransaction {
        let path = packages().join(format!("{name}.json"));
        let package: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let texts = |field: &str| -> Vec<String> {
            serde_json::from_value(package[field].clone()).unwrap()
        };
        let placeholders: Vec<_> = linked
            .iter()
            .map(|(name, id)| (placeholder(name), *id))
            .collect();
        let modules = texts("modules").into_iter().map(|module| {
            let mut module = BASE64.decode(module.as_bytes()).unwrap();
            for (from, to) in &placeholders {
                replace(&mut module, from.as_bytes(), to.as_bytes());
            }
            module
        });
        let dependencies = texts("dependencies").into_iter().map(|id| {
            let id: Address = id.parse().unwrap();
            let linked = placeholders.iter().find(|(from, _)| *from == id);
            linked.map_or(id, |(_, to)| *to)
        });
        let mut call = self.builder();
        let upgrade = call.publish(modules.collect(), dependencies.collect());
        let recipient = call.pure(&self.address());
        call.transfer_objects(vec![upgrade], recipient);
        self.run("publish", call).await
    }

    /// Executes a transaction that must succeed, and notes what it cost under the name of its step.
    pub(crate) async fn run(
        &mut self,
        step: &str,
        call: TransactionBuilder,
    ) -> ExecutedTransaction {
        let transaction = call
            .build(&mut self.client)
            .await
            .unwrap_or_else(|e| panic!("{step}: {e}"));
        let bytes = bcs::serialized_size(&transaction).unwrap();
        let mut request = ExecuteTransactionRequest::default();
        request.signatures = vec![self.key.sign_transaction(&transaction).unwrap().into()];
        request.transaction = Some(transaction.into());
        request.read_mask = Some(FieldMask::from_str("*"));
        let executed = self
            .client
            .execute_transaction_and_wait_for_checkpoint(request, Duration::from_secs(120))
            .await;
        let executed = executed.unwrap().into_inner().transaction.unwrap();
        let effects = executed.effects();
        assert!(effects.status().success(), "{step}: {:?}", effects.status());
        let objects = executed.objects().objects.iter();
        let touched: BTreeSet<_> = objects.map(|object| object.object_id()).collect();
        let cost = Cost {
            transactions: 1,
            bytes,
            touched: touched.len(),
            written: effects.changed_objects.len(),
            steps: effects.gas_used().computation_cost() / PRICE * STEPS_PER_UNIT,
        };
        match self.costs.iter_mut().find(|(known, _)| known == step) {
            Some((_, sum)) => *sum += cost,
            None => self.costs.push((step.to_owned(), cost)),
        }
        executed
    }

    /// Forgets what the steps so far cost; returns it as rows of a table, with their sum.
    pub(crate) fn costs(&mut self) -> Vec<String> {
        let mut costs = std::mem::take(&mut self.costs);
        let mut sum = Cost::default();
        costs.iter().for_each(|(_, cost)| sum += *cost);
        costs.push(("all".to_owned(), sum));
        let row = |(step, cost): (String, Cost)| {
            let Cost {
                transactions,
                bytes,
                touched,
                written,
                steps,
            } = cost;
            let steps = steps / 1_000;
            format!("{step} | {transactions} | {bytes} | {touched} | {written} | {steps} |")
        };
        costs.into_iter().map(row).collect()
    }

    pub(crate) async fn contents(&mut self, id: Address) -> Vec<u8> {
        let request = GetObjectRequest::new(&id).with_read_mask(FieldMask::from_str("contents"));
        let response = self
            .client
            .ledger_client()
            .get_object(request)
            .await
            .unwrap();
        response
            .into_inner()
            .object
            .unwrap()
            .contents()
            .value()
            .to_vec()
    }

    pub(crate) async fn pass(&self, milliseconds: u64) {
        let body = format!(r#"{{"milliseconds":{milliseconds}}}"#);
        self.post("/admin/advance-time", &body).await;
    }

    async fn post(&self, path: &str, body: &str) {
        let host = self
            .devnet
            .info()
            .url
            .trim_start_matches("http://")
            .to_owned();
        let mut stream = tokio::net::TcpStream::connect(&host).await.unwrap();
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nx-floe-admin: 1\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{path}: {answer}");
    }
}

pub(crate) fn function(package: Address, module: &str, name: &str) -> Function {
    Function::new(package, identifier(module), identifier(name))
}

pub(crate) fn identifier(name: &str) -> Identifier {
    Identifier::new(name).unwrap()
}

/// Ids of the written objects whose type is `type_`, or contains it if that has a path.
pub(crate) fn written(executed: &ExecutedTransaction, type_: &str) -> Vec<Address> {
    references(executed, type_).map(|(id, _, _)| id).collect()
}

/// The one written object whose type is `type_`, or contains it if that has a path.
pub(crate) fn reference(executed: &ExecutedTransaction, type_: &str) -> (Address, u64, Digest) {
    let found: Vec<_> = references(executed, type_).collect();
    assert_eq!(found.len(), 1, "objects of type {type_}");
    found[0]
}

fn references(
    executed: &ExecutedTransaction,
    type_: &str,
) -> impl Iterator<Item = (Address, u64, Digest)> {
    let changed = executed.effects().changed_objects.iter();
    let written = changed.filter(move |change| {
        change.output_state() != OutputObjectState::DoesNotExist
            && (change.object_type() == type_
                || type_.contains("::") && change.object_type().contains(type_))
    });
    written.map(|change| {
        let digest = change.output_digest().parse().unwrap();
        (
            change.object_id().parse().unwrap(),
            change.output_version(),
            digest,
        )
    })
}

fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/move")
}

/// The address by which packages know an unpublished sibling: its name in ASCII.
fn placeholder(name: &str) -> Address {
    let mut bytes = [0; 32];
    bytes[32 - name.len()..].copy_from_slice(name.as_bytes());
    Address::new(bytes)
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    for at in 0..=bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from {
            bytes[at..at + from.len()].copy_from_slice(to);
        }
    }
}
