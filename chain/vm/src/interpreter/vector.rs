//! Vector instructions. Byte vectors are stored flat; to code they look like any other.

use super::{ILL_TYPED_OPERAND, Machine};
use crate::{
    failure::{FailureKind, Limit},
    limits::within,
    value::{PlaceMut, Reference, Value},
};

impl Machine<'_> {
    pub(super) fn pack_vector(&mut self, bytes: bool, count: u16) -> Result<(), FailureKind> {
        let elements = self.pop_many(count)?;
        self.allocate(1 + u64::from(count))?;
        let vector = if bytes {
            let bytes = elements.into_iter().map(byte).collect::<Result<_, _>>()?;
            Value::Bytes(bytes)
        } else {
            Value::vector(elements)?
        };
        self.push(vector)
    }

    fn length_behind(&self, vector: &Reference) -> Result<usize, FailureKind> {
        match self.memory.value(vector)? {
            Value::Bytes(bytes) => Ok(bytes.len()),
            Value::Vector(items) => Ok(items.len()),
            _ => Err(ILL_TYPED_OPERAND),
        }
    }

    fn pop_index(&mut self) -> Result<u64, FailureKind> {
        match self.pop()? {
            Value::U64(index) => Ok(index),
            _ => Err(ILL_TYPED_OPERAND),
        }
    }

    pub(super) fn vector_length(&mut self) -> Result<(), FailureKind> {
        let vector = self.pop_reference()?;
        let length = self.length_behind(&vector)?;
        self.push(Value::U64(
            u64::try_from(length).map_err(|_| ILL_TYPED_OPERAND)?,
        ))
    }

    pub(super) fn vector_borrow(&mut self) -> Result<(), FailureKind> {
        let index = self.pop_index()?;
        let mut vector = self.pop_reference()?;
        let length = self.length_behind(&vector)?;
        let index = in_bounds(index, length)?;
        vector.enter(u32::try_from(index).map_err(|_| FailureKind::VectorBounds)?)?;
        self.push(Value::Reference(vector))
    }

    pub(super) fn vector_push_back(&mut self) -> Result<(), FailureKind> {
        let value = self.pop()?;
        let vector = self.pop_reference()?;
        self.allocate(1)?;
        match self
            .memory
            .place_mut(&vector, value.depth().saturating_add(1))?
        {
            PlaceMut::Value(Value::Bytes(bytes)) => bytes.push(byte(value)?),
            PlaceMut::Value(Value::Vector(items)) => items.push(value)?,
            _ => return Err(ILL_TYPED_OPERAND),
        }
        Ok(())
    }

    pub(super) fn vector_pop_back(&mut self) -> Result<(), FailureKind> {
        let vector = self.pop_reference()?;
        let last = match self.memory.place_mut(&vector, 0)? {
            PlaceMut::Value(Value::Bytes(bytes)) => bytes.pop().map(Value::U8),
            PlaceMut::Value(Value::Vector(items)) => items.pop(),
            _ => return Err(ILL_TYPED_OPERAND),
        };
        self.push(last.ok_or(FailureKind::VectorEmpty)?)
    }

    pub(super) fn vector_unpack(&mut self, count: u16) -> Result<(), FailureKind> {
        let elements = match self.pop()? {
            Value::Bytes(bytes) => bytes.into_iter().map(Value::U8).collect(),
            Value::Vector(items) => items.into_vec(),
            _ => return Err(ILL_TYPED_OPERAND),
        };
        if elements.len() != usize::from(count) {
            return Err(FailureKind::VectorLength);
        }
        within(
            Limit::Stack,
            self.memory.stack.len() + elements.len(),
            self.limits.stack,
        )?;
        self.memory.stack.extend(elements);
        Ok(())
    }

    pub(super) fn vector_swap(&mut self) -> Result<(), FailureKind> {
        let right = self.pop_index()?;
        let left = self.pop_index()?;
        let vector = self.pop_reference()?;
        let length = self.length_behind(&vector)?;
        let (left, right) = (in_bounds(left, length)?, in_bounds(right, length)?);
        match self.memory.place_mut(&vector, 0)? {
            PlaceMut::Value(Value::Bytes(bytes)) => bytes.swap(left, right),
            PlaceMut::Value(Value::Vector(items)) => items.swap(left, right),
            _ => return Err(ILL_TYPED_OPERAND),
        }
        Ok(())
    }
}

fn in_bounds(index: u64, length: usize) -> Result<usize, FailureKind> {
    usize::try_from(index)
        .ok()
        .filter(|index| *index < length)
        .ok_or(FailureKind::VectorBounds)
}

fn byte(value: Value) -> Result<u8, FailureKind> {
    match value {
        Value::U8(byte) => Ok(byte),
        _ => Err(ILL_TYPED_OPERAND),
    }
}
