//! Why execution stopped, and where. Conditions carry their numbers; mapping them to a chain's own
//! status codes is the caller's business.

use std::fmt;

use sui_sdk_types::{Address, Identifier};

use crate::{
    module::FunctionIndex,
    types::{Type, TypeError},
    value::{DecodeError, DepthExceeded, EncodeError},
};

/// A call that did not return.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}", .location.as_ref().map(|at| format!(" at {at}")).unwrap_or_default())]
pub struct ExecutionFailure {
    /// What happened.
    pub kind: FailureKind,
    /// The instruction, if one was being executed.
    pub location: Option<Box<Location>>,
}

impl From<FailureKind> for ExecutionFailure {
    fn from(kind: FailureKind) -> Self {
        Self {
            kind,
            location: None,
        }
    }
}

/// An instruction of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Storage id of the package version whose code ran.
    pub package: Address,
    /// Original id of that package.
    pub original: Address,
    /// The module.
    pub module: Identifier,
    /// Position of the function among the module's functions.
    pub function: FunctionIndex,
    /// Name of the function.
    pub function_name: Identifier,
    /// Position of the instruction; zero in a native function.
    pub instruction: u16,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}::{}::{} instruction {}",
            self.package, self.module, self.function_name, self.instruction
        )
    }
}

/// What stopped execution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FailureKind {
    /// The code aborted.
    #[error("abort {code}")]
    Abort {
        /// The code it gave.
        code: u64,
    },
    /// Overflow, division by zero, a shift or a cast out of range.
    #[error("arithmetic error")]
    Arithmetic,
    /// An index beyond a vector.
    #[error("vector index out of bounds")]
    VectorBounds,
    /// An element taken from an empty vector.
    #[error("vector is empty")]
    VectorEmpty,
    /// A vector of another length than expected.
    #[error("vector of another length")]
    VectorLength,
    /// An enum of another variant than expected.
    #[error("enum of another variant")]
    VariantMismatch,
    /// All steps are used up.
    #[error("out of steps: {allowed} allowed")]
    OutOfSteps {
        /// Steps allowed.
        allowed: u64,
    },
    /// More of something than [`Limits`](crate::Limits) allow.
    #[error("more than {maximum} {limit}")]
    Limit {
        /// What there is too much of.
        limit: Limit,
        /// How much is allowed.
        maximum: u64,
    },
    /// A value nested too deep.
    #[error(transparent)]
    ValueDepth(#[from] DepthExceeded),
    /// A type that is too large, or has no tag.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// Something that is named but does not exist.
    #[error("no {0}")]
    Missing(Box<Missing>),
    /// Another number of arguments than parameters.
    #[error("{given} arguments for {expected} parameters")]
    Arity {
        /// Arguments given.
        given: usize,
        /// Parameters.
        expected: usize,
    },
    /// Another number of type arguments than type parameters.
    #[error("{given} type arguments for {expected} type parameters")]
    TypeArity {
        /// Type arguments given.
        given: usize,
        /// Type parameters.
        expected: usize,
    },
    /// A type argument that lacks an ability its parameter asks for.
    #[error("type argument {index}, {argument}, lacks an ability")]
    Constraint {
        /// Position of the argument.
        index: usize,
        /// The argument.
        argument: Type,
    },
    /// Bytes that are no value of their type.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A native function this VM does not have.
    #[error("native function {0} is not supported")]
    UnsupportedNative(Box<str>),
    /// Code that does what no compiler would let it do.
    #[error("ill-typed code: {0}")]
    IllTyped(&'static str),
}

/// Something that is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Calls within calls.
    CallDepth,
    /// Values on the operand stack.
    Stack,
    /// Memory, in units of one leaf value.
    Memory,
    /// Object ids created.
    CreatedIds,
    /// Object ids deleted.
    DeletedIds,
    /// Objects transferred, shared or frozen.
    Transfers,
    /// Events emitted.
    Events,
    /// Bytes of one event.
    EventBytes,
    /// Bytes of all events together.
    EventBytesTotal,
    /// Dynamic fields touched.
    Children,
    /// Bytes of one object.
    ObjectBytes,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CallDepth => "nested calls",
            Self::Stack => "values on the stack",
            Self::Memory => "values in memory",
            Self::CreatedIds => "new ids",
            Self::DeletedIds => "deleted ids",
            Self::Transfers => "transfers",
            Self::Events => "events",
            Self::EventBytes => "bytes in an event",
            Self::EventBytesTotal => "bytes in events",
            Self::Children => "dynamic fields touched",
            Self::ObjectBytes => "bytes in an object",
        })
    }
}

/// Something that is named but does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No package is stored at this id.
    Package(Address),
    /// The package stored at this id has no such module.
    Module(Address, Identifier),
    /// The module has no such function.
    Function(Identifier, Identifier),
    /// The module has no such struct or enum.
    Datatype(Identifier, Identifier),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(id) => write!(f, "package {id}"),
            Self::Module(package, module) => write!(f, "module {module} in package {package}"),
            Self::Function(module, name) => write!(f, "function {module}::{name}"),
            Self::Datatype(module, name) => write!(f, "datatype {module}::{name}"),
        }
    }
}

impl From<Missing> for FailureKind {
    fn from(missing: Missing) -> Self {
        Self::Missing(Box::new(missing))
    }
}

impl From<EncodeError> for FailureKind {
    fn from(_: EncodeError) -> Self {
        Self::IllTyped("an empty or reference value is encoded")
    }
}
