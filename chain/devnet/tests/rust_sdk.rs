//! The Rust SDK, unmodified, against a package written after the chain and unknown to it.

#[expect(dead_code, reason = "each test uses its part")]
mod support;

use std::time::Duration;

use futures::StreamExt;
use sui_rpc::{
    client::{Delivery, EventStreamRequest, EventStreamStart},
    field::{FieldMask, FieldMaskUtil},
    proto::sui::rpc::v2::{
        EventFilter, GetBalanceRequest, GetObjectRequest, ListDynamicFieldsRequest, filter::event,
    },
};
use sui_sdk_types::{Address, Transaction};
use sui_transaction_builder::{ObjectInput, TransactionBuilder};

use crate::support::{Stall, World, changed, request};

const CLOCK: Address = Address::from_static("0x6");
const RANDOM: Address = Address::from_static("0x8");

fn offer(world: &World, stall: &Stall, name: &str, price: u64) -> TransactionBuilder {
    let mut builder = world.builder();
    let shared = builder.object(ObjectInput::new(stall.stall));
    let name = builder.pure(&name);
    let price = builder.pure(&price);
    builder.move_call(stall.function("offer"), vec![shared, name, price]);
    builder
}

fn buy(world: &World, stall: &Stall, name: &str, payment: u64) -> TransactionBuilder {
    let mut builder = world.builder();
    let shared = builder.object(ObjectInput::new(stall.stall));
    let name = builder.pure(&name);
    let amount = builder.pure(&payment);
    let gas = builder.gas();
    let payment = builder.split_coins(gas, vec![amount])[0];
    let bought = builder
        .move_call(stall.function("buy"), vec![shared, name, payment])
        .to_nested(2);
    let recipient = builder.pure(&world.address());
    builder.transfer_objects(bought, recipient);
    builder
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_execute_simulate_read_and_stream() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;

    let mut builder = world.builder();
    let shared = builder.object(ObjectInput::new(stall.stall));
    let clock = builder.object(ObjectInput::new(CLOCK));
    builder.move_call(stall.function("open"), vec![shared, clock]);
    let transaction = world.build(builder).await;
    // The simulation learned from the signature that the clock is only read.
    assert!(format!("{:?}", transaction.kind).contains("mutability: Immutable"));
    world.execute(&transaction).await;

    let offered = offer(&world, &stall, "tea", 300);
    world.run(offered).await;
    let bought = buy(&world, &stall, "tea", 500);
    let executed = world.run(bought).await;
    let sold = &executed.events().events[0];
    assert!(sold.event_type().ends_with("::stall::Sold"));
    assert_eq!(sold.package_id(), stall.package.to_string());
    let item = changed(&executed, "::stall::Item");

    // A failing call is a typed error of the simulation and of the execution.
    let cheap = buy(&world, &stall, "tea", 299);
    let error = cheap
        .build(&mut world.client)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("MOVE_ABORT") && error.contains("stall::buy"),
        "{error}"
    );

    let balance = world
        .client
        .state_client()
        .get_balance(
            GetBalanceRequest::default()
                .with_owner(world.address().to_string())
                .with_coin_type("0x2::sui::SUI"),
        )
        .await
        .unwrap()
        .into_inner();
    assert!(balance.balance().balance() > 900_000_000_000);

    let request = GetObjectRequest::new(&item)
        .with_read_mask(FieldMask::from_str("owner,object_type,contents"));
    let object = world
        .client
        .ledger_client()
        .get_object(request)
        .await
        .unwrap()
        .into_inner()
        .object
        .unwrap();
    assert_eq!(object.owner().address(), world.address().to_string());

    // The price table is a dynamic field of the table inside the stall.
    let request =
        GetObjectRequest::new(&stall.stall).with_read_mask(FieldMask::from_str("contents"));
    let object = world
        .client
        .ledger_client()
        .get_object(request)
        .await
        .unwrap()
        .into_inner()
        .object
        .unwrap();
    let contents = object.contents().value().to_vec();
    let table = Address::from_bytes(&contents[40..72]).unwrap();
    let mut request = ListDynamicFieldsRequest::default();
    request.parent = Some(table.to_string());
    request.read_mask = Some(FieldMask::from_str("*"));
    let fields = world
        .client
        .state_client()
        .list_dynamic_fields(request)
        .await
        .unwrap()
        .into_inner()
        .dynamic_fields;
    assert_eq!(fields.len(), 1);
    assert_eq!(
        fields[0].name().value().to_vec(),
        bcs::to_bytes("tea").unwrap()
    );
    assert_eq!(fields[0].value().value().to_vec(), 300_u64.to_le_bytes());

    // The same events, whether followed live or polled.
    for delivery in [Delivery::Subscribe, Delivery::Poll] {
        let request = EventStreamRequest::new()
            .with_read_mask(FieldMask::from_str(
                "checkpoint,transaction_index,event_index,event_type",
            ))
            .with_filter(EventFilter::matching(event::emit_module(stall.package)))
            .with_start(EventStreamStart::Checkpoint(0))
            .with_delivery(delivery);
        let stream = world
            .client
            .clone()
            .stream_events(request)
            .filter_map(|frame| async { frame.unwrap().event });
        let mut stream = std::pin::pin!(stream);
        let event = tokio::time::timeout(Duration::from_secs(20), stream.next())
            .await
            .unwrap()
            .unwrap();
        assert!(event.event_type().ends_with("::stall::Sold"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aborts_carry_code_and_place_and_still_cost_gas() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    let offered = offer(&world, &stall, "tea", 300);
    world.run(offered).await;
    let enough = buy(&world, &stall, "tea", 300);
    let mut transaction: Transaction = world.build(enough).await;
    // The same transaction with one MIST less in the payment.
    let sui_sdk_types::TransactionKind::ProgrammableTransaction(programmable) =
        &mut transaction.kind
    else {
        unreachable!()
    };
    for input in &mut programmable.inputs {
        if *input == sui_sdk_types::Input::Pure(300_u64.to_le_bytes().to_vec()) {
            *input = sui_sdk_types::Input::Pure(299_u64.to_le_bytes().to_vec());
        }
    }
    let executed = world.execute(&transaction).await;
    let status = executed.effects().status();
    assert!(!status.success());
    let abort = status.error().abort();
    assert_eq!(abort.abort_code(), 7);
    assert_eq!(abort.location().function_name(), "buy");
    assert_eq!(abort.location().package(), stall.package.to_string());
    assert_eq!(status.error().command(), 1);
    assert!(executed.effects().gas_used().computation_cost() > 0);
    assert_eq!(
        executed.effects().changed_objects.len(),
        2,
        "gas coin and stall get new versions"
    );
}

/// The budget is part of the digest, ids are made from the digest, and code may cost what ids say.
#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_budget_suffices_whatever_chance_decides() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    for _ in 0..20 {
        let mut builder = world.builder();
        builder.move_call(stall.function("dally"), vec![]);
        world.run(builder).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resubmission_is_idempotent_and_conflicts_are_refused() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    let first = offer(&world, &stall, "tea", 300);
    let first = world.build(first).await;
    let second = offer(&world, &stall, "salt", 1);
    let second = world.build(second).await;
    assert_eq!(
        first.gas_payment.objects, second.gas_payment.objects,
        "both name the same coin version"
    );

    let executed = world.execute(&first).await;
    let again = world.execute(&first).await;
    assert_eq!(executed.effects().digest(), again.effects().digest());

    let refused = world
        .client
        .execution_client()
        .execute_transaction(request(&second, &[&world.key]))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Aborted, "{refused}");
    assert!(
        refused.message().contains(&first.digest().to_string()),
        "{refused}"
    );

    let mut forged = request(&second, &[&world.key]);
    forged.signatures = request(&first, &[&world.key]).signatures;
    let refused = world
        .client
        .execution_client()
        .execute_transaction(forged)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn randomness_objects_and_children() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;

    let mut builder = world.builder();
    let shared = builder.object(ObjectInput::new(stall.stall));
    let random = builder.object(ObjectInput::new(RANDOM));
    builder.move_call(stall.function("draw"), vec![shared, random]);
    let executed = world.run(builder).await;
    let drawn = executed.events().events[0].contents().value().to_vec();
    assert!((1..=6).contains(&u64::from_le_bytes(drawn.try_into().unwrap())));

    // Put an item into a box, take it out again, send it to the box, receive it, burn it.
    let offered = offer(&world, &stall, "tea", 300);
    world.run(offered).await;
    let bought = buy(&world, &stall, "tea", 300);
    let item = changed(&world.run(bought).await, "::stall::Item");
    let mut builder = world.builder();
    let parcel = builder.move_call(stall.function("new_box"), vec![]);
    let thing = builder.object(ObjectInput::new(item));
    builder.move_call(stall.function("put"), vec![parcel, thing]);
    let recipient = builder.pure(&world.address());
    builder.transfer_objects(vec![parcel], recipient);
    let executed = world.run(builder).await;
    let parcel_id = changed(&executed, "::stall::Box");

    let mut request = ListDynamicFieldsRequest::default();
    request.parent = Some(parcel_id.to_string());
    request.read_mask = Some(FieldMask::from_str("*"));
    let fields = world
        .client
        .state_client()
        .list_dynamic_fields(request)
        .await
        .unwrap()
        .into_inner()
        .dynamic_fields;
    assert_eq!(fields[0].child_id(), item.to_string());
    assert!(fields[0].value_type().ends_with("::stall::Item"));

    let mut builder = world.builder();
    let parcel = builder.object(ObjectInput::new(parcel_id));
    let name = builder.pure(&"tea");
    let thing = builder.move_call(stall.function("pick"), vec![parcel, name]);
    let recipient = builder.pure(&parcel_id);
    builder.transfer_objects(vec![thing], recipient);
    world.run(builder).await;

    let mut builder = world.builder();
    let parcel = builder.object(ObjectInput::new(parcel_id));
    let sent = builder.object(ObjectInput::new(item));
    let thing = builder.move_call(stall.function("accept"), vec![parcel, sent]);
    builder.move_call(stall.function("burn"), vec![thing]);
    world.run(builder).await;
    let gone = world
        .client
        .ledger_client()
        .get_object(GetObjectRequest::new(&item))
        .await
        .unwrap_err();
    assert_eq!(gone.code(), tonic::Code::NotFound);
}
