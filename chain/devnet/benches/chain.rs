//! How fast the chain acknowledges and certifies, how much it holds, how long it takes to start again.
//!
//! `cargo bench -p floe-devnet`. Each round runs the same load on a directory on disk and on one in memory (`/dev/shm`), interleaved;
//! the ratio is what durability costs.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "a measuring program for people"
)]

#[expect(dead_code, reason = "each test uses its part")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use floe_devnet::Info;
use sui_crypto::{SuiSigner, ed25519::Ed25519PrivateKey};
use sui_rpc::{
    Client,
    field::{FieldMask, FieldMaskUtil},
    proto::sui::rpc::v2::{ExecuteTransactionRequest, ListOwnedObjectsRequest},
};
use sui_sdk_types::{
    Address, Argument, Command, GasPayment, Input, ObjectReference, ProgrammableTransaction,
    SplitCoins, Transaction, TransactionExpiration, TransactionKind, TransferObjects,
};
use tokio::process::Child;

const ROUNDS: usize = 3;
const SEQUENTIAL: usize = 200;
const CERTIFIED: usize = 30;
const ACCOUNTS: u8 = 16;
const EACH: usize = 100;

struct Account {
    key: Ed25519PrivateKey,
    coin: ObjectReference,
    client: Client,
}

impl Account {
    async fn new(url: &str, seed: u8) -> Self {
        let key = Ed25519PrivateKey::new([seed; 32]);
        let owner = key.public_key().derive_address();
        support::give(url, owner).await;
        let mut client = Client::new(url).unwrap();
        let mut request = ListOwnedObjectsRequest::default();
        request.owner = Some(owner.to_string());
        request.read_mask = Some(FieldMask::from_str("object_id,version,digest"));
        let coins = client
            .state_client()
            .list_owned_objects(request)
            .await
            .unwrap()
            .into_inner();
        let coin = &coins.objects[0];
        let id = coin.object_id().parse().unwrap();
        let coin = ObjectReference::new(id, coin.version(), coin.digest().parse().unwrap());
        Self { key, coin, client }
    }

    fn address(&self) -> Address {
        self.key.public_key().derive_address()
    }

    /// Splits one coin off and sends it to the sender: one object changed, one created.
    fn request(&self) -> ExecuteTransactionRequest {
        let split = SplitCoins {
            coin: Argument::Gas,
            amounts: vec![Argument::Input(0)],
        };
        let send = TransferObjects {
            objects: vec![Argument::NestedResult(0, 0)],
            address: Argument::Input(1),
        };
        let transaction = Transaction {
            kind: TransactionKind::ProgrammableTransaction(ProgrammableTransaction {
                inputs: vec![
                    Input::Pure(1_u64.to_le_bytes().to_vec()),
                    Input::Pure(self.address().as_bytes().to_vec()),
                ],
                commands: vec![Command::SplitCoins(split), Command::TransferObjects(send)],
            }),
            sender: self.address(),
            gas_payment: GasPayment {
                objects: vec![self.coin.clone()],
                owner: self.address(),
                price: 1_000,
                budget: 10_000_000,
            },
            expiration: TransactionExpiration::None,
        };
        let mut request = ExecuteTransactionRequest::default();
        request.signatures = vec![self.key.sign_transaction(&transaction).unwrap().into()];
        request.transaction = Some(transaction.into());
        request.read_mask = Some(FieldMask::from_str("effects.gas_object"));
        request
    }

    fn note(&mut self, executed: &sui_rpc::proto::sui::rpc::v2::ExecutedTransaction) {
        let gas = executed.effects().gas_object();
        let digest = gas.output_digest().parse().unwrap();
        self.coin = ObjectReference::new(*self.coin.object_id(), gas.output_version(), digest);
    }

    async fn execute(&mut self) {
        let request = self.request();
        let response = self
            .client
            .execution_client()
            .execute_transaction(request)
            .await
            .unwrap();
        self.note(response.get_ref().transaction());
    }

    async fn certify(&mut self) {
        let request = self.request();
        let wait = Duration::from_secs(30);
        let response = self
            .client
            .execute_transaction_and_wait_for_checkpoint(request, wait)
            .await;
        self.note(response.unwrap().get_ref().transaction());
    }
}

async fn start(directory: &Path) -> (Child, Info, Duration) {
    let info = directory.join("devnet.json");
    drop(fs::remove_file(&info));
    let begin = Instant::now();
    let child = tokio::process::Command::new(env!("CARGO_BIN_EXE_floe-devnet"))
        .args(["--port", "0", "--dir"])
        .arg(directory)
        .arg("--packages")
        .arg(support::packages())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    while !info.exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = begin.elapsed();
    (
        child,
        serde_json::from_slice(&fs::read(&info).unwrap()).unwrap(),
        took,
    )
}

fn resident_mib(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1024.0
}

/// Median and 99th percentile in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    (at(50), at(99))
}

async fn measure(place: &str, directory: &Path) {
    let (mut child, info, genesis) = start(directory).await;
    let fresh = resident_mib(&child);
    let mut accounts = Vec::new();
    for seed in 1..=ACCOUNTS {
        accounts.push(Account::new(&info.url, seed).await);
    }
    let mut acknowledged = Vec::new();
    for _ in 0..SEQUENTIAL {
        let begin = Instant::now();
        accounts[0].execute().await;
        acknowledged.push(begin.elapsed());
    }
    let mut certified = Vec::new();
    for _ in 0..CERTIFIED {
        let begin = Instant::now();
        accounts[0].certify().await;
        certified.push(begin.elapsed());
    }
    let begin = Instant::now();
    let work = accounts.into_iter().map(|mut account| {
        tokio::spawn(async move {
            for _ in 0..EACH {
                account.execute().await;
            }
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
    let rate = (usize::from(ACCOUNTS) * EACH) as f64 / begin.elapsed().as_secs_f64();
    let full = resident_mib(&child);
    child.kill().await.unwrap();
    let (mut child, _, replay) = start(directory).await;
    child.kill().await.unwrap();

    let (ack, ack99) = percentiles(acknowledged);
    let (cert, cert99) = percentiles(certified);
    println!(
        "{place:7} start {:5.0} ms | acknowledged p50 {ack:6.2} p99 {ack99:6.2} ms | certified p50 {cert:6.1} p99 {cert99:6.1} ms | \
         {rate:6.0} tx/s by {ACCOUNTS} accounts | memory {fresh:.1} -> {full:.1} MiB | restart {:5.0} ms",
        genesis.as_secs_f64() * 1e3,
        replay.as_secs_f64() * 1e3,
    );
}

#[tokio::main]
async fn main() {
    let transactions = SEQUENTIAL + CERTIFIED + usize::from(ACCOUNTS) * EACH;
    println!(
        "{transactions} transactions per line (split a coin, send it to oneself), checkpoints every 100 ms"
    );
    for _ in 0..ROUNDS {
        let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        measure("disk", disk.path()).await;
        let memory = tempfile::tempdir_in("/dev/shm").unwrap();
        measure("memory", memory.path()).await;
    }
}
