//! Single requests to one endpoint and the decoding of its answers. Nothing here is believed.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{
    Address, CheckpointContents, Digest, Object, ObjectChange, SignedCheckpointSummary,
    TransactionEffects, TransactionEvents, ValidatorCommittee,
};

use super::endpoints::{Fault, Source};

/// Objects asked for in one request.
const BATCH: usize = 50;
/// Objects of one type that an account is asked for; more are not looked at.
pub(crate) const MAX_OWNED: usize = 5_000;

fn missing(field: &str) -> Fault {
    Fault::Corrupt(format!("the answer lacks {field}"))
}

fn decode<T: serde::de::DeserializeOwned>(
    bcs: Option<&proto::Bcs>,
    field: &str,
) -> Result<T, Fault> {
    Ok(bcs.ok_or_else(|| missing(field))?.deserialize()?)
}

/// A checkpoint as served.
#[derive(Debug, Clone)]
pub(crate) struct RawCheckpoint {
    pub(crate) summary: SignedCheckpointSummary,
    pub(crate) contents: CheckpointContents,
    pub(crate) executed: Vec<(TransactionEffects, Option<TransactionEvents>)>,
}

fn summary(checkpoint: &proto::Checkpoint) -> Result<SignedCheckpointSummary, Fault> {
    let signature = checkpoint
        .signature
        .as_ref()
        .ok_or_else(|| missing("signature"))?;
    let summary = checkpoint
        .summary
        .as_ref()
        .and_then(|summary| summary.bcs.as_ref());
    Ok(SignedCheckpointSummary {
        checkpoint: decode(summary, "summary.bcs")?,
        signature: signature
            .try_into()
            .map_err(|e| Fault::Corrupt(format!("signature: {e}")))?,
    })
}

fn contents(checkpoint: &proto::Checkpoint) -> Result<CheckpointContents, Fault> {
    let contents = checkpoint
        .contents
        .as_ref()
        .and_then(|contents| contents.bcs.as_ref());
    decode(contents, "contents.bcs")
}

fn executed(
    transaction: &proto::ExecutedTransaction,
) -> Result<(TransactionEffects, Option<TransactionEvents>), Fault> {
    let effects = transaction
        .effects
        .as_ref()
        .and_then(|effects| effects.bcs.as_ref());
    let events = transaction
        .events
        .as_ref()
        .and_then(|events| events.bcs.as_ref());
    let events = events
        .map(|bcs| decode(Some(bcs), "events.bcs"))
        .transpose()?;
    Ok((decode(effects, "effects.bcs")?, events))
}

async fn get_checkpoint(
    source: &Source,
    sequence: u64,
    mask: &str,
) -> Result<Option<proto::Checkpoint>, Fault> {
    let mut request = proto::GetCheckpointRequest::by_sequence_number(sequence);
    request.read_mask = Some(FieldMask::from_str(mask));
    let mut client = source.client.clone();
    let mut ledger = client.ledger_client();
    let Some(answer) = source.find(ledger.get_checkpoint(request)).await? else {
        return Ok(None);
    };
    answer
        .checkpoint
        .map(Some)
        .ok_or_else(|| missing("checkpoint"))
}

/// A whole checkpoint; `None` when the server does not have it (yet).
pub(crate) async fn checkpoint(
    source: &Source,
    sequence: u64,
) -> Result<Option<RawCheckpoint>, Fault> {
    const MASK: &str = "summary.bcs,signature,contents.bcs,\
        transactions.effects.bcs,transactions.events.bcs";
    let Some(checkpoint) = get_checkpoint(source, sequence, MASK).await? else {
        return Ok(None);
    };
    let summary = summary(&checkpoint)?;
    if summary.checkpoint.sequence_number != sequence {
        let found = summary.checkpoint.sequence_number;
        return Err(Fault::Corrupt(format!(
            "checkpoint {found} in place of {sequence}"
        )));
    }
    Ok(Some(RawCheckpoint {
        summary,
        contents: contents(&checkpoint)?,
        executed: checkpoint
            .transactions
            .iter()
            .map(executed)
            .collect::<Result<_, _>>()?,
    }))
}

/// The signed summary and the list of transactions of a checkpoint.
pub(crate) async fn summary_and_contents(
    source: &Source,
    sequence: u64,
) -> Result<Option<(SignedCheckpointSummary, CheckpointContents)>, Fault> {
    let mask = "summary.bcs,signature,contents.bcs";
    match get_checkpoint(source, sequence, mask).await? {
        Some(checkpoint) => Ok(Some((summary(&checkpoint)?, contents(&checkpoint)?))),
        None => Ok(None),
    }
}

/// The signed summary of a checkpoint.
pub(crate) async fn checkpoint_summary(
    source: &Source,
    sequence: u64,
) -> Result<Option<SignedCheckpointSummary>, Fault> {
    let checkpoint = get_checkpoint(source, sequence, "summary.bcs,signature").await?;
    checkpoint.as_ref().map(summary).transpose()
}

async fn get_epoch(
    source: &Source,
    epoch: Option<u64>,
    mask: &str,
) -> Result<Option<proto::Epoch>, Fault> {
    let mut request = proto::GetEpochRequest::default();
    request.epoch = epoch;
    request.read_mask = Some(FieldMask::from_str(mask));
    let mut client = source.client.clone();
    let mut ledger = client.ledger_client();
    let Some(answer) = source.find(ledger.get_epoch(request)).await? else {
        return Ok(None);
    };
    answer.epoch.map(Some).ok_or_else(|| missing("epoch"))
}

/// The last checkpoint of a Sui epoch that is over.
pub(crate) async fn epoch_end(source: &Source, epoch: u64) -> Result<u64, Fault> {
    let answer = get_epoch(source, Some(epoch), "epoch,last_checkpoint").await?;
    answer
        .and_then(|e| e.last_checkpoint)
        .ok_or_else(|| missing("epoch.last_checkpoint"))
}

/// The validators of a Sui epoch, as claimed.
pub(crate) async fn validators(source: &Source, epoch: u64) -> Result<ValidatorCommittee, Fault> {
    let answer = get_epoch(source, Some(epoch), "epoch,committee").await?;
    let committee = answer
        .and_then(|e| e.committee)
        .ok_or_else(|| missing("epoch.committee"))?;
    (&committee)
        .try_into()
        .map_err(|error| Fault::Corrupt(format!("committee: {error}")))
}

/// The running Sui epoch and its reference gas price.
pub(crate) async fn gas_price(source: &Source) -> Result<(u64, u64), Fault> {
    let answer = get_epoch(source, None, "epoch,reference_gas_price").await?;
    let epoch = answer.ok_or_else(|| missing("epoch"))?;
    let price = epoch
        .reference_gas_price
        .ok_or_else(|| missing("reference_gas_price"))?;
    Ok((epoch.epoch.ok_or_else(|| missing("epoch.epoch"))?, price))
}

/// An object at its newest or a given version; `None` when there is none.
pub(crate) async fn object(
    source: &Source,
    id: Address,
    version: Option<u64>,
) -> Result<Option<Object>, Fault> {
    let mut request = proto::GetObjectRequest::new(&id);
    request.version = version;
    request.read_mask = Some(FieldMask::from_str("bcs"));
    let mut client = source.client.clone();
    let mut ledger = client.ledger_client();
    let Some(answer) = source.find(ledger.get_object(request)).await? else {
        return Ok(None);
    };
    let object = answer.object.ok_or_else(|| missing("object"))?;
    let object: Object = decode(object.bcs.as_ref(), "object.bcs")?;
    if object.object_id() != id {
        return Err(Fault::Corrupt(format!(
            "object {} in place of {id}",
            object.object_id()
        )));
    }
    Ok(Some(object))
}

/// An object as it was before the transaction that wrote its newest or a given version; `None` where that
/// one created it, or the server has forgotten.
pub(crate) async fn earlier(
    source: &Source,
    id: Address,
    version: Option<u64>,
) -> Result<Option<Object>, Fault> {
    let Some(later) = object(source, id, version).await? else {
        return Ok(None);
    };
    let Some(writer) = transaction(source, later.previous_transaction()).await? else {
        return Ok(None);
    };
    let before = writer
        .effects
        .object_changes()
        .find_map(|change| match change {
            ObjectChange::Mutated {
                object_id,
                input_version,
                ..
            } if *object_id == id => input_version,
            _ => None,
        });
    match before {
        Some(before) => object(source, id, Some(before)).await,
        None => Ok(None),
    }
}

/// Several objects at their newest versions; those that do not exist are left out.
pub(crate) async fn objects(
    source: &Source,
    ids: Vec<Address>,
) -> Result<BTreeMap<Address, Object>, Fault> {
    let mut objects = BTreeMap::new();
    for batch in ids.chunks(BATCH) {
        let mut request = proto::BatchGetObjectsRequest::default();
        request.requests = batch.iter().map(proto::GetObjectRequest::new).collect();
        request.read_mask = Some(FieldMask::from_str("bcs"));
        let mut client = source.client.clone();
        let mut ledger = client.ledger_client();
        let answer = source.call(ledger.batch_get_objects(request)).await?;
        if answer.objects.len() != batch.len() {
            return Err(missing("objects"));
        }
        for (result, id) in answer.objects.into_iter().zip(batch) {
            let object = match result.to_result() {
                Ok(object) => object,
                Err(status) if status.code == i32::from(tonic::Code::NotFound) => continue,
                Err(status) => return Err(Fault::Unavailable(status.message)),
            };
            let object: Object = decode(object.bcs.as_ref(), "object.bcs")?;
            if object.object_id() != *id {
                let found = object.object_id();
                return Err(Fault::Corrupt(format!("object {found} in place of {id}")));
            }
            objects.insert(*id, object);
        }
    }
    Ok(objects)
}

/// Objects of one type that an account owns.
pub(crate) async fn owned(
    source: &Source,
    owner: Address,
    of: String,
) -> Result<Vec<Object>, Fault> {
    use futures::StreamExt;
    let mut request = proto::ListOwnedObjectsRequest::default();
    request.owner = Some(owner.to_string());
    request.object_type = Some(of);
    request.read_mask = Some(FieldMask::from_str("bcs"));
    let listed = source
        .client
        .list_owned_objects(request)
        .take(MAX_OWNED)
        .try_collect();
    let listed: Vec<proto::Object> = source.within(listed).await??;
    listed
        .iter()
        .map(|object| decode(object.bcs.as_ref(), "object.bcs"))
        .collect()
}

/// What an account holds of one coin.
pub(crate) async fn balance(source: &Source, owner: Address, coin: String) -> Result<u64, Fault> {
    let mut request = proto::GetBalanceRequest::default();
    request.owner = Some(owner.to_string());
    request.coin_type = Some(coin);
    let mut client = source.client.clone();
    let mut state = client.state_client();
    let answer = source.call(state.get_balance(request)).await?;
    Ok(answer
        .balance
        .and_then(|balance| balance.balance)
        .unwrap_or(0))
}

/// Where a transaction was executed and what it did, as claimed.
#[derive(Debug, Clone)]
pub(crate) struct RawTransaction {
    /// `None` while it is in no checkpoint.
    pub(crate) checkpoint: Option<u64>,
    pub(crate) effects: TransactionEffects,
    pub(crate) events: Option<TransactionEvents>,
}

/// Fields of a transaction's answer that [`RawTransaction`] needs.
pub(crate) const TRANSACTION_MASK: &str = "digest,checkpoint,effects.bcs,events.bcs";

/// Decodes an executed transaction with [`TRANSACTION_MASK`].
pub(crate) fn raw_transaction(
    transaction: &proto::ExecutedTransaction,
    digest: Digest,
) -> Result<RawTransaction, Fault> {
    let (effects, events) = executed(transaction)?;
    if *effects.transaction_digest() != digest {
        return Err(Fault::Corrupt("effects of another transaction".to_owned()));
    }
    Ok(RawTransaction {
        checkpoint: transaction.checkpoint,
        effects,
        events,
    })
}

/// A transaction by digest; `None` when the server does not know it.
pub(crate) async fn transaction(
    source: &Source,
    digest: Digest,
) -> Result<Option<RawTransaction>, Fault> {
    let mut request = proto::GetTransactionRequest::new(&digest);
    request.read_mask = Some(FieldMask::from_str(TRANSACTION_MASK));
    let mut client = source.client.clone();
    let mut ledger = client.ledger_client();
    let Some(answer) = source.find(ledger.get_transaction(request)).await? else {
        return Ok(None);
    };
    let transaction = answer.transaction.ok_or_else(|| missing("transaction"))?;
    raw_transaction(&transaction, digest).map(Some)
}
