//! What the tests share: a running chain, a funded account, the compiled test package.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use floe_devnet::{Cadence, Devnet, Settings};
use serde::Deserialize;
use sui_crypto::{SuiSigner, ed25519::Ed25519PrivateKey};
use sui_rpc::{
    Client,
    field::{FieldMask, FieldMaskUtil},
    proto::sui::rpc::v2::{ExecuteTransactionRequest, ExecutedTransaction},
};
use sui_sdk_types::{Address, Identifier, StructTag, Transaction};
use sui_transaction_builder::{Function, TransactionBuilder};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A package as the Move toolchain writes it.
#[derive(Deserialize)]
pub(crate) struct Compiled {
    modules: Vec<String>,
    pub(crate) dependencies: Vec<Address>,
    pub(crate) digest: String,
}

impl Compiled {
    pub(crate) fn modules(&self) -> Vec<Vec<u8>> {
        self.modules
            .iter()
            .map(|text| data_encoding::BASE64.decode(text.as_bytes()).unwrap())
            .collect()
    }
}

pub(crate) fn packages() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/move")
}

pub(crate) fn compiled(name: &str) -> Compiled {
    let path = packages().join(format!("{name}.json"));
    let text = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run `chain/move/build.sh` and `chain/move/build.sh chain/devnet/tests/stall chain/devnet/tests/stall_v2`", path.display())
    });
    serde_json::from_slice(&text).unwrap()
}

pub(crate) fn settings(directory: &TempDir) -> Settings {
    Settings {
        directory: directory.path().to_owned(),
        packages: packages(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        cadence: Cadence {
            busy: Duration::from_millis(20),
            idle: Duration::from_millis(200),
            epoch: Duration::from_secs(3_600),
        },
        seed: None,
        admin: true,
    }
}

/// A chain with one funded account.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) devnet: Devnet,
    pub(crate) client: Client,
    pub(crate) key: Ed25519PrivateKey,
}

impl World {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let devnet = Devnet::start(settings(&directory)).await.unwrap();
        let client = Client::new(devnet.info().url.as_str()).unwrap();
        let world = Self {
            directory,
            devnet,
            client,
            key: Ed25519PrivateKey::new([7; 32]),
        };
        world.fund(world.address()).await;
        world
    }

    pub(crate) fn address(&self) -> Address {
        self.key.public_key().derive_address()
    }

    pub(crate) async fn fund(&self, recipient: Address) {
        give(&self.devnet.info().url, recipient).await;
    }

    /// A plain HTTP request, as a browser or `curl` would send it.
    pub(crate) async fn post(&self, path: &str, headers: &[&str], body: &str) -> (u16, String) {
        post(&self.devnet.info().url, path, headers, body).await
    }

    pub(crate) fn builder(&self) -> TransactionBuilder {
        let mut builder = TransactionBuilder::new();
        builder.set_sender(self.address());
        builder
    }

    /// A call of a function of the test package that takes one number.
    pub(crate) fn call(&self, stall: &Stall, function: &str, number: u64) -> TransactionBuilder {
        let mut builder = self.builder();
        let number = builder.pure(&number);
        builder.move_call(stall.function(function), vec![number]);
        builder
    }

    pub(crate) async fn build(&mut self, builder: TransactionBuilder) -> Transaction {
        builder.build(&mut self.client).await.unwrap()
    }

    pub(crate) async fn execute(&mut self, transaction: &Transaction) -> ExecutedTransaction {
        let request = request(transaction, &[&self.key]);
        let executed = self
            .client
            .execute_transaction_and_wait_for_checkpoint(request, Duration::from_secs(20))
            .await;
        executed.unwrap().into_inner().transaction.unwrap()
    }

    /// Builds and executes; the transaction must succeed.
    pub(crate) async fn run(&mut self, builder: TransactionBuilder) -> ExecutedTransaction {
        let transaction = self.build(builder).await;
        let executed = self.execute(&transaction).await;
        assert!(
            executed.effects().status().success(),
            "{:?}",
            executed.effects().status()
        );
        executed
    }

    /// Publishes the test package; returns its id, its shared stall, its treasury and its upgrade capability.
    pub(crate) async fn publish_stall(&mut self) -> Stall {
        let package = compiled("stall");
        let mut builder = self.builder();
        let capability = builder.publish(package.modules(), package.dependencies);
        let recipient = builder.pure(&self.address());
        builder.transfer_objects(vec![capability], recipient);
        let executed = self.run(builder).await;
        Stall {
            package: changed(&executed, "package"),
            stall: changed(&executed, "::stall::Stall"),
            treasury: changed(&executed, "::TreasuryCap<"),
            capability: changed(&executed, "::package::UpgradeCap"),
        }
    }
}

/// Asks the faucet for coins.
pub(crate) async fn give(url: &str, recipient: Address) {
    let body = format!(r#"{{"FixedAmountRequest":{{"recipient":"{recipient}"}}}}"#);
    let (status, answer) = post(url, "/v2/gas", &[], &body).await;
    assert_eq!(status, 201, "{answer}");
}

async fn post(url: &str, path: &str, headers: &[&str], body: &str) -> (u16, String) {
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.unwrap();
    let headers: String = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         content-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1);
    (
        status.and_then(|status| status.parse().ok()).unwrap(),
        answer,
    )
}

/// Ids of the published test package.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stall {
    pub(crate) package: Address,
    pub(crate) stall: Address,
    pub(crate) treasury: Address,
    pub(crate) capability: Address,
}

impl Stall {
    pub(crate) fn function(&self, name: &str) -> Function {
        Function::new(
            self.package,
            Identifier::from_static("stall"),
            Identifier::new(name).unwrap(),
        )
    }

    pub(crate) fn type_(&self, name: &str) -> StructTag {
        StructTag::new(
            self.package,
            Identifier::from_static("stall"),
            Identifier::new(name).unwrap(),
            vec![],
        )
    }
}

pub(crate) fn request(
    transaction: &Transaction,
    keys: &[&Ed25519PrivateKey],
) -> ExecuteTransactionRequest {
    let mut request = ExecuteTransactionRequest::default();
    request.transaction = Some(transaction.clone().into());
    request.signatures = keys
        .iter()
        .map(|key| key.sign_transaction(transaction).unwrap().into())
        .collect();
    request.read_mask = Some(FieldMask::from_str("*"));
    request
}

/// Id of the changed object whose type contains `name`.
pub(crate) fn changed(executed: &ExecutedTransaction, name: &str) -> Address {
    let found = executed.effects().changed_objects.iter().find(|change| {
        (change.object_type() == name || name.contains("::") && change.object_type().contains(name))
            && change.output_digest.is_some()
    });
    found
        .unwrap_or_else(|| panic!("no {name} in {:?}", executed.effects().changed_objects))
        .object_id()
        .parse()
        .unwrap()
}
