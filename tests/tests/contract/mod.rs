//! The contract on a devnet of its own, with all its nodes in the hands of one account.

mod chain;

use floe_chain::certificate::{Collector, Confirmation};
use floe_chain::committee::{Committee, Member};
use floe_chain::id::{Address as Account, NetworkId, NodeId, SystemId};
use floe_chain::keys::{BlsSecretKey, IdentitySecretKey};
use floe_chain::statement::{Available, Persistence, Possession};
use floe_codec::{BlobId, BlobLayout, BlobRoot, ShardCount};
use sui_rpc::proto::sui::rpc::v2::ExecutedTransaction;
use sui_sdk_types::{Address, StructTag, TypeTag};
use sui_transaction_builder::{Argument, Function, ObjectInput, TransactionBuilder};

use chain::{Chain, function, identifier, reference, written};

const CLOCK: Address = Address::from_static("0x6");
const COIN_REGISTRY: Address = Address::from_static("0xc");
const EPOCH_MS: u64 = 3_600_000;
const ONE_WAL: u64 = 1_000_000_000;
/// Nodes registered, and pools settled, in one transaction.
const REGISTER_BATCH: usize = 25;
const SETTLE_BATCH: usize = 180;

pub(crate) struct Contract {
    chain: Chain,
    shards: u16,
    floe: Address,
    system: Address,
    staking: Address,
    currency: Address,
    /// The coin with all WAL that is not spent.
    wal: Address,
    nodes: Vec<Node>,
    /// The latest committee object.
    committee: Option<Address>,
}

struct Node {
    bls: BlsSecretKey,
    identity: IdentitySecretKey,
    cap: Option<Address>,
}

impl Contract {
    /// Genesis with keys for `nodes` nodes, none of them registered.
    pub(crate) async fn deploy(nodes: u16, shards: u16) -> Self {
        let mut chain = Chain::start().await;
        let published = chain.publish("wal", &[]).await;
        let wal_package = reference(&published, "package").0;
        let wal_coin = format!("::coin::Coin<{wal_package}::wal::WAL>");
        let wal = reference(&published, &wal_coin).0;

        let currency = finalize_wal(&mut chain, wal_package, &published).await;
        let published = chain.publish("floe", &[("wal", wal_package)]).await;
        let floe = reference(&published, "package").0;

        let mut call = chain.builder();
        let params = vec![
            call.pure(&EPOCH_MS),
            call.pure(&5_000u16),
            call.pure(&300u16),
            call.pure(&1_000u16),
            call.pure(&nodes.max(20)),
            call.pure(&ONE_WAL),
        ];
        let params = call.move_call(function(floe, "params", "new"), params);
        let arguments = vec![
            call.object(ObjectInput::new(
                reference(&published, "::epoch::InitCap").0,
            )),
            call.object(ObjectInput::new(
                reference(&published, "::package::UpgradeCap").0,
            )),
            call.pure(&chain.id().as_bytes().to_vec()),
            call.pure(&shards),
            call.pure(&104u32),
            call.pure(&EPOCH_MS),
            params,
            call.object(ObjectInput::new(CLOCK)),
        ];
        call.move_call(function(floe, "epoch", "initialize"), arguments);
        let created = chain.run("initialize", call).await;
        Self {
            system: reference(&created, "::system::System").0,
            staking: reference(&created, "::staking::Staking").0,
            chain,
            shards,
            floe,
            currency,
            wal,
            nodes: (0..nodes).map(Node::new).collect(),
            committee: None,
        }
    }

    /// Registers every node, with stakes that differ, and one whale.
    pub(crate) async fn register_all(&mut self) {
        let network = self.network();
        let sender = Account::from_bytes(self.chain.address().into_inner());
        for first in (0..self.nodes.len()).step_by(REGISTER_BATCH) {
            let batch = first..(first + REGISTER_BATCH).min(self.nodes.len());
            let mut call = self.chain.builder();
            let (staking, wal) = (
                self.object(&mut call, self.staking),
                self.object(&mut call, self.wal),
            );
            let mut kept = Vec::new();
            for k in batch.clone() {
                let node = &self.nodes[k];
                let (keys, proof) = Possession::prove(network, sender, &node.bls, &node.identity);
                let vote = vec![
                    call.pure(&1_000u64),
                    call.pure(&2_000u64),
                    call.pure(&(1u64 << 42)),
                ];
                let vote = call.move_call(self.function("terms", "vote"), vote);
                let arguments = vec![
                    staking,
                    call.pure(&format!("node {k}")),
                    call.pure(&vec!["/dns4/node.example.org/udp/9000/quic-v1".to_owned()]),
                    call.pure(&keys.bls_key.to_bytes().to_vec()),
                    call.pure(&keys.identity.to_bytes().to_vec()),
                    call.pure(&proof.bls.to_bytes().to_vec()),
                    call.pure(&proof.identity.to_bytes().to_vec()),
                    call.pure(&1_000u16),
                    vote,
                ];
                let cap = call.move_call(self.function("staking", "register_node"), arguments);
                let id = call.move_call(self.function("staking", "node"), vec![cap]);
                let amount = if k == 7 { 1_000_000 } else { 100 + k % 11 };
                let amount = call.pure(&(amount as u64 * ONE_WAL));
                let coin = call.split_coins(wal, vec![amount])[0];
                kept.push(cap);
                kept.push(
                    call.move_call(self.function("staking", "stake"), vec![staking, id, coin]),
                );
            }
            let recipient = call.pure(&self.chain.address());
            call.transfer_objects(kept, recipient);
            let executed = self.chain.run("register and stake", call).await;
            for cap in written(&executed, "::staking::NodeCap") {
                self.adopt(cap, batch.clone()).await;
            }
        }
    }

    /// Finds out whose capability this is, by the keys in its pool.
    async fn adopt(&mut self, cap: Address, batch: std::ops::Range<usize>) {
        let contents = self.chain.contents(cap).await;
        let pool = self
            .chain
            .contents(Address::from_bytes(&contents[32..64]).unwrap())
            .await;
        let node = self.nodes[batch].iter_mut().find(|node| {
            let key = node.bls.public().to_bytes();
            pool.windows(key.len()).any(|window| window == key)
        });
        node.unwrap().cap = Some(cap);
    }

    pub(crate) async fn pass_epoch(&self) {
        self.chain.pass(EPOCH_MS + 1_000).await;
    }

    pub(crate) async fn select(&mut self) {
        let executed = self.conduct("select").await;
        self.committee = Some(reference(&executed, "::committee::EpochCommittee").0);
    }

    pub(crate) async fn advance(&mut self) {
        self.conduct("advance").await;
    }

    /// The committee that was selected last.
    pub(crate) async fn committee(&mut self) -> Committee {
        let contents = self.chain.contents(self.committee.unwrap()).await;
        println!("EpochCommittee: {} bytes", contents.len());
        bcs::from_bytes(&contents[32..]).unwrap()
    }

    pub(crate) async fn settle_all(&mut self) {
        for _ in 0..self.nodes.len().div_ceil(SETTLE_BATCH) {
            let mut call = self.chain.builder();
            let arguments = vec![
                self.object(&mut call, self.staking),
                self.object(&mut call, self.currency),
                call.pure(&(SETTLE_BATCH as u64)),
            ];
            call.move_call(self.function("epoch", "settle"), arguments);
            self.chain.run("settle", call).await;
        }
    }

    /// Declares every member synced, each by a transaction as on a real network.
    pub(crate) async fn sync_all(&mut self, committee: &Committee) {
        for member in committee.members() {
            let mut call = self.chain.builder();
            let arguments = vec![
                self.object(&mut call, self.staking),
                self.object(&mut call, self.node(member).cap.unwrap()),
                call.pure(&committee.epoch().get()),
                self.object(&mut call, CLOCK),
            ];
            call.move_call(self.function("epoch", "sync_done"), arguments);
            self.chain.run("sync_done", call).await;
        }
    }

    /// Prints what the transactions since the last time cost.
    pub(crate) fn print_costs(&mut self) {
        for row in self.chain.costs() {
            println!("| {} | {row}", self.nodes.len());
        }
    }

    /// Gives the members of epoch 1 something to earn.
    pub(crate) async fn subsidise(&mut self) {
        let mut call = self.chain.builder();
        let wal = self.object(&mut call, self.wal);
        let amount = call.pure(&(12_345 * ONE_WAL));
        let coin = call.split_coins(wal, vec![amount])[0];
        let arguments = vec![self.object(&mut call, self.system), call.pure(&1u32), coin];
        call.move_call(self.function("system", "add_funds"), arguments);
        self.chain.run("add funds", call).await;
    }

    /// Stakes enough with one node to win it more shards.
    pub(crate) async fn stake_more(&mut self, k: usize) {
        let mut call = self.chain.builder();
        let (staking, wal) = (
            self.object(&mut call, self.staking),
            self.object(&mut call, self.wal),
        );
        let cap = self.object(&mut call, self.nodes[k].cap.unwrap());
        let id = call.move_call(self.function("staking", "node"), vec![cap]);
        let amount = call.pure(&(2_000 * ONE_WAL));
        let coin = call.split_coins(wal, vec![amount])[0];
        let stake = call.move_call(self.function("staking", "stake"), vec![staking, id, coin]);
        let recipient = call.pure(&self.chain.address());
        call.transfer_objects(vec![stake], recipient);
        self.chain.run("stake", call).await;
    }

    /// Reserves, registers and certifies a blob with the signatures of every member.
    pub(crate) async fn store_and_certify(&mut self, committee: &Committee) {
        let shards = ShardCount::new(self.shards).unwrap();
        let layout = BlobLayout::for_shards(shards, 1_000_000).unwrap();
        let root = BlobRoot::from_bytes([9; 32]);
        let mut call = self.chain.builder();
        let (system, wal) = (
            self.object(&mut call, self.system),
            self.object(&mut call, self.wal),
        );
        let encoded = u64::try_from(layout.encoded_size()).unwrap();
        let arguments = vec![
            system,
            call.pure(&encoded),
            call.pure(&1u32),
            call.pure(&3u32),
            wal,
        ];
        let storage = call.move_call(self.function("system", "reserve"), arguments);
        let arguments = vec![
            system,
            storage,
            call.pure(&root.as_bytes().to_vec()),
            call.pure(&1_000_000u64),
            call.pure(&layout.encoding().code()),
            call.pure(&false),
            wal,
        ];
        let blob = call.move_call(self.function("system", "register"), arguments);
        let recipient = call.pure(&self.chain.address());
        call.transfer_objects(vec![blob], recipient);
        let registered = self.chain.run("reserve and register", call).await;

        let available = Available {
            blob: BlobId::derive(&layout, &root),
            size: 1_000_000,
            encoding: layout.encoding(),
            persistence: Persistence::Permanent,
        };
        let mut collector = Collector::new(self.network(), committee, available);
        for member in committee.members() {
            let node = self.node(member);
            let statement = collector.statement().clone();
            let confirmation = Confirmation::sign(member.node(), statement, &node.bls);
            collector.add(&confirmation).unwrap();
        }
        let certificate = collector.certificate().unwrap();
        let mut call = self.chain.builder();
        let arguments = vec![
            self.object(&mut call, self.system),
            self.object(&mut call, reference(&registered, "::blob::Blob").0),
            call.pure(&1u32),
            call.pure(&certificate.signers().as_bytes().to_vec()),
            call.pure(&certificate.signature().to_bytes().to_vec()),
        ];
        call.move_call(self.function("system", "certify"), arguments);
        self.chain.run("certify", call).await;
    }

    async fn conduct(&mut self, step: &str) -> ExecutedTransaction {
        let mut call = self.chain.builder();
        let arguments = vec![
            self.object(&mut call, self.staking),
            self.object(&mut call, self.system),
            self.object(&mut call, CLOCK),
        ];
        call.move_call(self.function("epoch", step), arguments);
        self.chain.run(step, call).await
    }

    fn node(&self, member: &Member) -> &Node {
        let mut nodes = self.nodes.iter();
        nodes
            .find(|node| node.bls.public() == *member.bls_key())
            .unwrap()
    }

    fn network(&self) -> NetworkId {
        NetworkId {
            chain: self.chain.id(),
            system: SystemId::from_bytes(self.system.into_inner()),
        }
    }

    fn function(&self, module: &str, name: &str) -> Function {
        function(self.floe, module, name)
    }

    #[expect(clippy::unused_self, reason = "reads like the other calls")]
    fn object(&self, call: &mut TransactionBuilder, id: Address) -> Argument {
        call.object(ObjectInput::new(id))
    }
}

impl Node {
    fn new(k: u16) -> Self {
        let mut seed = [0x0f; 32];
        seed[..2].copy_from_slice(&k.to_le_bytes());
        Self {
            bls: BlsSecretKey::from_seed(&seed),
            identity: IdentitySecretKey::from_seed(&seed),
            cap: None,
        }
    }
}

/// Puts the coin's currency where everybody finds it.
async fn finalize_wal(
    chain: &mut Chain,
    package: Address,
    published: &ExecutedTransaction,
) -> Address {
    let wal = StructTag::new(package, identifier("wal"), identifier("WAL"), vec![]);
    let (id, version, digest) = reference(published, "::coin_registry::Currency<");
    let mut call = chain.builder();
    let arguments = vec![
        call.object(ObjectInput::new(COIN_REGISTRY)),
        call.object(ObjectInput::receiving(id, version, digest)),
    ];
    let finalize = function(Address::TWO, "coin_registry", "finalize_registration");
    call.move_call(finalize.with_type_args(vec![TypeTag::from(wal)]), arguments);
    reference(
        &chain.run("finalize WAL", call).await,
        "::coin_registry::Currency<",
    )
    .0
}

/// Shards that changed hands.
pub(crate) fn moved(before: &Committee, after: &Committee) -> usize {
    let owner = |committee: &Committee, shard: usize| -> NodeId {
        committee.member(committee.owners()[shard]).unwrap().node()
    };
    (0..before.owners().len())
        .filter(|shard| owner(before, *shard) != owner(after, *shard))
        .count()
}

/// Shards that members must give up whatever the assignment.
pub(crate) fn lost(before: &Committee, after: &Committee) -> usize {
    let held = |committee: &Committee, node: NodeId| -> usize {
        let index = committee.index_of(node);
        index.map_or(0, |index| committee.shards_of(index).count())
    };
    let members = before.members().iter();
    members
        .map(|member| held(before, member.node()).saturating_sub(held(after, member.node())))
        .sum()
}
