//! The parts of a struct, variant or vector, with a bound on how deep they nest.
//!
//! The bound is what keeps every recursion over a value (copy, compare, encode, drop) shallow, even
//! for code no compiler produced. It never shrinks: a write through a reference raises the bound of
//! every container it passes.

use super::{MAX_VALUE_DEPTH, Value};

/// A value would nest deeper than [`MAX_VALUE_DEPTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("value nested deeper than {MAX_VALUE_DEPTH}")]
pub struct DepthExceeded;

/// Parts of a compound value.
#[derive(Clone, Debug, Default)]
pub struct Items {
    values: Vec<Value>,
    depth: u8,
}

impl PartialEq for Items {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl Items {
    /// These parts, unless they nest too deep.
    pub fn new(values: Vec<Value>) -> Result<Self, DepthExceeded> {
        let mut items = Self { values, depth: 1 };
        let deepest = items.values.iter().map(Value::depth).max().unwrap_or(0);
        items.raise(deepest)?;
        Ok(items)
    }

    /// The parts.
    pub fn into_vec(self) -> Vec<Value> {
        self.values
    }

    pub(super) fn depth(&self) -> u8 {
        self.depth.max(1)
    }

    /// Makes room for a part of this depth.
    pub(super) fn raise(&mut self, part: u8) -> Result<(), DepthExceeded> {
        if part >= MAX_VALUE_DEPTH {
            return Err(DepthExceeded);
        }
        self.depth = self.depth.max(part + 1);
        Ok(())
    }

    pub(crate) fn push(&mut self, value: Value) -> Result<(), DepthExceeded> {
        self.raise(value.depth())?;
        self.values.push(value);
        Ok(())
    }

    pub(crate) fn pop(&mut self) -> Option<Value> {
        self.values.pop()
    }

    /// Exchanges two parts, if both exist.
    pub(crate) fn swap(&mut self, left: usize, right: usize) {
        if left.max(right) < self.values.len() {
            self.values.swap(left, right);
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn reverse(&mut self) {
        self.values.reverse();
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Value> {
        self.values.get_mut(index)
    }
}

impl std::ops::Deref for Items {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.values
    }
}
