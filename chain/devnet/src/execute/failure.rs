//! Translates what the interpreter reports into the error that Sui would write into effects.

use floe_move_vm::{ExecutionFailure, FailureKind, Missing};
use sui_sdk_types::{ExecutionError, MoveLocation};

/// The execution error for a failure of the interpreter.
pub(super) fn error(failure: impl Into<ExecutionFailure>) -> ExecutionError {
    let failure: ExecutionFailure = failure.into();
    let location = failure.location.map(|location| MoveLocation {
        package: location.package,
        module: location.module,
        function: u16::try_from(location.function.get()).unwrap_or(u16::MAX),
        instruction: location.instruction,
        function_name: Some(location.function_name),
    });
    match (failure.kind, location) {
        (FailureKind::Abort { code }, Some(location)) => {
            ExecutionError::MoveAbort { location, code }
        }
        (FailureKind::OutOfSteps { .. }, _) => ExecutionError::InsufficientGas,
        (
            FailureKind::Arithmetic
            | FailureKind::VectorBounds
            | FailureKind::VectorEmpty
            | FailureKind::VectorLength
            | FailureKind::VariantMismatch
            | FailureKind::ValueDepth(_)
            | FailureKind::Limit { .. },
            location,
        ) => ExecutionError::MovePrimitiveRuntimeError { location },
        (FailureKind::Missing(missing), None) if !matches!(*missing, Missing::Datatype(..)) => {
            ExecutionError::FunctionNotFound
        }
        (FailureKind::Arity { .. }, None) => ExecutionError::ArityMismatch,
        (FailureKind::TypeArity { .. }, None) => ExecutionError::TypeArityMismatch,
        (kind, location) => {
            tracing::debug!(
                ?kind,
                ?location,
                "execution stopped for a reason Sui has no name for"
            );
            ExecutionError::VmInvariantViolation
        }
    }
}
