//! What is refused, and how: Sui's limits, nonsense in requests, transactions that no SDK would build.

#[expect(dead_code, reason = "each test uses its part")]
mod support;

use sui_rpc::{
    field::{FieldMask, FieldMaskUtil},
    proto::sui::rpc::v2::{
        ExecuteTransactionRequest, GetBalanceRequest, GetCheckpointRequest, GetObjectRequest,
        GetTransactionRequest, ListOwnedObjectsRequest, ListTransactionsRequest, QueryOptions,
        SimulateTransactionRequest, Transaction as TransactionMessage, TransactionFilter,
    },
};
use sui_sdk_types::{Argument, Command, Input, ProgrammableTransaction, TransactionKind};
use tonic::Code;

use crate::support::{World, request};

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_sui_hold() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    for (function, most) in [("many", 2_048), ("shout", 1_024)] {
        let fits = world.call(&stall, function, most);
        world.run(fits).await;
        let over = world.call(&stall, function, most + 1);
        let error = over.build(&mut world.client).await.unwrap_err().to_string();
        assert!(
            error.contains("MOVE_PRIMITIVE_RUNTIME_ERROR"),
            "{function}: {error}"
        );
    }
    // A loop without end costs its budget and stops.
    let mut endless = world.call(&stall, "work", u64::MAX);
    endless.set_gas_budget(2_000_000);
    let error = endless
        .build(&mut world.client)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("INSUFFICIENT_GAS"), "{error}");

    let mut builder = world.builder();
    builder.pure(&vec![0_u8; 16 * 1024]);
    let error = builder
        .build(&mut world.client)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("pure input in bytes of 16387 exceeds the limit of 16384"),
        "{error}"
    );

    let mut builder = world.builder();
    let coin = builder.gas();
    for _ in 0..1_025 {
        let amount = builder.pure(&0_u64);
        builder.split_coins(coin, vec![amount]);
    }
    let error = builder
        .build(&mut world.client)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("1024"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_answered_with_the_field_it_is_in() {
    let world = World::start().await;
    let client = &world.client;
    let mut ledger = client.clone().ledger_client();
    let mut state = client.clone().state_client();
    let mut execution = client.clone().execution_client();

    invalid(
        ledger.get_object(GetObjectRequest::default()).await,
        "object_id",
    );
    let mut request = GetObjectRequest::default();
    request.object_id = Some("0xzz".into());
    invalid(ledger.get_object(request).await, "object_id");
    let mut request = GetObjectRequest::default();
    request.object_id = Some("0x6".into());
    request.read_mask = Some(FieldMask::from_str("no_such_field"));
    invalid(ledger.get_object(request).await, "no_such_field");
    let mut request = GetTransactionRequest::default();
    request.digest = Some("!".into());
    invalid(ledger.get_transaction(request).await, "digest");
    let mut request = GetBalanceRequest::default();
    request.owner = Some("0x1".into());
    request.coin_type = Some("u64".into());
    invalid(state.get_balance(request).await, "coin_type");
    let mut request = ListOwnedObjectsRequest::default();
    request.owner = Some("0x1".into());
    request.page_token = Some(vec![7; 9].into());
    invalid(state.list_owned_objects(request).await, "page_token");
    let mut request = ListTransactionsRequest::default();
    let mut options = QueryOptions::default();
    options.after = Some(vec![1, 2, 3].into());
    request.options = Some(options);
    invalid(ledger.list_transactions(request).await, "options.after");
    let mut request = ListTransactionsRequest::default();
    request.filter = Some(TransactionFilter::default());
    invalid(ledger.list_transactions(request).await, "filter");
    let request = ExecuteTransactionRequest::default();
    invalid(execution.execute_transaction(request).await, "transaction");
    let mut request = SimulateTransactionRequest::default();
    let mut transaction = TransactionMessage::default();
    transaction.bcs = Some(vec![0xff; 100].into());
    request.transaction = Some(transaction);
    invalid(execution.simulate_transaction(request).await, "bcs");

    let request = GetCheckpointRequest::by_sequence_number(u64::MAX);
    let missing = ledger.get_checkpoint(request).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_no_sdk_would_build_are_refused_or_fail() {
    let mut world = World::start().await;
    let builder = world.builder();
    let good = world.build(builder).await;
    let with = |commands: Vec<Command>| {
        let mut transaction = good.clone();
        let inputs = vec![Input::Pure(vec![1]), Input::Pure(vec![2; 8])];
        transaction.kind =
            TransactionKind::ProgrammableTransaction(ProgrammableTransaction { inputs, commands });
        transaction
    };
    let split = |coin, amounts| Command::SplitCoins(sui_sdk_types::SplitCoins { coin, amounts });
    let publish = |modules| {
        Command::Publish(sui_sdk_types::Publish {
            modules,
            dependencies: vec![],
        })
    };

    // Refused: no effects, no gas.
    for commands in [vec![split(Argument::Gas, vec![])], vec![publish(vec![])]] {
        let transaction = with(commands);
        let refused = request(&transaction, &[&world.key]);
        let error = world
            .client
            .execution_client()
            .execute_transaction(refused)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    }
    // Executed, and failed with the error Sui would give.
    let failing = [
        vec![split(Argument::Gas, vec![Argument::Input(0)])],
        vec![split(Argument::Input(9), vec![Argument::Input(1)])],
        vec![split(Argument::Gas, vec![Argument::NestedResult(3, 1)])],
        vec![split(Argument::Gas, vec![Argument::Input(1)])],
        vec![publish(vec![vec![0; 64]])],
        vec![publish(vec![vec![]])],
    ];
    let mut payment = good.gas_payment.objects[0].clone();
    for commands in failing {
        let mut transaction = with(commands);
        transaction.gas_payment.budget = 50_000_000;
        transaction.gas_payment.objects = vec![payment.clone()];
        let executed = world.execute(&transaction).await;
        assert!(!executed.effects().status().success());
        let gas = executed.effects().gas_object().clone();
        let (version, digest) = (gas.output_version(), gas.output_digest().parse().unwrap());
        payment = sui_sdk_types::ObjectReference::new(*payment.object_id(), version, digest);
    }
}

fn invalid<T>(answer: Result<T, tonic::Status>, field: &str) {
    let answer = answer.map(drop);
    let named = |status: &tonic::Status| {
        status.code() == Code::InvalidArgument && status.message().contains(field)
    };
    assert!(answer.as_ref().is_err_and(named), "{field}: {answer:?}");
}
