//! The services one by one: pages, cursors, filters, descriptors, headers, views.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

#[expect(dead_code, reason = "each test uses its part")]
mod support;

use std::time::Duration;

use futures::StreamExt;
use sui_crypto::SuiSigner;
use sui_rpc::{
    Client,
    field::{FieldMask, FieldMaskUtil},
    proto::sui::rpc::v2::{
        BatchGetObjectsRequest, BatchGetTransactionsRequest, Bcs, GetDatatypeRequest,
        GetFunctionRequest, GetObjectRequest, GetPackageRequest, GetServiceInfoRequest,
        ListBalancesRequest, ListCheckpointsRequest, ListOwnedObjectsRequest,
        ListTransactionsRequest, Ordering, QueryEndReason, QueryOptions,
        SimulateTransactionRequest, SubscribeTransactionsRequest, TransactionFilter,
        VerifySignatureRequest, filter::transaction, open_signature::Reference,
        simulate_transaction_request::TransactionChecks,
    },
};
use sui_sdk_types::{
    Address, Argument, Command, Input, ProgrammableTransaction, Transaction, TransactionKind,
};
use sui_transaction_builder::{ObjectInput, TransactionBuilder};
use tonic::Code;

use crate::support::World;

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
        let builder = world.call(&stall, "shout", number);
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
    let builder = world.call(&stall, "shout", 1);
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
