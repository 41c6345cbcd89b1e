//! What the chain promises beside executing calls: upgrades, sponsors, epochs, proofs, time, restarts.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

#[expect(dead_code, reason = "each test uses its part")]
mod support;

use std::time::Duration;

use floe_devnet::Devnet;
use sui_crypto::{bls12381::ValidatorCommitteeSignatureVerifier, ed25519::Ed25519PrivateKey};
use sui_rpc::{
    Client,
    field::{FieldMask, FieldMaskUtil},
    light_client::{CheckpointObjectProof, LightClient},
    proto::sui::rpc::v2::{
        GetCheckpointRequest, GetEpochRequest, GetObjectRequest, GetTransactionRequest,
    },
};
use sui_sdk_types::{
    Address, CheckpointContents, CheckpointSummary, Digest, Identifier, Object, ObjectOut,
    SignedCheckpointSummary, TransactionEffects, ValidatorAggregatedSignature, ValidatorCommittee,
};
use sui_transaction_builder::{Function, ObjectInput};

use crate::support::{World, changed, compiled, request, settings};

const ADMIN: &[&str] = &["x-floe-admin: 1"];

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn anchor(devnet: &Devnet) -> ValidatorCommittee {
    bcs::from_bytes(&hex(&devnet.info().anchor)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_upgraded_by_ordinary_transactions() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    let next = compiled("stall_v2");

    let framework = |name| {
        Function::new(
            Address::TWO,
            Identifier::from_static("package"),
            Identifier::from_static(name),
        )
    };
    let upgrade = |world: &World, modules: Vec<Vec<u8>>| {
        let mut builder = world.builder();
        let capability = builder.object(ObjectInput::new(stall.capability));
        let policy = builder.pure(&0_u8);
        let digest = builder.pure(&hex(&next.digest));
        let authorize = framework("authorize_upgrade");
        let ticket = builder.move_call(authorize, vec![capability, policy, digest]);
        let dependencies = next.dependencies.clone();
        let receipt = builder.upgrade(modules, dependencies, stall.package, ticket);
        builder.move_call(framework("commit_upgrade"), vec![capability, receipt]);
        builder
    };

    // Other code than the ticket authorises is refused.
    let wrong = upgrade(&world, compiled("stall").modules());
    let error = wrong
        .build(&mut world.client)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("PACKAGE_UPGRADE_ERROR"), "{error}");

    let right = upgrade(&world, next.modules());
    let package = changed(&world.run(right).await, "package");
    assert_ne!(package, stall.package);

    // The new function works on the old object; the old version still runs too.
    for (package, function) in [(package, "close"), (stall.package, "till")] {
        let mut builder = world.builder();
        let shared = builder.object(ObjectInput::new(stall.stall));
        let function = Function::new(
            package,
            Identifier::from_static("stall"),
            Identifier::from_static(function),
        );
        builder.move_call(function, vec![shared]);
        let executed = world.run(builder).await;
        for event in &executed.events().events {
            // A type that the second version introduced is named after it.
            assert_eq!(event.event_type(), format!("{package}::stall::Closed"));
        }
    }

    // An abort names the version that ran, although its code knows itself by the first.
    let mut builder = world.builder();
    let function = Function::new(
        package,
        Identifier::from_static("stall"),
        Identifier::from_static("refuse"),
    );
    builder.move_call(function, vec![]);
    let error = builder
        .build(&mut world.client)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains(&package.to_string()), "{error}");
    assert!(!error.contains(&stall.package.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sponsor_pays_for_somebody_elses_transaction() {
    let mut world = World::start().await;
    let poor = Ed25519PrivateKey::new([9; 32]);
    let stall = world.publish_stall().await;

    let mut builder = world.builder();
    builder.set_sender(poor.public_key().derive_address());
    builder.set_sponsor(world.address());
    let made = builder.move_call(stall.function("new_box"), vec![]);
    let recipient = builder.pure(&poor.public_key().derive_address());
    builder.transfer_objects(vec![made], recipient);
    let transaction = world.build(builder).await;
    assert_eq!(transaction.gas_payment.owner, world.address());

    let alone = request(&transaction, &[&poor]);
    let refused = world
        .client
        .execution_client()
        .execute_transaction(alone)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);

    let both = request(&transaction, &[&poor, &world.key]);
    let wait = Duration::from_secs(20);
    let executed = world
        .client
        .execute_transaction_and_wait_for_checkpoint(both, wait)
        .await;
    let executed = executed.unwrap().into_inner().transaction.unwrap();
    assert!(executed.effects().status().success());
    let paid: Vec<_> = executed
        .balance_changes
        .iter()
        .map(|change| change.address())
        .collect();
    assert_eq!(paid, [world.address().to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_rotate_the_committee_and_light_clients_follow() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    for _ in 0..2 {
        let (status, answer) = world.post("/admin/end-epoch", ADMIN, "").await;
        assert_eq!(status, 200, "{answer}");
    }
    let mut builder = world.builder();
    let shared = builder.object(ObjectInput::new(stall.stall));
    let name = builder.pure(&"tea");
    let price = builder.pure(&1_u64);
    builder.move_call(stall.function("offer"), vec![shared, name, price]);
    let executed = world.run(builder).await;
    assert_eq!(executed.effects().epoch(), 2);

    // The SDK's own light client ratchets from the anchor over both epoch changes.
    let mut light = LightClient::new(world.client.clone(), anchor(&world.devnet));
    let proof = light
        .prove_object_at_checkpoint(&stall.stall, executed.checkpoint())
        .await;
    let CheckpointObjectProof::Inclusion { object_ref, object } = proof.unwrap() else {
        panic!("the stall was written in this checkpoint");
    };
    assert_eq!(object.unwrap().digest(), *object_ref.digest());
    assert_eq!(light.epoch_cache().current_epoch(), 2);
    let absent = Address::new([0x42; 32]);
    let proof = light
        .prove_object_at_checkpoint(&absent, executed.checkpoint())
        .await;
    assert!(matches!(
        proof.unwrap(),
        CheckpointObjectProof::NonInclusion
    ));

    // Another chain's committee proves nothing here.
    let other = World::start().await;
    let mut deceived = LightClient::new(world.client.clone(), anchor(&other.devnet));
    deceived
        .prove_object_at_checkpoint(&stall.stall, executed.checkpoint())
        .await
        .unwrap_err();
    assert_ne!(world.devnet.info().chain_id, other.devnet.info().chain_id);
}

/// Summary, contents, effects and object of the last change of `id`, each proved by the one before.
async fn prove(client: &mut Client, id: Address, trusted: &ValidatorCommittee) -> Option<Object> {
    let bcs = FieldMask::from_str("bcs,previous_transaction");
    let get = GetObjectRequest::new(&id).with_read_mask(bcs);
    let object = client
        .ledger_client()
        .get_object(get)
        .await
        .unwrap()
        .into_inner()
        .object
        .unwrap();
    let digest: Digest = object.previous_transaction().parse().unwrap();
    let object: Object = object.bcs().deserialize().unwrap();

    let mask = FieldMask::from_str("effects.bcs,checkpoint");
    let get = GetTransactionRequest::new(&digest).with_read_mask(mask);
    let found = client
        .ledger_client()
        .get_transaction(get)
        .await
        .unwrap()
        .into_inner();
    let effects: TransactionEffects = found.transaction().effects().bcs().deserialize().unwrap();

    let mask = FieldMask::from_str("summary.bcs,signature,contents.bcs");
    let sequence = found.transaction().checkpoint();
    let get = GetCheckpointRequest::by_sequence_number(sequence).with_read_mask(mask);
    let checkpoint = client
        .ledger_client()
        .get_checkpoint(get)
        .await
        .unwrap()
        .into_inner();
    let summary = checkpoint
        .checkpoint()
        .summary()
        .bcs()
        .deserialize::<CheckpointSummary>();
    let contents = checkpoint
        .checkpoint()
        .contents()
        .bcs()
        .deserialize::<CheckpointContents>();
    let (summary, contents) = (summary.unwrap(), contents.unwrap());
    let signature = ValidatorAggregatedSignature::try_from(checkpoint.checkpoint().signature());
    let signed = SignedCheckpointSummary {
        checkpoint: summary,
        signature: signature.unwrap(),
    };

    let verifier = ValidatorCommitteeSignatureVerifier::new(trusted.clone()).unwrap();
    verifier
        .verify_checkpoint_summary(&signed.checkpoint, &signed.signature)
        .ok()?;
    assert_eq!(contents.digest(), signed.checkpoint.content_digest);
    let listed =
        |info: &sui_sdk_types::CheckpointTransactionInfo| *info.effects() == effects.digest();
    assert!(contents.transactions().iter().any(listed));
    let TransactionEffects::V2(effects) = effects else {
        panic!("effects of version 2")
    };
    let written = effects
        .changed_objects
        .iter()
        .find(|change| change.object_id == id)
        .unwrap();
    assert!(
        matches!(written.output_state, ObjectOut::ObjectWrite { digest, .. } if digest == object.digest())
    );
    Some(object)
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_proved_with_stable_types_alone() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    let committee = anchor(&world.devnet);
    let object = prove(&mut world.client, stall.stall, &committee)
        .await
        .unwrap();
    assert_eq!(object.object_id(), stall.stall);

    let other = World::start().await;
    assert!(
        prove(&mut world.client, stall.stall, &anchor(&other.devnet))
            .await
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_moves_time_and_only_for_those_who_may() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    let opened = |world: &World| {
        let mut builder = world.builder();
        let shared = builder.object(ObjectInput::new(stall.stall));
        let clock = builder.object(ObjectInput::new(Address::from_static("0x6")));
        builder.move_call(stall.function("open"), vec![shared, clock]);
        builder
    };
    let time = |object: Object| {
        let contents = object.as_struct().unwrap().contents().to_vec();
        u64::from_le_bytes(contents[80..88].try_into().unwrap())
    };
    let committee = anchor(&world.devnet);
    let builder = opened(&world);
    world.run(builder).await;
    let before = time(
        prove(&mut world.client, stall.stall, &committee)
            .await
            .unwrap(),
    );

    let day = r#"{"milliseconds":86400000}"#;
    let (status, _) = world.post("/admin/advance-time", &[], day).await;
    assert_eq!(status, 403, "the header is missing");
    let (status, _) = world
        .post("/admin/advance-time", ADMIN, r#"{"milliseconds":-1}"#)
        .await;
    assert_eq!(status, 422);
    let (status, answer) = world.post("/admin/advance-time", ADMIN, day).await;
    assert_eq!(status, 200, "{answer}");
    let builder = opened(&world);
    world.run(builder).await;
    let after = time(
        prove(&mut world.client, stall.stall, &committee)
            .await
            .unwrap(),
    );
    assert!(after >= before + 86_400_000, "{before} {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_chain_is_the_same_chain() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    world.post("/admin/end-epoch", ADMIN, "").await;
    world
        .post("/admin/advance-time", ADMIN, r#"{"milliseconds":5000}"#)
        .await;
    let mut builder = world.builder();
    let shared = builder.object(ObjectInput::new(stall.stall));
    let random = builder.object(ObjectInput::new(Address::from_static("0x8")));
    builder.move_call(stall.function("draw"), vec![shared, random]);
    let executed = world.run(builder).await;

    let mask = || FieldMask::from_str("digest,signature");
    let last =
        GetCheckpointRequest::by_sequence_number(executed.checkpoint()).with_read_mask(mask());
    let before = world
        .client
        .ledger_client()
        .get_checkpoint(last.clone())
        .await
        .unwrap()
        .into_inner();
    let info = world.devnet.info().clone();
    let World {
        devnet, directory, ..
    } = world;
    devnet.stop().await;

    let devnet = Devnet::start(settings(&directory)).await.unwrap();
    assert_eq!(devnet.info().chain_id, info.chain_id);
    assert_eq!(devnet.info().anchor, info.anchor);
    let mut client = Client::new(devnet.info().url.as_str()).unwrap();
    let after = client
        .ledger_client()
        .get_checkpoint(last)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(before, after);
    let epoch = client
        .ledger_client()
        .get_epoch(GetEpochRequest::latest())
        .await
        .unwrap();
    assert_eq!(epoch.into_inner().epoch().epoch(), 1);

    // Two processes never share a directory.
    let error = Devnet::start(settings(&directory))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("in use"), "{error}");
    devnet.stop().await;
}
