//! The faucet: SUI for whoever asks, over HTTP. Speaks the requests of Sui's faucet clients.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use sui_crypto::SuiSigner;
use sui_sdk_types::{
    Address, Argument, Command, Digest, GasPayment, Input, ObjectReference, Owner,
    ProgrammableTransaction, SignedTransaction, SplitCoins, StructTag, Transaction,
    TransactionExpiration, TransactionKind, TransferObjects,
};

use crate::{
    coin,
    execute::{Authorized, Refusal, gas},
    ledger::{Executed, Ledger},
    node::Node,
};

/// MIST in each coin that is sent.
const AMOUNT: u64 = 200_000_000_000;
/// Coins sent for one request, so that a client can have several transactions under way.
const COINS: u16 = 5;
/// MIST the faucet is willing to pay for one transfer.
const BUDGET: u64 = 50_000_000;

#[derive(Deserialize)]
struct Request {
    #[serde(rename = "FixedAmountRequest")]
    fixed_amount: FixedAmount,
}

#[derive(Deserialize)]
struct FixedAmount {
    recipient: Address,
}

#[derive(Serialize)]
struct Answer {
    status: Status,
    coins_sent: Option<Vec<Coin>>,
}

#[derive(Serialize)]
enum Status {
    Success,
    Failure(Failure),
}

#[derive(Serialize)]
enum Failure {
    Internal(String),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Coin {
    amount: u64,
    id: Address,
    transfer_tx_digest: Digest,
}

/// `POST /v2/gas` and `/v1/gas` with `{"FixedAmountRequest": {"recipient": "0x…"}}`; `GET /` to see that it is there.
pub(crate) fn routes(node: &Arc<Node>) -> Router {
    let faucet = post(give);
    Router::new()
        .route("/v2/gas", faucet.clone())
        .route("/v1/gas", faucet)
        .route("/", get(|| async { "OK" }))
        .with_state(node.clone())
}

async fn give(State(node): State<Arc<Node>>, Json(request): Json<Request>) -> Response {
    let recipient = request.fixed_amount.recipient;
    let given = node
        .change(move |ledger, now_ms| send(ledger, recipient, now_ms))
        .await;
    let (code, status, coins_sent) = match given {
        Ok(Ok(coins)) => (StatusCode::CREATED, Status::Success, Some(coins)),
        Ok(Err(refusal)) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            Status::Failure(Failure::Internal(refusal.to_string())),
            None,
        ),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Status::Failure(Failure::Internal(error.to_string())),
            None,
        ),
    };
    (code, Json(Answer { status, coins_sent })).into_response()
}

fn send(ledger: &mut Ledger, recipient: Address, now_ms: u64) -> Result<Vec<Coin>, Refusal> {
    let key = ledger.faucet_key();
    let sender = key.public_key().derive_address();
    let purse = ledger.objects().coins(&sender, &StructTag::sui()).next();
    let purse =
        purse.map(|coin| ObjectReference::new(coin.object_id(), coin.version(), coin.digest()));
    let purse = purse.ok_or(Refusal::GasBalance {
        balance: 0,
        needed: BUDGET,
    })?;
    let transaction = transfer(sender, recipient, purse, ledger.terms().reference_gas_price);
    let signature = key
        .sign_transaction(&transaction)
        .map_err(|error| Refusal::Signature(error.to_string()))?;
    let authorized = Authorized::verify(SignedTransaction {
        transaction,
        signatures: vec![signature],
    })?;
    let executed = ledger.submit(authorized, now_ms)?;
    if let sui_sdk_types::ExecutionStatus::Failure { error, .. } = &executed.effects_v2().status {
        return Err(Refusal::Malformed(format!(
            "the transfer failed: {error:?}"
        )));
    }
    Ok(sent(&executed, recipient))
}

fn transfer(
    sender: Address,
    recipient: Address,
    purse: ObjectReference,
    price: u64,
) -> Transaction {
    let amounts = vec![Argument::Input(0); COINS.into()];
    let objects = (0..COINS)
        .map(|index| Argument::NestedResult(0, index))
        .collect();
    Transaction {
        kind: TransactionKind::ProgrammableTransaction(ProgrammableTransaction {
            inputs: vec![
                Input::Pure(AMOUNT.to_le_bytes().to_vec()),
                Input::Pure(recipient.as_bytes().to_vec()),
            ],
            commands: vec![
                Command::SplitCoins(SplitCoins {
                    coin: Argument::Gas,
                    amounts,
                }),
                Command::TransferObjects(TransferObjects {
                    objects,
                    address: Argument::Input(1),
                }),
            ],
        }),
        sender,
        gas_payment: GasPayment {
            objects: vec![purse],
            owner: sender,
            price,
            budget: BUDGET.max(gas::minimum_budget(price)),
        },
        expiration: TransactionExpiration::None,
    }
}

fn sent(executed: &Executed, recipient: Address) -> Vec<Coin> {
    let purse = executed
        .transaction
        .gas_payment
        .objects
        .first()
        .map(|purse| *purse.object_id());
    let coins = executed.outputs.iter().filter(|object| {
        *object.owner() == Owner::Address(recipient) && Some(object.object_id()) != purse
    });
    coins
        .filter_map(|object| {
            let amount = coin::balance(object.as_struct()?)?;
            Some(Coin {
                amount,
                id: object.object_id(),
                transfer_tx_digest: executed.digest,
            })
        })
        .collect()
}
