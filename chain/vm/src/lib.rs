//! A total parser and a metered interpreter for Sui Move bytecode.
//!
//! [`Module::parse`](module::Module::parse) reads compiled modules; a [`Session`] runs their
//! functions against a [`World`] of packages and objects and tells what changed. Nothing here reads
//! files, clocks or randomness, and nothing panics on foreign bytes: code that no compiler would
//! emit ends in [`FailureKind::IllTyped`].
//!
//! There is no bytecode verifier. Ill-typed code cannot harm the process that runs it, but it can
//! break the promises of the packages it calls: run code only from a compiler you trust.

#![deny(clippy::indexing_slicing, clippy::as_conversions)]

mod abilities;
mod failure;
mod interpreter;
mod limits;
mod linker;
mod memory;
pub mod module;
mod natives;
mod objects;
mod package;
mod session;
#[cfg(feature = "testing")]
pub mod testing;
mod types;
mod value;

pub use abilities::Abilities;
pub use failure::{ExecutionFailure, FailureKind, Limit, Location, Missing};
pub use limits::Limits;
pub use module::{Module, ParseError, relocate};
pub use objects::{EmittedEvent, Recipient, Transfer};
pub use package::{Package, PackageError, PackageInfo, StoredObject, World};
pub use session::{
    Argument, ChildChange, ChildOutcome, FunctionSignature, Outcome, Session, Slot,
    TransactionContext,
};
pub use types::{DatatypeInstance, DatatypeName, MAX_TYPE_NODES, Type, TypeError};
pub use value::{
    DecodeError, DepthExceeded, EncodeError, Items, MAX_VALUE_DEPTH, Packed128, Reference, Value,
};
