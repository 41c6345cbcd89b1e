//! References: a root and the path from it. Resolving walks the path and may fail, never panics.

use smallvec::SmallVec;

use super::{DepthExceeded, MAX_VALUE_DEPTH, Value};

/// Where a reference starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// A local variable, counted over all frames.
    Local(u32),
    /// A value that lives between calls.
    Slot(u32),
    /// A dynamic field loaded in this session.
    Child(u32),
}

/// A path to a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    root: Root,
    path: SmallVec<[u32; 4]>,
}

impl Reference {
    pub(crate) fn new(root: Root) -> Self {
        Self {
            root,
            path: SmallVec::new(),
        }
    }

    pub(crate) fn root(&self) -> Root {
        self.root
    }

    pub(crate) fn path(&self) -> &[u32] {
        &self.path
    }

    /// Steps into a part. No value nests deeper than [`MAX_VALUE_DEPTH`], so a longer path leads
    /// nowhere.
    pub(crate) fn enter(&mut self, index: u32) -> Result<(), DepthExceeded> {
        if self.path.len() >= usize::from(MAX_VALUE_DEPTH) {
            return Err(DepthExceeded);
        }
        self.path.push(index);
        Ok(())
    }
}

/// What a reference points at. Elements of a byte vector are not values of their own.
pub(crate) enum Place<'a> {
    Value(&'a Value),
    Byte(u8),
}

/// What a reference points at, for writing.
pub(crate) enum PlaceMut<'a> {
    Value(&'a mut Value),
    Byte(&'a mut u8),
}

/// Walks `path` from `value`; `None` if it leads nowhere.
pub(crate) fn descend<'a>(mut value: &'a Value, path: &[u32]) -> Option<Place<'a>> {
    let mut steps = path.iter();
    while let Some(step) = steps.next() {
        let index = usize::try_from(*step).ok()?;
        match value {
            Value::Struct(items) | Value::Vector(items) | Value::Variant(_, items) => {
                value = items.get(index)?;
            }
            Value::Bytes(bytes) if steps.len() == 0 => {
                return bytes.get(index).copied().map(Place::Byte);
            }
            _ => return None,
        }
    }
    Some(Place::Value(value))
}

/// Walks `path` for writing a value of depth `incoming` at its end (or, where the place is a
/// vector, a part of depth `incoming - 1`), making room on the way.
pub(crate) fn descend_mut<'a>(
    mut value: &'a mut Value,
    path: &[u32],
    incoming: u8,
) -> Result<Option<PlaceMut<'a>>, DepthExceeded> {
    let mut steps = path.iter();
    while let Some(step) = steps.next() {
        let Ok(index) = usize::try_from(*step) else {
            return Ok(None);
        };
        match value {
            Value::Struct(items) | Value::Vector(items) | Value::Variant(_, items) => {
                let below = u8::try_from(steps.len()).map_err(|_| DepthExceeded)?;
                items.raise(incoming.saturating_add(below))?;
                match items.get_mut(index) {
                    Some(part) => value = part,
                    None => return Ok(None),
                }
            }
            Value::Bytes(bytes) if steps.len() == 0 => {
                return Ok(bytes.get_mut(index).map(PlaceMut::Byte));
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(PlaceMut::Value(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: u8) -> Value {
        (0..depth).fold(Value::Bool(true), |inner, _| {
            Value::structure(vec![inner]).expect("shallow enough")
        })
    }

    #[test]
    fn a_write_raises_the_bound_of_every_container_above() {
        let mut outer = Value::structure(vec![nested(3), Value::Bool(false)]).unwrap();
        assert_eq!(outer.depth(), 4);
        let Ok(Some(PlaceMut::Value(place))) = descend_mut(&mut outer, &[0, 0], 100) else {
            panic!("the path exists")
        };
        *place = nested(100);
        assert_eq!(outer.depth(), 102);
        assert!(descend_mut(&mut outer, &[0, 0], 127).is_err());
        let full = nested(MAX_VALUE_DEPTH);
        assert_eq!(Value::structure(vec![full]), Err(DepthExceeded));
    }

    #[test]
    fn paths_that_lead_nowhere_resolve_to_nothing() {
        let value = Value::structure(vec![Value::Bytes(vec![7, 8])]).unwrap();
        assert!(matches!(descend(&value, &[0, 1]), Some(Place::Byte(8))));
        for path in [&[1][..], &[0, 2], &[0, 0, 0], &[0, u32::MAX]] {
            assert!(descend(&value, path).is_none());
        }
    }
}
