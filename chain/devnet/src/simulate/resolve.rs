//! Completes a draft: finds objects by id, and learns from function signatures how shared objects are used.

use floe_move_vm::{Session, Type};
use sui_sdk_types::{
    Address, Argument, Command, GasPayment, Input, ObjectReference, Owner, ProgrammableTransaction,
    SharedInput, Transaction, TransactionKind,
};

use super::draft::{Draft, DraftInput};
use crate::execute::{Refusal, View};

/// The transaction a draft stands for; its gas coins may still be missing.
pub(super) fn resolve(view: &View<'_>, draft: Draft) -> Result<Transaction, Refusal> {
    let mut uses = Uses::new(view, draft.inputs.len());
    for command in &draft.commands {
        uses.add(command)?;
    }
    let inputs = draft
        .inputs
        .into_iter()
        .zip(&uses.inputs)
        .map(|(input, how)| resolve_input(view, input, *how));
    let inputs = inputs.collect::<Result<_, _>>()?;
    Ok(Transaction {
        kind: TransactionKind::ProgrammableTransaction(ProgrammableTransaction {
            inputs,
            commands: draft.commands,
        }),
        sender: draft.sender,
        gas_payment: GasPayment {
            objects: draft.gas_objects,
            owner: draft.gas_owner,
            price: draft.gas_price.unwrap_or(view.terms.reference_gas_price),
            budget: draft.gas_budget.unwrap_or(0),
        },
        expiration: draft.expiration,
    })
}

fn resolve_input(view: &View<'_>, input: DraftInput, how: How) -> Result<Input, Refusal> {
    let (id, version, digest, mutable, receiving) = match input {
        DraftInput::Complete(input) => return Ok(input),
        DraftInput::Object {
            id,
            version,
            digest,
            mutable,
            receiving,
        } => (id, version, digest, mutable, receiving),
    };
    let object = view.object(&id).ok_or(Refusal::ObjectNotFound(id))?;
    if object.as_struct().is_none() {
        return Err(Refusal::Kind(id));
    }
    let shared = match object.owner() {
        Owner::Shared(start)
        | Owner::ConsensusAddress {
            start_version: start,
            ..
        } => Some(*start),
        _ => None,
    };
    if let Some(start) = shared {
        return match version.filter(|given| *given != start) {
            Some(given) => Err(Refusal::SharedVersion {
                id,
                given,
                expected: start,
            }),
            None => Ok(Input::Shared(SharedInput::new(
                id,
                start,
                mutable.unwrap_or(how.mutable),
            ))),
        };
    }
    if let Some(given) = version.filter(|given| *given != object.version()) {
        return Err(Refusal::Version {
            id,
            given,
            current: object.version(),
        });
    }
    let expected = object.digest();
    if let Some(given) = digest.filter(|given| *given != expected) {
        return Err(Refusal::ObjectDigest {
            id,
            version: object.version(),
            given,
            expected,
        });
    }
    let reference = ObjectReference::new(id, object.version(), expected);
    Ok(if receiving || how.received {
        Input::Receiving(reference)
    } else {
        Input::ImmutableOrOwned(reference)
    })
}

/// How a transaction uses one input.
#[derive(Clone, Copy, Debug, Default)]
struct How {
    mutable: bool,
    received: bool,
}

/// How a transaction uses its inputs.
struct Uses<'v> {
    session: Session<'v>,
    inputs: Vec<How>,
}

impl<'v> Uses<'v> {
    fn new(view: &'v View<'v>, inputs: usize) -> Self {
        Self {
            session: view.session_for_types(),
            inputs: vec![How::default(); inputs],
        }
    }

    fn add(&mut self, command: &Command) -> Result<(), Refusal> {
        match command {
            Command::MoveCall(call) => {
                let signature = self
                    .session
                    .function(&call.package, &call.module, &call.function);
                let missing = |reason| {
                    Refusal::Malformed(format!(
                        "{}::{}::{}: {reason}",
                        call.package, call.module, call.function
                    ))
                };
                let signature = signature.map_err(missing)?;
                for (parameter, argument) in signature.parameters.iter().zip(&call.arguments) {
                    self.note(*argument, parameter);
                }
            }
            Command::TransferObjects(transfer) => transfer
                .objects
                .iter()
                .for_each(|object| self.note_mutable(*object)),
            Command::SplitCoins(split) => self.note_mutable(split.coin),
            Command::MergeCoins(merge) => merge
                .coins_to_merge
                .iter()
                .chain([&merge.coin])
                .for_each(|coin| self.note_mutable(*coin)),
            Command::MakeMoveVector(make) => make
                .elements
                .iter()
                .for_each(|element| self.note_mutable(*element)),
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, argument: Argument, parameter: &Type) {
        match parameter {
            Type::Reference(_) => {}
            by_value if by_value.is(Address::TWO, "transfer", "Receiving") => {
                if let Some(how) = self.input(argument) {
                    how.received = true;
                }
            }
            _ => self.note_mutable(argument),
        }
    }

    fn note_mutable(&mut self, argument: Argument) {
        if let Some(how) = self.input(argument) {
            how.mutable = true;
        }
    }

    fn input(&mut self, argument: Argument) -> Option<&mut How> {
        match argument {
            Argument::Input(index) => self.inputs.get_mut(usize::from(index)),
            _ => None,
        }
    }
}
