//! The services one by one: pages, cursors, filters, descriptors, headers, limits, and what they answer to nonsense.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::time::Duration;

use futures::StreamExt;
use sui_crypto::SuiSigner;
use sui_rpc::{
    Client,
    field::{FieldMask, FieldMaskUtil},
    proto::sui::rpc::v2::{
        BatchGetObjectsRequest, BatchGetTransactionsRequest, Bcs, ExecuteTransactionRequest,
        GetBalanceRequest, GetCheckpointRequest, GetDatatypeRequest, GetFunctionRequest,
        GetObjectRequest, GetPackageRequest, GetServiceInfoRequest, GetTransactionRequest,
        ListBalancesRequest, ListCheckpointsRequest, ListOwnedObjectsRequest,
        ListTransactionsRequest, Ordering, QueryEndReason, QueryOptions,
        SimulateTransactionRequest, SubscribeTransactionsRequest,
        Transaction as TransactionMessage, TransactionFilter, VerifySignatureRequest,
        filter::transaction, open_signature::Reference,
        simulate_transaction_request::TransactionChecks,
    },
};
use sui_sdk_types::{
    Address, Argument, Command, Input, ProgrammableTransaction, Transaction, TransactionKind,
};
use sui_transaction_builder::{ObjectInput, TransactionBuilder};
use tonic::Code;

use crate::support::{Stall, World, request};

fn call(world: &World, stall: &Stall, function: &str, number: u64) -> TransactionBuilder {
    let mut builder = world.builder();
    let number = builder.pure(&number);
    builder.move_call(stall.function(function), vec![number]);
    builder
}

async fn pages(
    client: &mut Client,
    ordering: Ordering,
    filter: Option<TransactionFilter>,
) -> (Vec<u64>, u32) {
    let (mut found, mut cursor, mut requests) = (Vec::new(), None, 0);
    loop {
        requests += 1;
        let mut options = QueryOptions::default();
        options.limit = Some(3);
        options.ordering = Some(ordering.into());
        match ordering {
            Ordering::Descending => options.before = cursor.clone(),
            _ => options.after = cursor.clone(),
        }
        let mut request = ListTransactionsRequest::default();
        request.read_mask = Some(FieldMask::from_str("checkpoint,transaction_index"));
        request.filter = filter.clone();
        request.options = Some(options);
        let mut frames = client
            .ledger_client()
            .list_transactions(request)
            .await
            .unwrap()
            .into_inner();
        let mut end = None;
        while let Some(frame) = frames.next().await {
            let frame = frame.unwrap();
            assert!(end.is_none(), "no frame follows the end");
            cursor = frame.watermark().cursor.clone();
            end = frame.end;
            if let Some(transaction) = frame.transaction {
                found.push(transaction.checkpoint() << 16 | transaction.transaction_index());
            }
        }
        match end.unwrap().reason() {
            QueryEndReason::ItemLimit => {}
            QueryEndReason::LedgerTip | QueryEndReason::CheckpointBound => {
                return (found, requests);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_complete_in_both_directions_and_filtered() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    for number in 0..7 {
        let builder = call(&world, &stall, "shout", number);
        world.run(builder).await;
    }
    let mine = TransactionFilter::matching(transaction::sender(world.address()));
    let (forward, requests) =
        pages(&mut world.client, Ordering::Ascending, Some(mine.clone())).await;
    let (mut backward, _) = pages(&mut world.client, Ordering::Descending, Some(mine)).await;
    assert_eq!(forward.len(), 8);
    assert!(requests >= 3);
    backward.reverse();
    assert_eq!(forward, backward);

    let called = transaction::move_call(format!("{}::stall::shout", stall.package));
    let (calls, _) = pages(
        &mut world.client,
        Ordering::Ascending,
        Some(TransactionFilter::matching(called)),
    )
    .await;
    assert_eq!(calls, forward[1..]);

    // Every checkpoint once, in order, whatever the limit.
    let mut request = ListCheckpointsRequest::default();
    request.end_checkpoint = Some(5);
    let frames = world
        .client
        .ledger_client()
        .list_checkpoints(request)
        .await
        .unwrap()
        .into_inner();
    let frames: Vec<_> = frames.map(Result::unwrap).collect().await;
    let listed: Vec<_> = frames
        .iter()
        .filter_map(|frame| frame.checkpoint.as_ref())
        .map(|checkpoint| checkpoint.sequence_number())
        .collect();
    assert_eq!(listed, [0, 1, 2, 3, 4]);
    assert_eq!(
        frames.last().unwrap().end().reason(),
        QueryEndReason::CheckpointBound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_streamed_as_they_happen() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    let mut request = SubscribeTransactionsRequest::default();
    request.read_mask = Some(FieldMask::from_str("digest,checkpoint,transaction_index"));
    request.filter = Some(TransactionFilter::matching(transaction::sender(
        world.address(),
    )));
    let mut frames = world
        .client
        .subscription_client()
        .subscribe_transactions(request)
        .await
        .unwrap()
        .into_inner();
    let first = frames.next().await.unwrap().unwrap();
    assert!(first.transaction.is_none() && first.watermark().checkpoint.is_some());
    let builder = call(&world, &stall, "shout", 1);
    let executed = world.run(builder).await;
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(20), frames.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        if let Some(transaction) = frame.transaction {
            assert_eq!(transaction.digest(), executed.digest());
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_described() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    let mut packages = world.client.package_client();

    let mut request = GetFunctionRequest::default();
    request.package_id = Some(stall.package.to_string());
    request.module_name = Some("stall".into());
    request.name = Some("buy".into());
    let function = packages
        .get_function(request)
        .await
        .unwrap()
        .into_inner()
        .function
        .unwrap();
    assert_eq!(function.parameters.len(), 4);
    assert_eq!(function.parameters[0].reference(), Reference::Mutable);
    assert_eq!(
        function.parameters[0].body().type_name(),
        format!("{}::stall::Stall", stall.package)
    );
    let payment = function.parameters[2].body();
    assert_eq!(payment.type_name(), format!("{}::coin::Coin", Address::TWO));
    assert_eq!(
        payment.type_parameter_instantiation[0].type_name(),
        format!("{}::sui::SUI", Address::TWO)
    );

    let mut request = GetDatatypeRequest::default();
    request.package_id = Some(stall.package.to_string());
    request.module_name = Some("stall".into());
    request.name = Some("Item".into());
    let datatype = packages
        .get_datatype(request)
        .await
        .unwrap()
        .into_inner()
        .datatype
        .unwrap();
    assert_eq!(
        datatype
            .fields
            .iter()
            .map(|field| field.name())
            .collect::<Vec<_>>(),
        ["id", "name", "price"]
    );

    for id in [
        "0x1".to_owned(),
        "0x2".to_owned(),
        stall.package.to_string(),
    ] {
        let mut request = GetPackageRequest::default();
        request.package_id = Some(id);
        let package = packages
            .get_package(request)
            .await
            .unwrap()
            .into_inner()
            .package
            .unwrap();
        assert!(!package.modules.is_empty());
    }
    let mut request = GetPackageRequest::default();
    request.package_id = Some("0x6".into());
    assert_eq!(
        packages.get_package(request).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_verified_for_messages_and_addresses() {
    let mut world = World::start().await;
    let message = b"hello".to_vec();
    let signature = world
        .key
        .sign_personal_message(&sui_sdk_types::PersonalMessage(message.as_slice().into()))
        .unwrap();
    let verify = |message: &[u8], address: Address| {
        let mut bcs = Bcs::serialize(&message.to_vec()).unwrap();
        bcs.name = Some("PersonalMessage".into());
        let mut request = VerifySignatureRequest::default();
        request.message = Some(bcs);
        request.signature = Some(signature.clone().into());
        request.address = Some(address.to_string());
        request
    };
    let mut client = world.client.signature_verification_client();
    let mut valid = async |request| {
        client
            .verify_signature(request)
            .await
            .unwrap()
            .into_inner()
            .is_valid()
    };
    assert!(valid(verify(b"hello", world.address())).await);
    assert!(!valid(verify(b"hullo", world.address())).await);
    assert!(!valid(verify(b"hello", Address::TWO)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_name_the_chain_and_browsers_are_let_in() {
    let mut world = World::start().await;
    let response = world
        .client
        .ledger_client()
        .get_service_info(GetServiceInfoRequest::default())
        .await
        .unwrap();
    let header = |name: &str| {
        response
            .metadata()
            .get(name)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(header("x-sui-chain-id"), world.devnet.info().chain_id);
    assert_eq!(header("x-sui-epoch"), "0");
    assert!(header("x-sui-checkpoint-height").parse::<u64>().is_ok());
    assert_eq!(response.get_ref().chain_id(), world.devnet.info().chain_id);

    let headers = [
        "origin: https://example.org",
        "accept: application/grpc-web",
    ];
    let path = "/sui.rpc.v2.LedgerService/GetServiceInfo";
    let (status, answer) = world.post(path, &headers, "").await;
    assert!(
        answer.contains("access-control-allow-origin: https://example.org"),
        "{status} {answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_and_transactions_come_in_batches() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    let get = |id: &str| {
        let mut request = GetObjectRequest::default();
        request.object_id = Some(id.into());
        request
    };
    let mut request = BatchGetObjectsRequest::default();
    request.requests = vec![
        get(&stall.stall.to_string()),
        get("0xdead"),
        get("nonsense"),
    ];
    let objects = world
        .client
        .ledger_client()
        .batch_get_objects(request)
        .await
        .unwrap()
        .into_inner()
        .objects;
    assert_eq!(objects[0].object().object_id(), stall.stall.to_string());
    assert_eq!(objects[1].error().code, i32::from(Code::NotFound));
    assert_eq!(objects[2].error().code, i32::from(Code::InvalidArgument));

    let mut request = BatchGetTransactionsRequest::default();
    request.digests = vec![sui_sdk_types::Digest::ZERO.to_string()];
    let found = world
        .client
        .ledger_client()
        .batch_get_transactions(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        found.transactions[0].error().code,
        i32::from(Code::NotFound)
    );

    let mut request = ListOwnedObjectsRequest::default();
    request.owner = Some(world.address().to_string());
    request.object_type = Some("0x2::coin::Coin".into());
    request.page_size = Some(2);
    let (mut coins, mut balances) = (0, Vec::new());
    loop {
        let mask = FieldMask::from_str("object_id,balance");
        let page = request.clone().with_read_mask(mask);
        let page = world
            .client
            .state_client()
            .list_owned_objects(page)
            .await
            .unwrap()
            .into_inner();
        coins += page.objects.len();
        balances.extend(page.objects.iter().map(|object| object.balance()));
        request.page_token = page.next_page_token.clone();
        if page.next_page_token.is_none() {
            break;
        }
    }
    assert_eq!(coins, 5);
    assert!(
        balances.is_sorted_by(|left, right| left >= right),
        "richest first: {balances:?}"
    );

    let mut request = ListBalancesRequest::default();
    request.owner = Some(world.address().to_string());
    let listed = world
        .client
        .state_client()
        .list_balances(request)
        .await
        .unwrap()
        .into_inner()
        .balances;
    assert_eq!(listed[0].balance(), balances.iter().sum::<u64>());
}

#[tokio::test(flavor = "multi_thread")]
async fn views_need_no_gas_and_no_ownership() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    let mut builder = TransactionBuilder::new();
    builder.set_sender(Address::TWO);
    let shared = builder.object(ObjectInput::shared(stall.stall, 0, false));
    let _ = shared;
    let mut request = SimulateTransactionRequest::default();
    let rounds = Input::Pure(5_u64.to_le_bytes().to_vec());
    let function = Command::MoveCall(sui_sdk_types::MoveCall {
        package: stall.package,
        module: sui_sdk_types::Identifier::from_static("stall"),
        function: sui_sdk_types::Identifier::from_static("work"),
        type_arguments: vec![],
        arguments: vec![Argument::Input(0)],
    });
    let programmable = ProgrammableTransaction {
        inputs: vec![rounds],
        commands: vec![function],
    };
    let transaction = Transaction {
        kind: TransactionKind::ProgrammableTransaction(programmable),
        sender: Address::TWO,
        gas_payment: sui_sdk_types::GasPayment {
            objects: vec![],
            owner: Address::TWO,
            price: 0,
            budget: 0,
        },
        expiration: sui_sdk_types::TransactionExpiration::None,
    };
    request.transaction = Some(transaction.into());
    request.checks = Some(TransactionChecks::Disabled.into());
    let simulated = world
        .client
        .execution_client()
        .simulate_transaction(request)
        .await
        .unwrap()
        .into_inner();
    let returned = simulated.command_outputs[0].return_values[0]
        .value()
        .value()
        .to_vec();
    let expected = (0..5_u64).fold(0_u64, |sum, round| (sum ^ round) + 1);
    assert_eq!(returned, expected.to_le_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_sui_hold() {
    let mut world = World::start().await;
    let stall = world.publish_stall().await;
    for (function, most) in [("many", 2_048), ("shout", 1_024)] {
        let fits = call(&world, &stall, function, most);
        world.run(fits).await;
        let over = call(&world, &stall, function, most + 1);
        let error = over.build(&mut world.client).await.unwrap_err().to_string();
        assert!(
            error.contains("MOVE_PRIMITIVE_RUNTIME_ERROR"),
            "{function}: {error}"
        );
    }
    // A loop without end costs its budget and stops.
    let mut endless = call(&world, &stall, "work", u64::MAX);
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
    let mut world = World::start().await;
    let client = &mut world.client;
    let invalid = |result: Result<(), tonic::Status>, field: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        assert!(error.message().contains(field), "{error}");
    };
    let request = GetObjectRequest::default();
    invalid(
        client.ledger_client().get_object(request).await.map(drop),
        "object_id",
    );
    let mut request = GetObjectRequest::default();
    request.object_id = Some("0xzz".into());
    invalid(
        client.ledger_client().get_object(request).await.map(drop),
        "object_id",
    );
    let mut request = GetObjectRequest::default();
    request.object_id = Some("0x6".into());
    request.read_mask = Some(FieldMask::from_str("no_such_field"));
    invalid(
        client.ledger_client().get_object(request).await.map(drop),
        "no_such_field",
    );
    let mut request = GetTransactionRequest::default();
    request.digest = Some("!".into());
    invalid(
        client
            .ledger_client()
            .get_transaction(request)
            .await
            .map(drop),
        "digest",
    );
    let mut request = GetBalanceRequest::default();
    request.owner = Some("0x1".into());
    request.coin_type = Some("u64".into());
    invalid(
        client.state_client().get_balance(request).await.map(drop),
        "coin_type",
    );
    let mut request = ListOwnedObjectsRequest::default();
    request.owner = Some("0x1".into());
    request.page_token = Some(vec![7; 9].into());
    invalid(
        client
            .state_client()
            .list_owned_objects(request)
            .await
            .map(drop),
        "page_token",
    );
    let mut request = ListTransactionsRequest::default();
    let mut options = QueryOptions::default();
    options.after = Some(vec![1, 2, 3].into());
    request.options = Some(options);
    invalid(
        client
            .ledger_client()
            .list_transactions(request)
            .await
            .map(drop),
        "options.after",
    );
    let mut request = ListTransactionsRequest::default();
    request.filter = Some(TransactionFilter::default());
    invalid(
        client
            .ledger_client()
            .list_transactions(request)
            .await
            .map(drop),
        "filter",
    );
    let request = ExecuteTransactionRequest::default();
    invalid(
        client
            .execution_client()
            .execute_transaction(request)
            .await
            .map(drop),
        "transaction",
    );
    let mut request = SimulateTransactionRequest::default();
    let mut transaction = TransactionMessage::default();
    transaction.bcs = Some(vec![0xff; 100].into());
    request.transaction = Some(transaction);
    invalid(
        client
            .execution_client()
            .simulate_transaction(request)
            .await
            .map(drop),
        "bcs",
    );
    let request = GetCheckpointRequest::by_sequence_number(u64::MAX);
    let missing = client
        .ledger_client()
        .get_checkpoint(request)
        .await
        .unwrap_err();
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
