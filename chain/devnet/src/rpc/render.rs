//! From the ledger's records to the messages of `sui.rpc.v2`. Builds only what a read mask asks for.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::Timestamp;
use sui_rpc::{
    field::{FieldMask, FieldMaskTree, FieldMaskUtil},
    merge::Merge,
    proto::sui::rpc::v2 as proto,
};
use sui_sdk_types::{Address, BalanceChange, Object, ObjectData, ObjectType, Owner, TypeTag};
use tonic::Status;

use crate::{
    coin,
    ledger::{Checkpoint, Executed, History, Ledger, Place},
};

/// The read mask of a request, or the default of its method. Unknown paths are refused.
pub(super) fn mask<M: sui_rpc::field::MessageFields>(
    mask: Option<&FieldMask>,
    default: &str,
) -> Result<FieldMaskTree, Status> {
    let Some(mask) = mask else {
        return Ok(FieldMaskTree::from(FieldMask::from_str(default)));
    };
    if mask.paths.len() > MASK_PATHS {
        return Err(Status::invalid_argument(format!(
            "read_mask: {} paths, at most {MASK_PATHS} are allowed",
            mask.paths.len()
        )));
    }
    mask.validate::<M>()
        .map_err(|path| Status::invalid_argument(format!("read_mask: unknown path {path}")))?;
    Ok(FieldMaskTree::from_field_mask(mask))
}

/// Paths in one read mask.
const MASK_PATHS: usize = 256;

/// Milliseconds since the Unix epoch as a message.
pub(super) fn timestamp(milliseconds: u64) -> Timestamp {
    let seconds = i64::try_from(milliseconds / 1_000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(milliseconds % 1_000 * 1_000_000).unwrap_or(0);
    Timestamp { seconds, nanos }
}

/// An object.
pub(super) fn object(object: &Object, mask: &FieldMaskTree) -> proto::Object {
    let mut message = proto::Object::merge_from(object.clone(), mask);
    if mask.contains("balance") {
        message.balance = object.as_struct().and_then(coin::balance);
    }
    message
}

/// A transaction with what it did.
pub(super) fn transaction(
    history: &History,
    executed: &Executed,
    place: Option<Place>,
    mask: &FieldMaskTree,
) -> proto::ExecutedTransaction {
    let mut message = proto::ExecutedTransaction::default();
    if mask.contains("digest") {
        message.digest = Some(executed.digest.to_string());
    }
    if let Some(mask) = mask.subtree("transaction") {
        message.transaction = Some(proto::Transaction::merge_from(
            executed.transaction.clone(),
            &mask,
        ));
    }
    if let Some(mask) = mask.subtree("signatures") {
        let signature = |signature: &sui_sdk_types::UserSignature| {
            proto::UserSignature::merge_from(signature.clone(), &mask)
        };
        message.signatures = executed.signatures.iter().map(signature).collect();
    }
    if let Some(mask) = mask.subtree("effects") {
        message.effects = Some(effects(executed, &mask));
    }
    if let Some(mask) = mask.subtree("events") {
        let events = executed.events.as_ref();
        message.events =
            events.map(|events| proto::TransactionEvents::merge_from(events.clone(), &mask));
    }
    if let Some(place) = place {
        if mask.contains("checkpoint") {
            message.checkpoint = Some(place.checkpoint);
        }
        if mask.contains("transaction_index") {
            message.transaction_index = Some(place.index);
        }
        if mask.contains("timestamp") {
            message.timestamp = history
                .checkpoint(place.checkpoint)
                .map(|checkpoint| timestamp(checkpoint.summary.timestamp_ms));
        }
    }
    if mask.contains("balance_changes") {
        message.balance_changes = balance_changes(executed);
    }
    if let Some(mask) = mask
        .subtree("objects")
        .and_then(|mask| mask.subtree("objects"))
    {
        message.objects = Some(objects([executed], &mask));
    }
    message
}

/// Effects with the types of the changed objects, which their BCS does not contain.
fn effects(executed: &Executed, mask: &FieldMaskTree) -> proto::TransactionEffects {
    let mut whole =
        proto::TransactionEffects::merge_from(&executed.effects, &FieldMaskTree::new_wildcard());
    let named = executed.inputs.iter().chain(&executed.outputs);
    let types: BTreeMap<String, String> = named
        .map(|object| (object.object_id().to_string(), type_name(object)))
        .collect();
    for change in &mut whole.changed_objects {
        change.object_type = change
            .object_id
            .as_ref()
            .and_then(|id| types.get(id))
            .cloned();
    }
    for object in &mut whole.unchanged_consensus_objects {
        object.object_type = object
            .object_id
            .as_ref()
            .and_then(|id| types.get(id))
            .cloned();
    }
    proto::TransactionEffects::merge_from(&whole, mask)
}

fn type_name(object: &Object) -> String {
    match object.object_type() {
        ObjectType::Package => "package".into(),
        ObjectType::Struct(tag) => tag.to_string(),
    }
}

/// Every object that transactions read or wrote, once per version, by id and version.
fn objects<'a>(
    transactions: impl IntoIterator<Item = &'a Executed>,
    mask: &FieldMaskTree,
) -> proto::ObjectSet {
    let mut distinct = BTreeMap::new();
    for executed in transactions {
        for object in executed.inputs.iter().chain(&executed.outputs) {
            distinct.insert((object.object_id(), object.version()), object);
        }
    }
    let mut set = proto::ObjectSet::default();
    set.objects = distinct
        .into_values()
        .map(|found| object(found, mask))
        .collect();
    set
}

/// By how much the coins of each address changed.
fn balance_changes(executed: &Executed) -> Vec<proto::BalanceChange> {
    let changed: BTreeSet<Address> = executed
        .effects_v2()
        .changed_objects
        .iter()
        .map(|change| change.object_id)
        .collect();
    let mut sums: BTreeMap<(Address, TypeTag), i128> = BTreeMap::new();
    let mut add = |object: &Object, sign: i128| {
        let holder = match object.owner() {
            Owner::Address(address) | Owner::ConsensusAddress { owner: address, .. } => *address,
            _ => return,
        };
        let ObjectData::Struct(body) = object.data() else {
            return;
        };
        if let (Some(currency), Some(balance)) = (body.object_type().is_coin(), coin::balance(body))
        {
            *sums.entry((holder, currency.clone())).or_default() += sign * i128::from(balance);
        }
    };
    executed
        .inputs
        .iter()
        .filter(|object| changed.contains(&object.object_id()))
        .for_each(|object| add(object, -1));
    executed.outputs.iter().for_each(|object| add(object, 1));
    let changes = sums.into_iter().filter(|(_, amount)| *amount != 0);
    changes
        .map(|((address, coin_type), amount)| {
            BalanceChange {
                address,
                coin_type,
                amount,
            }
            .into()
        })
        .collect()
}

/// A checkpoint with what is in it.
pub(super) fn checkpoint(
    ledger: &Ledger,
    checkpoint: &Checkpoint,
    mask: &FieldMaskTree,
) -> proto::Checkpoint {
    let mut message = proto::Checkpoint::default();
    message.merge(&checkpoint.summary, mask);
    if mask.contains("signature") {
        message.merge(ledger.certificate(checkpoint).clone(), mask);
    }
    if mask.contains("contents") {
        message.merge(checkpoint.contents.clone(), mask);
    }
    if let Some(mask) = mask.subtree("transactions") {
        let places = (0..).map(|index| Place {
            checkpoint: checkpoint.summary.sequence_number,
            index,
        });
        let all = checkpoint.transactions.iter().zip(places);
        message.transactions = all
            .map(|(executed, place)| transaction(ledger.history(), executed, Some(place), &mask))
            .collect();
    }
    if let Some(mask) = mask
        .subtree("objects")
        .and_then(|mask| mask.subtree("objects"))
    {
        message.objects = Some(objects(
            checkpoint.transactions.iter().map(AsRef::as_ref),
            &mask,
        ));
    }
    message
}

/// One event on its own, with where it happened.
pub(super) fn event(
    executed: &Executed,
    place: Place,
    index: u32,
    mask: &FieldMaskTree,
) -> Option<proto::Event> {
    let event = executed
        .events
        .as_ref()?
        .0
        .get(usize::try_from(index).ok()?)?;
    let mut whole = proto::Event::from(event.clone());
    whole.checkpoint = Some(place.checkpoint);
    whole.transaction_digest = Some(executed.digest.to_string());
    whole.transaction_index = Some(place.index);
    whole.event_index = Some(index);
    Some(proto::Event::merge_from(&whole, mask))
}
