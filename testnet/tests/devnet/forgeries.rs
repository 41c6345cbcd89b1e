//! What the contract must refuse: certificates and keys that are not what they say.

use floe_chain::amount::Wal;
use floe_chain::certificate::{Certificate, Collector, Confirmation};
use floe_chain::committee::{Candidate, Committee, MemberIndex};
use floe_chain::epoch::{ChainTime, Epoch};
use floe_chain::event::ChainEvent;
use floe_chain::id::{NetworkId, NodeId, SystemId};
use floe_chain::keys::{BlsSecretKey, IdentitySecretKey};
use floe_chain::rpc::abort::Refusal;
use floe_chain::rpc::{ChainRead, ChainWrite, NodeRegistration, Operation, SuiAccount, SuiChain};
use floe_chain::statement::{Available, Inconsistent, Possession};
use floe_testnet::deploy::Plan;

use crate::support::{certificate, refused, register};

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

/// Certificates that the contract must not accept, each verified against a committee that is not
/// the chain's, so that nothing on the way stops it.
pub(crate) async fn certificates_fail(chain: &SuiChain, account: &SuiAccount, plan: &Plan) {
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
pub(crate) async fn keys_fail(chain: &SuiChain, account: &SuiAccount, plan: &Plan) {
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
