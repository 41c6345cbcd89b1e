//! Kills and power cuts at random points: what was acknowledged is still there, and a replay gives the same digests.
//!
//! `kill -9` runs everywhere. The power cut needs root (loop devices, mount) and runs through `tests/power_cut.sh`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[expect(dead_code, reason = "each test uses its part")]
mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use floe_devnet::Info;
use sui_crypto::{SuiSigner, ed25519::Ed25519PrivateKey};
use sui_rpc::{
    Client,
    field::{FieldMask, FieldMaskUtil},
    proto::sui::rpc::v2::{
        ExecuteTransactionRequest, GetCheckpointRequest, GetTransactionRequest,
        ListOwnedObjectsRequest,
    },
};
use sui_sdk_types::{Address, GasPayment, ObjectReference, Transaction};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::support::packages;

/// What a client was told: digests of effects by transaction, digests of checkpoints by number.
#[derive(Default)]
struct Told {
    transactions: BTreeMap<String, String>,
    checkpoints: BTreeMap<u64, String>,
}

fn key() -> Ed25519PrivateKey {
    Ed25519PrivateKey::new([7; 32])
}

fn address() -> Address {
    key().public_key().derive_address()
}

fn program(directory: &Path) -> Vec<String> {
    let packages = packages();
    let arguments = [
        "--port",
        "0",
        "--checkpoint-interval",
        "10",
        "--idle-interval",
        "50",
    ];
    let mut command = vec![env!("CARGO_BIN_EXE_floe-devnet").to_owned()];
    command.extend(arguments.map(str::to_owned));
    command.extend(["--dir".into(), directory.display().to_string()]);
    command.extend(["--packages".into(), packages.display().to_string()]);
    command
}

async fn start(command: &[String], directory: &Path) -> (Child, Info) {
    let info = directory.join("devnet.json");
    drop(fs::remove_file(&info));
    let child = Command::new(&command[0])
        .args(&command[1..])
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !info.exists() {
        assert!(
            Instant::now() < deadline,
            "the chain did not start within 60 s"
        );
        sleep(Duration::from_millis(10)).await;
    }
    (
        child,
        serde_json::from_slice(&fs::read(&info).unwrap()).unwrap(),
    )
}

/// Submits transactions one after the other until the chain stops answering.
async fn load(url: String, told: &mut Told) {
    let mut client = Client::new(url.as_str()).unwrap();
    let mut request = ListOwnedObjectsRequest::default();
    request.owner = Some(address().to_string());
    request.read_mask = Some(FieldMask::from_str("object_id,version,digest"));
    let Ok(coins) = client.state_client().list_owned_objects(request).await else {
        return;
    };
    let coin = coins.into_inner().objects.remove(0);
    let mut coin = ObjectReference::new(
        coin.object_id().parse().unwrap(),
        coin.version(),
        coin.digest().parse().unwrap(),
    );
    loop {
        let transaction = Transaction {
            kind: sui_sdk_types::TransactionKind::ProgrammableTransaction(
                sui_sdk_types::ProgrammableTransaction {
                    inputs: vec![],
                    commands: vec![],
                },
            ),
            sender: address(),
            gas_payment: GasPayment {
                objects: vec![coin.clone()],
                owner: address(),
                price: 1_000,
                budget: 5_000_000,
            },
            expiration: sui_sdk_types::TransactionExpiration::None,
        };
        let mut request = ExecuteTransactionRequest::default();
        request.signatures = vec![key().sign_transaction(&transaction).unwrap().into()];
        request.transaction = Some(transaction.into());
        request.read_mask = Some(FieldMask::from_str("digest,effects"));
        let Ok(executed) = client.execution_client().execute_transaction(request).await else {
            return;
        };
        let executed = executed.into_inner().transaction.unwrap();
        told.transactions.insert(
            executed.digest().to_owned(),
            executed.effects().digest().to_owned(),
        );
        let gas = executed.effects().gas_object();
        let digest = gas.output_digest().parse().unwrap();
        coin = ObjectReference::new(*coin.object_id(), gas.output_version(), digest);

        let Ok(newest) = client
            .ledger_client()
            .get_checkpoint(GetCheckpointRequest::latest())
            .await
        else {
            return;
        };
        let newest = newest.into_inner().checkpoint.unwrap();
        told.checkpoints
            .insert(newest.sequence_number(), newest.digest().to_owned());
    }
}

/// What was told and is no longer true.
async fn lost(url: &str, told: &Told) -> Vec<String> {
    let mut client = Client::new(url).unwrap();
    let mut lost = Vec::new();
    for (digest, effects) in &told.transactions {
        let mut request = GetTransactionRequest::default();
        request.digest = Some(digest.clone());
        request.read_mask = Some(FieldMask::from_str("effects.digest"));
        match client.ledger_client().get_transaction(request).await {
            Ok(found) if found.get_ref().transaction().effects().digest() == effects => {}
            other => lost.push(format!("transaction {digest}: {other:?}")),
        }
    }
    for (sequence, digest) in &told.checkpoints {
        let request = GetCheckpointRequest::by_sequence_number(*sequence);
        match client.ledger_client().get_checkpoint(request).await {
            Ok(found) if found.get_ref().checkpoint().digest() == digest => {}
            other => lost.push(format!("checkpoint {sequence}: {other:?}")),
        }
    }
    lost
}

/// Milliseconds to the next fault: spread over the life of a load, from a fixed sequence.
fn pause(round: u64) -> Duration {
    Duration::from_millis(20 + round.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) % 400)
}

fn count(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let command = program(directory.path());
    let mut told = Told::default();
    let mut chain = None;
    for round in 0..count("FLOE_KILLS", 5) {
        let (mut child, info) = start(&command, directory.path()).await;
        assert_eq!(*chain.get_or_insert(info.chain_id.clone()), info.chain_id);
        assert_eq!(lost(&info.url, &told).await, [""; 0]);
        if round == 0 {
            support::give(&info.url, address()).await;
        }
        tokio::select! {
            () = load(info.url.clone(), &mut told) => panic!("the chain stopped by itself"),
            () = sleep(pause(round)) => {}
        }
        child.kill().await.unwrap();
    }
    assert!(
        told.transactions.len() > 5,
        "{} transactions",
        told.transactions.len()
    );
    let (mut child, info) = start(&command, directory.path()).await;
    assert_eq!(lost(&info.url, &told).await, [""; 0]);
    child.kill().await.unwrap();
}

/// Runs a tool that must succeed.
async fn tool(name: &str, arguments: &[&str]) {
    let output = Command::new(name).args(arguments).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name} {arguments:?}: {errors}");
}

/// A file system of its own in a file, unmounted when dropped.
struct Disk {
    mount: PathBuf,
}

impl Disk {
    async fn mount(image: &Path, mount: PathBuf) -> Self {
        fs::create_dir_all(&mount).unwrap();
        tool(
            "mount",
            &[
                "-o",
                "loop",
                image.to_str().unwrap(),
                mount.to_str().unwrap(),
            ],
        )
        .await;
        Self { mount }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount")
            .arg(&self.mount)
            .status();
        assert!(
            unmounted.is_ok_and(|status| status.success()),
            "{} stays mounted",
            self.mount.display()
        );
    }
}

/// The image as a power cut would leave it: copied while the process is stopped and nothing is synced, until two copies agree.
fn cut(image: &Path, copy: &Path) {
    loop {
        fs::copy(image, copy).unwrap();
        let again = copy.with_extension("again");
        fs::copy(image, &again).unwrap();
        let same = fs::read(copy).unwrap() == fs::read(&again).unwrap();
        fs::remove_file(again).unwrap();
        if same {
            return;
        }
    }
}

/// The process of the chain: `child` itself, or the one it traces.
fn chain_process(child: &Child) -> String {
    let id = child.id().unwrap();
    let traced = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    traced
        .split_whitespace()
        .next()
        .map_or(id.to_string(), str::to_owned)
}

/// `FLOE_CUTS` cuts. With `FLOE_NO_FSYNC` the syncs of the chain are faked, and something must be lost: otherwise this test is blind.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root, loop devices and a minute: run chain/devnet/tests/power_cut.sh"]
async fn nothing_acknowledged_is_lost_when_the_power_fails() {
    let faked = std::env::var_os("FLOE_NO_FSYNC").is_some();
    let room = tempfile::tempdir().unwrap();
    let image = room.path().join("disk");
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    tool("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]).await;
    let (mut told, mut funded, mut missing) = (Told::default(), None, Vec::new());
    for round in 0..=count("FLOE_CUTS", 10) {
        let disk = Disk::mount(&image, room.path().join("mount")).await;
        let directory = disk.mount.join("chain");
        let mut command = program(&directory);
        if faked {
            let fake = "inject=fdatasync,fsync:retval=0";
            let strace = [
                "strace",
                "-f",
                "-qq",
                "--seccomp-bpf",
                "-e",
                fake,
                "-o",
                "/dev/null",
            ];
            command.splice(0..0, strace.map(str::to_owned));
        }
        let (mut child, info) = start(&command, &directory).await;
        missing = lost(&info.url, &told).await;
        if *funded.get_or_insert(info.chain_id.clone()) != info.chain_id {
            missing.push("the whole chain".into());
        }
        if round == 0 {
            support::give(&info.url, address()).await;
        }
        if missing.is_empty() {
            tokio::select! {
                () = load(info.url.clone(), &mut told) => panic!("the chain stopped by itself"),
                () = sleep(pause(round)) => {}
            }
        }
        let process = chain_process(&child);
        tool("kill", &["-STOP", &process]).await;
        let copy = room.path().join("copy");
        cut(&image, &copy);
        tool("kill", &["-KILL", &process]).await;
        drop(child.wait().await);
        drop(disk);
        fs::rename(&copy, &image).unwrap();
        if !missing.is_empty() {
            break;
        }
    }
    println!(
        "{} transactions and {} checkpoints told, {} lost",
        told.transactions.len(),
        told.checkpoints.len(),
        missing.len()
    );
    assert_eq!(missing.is_empty(), !faked, "{missing:?}");
}
