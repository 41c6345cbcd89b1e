//! What every client does with the chain, run against a devnet, and against a real Sui endpoint by
//! whoever has a funded key (see `chain/README.md`).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; a failure is a failed test"
)]

mod support;

use floe_chain::amount::Wal;
use floe_chain::blob::{BlobState, Registration};
use floe_chain::certificate::{Certificate, Collector, Confirmation};
use floe_chain::committee::{Candidate, Committee, MemberIndex};
use floe_chain::epoch::{ChainTime, Epoch};
use floe_chain::event::{ChainEvent, EventCursor};
use floe_chain::id::{NetworkId, NodeId, SystemId};
use floe_chain::keys::{BlsSecretKey, IdentitySecretKey};
use floe_chain::rpc::abort::Refusal;
use floe_chain::rpc::{
    ChainError, ChainEvents, ChainRead, ChainWrite, NodeRegistration, ObjectKind, Operation, Room,
    SuiAccount, SuiChain, Wallet,
};
use floe_chain::statement::{Assertion, Available, Inconsistent, Possession};
use floe_codec::{BlobId, BlobLayout, BlobRoot};
use floe_testnet::deploy::{Plan, Target, drive_to};
use futures::StreamExt;
use support::{Chain, network, plan, user};

const MIB: u64 = 1 << 20;

/// Signs `body` with the keys of the members at `signers`, in `committee` and `network`.
fn certificate<B: Assertion>(
    network: NetworkId,
    committee: &Committee,
    plan: &Plan,
    body: B,
    signers: impl IntoIterator<Item = u16>,
) -> Certificate<B> {
    let mut collector = Collector::new(network, committee, body);
    for index in signers {
        let member = committee.member(MemberIndex::new(index)).unwrap();
        let key = plan
            .nodes
            .iter()
            .find(|n| n.protocol.public() == *member.bls_key())
            .unwrap();
        let statement = collector.statement().clone();
        collector
            .add(&Confirmation::sign(member.node(), statement, &key.protocol))
            .unwrap();
    }
    collector.certificate().expect("enough signers")
}

/// A committee of the test's making: `members` with their keys, one owner for each shard.
fn made_up(epoch: Epoch, members: Vec<(NodeId, BlsSecretKey)>, owners: Vec<u16>) -> Committee {
    let candidates = (1..).zip(&members).map(|(n, (node, key))| Candidate {
        node: *node,
        bls_key: key.public(),
        identity: IdentitySecretKey::from_seed(&[n; 32]).public(),
    });
    let owners = owners.into_iter().map(MemberIndex::new).collect();
    Committee::new(epoch, ChainTime::default(), 1, candidates.collect(), owners).unwrap()
}

async fn register(
    chain: &SuiChain,
    account: &SuiAccount,
    root: u8,
    size: u64,
    deletable: bool,
    epochs: u32,
) -> Registration {
    let system = chain.system().await.unwrap();
    let layout = BlobLayout::for_shards(system.shards, size).unwrap();
    let period = system.epoch..system.epoch.after(epochs).unwrap();
    let register = Operation::Register {
        room: Room::Reserve { bytes: MIB, period },
        root: BlobRoot::from_bytes([root; 32]),
        size,
        encoding: layout.encoding(),
        deletable,
    };
    let receipt = account.execute(vec![register]).await.unwrap();
    let event = *receipt.registered().next().unwrap();
    assert_eq!(
        event.blob,
        BlobId::derive(&layout, &BlobRoot::from_bytes([root; 32]))
    );
    assert_eq!(
        receipt.created(ObjectKind::Blob).collect::<Vec<_>>(),
        [event.object]
    );
    let registration = chain.blob(event.object).await.unwrap().unwrap();
    assert_eq!(registration.blob, event.blob);
    assert_eq!(registration.state(system.epoch), BlobState::Registered);
    registration
}

fn refused(outcome: Result<floe_chain::rpc::Receipt, ChainError>) -> Refusal {
    match outcome {
        Err(ChainError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// Storage and blobs through all their states.
async fn blobs_live(chain: &SuiChain, account: &SuiAccount, plan: &Plan) {
    let system = chain.system().await.unwrap();
    let committee = chain.committee(system.epoch).await.unwrap().unwrap();
    let before = chain.balance(account.address()).await.unwrap();

    let blob = register(chain, account, 1, 1_000, true, 3).await;
    let spent = before
        .wal
        .checked_sub(chain.balance(account.address()).await.unwrap().wal);
    let cost = system.prices.reserve(MIB, &blob.period).unwrap();
    assert_eq!(
        spent,
        cost.checked_add(system.prices.register(MIB).unwrap())
    );

    let available = blob.available();
    let proof = certificate(chain.network(), &committee, plan, available, 0..7);
    let certify = Operation::Certify {
        blob: blob.object,
        certificate: proof,
    };
    account.execute(vec![certify.clone()]).await.unwrap();
    let certified = chain.blob(blob.object).await.unwrap().unwrap();
    assert_eq!(certified.state(system.epoch), BlobState::Certified);
    assert_eq!(
        refused(account.execute(vec![certify]).await),
        Refusal::BlobAlreadyCertified
    );

    let set = |key: &str, value: &str| Operation::SetAttribute {
        blob: blob.object,
        key: key.to_owned(),
        value: value.to_owned(),
    };
    account
        .execute(vec![set("type", "text"), set("owner", "me")])
        .await
        .unwrap();
    let gone = Operation::RemoveAttribute {
        blob: blob.object,
        key: "owner".to_owned(),
    };
    account
        .execute(vec![gone, set("type", "image")])
        .await
        .unwrap();
    let attributes = chain.attributes(blob.object).await.unwrap();
    assert_eq!(
        attributes.into_iter().collect::<Vec<_>>(),
        [("type".into(), "image".into())]
    );

    account
        .execute(vec![Operation::Extend {
            blob: blob.object,
            epochs: 2,
        }])
        .await
        .unwrap();
    let extended = chain.blob(blob.object).await.unwrap().unwrap();
    assert_eq!(extended.period.end, blob.period.end.after(2).unwrap());
    let listed = chain.owned_blobs(account.address()).await.unwrap();
    assert!(listed.contains(&extended));

    account
        .execute(vec![Operation::Delete { blob: blob.object }])
        .await
        .unwrap();
    assert_eq!(chain.blob(blob.object).await.unwrap(), None);
    let storage = chain.owned_storage(account.address()).await.unwrap();
    let back = storage
        .iter()
        .find(|s| s.period.end == extended.period.end)
        .unwrap();
    assert_eq!(
        (back.bytes, back.period.start),
        (MIB, system.epoch.next().unwrap())
    );

    // Room is split, joined and thrown away; a shared blob lives from its jar.
    let at = back.period.start.next().unwrap();
    let split = Operation::SplitStorageByEpoch {
        storage: back.object,
        at,
    };
    let rest = account.execute(vec![split]).await.unwrap();
    let rest = rest.created(ObjectKind::Storage).next().unwrap();
    let fuse = Operation::FuseStorage {
        storage: back.object,
        other: rest,
    };
    account.execute(vec![fuse]).await.unwrap();
    account
        .execute(vec![Operation::DestroyStorage {
            storage: back.object,
        }])
        .await
        .unwrap();

    let permanent = register(chain, account, 2, 1_000, false, 2).await;
    let delete = Operation::Delete {
        blob: permanent.object,
    };
    assert_eq!(
        refused(account.execute(vec![delete]).await),
        Refusal::BlobPermanent
    );
    let proof = certificate(
        chain.network(),
        &committee,
        plan,
        permanent.available(),
        2..9,
    );
    let certify = Operation::Certify {
        blob: permanent.object,
        certificate: proof,
    };
    let funds = Wal::from_units(1_000_000);
    let share = Operation::Share {
        blob: permanent.object,
        funds,
    };
    let shared = account.execute(vec![certify, share]).await.unwrap();
    let shared = shared.created(ObjectKind::SharedBlob).next().unwrap();
    account
        .execute(vec![Operation::ExtendShared { shared, epochs: 1 }])
        .await
        .unwrap();
    let inside = chain.blob(shared).await.unwrap().unwrap();
    assert_eq!(inside.object, permanent.object);
    assert_eq!(inside.period.end, permanent.period.end.next().unwrap());

    let far = Operation::Reserve {
        bytes: 1,
        period: system.epoch..Epoch::new(10_000),
    };
    assert_eq!(
        refused(account.execute(vec![far]).await),
        Refusal::LedgerPeriod
    );
    let huge = Operation::Reserve {
        bytes: u64::MAX,
        period: blob.period.clone(),
    };
    assert_eq!(
        refused(account.execute(vec![huge]).await),
        Refusal::LedgerCapacity
    );
    let none = Operation::SendWal {
        to: account.address(),
        amount: Wal::from_units(u64::MAX),
    };
    let error = account.execute(vec![none]).await.unwrap_err();
    assert!(matches!(error, ChainError::Funds { .. }), "{error}");
}

/// Certificates that the contract must not accept, each verified against a committee that is not
/// the chain's, so that nothing on the way stops it.
async fn forgeries_fail(chain: &SuiChain, account: &SuiAccount, plan: &Plan) {
    let system = chain.system().await.unwrap();
    let epoch = system.epoch;
    let committee = chain.committee(epoch).await.unwrap().unwrap();
    let nodes: Vec<_> = committee.members().iter().map(|m| m.node()).collect();
    let blob = register(chain, account, 3, 1_000, true, 2).await;
    let available = blob.available();
    let refusal = |certificate: Certificate<Available>| async {
        let certify = Operation::Certify {
            blob: blob.object,
            certificate,
        };
        refused(account.execute(vec![certify]).await)
    };
    let forged = |n: u8| BlsSecretKey::from_seed(&[100 + n; 32]);
    let real = |index: usize| {
        let public = committee.members()[index].bls_key();
        let node = plan
            .nodes
            .iter()
            .find(|n| n.protocol.public() == *public)
            .unwrap();
        node.protocol.clone()
    };

    // Forged keys under the real names.
    let keys: Vec<_> = (1..=10).map(forged).collect();
    let fake = made_up(
        epoch,
        nodes.iter().copied().zip(keys.clone()).collect(),
        (0..10).collect(),
    );
    let mut collector = Collector::new(chain.network(), &fake, available);
    for (node, key) in nodes.iter().zip(&keys) {
        collector
            .add(&Confirmation::sign(
                *node,
                collector.statement().clone(),
                key,
            ))
            .unwrap();
    }
    assert_eq!(
        refusal(collector.certificate().unwrap()).await,
        Refusal::BlsSignature
    );

    // Six real members where seven are needed.
    let members: Vec<_> = (0..10).map(|i| (nodes[i], real(i))).collect();
    let heavy = made_up(
        epoch,
        members.clone(),
        [
            (0..10).collect::<Vec<_>>(),
            vec![0, 1, 2, 3, 4, 5, 0, 1, 2, 3],
        ]
        .concat(),
    );
    let few = certificate(chain.network(), &heavy, plan, available, 0..6);
    assert_eq!(refusal(few).await, Refusal::BlsWeight);

    // A bitmap of a larger committee.
    let mut more = members;
    more.extend((11..=20u8).map(|n| {
        // Behind all real ones.
        let mut id = [0xff; 32];
        id[31] = n;
        (NodeId::from_bytes(id), forged(n))
    }));
    // Real members weigh 9 shards each, so eight of them are a quorum there.
    let owners = (0..100)
        .map(|s| if s < 90 { s % 10 } else { 10 + s % 10 })
        .collect();
    let padded = made_up(epoch, more, owners);
    let padded = certificate(chain.network(), &padded, plan, available, 0..8);
    assert_eq!(refusal(padded).await, Refusal::BlsBitmap);

    // Other statements: another system, another size, another object, another epoch.
    let twin = NetworkId {
        system: SystemId::from_bytes([1; 32]),
        ..chain.network()
    };
    let other = certificate(twin, &committee, plan, available, 0..7);
    assert_eq!(refusal(other).await, Refusal::BlsSignature);
    let smaller = Available {
        size: 1,
        ..available
    };
    let other = certificate(chain.network(), &committee, plan, smaller, 0..7);
    assert_eq!(refusal(other).await, Refusal::BlsSignature);
    let old = epoch.previous().unwrap();
    let past = made_up(
        old,
        (0..10).map(|i| (nodes[i], real(i))).collect(),
        (0..10).collect(),
    );
    let stale = certificate(chain.network(), &past, plan, available, 0..7);
    assert_eq!(refusal(stale).await, Refusal::SystemStaleEpoch);

    // One root, two sizes: two blobs, and the certificate of one is worth nothing for the other.
    let twice = register(chain, account, 3, 2_000, true, 2).await;
    assert_ne!(twice.blob, blob.blob);
    let good = certificate(chain.network(), &committee, plan, available, 0..7);
    let crossed = Operation::Certify {
        blob: twice.object,
        certificate: good.clone(),
    };
    assert_eq!(
        refused(account.execute(vec![crossed]).await),
        Refusal::BlsSignature
    );
    let right = Operation::Certify {
        blob: blob.object,
        certificate: good,
    };
    account.execute(vec![right]).await.unwrap();

    // An accusation needs one honest member: four of ten, not three.
    let wrong = Inconsistent { blob: twice.blob };
    let three = made_up(
        epoch,
        (0..10).map(|i| (nodes[i], real(i))).collect(),
        [(0..10).collect::<Vec<_>>(), vec![0, 1, 2, 0]].concat(),
    );
    let few = certificate(chain.network(), &three, plan, wrong, 0..3);
    let mark = |certificate| Operation::MarkInconsistent { certificate };
    assert_eq!(
        refused(account.execute(vec![mark(few)]).await),
        Refusal::BlsWeight
    );
    let enough = certificate(chain.network(), &committee, plan, wrong, 0..4);
    let receipt = account.execute(vec![mark(enough)]).await.unwrap();
    let is_marked =
        |e: &ChainEvent| matches!(e, ChainEvent::BlobInconsistent(e) if e.blob == twice.blob);
    assert!(receipt.events.iter().any(is_marked));
}

/// Keys and proofs of possession of others.
async fn copied_keys_fail(chain: &SuiChain, account: &SuiAccount, plan: &Plan) {
    let victim = &plan.nodes[0];
    let victim_address = victim.wallet.address();
    let id = chain.network();
    let register = |(possession, proof)| {
        Operation::RegisterNode(Box::new(NodeRegistration {
            name: "thief".to_owned(),
            addresses: vec![],
            possession,
            proof,
            commission_bps: 0,
            vote: victim.vote,
            stake: Wal::ZERO,
        }))
    };
    // The victim's own proof, sent by somebody else.
    let copied = Possession::prove(id, victim_address, &victim.protocol, &victim.identity);
    let outcome = account.execute(vec![register(copied)]).await;
    assert_eq!(refused(outcome), Refusal::KeysBlsProof);
    // The victim's BLS key beside an own Ed25519 key, and the other way round.
    let (bls, identity) = (
        BlsSecretKey::from_seed(&[77; 32]),
        IdentitySecretKey::from_seed(&[77; 32]),
    );
    let (own, proof) = Possession::prove(id, account.address(), &bls, &identity);
    let stolen = Possession {
        bls_key: victim.protocol.public(),
        ..own.clone()
    };
    let outcome = account.execute(vec![register((stolen, proof))]).await;
    assert_eq!(refused(outcome), Refusal::KeysBlsProof);
    let stolen = Possession {
        identity: victim.identity.public(),
        ..own.clone()
    };
    let outcome = account.execute(vec![register((stolen, proof))]).await;
    assert_eq!(refused(outcome), Refusal::KeysBlsProof);
    // A proof made for another deployment.
    let twin = NetworkId {
        system: SystemId::from_bytes([1; 32]),
        ..id
    };
    let elsewhere = Possession::prove(twin, account.address(), &bls, &identity);
    let outcome = account.execute(vec![register(elsewhere)]).await;
    assert_eq!(refused(outcome), Refusal::KeysBlsProof);
    // The BLS proof alone is not enough.
    let (_, other) = Possession::prove(
        id,
        account.address(),
        &bls,
        &IdentitySecretKey::from_seed(&[78; 32]),
    );
    let half = floe_chain::statement::PossessionProof {
        identity: other.identity,
        ..proof
    };
    let outcome = account.execute(vec![register((own.clone(), half))]).await;
    assert_eq!(refused(outcome), Refusal::KeysEd25519Proof);
    account.execute(vec![register((own, proof))]).await.unwrap();
}

/// Many transactions of one account at a time: gas coins are not shared, nothing is lost.
async fn parallel_writes(chain: &SuiChain, account: &SuiAccount) {
    let before = chain.owned_storage(account.address()).await.unwrap().len();
    let epoch = chain.system().await.unwrap().epoch;
    let writes = (1..=8u64).map(|bytes| {
        let period = epoch..epoch.next().unwrap();
        account.execute(vec![Operation::Reserve { bytes, period }])
    });
    for receipt in futures::future::join_all(writes).await {
        receipt.unwrap();
    }
    let after = chain.owned_storage(account.address()).await.unwrap().len();
    assert_eq!(after, before + 8);
}

async fn suite(chain: &SuiChain, account: &SuiAccount, plan: &Plan) {
    blobs_live(chain, account, plan).await;
    forgeries_fail(chain, account, plan).await;
    copied_keys_fail(chain, account, plan).await;
    parallel_writes(chain, account).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_devnet() {
    let chain = Chain::start().await;
    let plan = plan(10, 10, 3_600_000);
    let (_, network) = network(&chain, &plan).await;
    let account = user(&network);
    suite(&network, &account, &plan).await;

    // The light stream for tools tells the same story.
    let start = network.start().await.unwrap();
    let mut proved = Vec::new();
    let mut stream = network.follow(start);
    while let Some(Ok(batch)) = stream.next().await {
        proved.extend(batch.events);
        let deleted = |e: &ChainEvent| matches!(e, ChainEvent::BlobInconsistent(_));
        if proved.iter().any(|(_, event)| deleted(event)) {
            break;
        }
    }
    let told: Vec<(EventCursor, ChainEvent)> = network
        .tail(0)
        .take(proved.len())
        .map(Result::unwrap)
        .collect()
        .await;
    assert_eq!(told, proved);
    chain.devnet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twins_share_nothing() {
    let (one, two) = (Chain::start().await, Chain::start().await);
    assert_ne!(one.target.chain, two.target.chain);
    let plan = plan(4, 4, 3_600_000);
    let (first, _) = network(&one, &plan).await;
    let (second, network) = network(&two, &plan).await;
    assert_ne!(first.config.system_object, second.config.system_object);
    assert!(
        first
            .nodes
            .iter()
            .zip(&second.nodes)
            .all(|(a, b)| a.id != b.id)
    );

    // The same keys, the same blob: what one network certifies the other refuses.
    let account = user(&network);
    let committee = network.committee(Epoch::FIRST).await.unwrap().unwrap();
    let blob = register(&network, &account, 1, 100, false, 2).await;
    let foreign = certificate(
        first.config.network(),
        &committee,
        &plan,
        blob.available(),
        0..4,
    );
    let certify = Operation::Certify {
        blob: blob.object,
        certificate: foreign,
    };
    assert_eq!(
        refused(account.execute(vec![certify]).await),
        Refusal::BlsSignature
    );

    // A configuration that mixes them is named.
    let mut mixed = second.config.clone();
    mixed.urls = first.config.urls.clone();
    let error = SuiChain::connect(&mixed).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongChain { .. }), "{error}");
    let mut mixed = second.config;
    mixed.system_object = first.config.system_object;
    let error = SuiChain::connect(&mixed).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongSystem { .. }), "{error}");
}

/// Deploys a fresh network on a real Sui chain and runs the suite there. It costs a few SUI.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs FLOE_SUI_URL, FLOE_SUI_CHAIN_ID and FLOE_SUI_KEY of a funded account"]
async fn on_a_real_sui_chain() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let target = Target {
        urls: vec![variable("FLOE_SUI_URL")],
        chain: variable("FLOE_SUI_CHAIN_ID").parse().unwrap(),
        anchor: std::env::var("FLOE_SUI_ANCHOR").ok(),
    };
    let wallet = Wallet::from_line(&variable("FLOE_SUI_KEY")).unwrap();
    let packages = floe_testnet::packages::Packages::read(&support::packages()).unwrap();
    let mut plan = plan(10, 10, 3_600_000);
    plan.sui_for_node = floe_chain::amount::Sui::from_units(100_000_000);
    let deployment = floe_testnet::deploy::deploy(&target, &wallet, &packages, &plan)
        .await
        .unwrap();
    drive_to(&deployment, &plan, Epoch::FIRST).await.unwrap();
    let network = SuiChain::connect(&deployment.config).await.unwrap();
    let account = network.account(wallet);
    suite(&network, &account, &plan).await;
}
