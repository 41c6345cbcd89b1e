//! Why a transaction is not executed at all. A transaction that is executed and fails has effects instead.

use sui_sdk_types::{Address, Digest, Version};

/// A transaction was turned away; nothing changed and no gas was charged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// One of Sui's limits is exceeded.
    #[error("{what} of {size} exceeds the limit of {limit}")]
    Limit {
        /// What is too large or too many.
        what: &'static str,
        /// How much was given.
        size: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// The transaction is malformed.
    #[error("{0}")]
    Malformed(String),
    /// Only programmable transactions may be submitted.
    #[error("transactions of this kind are made by the system only")]
    SystemKind,
    /// A feature of Sui that this chain does not have.
    #[error("not supported by this chain: {0}")]
    Unsupported(&'static str),
    /// A signature does not verify.
    #[error("invalid signature: {0}")]
    Signature(String),
    /// The sender or sponsor did not sign.
    #[error("signature of {0} is missing")]
    MissingSignature(Address),
    /// Somebody signed who is neither sender nor sponsor.
    #[error("signature of {0} is not needed")]
    UnexpectedSignature(Address),
    /// The transaction is for another chain.
    #[error("transaction is valid on chain {given} only, this is {expected}")]
    OtherChain {
        /// Chain the transaction names.
        given: Digest,
        /// This chain.
        expected: Digest,
    },
    /// The transaction is not valid yet or any more.
    #[error("transaction is not valid now: {0}")]
    Expired(String),
    /// An input does not exist.
    #[error("object {0} does not exist")]
    ObjectNotFound(Address),
    /// An owned input was given at another version than the live one.
    #[error(
        "object {id} version {given} is not available for consumption, its current version is {current}"
    )]
    Version {
        /// Object.
        id: Address,
        /// Version in the transaction.
        given: Version,
        /// Live version.
        current: Version,
    },
    /// An owned input was already used by another transaction: the owner signed two that conflict.
    #[error("object {id} version {version} was already used by transaction {by}")]
    Locked {
        /// Object.
        id: Address,
        /// Version both transactions name.
        version: Version,
        /// The transaction that came first.
        by: Digest,
    },
    /// An input was given with another digest than the object has.
    #[error("object {id} version {version} has digest {expected}, not {given}")]
    ObjectDigest {
        /// Object.
        id: Address,
        /// Version.
        version: Version,
        /// Digest in the transaction.
        given: Digest,
        /// Digest of the object.
        expected: Digest,
    },
    /// An input belongs to somebody else, or to an object.
    #[error("object {id} is owned by {owner}, not by {expected}")]
    Owner {
        /// Object.
        id: Address,
        /// Who owns it.
        owner: String,
        /// Who may use it in this transaction.
        expected: Address,
    },
    /// An input is given as shared but is not.
    #[error("object {0} is not shared")]
    NotShared(Address),
    /// A shared object must be given as such.
    #[error("object {0} is shared and cannot be given as owned")]
    IsShared(Address),
    /// A shared input names the wrong version at which it was shared.
    #[error("object {id} was shared at version {expected}, not {given}")]
    SharedVersion {
        /// Object.
        id: Address,
        /// Version in the transaction.
        given: Version,
        /// Version at which it was shared.
        expected: Version,
    },
    /// The system object is only readable.
    #[error("object {0} can only be read")]
    ReadOnly(Address),
    /// The same object is given twice.
    #[error("object {0} is given more than once")]
    Duplicate(Address),
    /// A package is given as an object, or an object as a package.
    #[error("{0} is not an object of the expected kind")]
    Kind(Address),
    /// A package that a command names does not exist.
    #[error("package {0} does not exist")]
    PackageNotFound(Address),
    /// A gas object is not a coin of SUI.
    #[error("gas object {0} is not a coin of SUI")]
    NotGas(Address),
    /// The offered price is below the reference price.
    #[error("gas price {given} is below the reference gas price {reference}")]
    GasPrice {
        /// Offered, in MIST per unit.
        given: u64,
        /// Reference price of the epoch.
        reference: u64,
    },
    /// The budget cannot even pay for the smallest transaction.
    #[error("gas budget {given} is below the minimum {minimum}")]
    GasBudget {
        /// Offered, in MIST.
        given: u64,
        /// Smallest budget at this price.
        minimum: u64,
    },
    /// The gas coins hold less than the budget.
    #[error("gas coins hold {balance} MIST, the budget is {needed}")]
    GasBalance {
        /// What they hold.
        balance: u64,
        /// What is needed.
        needed: u64,
    },
}
