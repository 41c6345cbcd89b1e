//! A transaction as clients send it to be completed: objects by id only, gas left open.

use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{
    Address, Command, Digest, ObjectReference, Transaction, TransactionExpiration, TransactionKind,
    Version,
};
use tonic::Status;

use crate::limits;

/// An input of a draft.
#[derive(Clone, Debug)]
pub(crate) enum DraftInput {
    /// Complete already.
    Complete(sui_sdk_types::Input),
    /// An object of which some things may be given.
    Object {
        /// Object.
        id: Address,
        /// Version that must be live, if given; for a shared object, at which it was shared.
        version: Option<Version>,
        /// Digest it must have, if given.
        digest: Option<Digest>,
        /// Whether it is asked for as mutable, if given.
        mutable: Option<bool>,
        /// Whether it is to be received.
        receiving: bool,
    },
}

/// A transaction with open parts.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Sender.
    pub sender: Address,
    /// Inputs.
    pub inputs: Vec<DraftInput>,
    /// Commands.
    pub commands: Vec<Command>,
    /// Gas coins; none if they are to be picked.
    pub gas_objects: Vec<ObjectReference>,
    /// Who pays.
    pub gas_owner: Address,
    /// Price, if given.
    pub gas_price: Option<u64>,
    /// Budget, if given.
    pub gas_budget: Option<u64>,
    /// Validity.
    pub expiration: TransactionExpiration,
}

/// A draft cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transaction.{field}: {reason}")]
pub struct DraftError {
    field: String,
    reason: String,
}

impl From<DraftError> for Status {
    fn from(error: DraftError) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

fn wrong(field: impl Into<String>, reason: impl ToString) -> DraftError {
    DraftError {
        field: field.into(),
        reason: reason.to_string(),
    }
}

impl Draft {
    /// Reads a draft from a request. A transaction given as BCS is complete but for its gas.
    pub(crate) fn parse(message: &proto::Transaction) -> Result<Self, DraftError> {
        if let Some(bytes) = message.bcs.as_ref().and_then(|bcs| bcs.value.as_ref()) {
            let transaction: Transaction =
                bcs::from_bytes(bytes).map_err(|error| wrong("bcs", error))?;
            return Self::of_complete(transaction);
        }
        let programmable = match message.kind.as_ref().and_then(|kind| kind.data.as_ref()) {
            Some(proto::transaction_kind::Data::ProgrammableTransaction(programmable)) => {
                programmable
            }
            _ => {
                return Err(wrong(
                    "kind",
                    "only programmable transactions can be simulated",
                ));
            }
        };
        if programmable.inputs.len() > limits::INPUT_OBJECTS
            || programmable.commands.len() > limits::COMMANDS
        {
            return Err(wrong(
                "kind",
                format!(
                    "at most {} inputs and {} commands are allowed",
                    limits::INPUT_OBJECTS,
                    limits::COMMANDS
                ),
            ));
        }
        let sender = parse("sender", message.sender.as_deref())?;
        let inputs = programmable
            .inputs
            .iter()
            .enumerate()
            .map(|(index, input)| DraftInput::parse(index, input));
        let commands = programmable.commands.iter().map(|command| {
            Command::try_from(command).map_err(|error| wrong("kind.commands", error))
        });
        let gas = message.gas_payment.clone().unwrap_or_default();
        let objects = gas.objects.iter().map(|object| {
            ObjectReference::try_from(object).map_err(|error| wrong("gas_payment.objects", error))
        });
        let expiration = message.expiration.as_ref().map(|given| {
            TransactionExpiration::try_from(given).map_err(|error| wrong("expiration", error))
        });
        Ok(Self {
            sender,
            inputs: inputs.collect::<Result<_, _>>()?,
            commands: commands.collect::<Result<_, _>>()?,
            gas_objects: objects.collect::<Result<_, _>>()?,
            gas_owner: gas
                .owner
                .as_deref()
                .map_or(Ok(sender), |owner| parse("gas_payment.owner", Some(owner)))?,
            gas_price: gas.price,
            gas_budget: gas.budget,
            expiration: expiration.transpose()?.unwrap_or_default(),
        })
    }

    fn of_complete(transaction: Transaction) -> Result<Self, DraftError> {
        let TransactionKind::ProgrammableTransaction(programmable) = transaction.kind else {
            return Err(wrong(
                "bcs",
                "only programmable transactions can be simulated",
            ));
        };
        let gas = transaction.gas_payment;
        Ok(Self {
            sender: transaction.sender,
            inputs: programmable
                .inputs
                .into_iter()
                .map(DraftInput::Complete)
                .collect(),
            commands: programmable.commands,
            gas_objects: gas.objects,
            gas_owner: gas.owner,
            gas_price: Some(gas.price).filter(|price| *price > 0),
            gas_budget: Some(gas.budget).filter(|budget| *budget > 0),
            expiration: transaction.expiration,
        })
    }
}

impl DraftInput {
    fn parse(index: usize, input: &proto::Input) -> Result<Self, DraftError> {
        use proto::input::InputKind;
        let field = |name: &str| format!("inputs[{index}].{name}");
        if input.literal.is_some() {
            return Err(wrong(
                field("literal"),
                "literals are not supported; give BCS bytes as `pure`",
            ));
        }
        if let Some(pure) = &input.pure {
            return Ok(Self::Complete(sui_sdk_types::Input::Pure(pure.to_vec())));
        }
        if input.kind() == InputKind::FundsWithdrawal {
            return sui_sdk_types::Input::try_from(input)
                .map(Self::Complete)
                .map_err(|error| wrong(field("funds_withdrawal"), error));
        }
        let id = parse(&field("object_id"), input.object_id.as_deref())?;
        let digest = input
            .digest
            .as_deref()
            .map(|digest| parse(&field("digest"), Some(digest)))
            .transpose()?;
        Ok(Self::Object {
            id,
            version: input.version,
            digest,
            mutable: input.mutable,
            receiving: input.kind() == InputKind::Receiving,
        })
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &str,
    text: Option<&str>,
) -> Result<T, DraftError> {
    text.ok_or_else(|| wrong(field, "missing"))?
        .parse()
        .map_err(|error| wrong(field, error))
}
