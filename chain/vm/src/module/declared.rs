//! What a module names and defines, as its tables say it: modules, structs and enums, functions. Reads
//! and checks nothing; that is [`definitions`](super::definitions)'s.

use sui_sdk_types::{Address, Identifier};

use super::{DatatypeHandleIndex, ModuleHandleIndex, SignatureIndex, SignatureToken};
use crate::abilities::Abilities;

/// A module that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleHandle {
    /// Original id of its package.
    pub address: Address,
    /// Its name.
    pub name: Identifier,
}

/// A struct or enum that is named.
#[derive(Clone, Debug)]
pub struct DatatypeHandle {
    /// Where it is defined.
    pub module: ModuleHandleIndex,
    /// Its name.
    pub name: Identifier,
    /// Declared abilities.
    pub abilities: Abilities,
    /// Its type parameters.
    pub type_parameters: Vec<DatatypeParameter>,
}

/// A type parameter of a struct or enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatatypeParameter {
    /// Abilities an argument must have.
    pub constraints: Abilities,
    /// Whether it appears in no field, and so does not limit abilities.
    pub phantom: bool,
}

/// A function that is named.
#[derive(Clone, Debug)]
pub struct FunctionHandle {
    /// Where it is defined.
    pub module: ModuleHandleIndex,
    /// Its name.
    pub name: Identifier,
    /// Types of its parameters.
    pub parameters: SignatureIndex,
    /// Types it returns.
    pub returns: SignatureIndex,
    /// Abilities each type argument must have.
    pub type_parameters: Vec<Abilities>,
}

/// A struct or enum that this module defines.
#[derive(Clone, Debug)]
pub struct Datatype {
    /// Its name, abilities and type parameters.
    pub handle: DatatypeHandleIndex,
    /// Its fields.
    pub layout: Layout,
}

/// The fields of a struct or enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// At least one field.
    Struct(Vec<Field>),
    /// At least one variant.
    Enum(Vec<Variant>),
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: Identifier,
    /// Its type.
    pub kind: SignatureToken,
}

/// A variant of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its name.
    pub name: Identifier,
    /// Its fields, if any.
    pub fields: Vec<Field>,
}

impl Datatype {
    /// All fields, of all variants.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        let (fields, variants): (&[Field], &[Variant]) = match &self.layout {
            Layout::Struct(fields) => (fields, &[]),
            Layout::Enum(variants) => (&[], variants),
        };
        fields
            .iter()
            .chain(variants.iter().flat_map(|variant| &variant.fields))
    }

    /// How many fields a struct has, or the variant of an enum with this tag.
    pub(super) fn fields_of(&self, tag: Option<u16>) -> usize {
        match (&self.layout, tag) {
            (Layout::Struct(fields), None) => fields.len(),
            (Layout::Enum(variants), Some(tag)) => variants
                .get(usize::from(tag))
                .map_or(0, |variant| variant.fields.len()),
            _ => 0,
        }
    }

    /// How many variants an enum has.
    pub(super) fn variants(&self) -> usize {
        match &self.layout {
            Layout::Struct(_) => 0,
            Layout::Enum(variants) => variants.len(),
        }
    }
}
