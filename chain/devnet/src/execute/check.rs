//! Checks that need no object: shape, limits, price, validity in time, signatures.

use std::collections::BTreeSet;

use sui_crypto::{SuiVerifier, UserSignatureVerifier};
use sui_sdk_types::{
    Address, Argument, Command, Input, ProgrammableTransaction, SignedTransaction, SimpleSignature,
    Transaction, TransactionExpiration, TransactionKind, UserSignature,
};

use super::{Refusal, Terms, gas, system};
use crate::limits;

/// The programmable part of a user's transaction.
pub(crate) fn programmable(transaction: &Transaction) -> Result<&ProgrammableTransaction, Refusal> {
    match &transaction.kind {
        TransactionKind::ProgrammableTransaction(programmable) => Ok(programmable),
        _ => Err(Refusal::SystemKind),
    }
}

/// Checks shape, limits, gas terms and validity of a transaction.
pub(crate) fn transaction(transaction: &Transaction, terms: &Terms) -> Result<(), Refusal> {
    let programmable = programmable(transaction)?;
    let size =
        bcs::serialized_size(transaction).map_err(|error| Refusal::Malformed(error.to_string()))?;
    limit("transaction size in bytes", size, limits::TRANSACTION_BYTES)?;
    shape(programmable)?;
    gas(transaction, terms)?;
    validity(&transaction.expiration, terms)
}

/// A transaction that its sender, and its sponsor if it has one, signed.
#[derive(Clone, Debug)]
pub(crate) struct Authorized(SignedTransaction);

impl Authorized {
    /// Verifies the signatures of a transaction.
    pub(crate) fn verify(signed: SignedTransaction) -> Result<Self, Refusal> {
        signatures(&signed.transaction, &signed.signatures)?;
        Ok(Self(signed))
    }

    /// A transaction from this chain's own log, which was verified before it got there.
    pub(crate) fn from_log(signed: SignedTransaction) -> Self {
        Self(signed)
    }

    /// The transaction with its signatures.
    pub(crate) fn into_signed(self) -> SignedTransaction {
        self.0
    }
}

/// Checks that every signature verifies and that exactly sender and sponsor signed.
fn signatures(transaction: &Transaction, signatures: &[UserSignature]) -> Result<(), Refusal> {
    let mut missing = BTreeSet::from([transaction.sender, transaction.gas_payment.owner]);
    limit("number of signatures", signatures.len(), missing.len())?;
    for signature in signatures {
        let signers = signers(signature);
        let signer = signers
            .iter()
            .find(|signer| missing.contains(*signer))
            .copied();
        let Some(signer) = signer else {
            return Err(signers.first().map_or_else(
                || Refusal::Signature("unknown scheme".into()),
                |first| Refusal::UnexpectedSignature(*first),
            ));
        };
        let verified = UserSignatureVerifier::new().verify_transaction(transaction, signature);
        verified.map_err(|error| Refusal::Signature(error.to_string()))?;
        missing.remove(&signer);
    }
    missing
        .first()
        .map_or(Ok(()), |address| Err(Refusal::MissingSignature(*address)))
}

/// The addresses a signature can speak for.
pub(crate) fn signers(signature: &UserSignature) -> Vec<Address> {
    match signature {
        UserSignature::Simple(SimpleSignature::Ed25519 { public_key, .. }) => {
            vec![public_key.derive_address()]
        }
        UserSignature::Simple(SimpleSignature::Secp256k1 { public_key, .. }) => {
            vec![public_key.derive_address()]
        }
        UserSignature::Simple(SimpleSignature::Secp256r1 { public_key, .. }) => {
            vec![public_key.derive_address()]
        }
        UserSignature::Multisig(multisig) => vec![multisig.committee().derive_address()],
        UserSignature::Passkey(passkey) => vec![passkey.public_key().derive_address()],
        _ => vec![],
    }
}

fn shape(programmable: &ProgrammableTransaction) -> Result<(), Refusal> {
    let objects = programmable
        .inputs
        .iter()
        .filter(|input| !matches!(input, Input::Pure(_)))
        .count();
    limit("number of input objects", objects, limits::INPUT_OBJECTS)?;
    limit(
        "number of commands",
        programmable.commands.len(),
        limits::COMMANDS,
    )?;
    for input in &programmable.inputs {
        match input {
            Input::Pure(bytes) => limit("pure input in bytes", bytes.len(), limits::PURE_BYTES)?,
            Input::FundsWithdrawal(_) => {
                return Err(Refusal::Unsupported("withdrawals from address balances"));
            }
            _ => {}
        }
    }
    let mut publishes = 0;
    let mut drew = false;
    for command in &programmable.commands {
        // Whoever drew a number could otherwise look at it and abort.
        if drew
            && !matches!(
                command,
                Command::TransferObjects(_) | Command::MergeCoins(_)
            )
        {
            return Err(Refusal::Malformed(
                "after a call that uses Random only TransferObjects and MergeCoins may follow"
                    .into(),
            ));
        }
        drew |= draws(programmable, command);
        let (arguments, modules) = match command {
            Command::MoveCall(call) => {
                limit(
                    "number of type arguments",
                    call.type_arguments.len(),
                    limits::TYPE_ARGUMENTS,
                )?;
                (call.arguments.len(), None)
            }
            Command::TransferObjects(transfer) => {
                (non_empty("TransferObjects", transfer.objects.len())?, None)
            }
            Command::SplitCoins(split) => (non_empty("SplitCoins", split.amounts.len())?, None),
            Command::MergeCoins(merge) => {
                (non_empty("MergeCoins", merge.coins_to_merge.len())?, None)
            }
            Command::MakeMoveVector(make) if make.type_.is_none() => (
                non_empty("MakeMoveVec without a type", make.elements.len())?,
                None,
            ),
            Command::MakeMoveVector(make) => (make.elements.len(), None),
            Command::Publish(publish) => (publish.dependencies.len(), Some(&publish.modules)),
            Command::Upgrade(upgrade) => (upgrade.dependencies.len(), Some(&upgrade.modules)),
            _ => return Err(Refusal::Unsupported("this command")),
        };
        limit(
            "number of arguments of a command",
            arguments,
            limits::ARGUMENTS,
        )?;
        if let Some(modules) = modules {
            publishes += 1;
            limit(
                "number of modules",
                non_empty("a package", modules.len())?,
                limits::PACKAGE_MODULES,
            )?;
        }
    }
    limit(
        "number of publish and upgrade commands",
        publishes,
        limits::PUBLISHES,
    )
}

/// Whether a command is a call that takes the Random object.
fn draws(programmable: &ProgrammableTransaction, command: &Command) -> bool {
    let Command::MoveCall(call) = command else {
        return false;
    };
    call.arguments.iter().any(|argument| match argument {
        Argument::Input(index) => matches!(
            programmable.inputs.get(usize::from(*index)),
            Some(Input::Shared(shared)) if shared.object_id() == system::RANDOM
        ),
        _ => false,
    })
}

fn non_empty(what: &str, count: usize) -> Result<usize, Refusal> {
    if count == 0 {
        Err(Refusal::Malformed(format!(
            "{what} needs at least one element"
        )))
    } else {
        Ok(count)
    }
}

fn gas(transaction: &Transaction, terms: &Terms) -> Result<(), Refusal> {
    let payment = &transaction.gas_payment;
    if payment.price < terms.reference_gas_price {
        return Err(Refusal::GasPrice {
            given: payment.price,
            reference: terms.reference_gas_price,
        });
    }
    amount("gas price", payment.price, limits::GAS_PRICE)?;
    amount("gas budget", payment.budget, gas::MAXIMUM_BUDGET)?;
    let minimum = gas::minimum_budget(payment.price);
    if payment.budget < minimum {
        return Err(Refusal::GasBudget {
            given: payment.budget,
            minimum,
        });
    }
    if payment.objects.is_empty() {
        return Err(Refusal::Unsupported(
            "gas paid from an address balance (give at least one gas coin)",
        ));
    }
    limit(
        "number of gas coins",
        payment.objects.len(),
        limits::GAS_COINS,
    )
}

fn validity(expiration: &TransactionExpiration, terms: &Terms) -> Result<(), Refusal> {
    let (min_epoch, max_epoch, min_time, max_time, chain) = match expiration {
        TransactionExpiration::None => return Ok(()),
        TransactionExpiration::Epoch(epoch) => (None, Some(*epoch), None, None, None),
        TransactionExpiration::ValidDuring {
            min_epoch,
            max_epoch,
            min_timestamp,
            max_timestamp,
            chain,
            ..
        }
        | TransactionExpiration::Validity {
            min_epoch,
            max_epoch,
            min_timestamp,
            max_timestamp,
            chain,
            ..
        } => (
            *min_epoch,
            *max_epoch,
            *min_timestamp,
            *max_timestamp,
            Some(*chain),
        ),
        _ => return Err(Refusal::Unsupported("this kind of expiration")),
    };
    if let Some(given) = chain.filter(|chain| *chain != terms.chain) {
        return Err(Refusal::OtherChain {
            given,
            expected: terms.chain,
        });
    }
    let outside = |low: Option<u64>, now: u64, high: Option<u64>| {
        low.is_some_and(|low| now < low) || high.is_some_and(|high| now > high)
    };
    if outside(min_epoch, terms.epoch, max_epoch) {
        return Err(Refusal::Expired(format!(
            "epoch {} is outside {min_epoch:?} to {max_epoch:?}",
            terms.epoch
        )));
    }
    if outside(min_time, terms.now_ms, max_time) {
        return Err(Refusal::Expired(format!(
            "time {} ms is outside {min_time:?} to {max_time:?}",
            terms.now_ms
        )));
    }
    Ok(())
}

fn limit(what: &'static str, size: usize, limit: usize) -> Result<(), Refusal> {
    let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
    amount(what, count(size), count(limit))
}

fn amount(what: &'static str, size: u64, limit: u64) -> Result<(), Refusal> {
    if size > limit {
        Err(Refusal::Limit { what, size, limit })
    } else {
        Ok(())
    }
}
