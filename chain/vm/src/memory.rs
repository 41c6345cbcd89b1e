//! Everything a reference can point at: locals, slots and loaded dynamic fields.

use crate::{
    failure::FailureKind,
    types::Type,
    value::{Place, PlaceMut, Reference, Root, Value, descend, descend_mut},
};

const DANGLING: FailureKind = FailureKind::IllTyped("a reference leads nowhere");

/// A value that outlives a call.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) kind: Type,
    pub(crate) value: Value,
}

/// The values of a session.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) stack: Vec<Value>,
    /// Locals of all frames, one after the other.
    pub(crate) locals: Vec<Value>,
    pub(crate) slots: Vec<Held>,
    /// Values of dynamic fields; empty while absent.
    pub(crate) children: Vec<Value>,
}

impl Memory {
    fn root(&self, root: Root) -> Option<&Value> {
        let index = |index: u32| usize::try_from(index).ok();
        match root {
            Root::Local(local) => self.locals.get(index(local)?),
            Root::Slot(slot) => self.slots.get(index(slot)?).map(|held| &held.value),
            Root::Child(child) => self.children.get(index(child)?),
        }
    }

    fn root_mut(&mut self, root: Root) -> Option<&mut Value> {
        let index = |index: u32| usize::try_from(index).ok();
        match root {
            Root::Local(local) => self.locals.get_mut(index(local)?),
            Root::Slot(slot) => self.slots.get_mut(index(slot)?).map(|held| &mut held.value),
            Root::Child(child) => self.children.get_mut(index(child)?),
        }
    }

    /// What a reference points at.
    pub(crate) fn place(&self, reference: &Reference) -> Result<Place<'_>, FailureKind> {
        self.root(reference.root())
            .and_then(|value| descend(value, reference.path()))
            .ok_or(DANGLING)
    }

    /// The whole value a reference points at, which must not be an element of a byte vector.
    pub(crate) fn value(&self, reference: &Reference) -> Result<&Value, FailureKind> {
        match self.place(reference)? {
            Place::Value(value) => Ok(value),
            Place::Byte(_) => Err(FailureKind::IllTyped("a byte is used as a container")),
        }
    }

    /// What a reference points at, for storing a value of depth `incoming` there or, into a vector
    /// there, a part of depth `incoming - 1`.
    pub(crate) fn place_mut(
        &mut self,
        reference: &Reference,
        incoming: u8,
    ) -> Result<PlaceMut<'_>, FailureKind> {
        let root = self.root_mut(reference.root()).ok_or(DANGLING)?;
        descend_mut(root, reference.path(), incoming)?.ok_or(DANGLING)
    }

    /// Weight of everything alive.
    pub(crate) fn weight(&self) -> u64 {
        self.stack
            .iter()
            .chain(&self.locals)
            .chain(&self.children)
            .chain(self.slots.iter().map(|held| &held.value))
            .fold(0, |sum, value| sum.saturating_add(value.weight()))
    }
}
