//! Objects that a certified transaction wrote.

use sui_sdk_types::{Object, ObjectChange, Owner, StructTag};

use super::{Executed, LightError};
use crate::epoch::ChainTime;
use crate::id::ObjectId;

/// An object as certified effects left it. It may have changed since, unless it is immutable.
#[derive(Debug, Clone, PartialEq)]
pub struct ProvenObject {
    object: Object,
    checkpoint: u64,
    at: ChainTime,
}

impl Executed {
    /// Checks that this transaction wrote exactly this object.
    ///
    /// # Errors
    /// Its effects name no such id with this version and digest.
    pub fn wrote(&self, object: Object) -> Result<ProvenObject, LightError> {
        let (id, version, digest) = (object.object_id(), object.version(), object.digest());
        let written = self.effects().object_changes().any(|change| match change {
            ObjectChange::Created {
                object_id,
                output_version,
                output_digest,
                ..
            }
            | ObjectChange::Mutated {
                object_id,
                output_version,
                output_digest,
                ..
            }
            | ObjectChange::Unwrapped {
                object_id,
                output_version,
                output_digest,
                ..
            } => *object_id == id && output_version == version && *output_digest == digest,
            _ => false,
        });
        if written {
            Ok(ProvenObject {
                object,
                checkpoint: self.checkpoint(),
                at: self.at(),
            })
        } else {
            let object = ObjectId::from_bytes(id.into_inner());
            Err(LightError::NotWritten { object, version })
        }
    }
}

impl ProvenObject {
    /// The object.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The checkpoint in which it was written.
    #[must_use]
    pub fn checkpoint(&self) -> u64 {
        self.checkpoint
    }

    /// When that checkpoint was agreed on.
    #[must_use]
    pub fn at(&self) -> ChainTime {
        self.at
    }

    /// BCS contents of a Move object with this id and type that can never change.
    ///
    /// # Errors
    /// It is another object, of another type, or not immutable.
    pub fn immutable(&self, id: ObjectId, of: &StructTag) -> Result<&[u8], LightError> {
        let wrong = |expected| LightError::WrongObject { expected };
        let contents = self.object.as_struct().ok_or(wrong("a Move object"))?;
        if self.object.object_id().inner() != id.as_bytes() {
            return Err(wrong("the object asked for"));
        }
        if contents.object_type() != of {
            return Err(wrong("of the type asked for"));
        }
        match self.object.owner() {
            Owner::Immutable => Ok(contents.contents()),
            _ => Err(wrong("immutable")),
        }
    }
}
