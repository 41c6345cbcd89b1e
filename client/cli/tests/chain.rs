//! The verbs of delegators and operators against a local chain: text, JSON, dry runs, errors.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; a failure is a failed test"
)]

use std::{
    io::{Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use floe_chain::{
    amount::Sui,
    cost::Prices,
    keys::{BlsSecretKey, IdentitySecretKey},
    rpc::{
        ChainWrite, Operation, SuiChain,
        genesis::GenesisSettings,
        keyfile::write_secret_line,
        state::{Params, Vote},
    },
};
use floe_chain::{amount::Wal, epoch::Epoch, rpc::Wallet};
use floe_devnet::{Cadence, Devnet, Settings};
use floe_testnet::{
    deploy::{Deployment, NodePlan, Plan, Target, deploy, drive_to},
    faucet,
    packages::Packages,
};
use serde_json::Value;

const COIN: u64 = 1_000_000_000;
const HOUR: u64 = 3_600_000;
const DEPLOYER: [u8; 32] = [0xde; 32];

/// A local chain with four nodes in epoch 1, and a folder with a configuration and keys.
struct World {
    dir: tempfile::TempDir,
    devnet: Devnet,
    deployment: Deployment,
    plan: Plan,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let packages = std::env::var_os("FLOE_PACKAGES").map_or_else(
            || concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/move").into(),
            std::path::PathBuf::from,
        );
        let devnet = Devnet::start(Settings {
            directory: dir.path().join("devnet"),
            packages: packages.clone(),
            listen: "127.0.0.1:0".parse().unwrap(),
            cadence: Cadence {
                busy: Duration::from_millis(5),
                idle: Duration::from_millis(200),
                epoch: Duration::from_secs(86_400),
            },
            seed: None,
            admin: true,
        });
        let devnet = devnet.await.unwrap();
        let info = devnet.info();
        let target = Target {
            urls: vec![info.url.clone()],
            chain: info.chain_id.parse().unwrap(),
            anchor: Some(info.anchor.clone()),
        };
        let deployer = Wallet::from_seed(DEPLOYER);
        faucet::request(&info.faucet, deployer.address())
            .await
            .unwrap();
        let plan = plan();
        let packages = Packages::read(&packages).unwrap();
        let deployment = deploy(&target, &deployer, &packages, &plan).await.unwrap();
        drive_to(&deployment, &plan, Epoch::FIRST).await.unwrap();

        let world = Self {
            dir,
            devnet,
            deployment,
            plan,
        };
        let config = &world.deployment.config;
        let text = format!(
            "[chain]\nurls = ['{}']\nchain_id = '{}'\nsystem_object = '{}'\ntrust_anchor = '{}'\n\
             [wallet]\nkey = 'w.key'\n",
            config.urls[0],
            config.chain_id,
            config.system_object,
            config.trust_anchor.as_deref().unwrap(),
        );
        std::fs::write(world.path().join("floe.toml"), text).unwrap();
        let wallet = Wallet::from_seed([0x77; 32]);
        write_secret_line(&world.path().join("w.key"), &wallet.to_line()).unwrap();
        let operator = &world.plan.nodes[0].wallet;
        write_secret_line(&world.path().join("node.key"), &operator.to_line()).unwrap();
        let network = SuiChain::connect(config).await.unwrap();
        let to = wallet.address();
        let funds = vec![
            Operation::SendSui {
                to,
                amount: Sui::from_units(5 * COIN),
            },
            Operation::SendWal {
                to,
                amount: Wal::from_units(1_000 * COIN),
            },
        ];
        network.account(deployer).execute(funds).await.unwrap();
        world
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Ends the epoch; nodes earned `gift` in it.
    async fn next_epoch(&self, next: u32, gift: u64) {
        let network = SuiChain::connect(&self.deployment.config).await.unwrap();
        let gift = Operation::AddFunds {
            epoch: Epoch::new(next - 1),
            funds: Wal::from_units(gift),
        };
        let deployer = network.account(Wallet::from_seed(DEPLOYER));
        deployer.execute(vec![gift]).await.unwrap();
        let host = self
            .devnet
            .info()
            .url
            .trim_start_matches("http://")
            .to_owned();
        let mut stream = std::net::TcpStream::connect(&host).unwrap();
        let body = format!("{{\"milliseconds\":{}}}", HOUR + 1_000);
        let length = body.len();
        write!(
            stream,
            "POST /admin/advance-time HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             x-floe-admin: 1\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
        let (deployment, plan) = (&self.deployment, &self.plan);
        drive_to(deployment, plan, Epoch::new(next)).await.unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    /// The lines of a run that ends with `code`.
    fn json(&self, code: i32, args: &[&str]) -> Vec<Value> {
        let args = [args, &["--json", "--progress", "off"]].concat();
        let run = self.run(&args);
        let told = String::from_utf8(if code == 0 || code == 9 {
            run.stdout
        } else {
            run.stderr.clone()
        });
        let told = told.unwrap();
        let error = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(code), "{args:?}: {error}");
        let lines = told.lines().filter(|line| line.starts_with('{'));
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn text(&self, args: &[&str]) -> String {
        let run = self.run(args);
        let error = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(0), "{args:?}: {error}");
        String::from_utf8(run.stdout).unwrap()
    }
}

fn plan() -> Plan {
    let node = |n: u8| NodePlan {
        name: format!("node {n}"),
        addresses: vec![format!("127.0.0.1:{}", 7_000 + u16::from(n))],
        identity: IdentitySecretKey::from_seed(&[n; 32]),
        protocol: BlsSecretKey::from_seed(&[n; 32]),
        wallet: Wallet::from_seed([n; 32]),
        stake: Wal::from_units(100 * COIN),
        vote: Vote {
            prices: Prices {
                storage: Wal::from_units(1_000),
                write: Wal::from_units(2_000),
            },
            capacity: 1 << 40,
        },
        commission_bps: 500,
    };
    Plan {
        settings: GenesisSettings {
            shards: floe_codec::ShardCount::new(10).unwrap(),
            horizon: 52,
            epoch_zero_ms: 500,
            params: Params {
                epoch_ms: HOUR,
                select_bps: 5_000,
                burn_bps: 300,
                cap_bps: 1_000,
                max_nodes: 300,
                min_stake: Wal::from_units(COIN),
            },
        },
        nodes: (1..=4).map(node).collect(),
        sui_for_node: Sui::from_units(5 * COIN),
        wal_for_node: Wal::from_units(10 * COIN),
    }
}

fn units(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no amount"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stake_is_delegated_earns_and_comes_back() {
    let world = World::new().await;
    let node = world.deployment.nodes[0].id.to_string();
    assert!(world.json(0, &["stake", "list"]).is_empty());

    let planned = world.json(9, &["stake", "delegate", &node, "200", "--dry-run"]);
    assert_eq!(planned[0]["type"], "delegated");
    assert_eq!(
        (&planned[0]["from"], &planned[0]["name"]),
        (&2.into(), &"node 1".into())
    );
    assert!(
        world.json(0, &["stake", "list"]).is_empty(),
        "a dry run did something"
    );
    let staked = world.text(&["stake", "delegate", &node, "200"]);
    assert!(
        staked.starts_with(&format!("200 WAL with {node}  node 1")),
        "{staked}"
    );
    assert!(staked.contains("the operator keeps 5.00 %"), "{staked}");

    let error = |args: &[&str], exit, code| {
        let told = world.json(exit, args);
        assert_eq!(told[0]["code"], code, "{args:?}: {told:?}");
    };
    error(&["stake", "delegate", &node, "0.5"], 2, "stake.too_little");
    error(&["stake", "delegate", &node, "100000"], 6, "stake.funds");
    let nobody = format!("0x{}", "9".repeat(64));
    error(&["stake", "delegate", &nobody, "2"], 3, "stake.no_node");
    error(&["stake", "exit", &nobody], 3, "stake.not_found");
    let held = world.json(0, &["stake", "list"]);
    assert_eq!(
        (&held[0]["standing"], &held[0]["epoch"]),
        (&"pending".into(), &2.into())
    );
    let stake = held[0]["object"].as_str().unwrap().to_owned();
    error(&["stake", "exit", &stake], 2, "stake.not_active");

    world.next_epoch(2, 1).await;
    error(&["stake", "withdraw", &stake], 2, "stake.not_withdrawable");
    world.next_epoch(3, 1_000 * COIN).await;
    let held = world.json(0, &["stake", "list"]);
    assert_eq!(held[0]["standing"], "active");
    let (worth, rewards) = (units(&held[0]["worth"]), units(&held[0]["rewards"]));
    assert!(rewards > 100 * COIN, "{held:?}");
    assert_eq!(worth, 200 * COIN + rewards);
    assert_eq!(units(&held[0]["principal"]), 200 * COIN);

    let planned = world.json(9, &["stake", "exit", &stake, "--dry-run"]);
    assert_eq!(planned[0]["from"], 4);
    world.json(0, &["stake", "exit", &stake]);
    let held = world.json(0, &["stake", "list"]);
    assert_eq!(held[0]["standing"], "exiting");
    assert_eq!(units(&held[0]["rewards"]), rewards);
    error(&["stake", "withdraw", &stake], 2, "stake.not_withdrawable");
    world.next_epoch(4, 1).await;
    let planned = world.json(9, &["stake", "withdraw", &stake, "--dry-run"]);
    assert!(units(&planned[0]["pays"]) >= worth, "{planned:?}");
    let before = units(&world.json(0, &["wallet", "show"])[0]["wal"]);
    world.json(0, &["stake", "withdraw", &stake]);
    let after = units(&world.json(0, &["wallet", "show"])[0]["wal"]);
    assert_eq!(after - before, units(&planned[0]["pays"]));
    assert!(world.json(0, &["stake", "list"]).is_empty());
    world.devnet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_register_vote_and_rotate() {
    let world = World::new().await;
    for (kind, seed) in [("identity", "i.key"), ("protocol", "p.key")] {
        world.text(&["key", "new", kind, seed]);
    }
    let register = [
        "node",
        "register",
        "--name",
        "mine",
        "--address",
        "127.0.0.1:7100",
        "--identity",
        "i.key",
        "--protocol",
        "p.key",
        "--storage-price",
        "0.000005",
        "--write-price",
        "0.000006",
        "--capacity",
        "1000000000",
        "--stake",
        "300",
    ];
    let error = |args: &[&str], exit, code| {
        let told = world.json(exit, args);
        assert_eq!(told[0]["code"], code, "{args:?}: {told:?}");
    };
    error(&["node", "vote", "--capacity", "1"], 7, "node.not_operated");
    let planned = world.json(9, &[&register[..], &["--dry-run"]].concat());
    assert_eq!(
        (&planned[0]["type"], &planned[0]["name"]),
        (&"node_plan".into(), &"mine".into())
    );
    let swapped = [
        &register[..6],
        &["--identity", "p.key", "--protocol", "w.key"],
        &register[10..],
    ];
    error(&swapped.concat(), 2, "usage");
    let made = world.json(0, &register);
    let node = made[0]["node"].as_str().unwrap().to_owned();
    assert_eq!(world.json(0, &["stake", "list"])[0]["node"], node);

    let vote = ["node", "vote", "--storage-price", "0.000007"];
    let planned = world.json(9, &[&vote[..], &["--dry-run"]].concat());
    assert_eq!(planned[0]["change"]["before"]["prices"]["storage"], 5_000);
    assert_eq!(planned[0]["change"]["after"]["prices"]["storage"], 7_000);
    let told = world.text(&vote);
    assert!(
        told.starts_with(&format!("{node}  mine, from epoch 2")),
        "{told}"
    );
    let commission = world.json(0, &["node", "set-commission", "1000"]);
    assert_eq!(
        (&commission[0]["from"], &commission[0]["change"]["after"]),
        (&3.into(), &1_000.into())
    );
    error(&["node", "set-commission", "10001"], 2, "node.commission");
    let elsewhere = world.deployment.nodes[0].id.to_string();
    let other = ["node", "set-commission", "1", "--node", elsewhere.as_str()];
    error(&other, 7, "node.not_operated");

    // Prices of now are what the votes of now decide, until a vote changes.
    let info = &world.json(0, &["info"])[0];
    assert_eq!(info["votes"].as_array().unwrap().len(), 4);
    assert_eq!(info["quorum"], 7);
    assert_eq!(info["decided"]["prices"]["storage"], info["storage_price"]);
    let told = world.text(&["info"]);
    assert!(
        told.contains("7 of 10 shards") && told.contains("decided by"),
        "{told}"
    );
    let vote = [
        "node",
        "vote",
        "--storage-price",
        "0.0000005",
        "--wallet",
        "node.key",
    ];
    world.json(0, &vote);
    let prices: Vec<_> = (0..4)
        .map(|n| units(&world.json(0, &["info"])[0]["votes"][n]["storage_price"]))
        .collect();
    assert_eq!(prices, [500, 1_000, 1_000, 1_000]);

    world.next_epoch(2, 1).await;
    let info = &world.json(0, &["info"])[0];
    assert_eq!(info["votes"].as_array().unwrap().len(), 5);
    let before = world.text(&["key", "show", "protocol", "p.key"]);
    for (kind, seed) in [("identity", "i2.key"), ("protocol", "p2.key")] {
        world.text(&["key", "new", kind, seed]);
    }
    let rotated = world.json(
        0,
        &[
            "node",
            "rotate-key",
            "--identity",
            "i2.key",
            "--protocol",
            "p2.key",
        ],
    );
    let shown = world.text(&["key", "show", "protocol", "p2.key"]);
    assert_ne!(before, shown);
    assert_eq!(rotated[0]["change"]["protocol"], shown.trim());
    world.devnet.stop().await;
}
