//! Functions that the framework declares and the VM implements. One file per subject, each with a
//! table of its functions; a declared function missing from all tables fails by name when called.

mod address;
mod bcs;
mod bls;
mod digest;
mod dynamic_field;
mod ecdsa;
mod ed25519;
mod event;
mod group;
mod object;
mod string;
mod transfer;
mod tx_context;
mod types;
mod vector;

use sui_sdk_types::{Address, Identifier};

use crate::{
    failure::FailureKind,
    interpreter::Machine,
    types::Type,
    value::{Bytes, DecodeType, Place, Reference, Shape, Value, bytes_weight, decode},
};
use std::sync::Arc;

/// A native function: takes its arguments from the call, returns at most one value.
pub(crate) type NativeFunction = fn(&mut Call<'_, '_>) -> Result<Option<Value>, FailureKind>;

type Outcome = Result<Option<Value>, FailureKind>;

/// Functions of one file, by module and name.
type Table = &'static [(&'static str, &'static str, NativeFunction)];

const STANDARD_LIBRARY: Address = Address::from_static("0x1");

/// The implementation of a native function of the standard library (0x1) or the framework (0x2).
pub(crate) fn find(
    package: &Address,
    module: &Identifier,
    function: &Identifier,
) -> Option<NativeFunction> {
    let tables: &[Table] = if *package == STANDARD_LIBRARY {
        &[
            bcs::TABLE,
            digest::STANDARD,
            string::TABLE,
            types::STANDARD,
            vector::TABLE,
        ]
    } else if *package == Address::TWO {
        &[
            address::TABLE,
            bls::TABLE,
            digest::TABLE,
            dynamic_field::TABLE,
            ecdsa::TABLE,
            ed25519::TABLE,
            event::TABLE,
            group::TABLE,
            object::TABLE,
            transfer::TABLE,
            tx_context::TABLE,
            types::TABLE,
        ]
    } else {
        &[]
    };
    tables
        .iter()
        .flat_map(|table| table.iter())
        .find(|(of, name, _)| *of == module.as_str() && *name == function.as_str())
        .map(|(_, _, native)| *native)
}

/// Runs a native function.
pub(crate) fn call(
    machine: &mut Machine<'_>,
    native: NativeFunction,
    types: &[Type],
    arguments: Vec<Value>,
) -> Outcome {
    machine.meter.charge(BASE_PRICE)?;
    let mut call = Call {
        machine,
        types,
        arguments: arguments.into_iter(),
    };
    let returned = native(&mut call)?;
    if let Some(value) = &returned {
        let weight = value.weight();
        machine.allocate(weight)?;
    }
    Ok(returned)
}

/// Steps every native call costs.
const BASE_PRICE: u64 = 10;

/// One call of a native function.
pub(crate) struct Call<'m, 'w> {
    machine: &'m mut Machine<'w>,
    types: &'m [Type],
    arguments: std::vec::IntoIter<Value>,
}

const ARGUMENT: FailureKind = FailureKind::IllTyped("a native function's argument");

impl Call<'_, '_> {
    /// The next argument.
    fn value(&mut self) -> Result<Value, FailureKind> {
        self.arguments.next().ok_or(ARGUMENT)
    }

    fn u8(&mut self) -> Result<u8, FailureKind> {
        match self.value()? {
            Value::U8(number) => Ok(number),
            _ => Err(ARGUMENT),
        }
    }

    fn u64(&mut self) -> Result<u64, FailureKind> {
        match self.value()? {
            Value::U64(number) => Ok(number),
            _ => Err(ARGUMENT),
        }
    }

    fn address(&mut self) -> Result<Address, FailureKind> {
        match self.value()? {
            Value::Address(address) => Ok(address),
            _ => Err(ARGUMENT),
        }
    }

    fn reference(&mut self) -> Result<Reference, FailureKind> {
        match self.value()? {
            Value::Reference(reference) => Ok(reference),
            _ => Err(ARGUMENT),
        }
    }

    /// A byte vector, given by value or by reference. Costs its weight.
    fn bytes(&mut self) -> Result<Vec<u8>, FailureKind> {
        let bytes = match self.value()? {
            Value::Bytes(bytes) => bytes,
            Value::Reference(reference) => match self.machine.memory.value(&reference)? {
                Value::Bytes(bytes) => bytes.clone(),
                _ => return Err(ARGUMENT),
            },
            _ => return Err(ARGUMENT),
        };
        self.charge(bytes_weight(bytes.len()))?;
        Ok(bytes)
    }

    /// A copy of what a reference points at. Costs its weight.
    fn copied(&mut self) -> Result<Value, FailureKind> {
        let reference = self.reference()?;
        let (weight, copy) = match self.machine.memory.place(&reference)? {
            Place::Byte(byte) => (1, Value::U8(byte)),
            Place::Value(value) => {
                let weight = value.weight();
                self.machine.meter.charge(weight)?;
                (weight, value.clone())
            }
        };
        self.machine.allocate(weight)?;
        Ok(copy)
    }

    /// The next type argument.
    fn type_argument(&self, index: usize) -> Result<&Type, FailureKind> {
        self.types
            .get(index)
            .ok_or(FailureKind::IllTyped("a native function's type argument"))
    }

    fn charge(&mut self, steps: u64) -> Result<(), FailureKind> {
        self.machine.meter.charge(steps)
    }

    /// The BCS bytes of a value. Costs its weight.
    fn encode(&mut self, value: &Value) -> Result<Vec<u8>, FailureKind> {
        self.charge(value.weight())?;
        Ok(value.encode()?)
    }
}

fn returns(value: impl Into<Value>) -> Outcome {
    Ok(Some(value.into()))
}

fn abort<T>(code: u64) -> Result<T, FailureKind> {
    Err(FailureKind::Abort { code })
}

impl DecodeType for Machine<'_> {
    type Error = FailureKind;

    fn shape(&mut self, datatype: &Type) -> Result<Arc<Shape>, FailureKind> {
        self.meter.charge(1)?;
        self.linker.shape(datatype)
    }
}

impl Machine<'_> {
    /// A value from its BCS bytes, all of them.
    pub(crate) fn decode(&mut self, kind: &Type, bytes: &[u8]) -> Result<Value, FailureKind> {
        self.meter.charge(bytes_weight(bytes.len()))?;
        let mut cursor = Bytes::new(bytes);
        let value = decode(self, kind, &mut cursor, 0)?;
        cursor.finish()?;
        let weight = value.weight();
        self.allocate(weight)?;
        Ok(value)
    }
}
