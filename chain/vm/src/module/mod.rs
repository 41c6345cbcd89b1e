//! Parsed modules. Parsing is total: any byte string gives a module whose every index points into
//! its table, or a typed error. It does not verify types; the interpreter checks what it touches.

mod code;
mod constant;
mod declared;
mod definitions;
mod error;
mod index;
mod reader;
mod relocate;
mod signature;
mod tables;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sui_sdk_types::{Address, Identifier};

pub use code::{Code, Instruction};
pub use declared::{
    Datatype, DatatypeHandle, DatatypeParameter, Field, FunctionHandle, Layout, ModuleHandle,
    Variant,
};
pub use error::ParseError;
pub use index::{
    ConstantIndex, DatatypeHandleIndex, FunctionHandleIndex, FunctionIndex,
    FunctionInstantiationIndex, ModuleHandleIndex, SignatureIndex,
};
pub use relocate::relocate;
pub use signature::{MAX_SIGNATURE_DEPTH, SignatureToken};

use crate::value::Value;
use definitions::Definitions;
use reader::Reader;
use tables::{Kind, Tables};

/// Who may call a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Its own module.
    Private,
    /// Everybody.
    Public,
    /// Its own package.
    Package,
}

/// A function that a module defines.
#[derive(Debug)]
pub struct Function {
    /// Its name and signature.
    pub handle: FunctionHandleIndex,
    /// Who may call it.
    pub visibility: Visibility,
    /// Whether a transaction may call it whatever its visibility.
    pub is_entry: bool,
    /// Its body; none for a native function.
    pub code: Option<Code>,
}

/// A parsed module.
#[derive(Debug)]
pub struct Module {
    version: u32,
    handle: ModuleHandle,
    definitions: Definitions,
    functions: Vec<Function>,
    functions_by_name: HashMap<Identifier, FunctionIndex>,
    datatypes_by_name: HashMap<Identifier, usize>,
}

impl Module {
    /// Parses a module of bytecode version 5, 6 or 7 (Sui flavour).
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let tables = Tables::read(bytes)?;
        let definitions = Definitions::read(&tables)?;
        let self_handle = usize::from(tables.self_handle);
        let handle =
            definitions
                .module_handles
                .get(self_handle)
                .cloned()
                .ok_or(ParseError::Index {
                    what: "module",
                    index: self_handle,
                    count: definitions.module_handles.len(),
                })?;
        let functions = tables.items(Kind::Functions, |reader| {
            function(reader, &definitions, &tables)
        })?;
        let mut functions_by_name = HashMap::new();
        for (position, function) in (0..).zip(&functions) {
            let handle = definitions.function_handles.get(function.handle.get());
            let name = handle.map(|handle| handle.name.clone());
            let Some(name) = name else { continue };
            if let Some(earlier) = functions_by_name.insert(name.clone(), FunctionIndex(position)) {
                return Err(ParseError::Inconsistent {
                    what: "function",
                    name: format!("{name} (function {})", earlier.get()),
                    problem: "is defined twice",
                });
            }
        }
        let datatypes_by_name = definitions
            .structs
            .iter()
            .chain(&definitions.enums)
            .enumerate()
            .filter_map(|(position, datatype)| {
                let handle = definitions.datatype_handles.get(datatype.handle.get())?;
                Some((handle.name.clone(), position))
            })
            .collect();
        Ok(Self {
            version: tables.version,
            handle,
            definitions,
            functions,
            functions_by_name,
            datatypes_by_name,
        })
    }

    /// Bytecode version, without the flavour.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The self address: the original id of its package, zero before publishing.
    pub fn address(&self) -> &Address {
        &self.handle.address
    }

    /// Its name.
    pub fn name(&self) -> &Identifier {
        &self.handle.name
    }

    /// Original ids of the other packages it names.
    pub fn dependencies(&self) -> BTreeSet<Address> {
        self.definitions
            .module_handles
            .iter()
            .map(|handle| handle.address)
            .filter(|address| *address != self.handle.address)
            .collect()
    }

    /// The modules it names, itself included.
    pub fn module_handles(&self) -> &[ModuleHandle] {
        &self.definitions.module_handles
    }

    /// The functions it defines, by position.
    pub fn functions(&self) -> impl Iterator<Item = (FunctionIndex, &FunctionHandle, &Function)> {
        (0..).zip(&self.functions).filter_map(|(index, function)| {
            let handle = self.function_handle(function.handle)?;
            Some((FunctionIndex(index), handle, function))
        })
    }

    /// The function at this position.
    pub fn function(&self, index: FunctionIndex) -> Option<&Function> {
        self.functions.get(index.get())
    }

    /// The function of this name.
    pub fn function_named(&self, name: &Identifier) -> Option<FunctionIndex> {
        self.functions_by_name.get(name).copied()
    }

    /// The structs, then the enums it defines.
    pub fn datatypes(&self) -> impl Iterator<Item = (&DatatypeHandle, &Layout)> {
        let Definitions { structs, enums, .. } = &self.definitions;
        structs
            .iter()
            .chain(enums)
            .filter_map(|datatype| Some((self.datatype_handle(datatype.handle)?, &datatype.layout)))
    }

    /// The struct or enum of this name.
    pub fn datatype_named(&self, name: &Identifier) -> Option<(&DatatypeHandle, &Layout)> {
        let position = *self.datatypes_by_name.get(name)?;
        let Definitions { structs, enums, .. } = &self.definitions;
        let datatype = structs
            .get(position)
            .or_else(|| enums.get(position - structs.len()))?;
        Some((self.datatype_handle(datatype.handle)?, &datatype.layout))
    }

    /// A module it names.
    pub fn module_handle(&self, index: ModuleHandleIndex) -> Option<&ModuleHandle> {
        self.definitions.module_handles.get(index.get())
    }

    /// A struct or enum it names.
    pub fn datatype_handle(&self, index: DatatypeHandleIndex) -> Option<&DatatypeHandle> {
        self.definitions.datatype_handles.get(index.get())
    }

    /// A function it names.
    pub fn function_handle(&self, index: FunctionHandleIndex) -> Option<&FunctionHandle> {
        self.definitions.function_handles.get(index.get())
    }

    /// A list of types.
    pub fn signature(&self, index: SignatureIndex) -> Option<&[SignatureToken]> {
        self.definitions
            .signatures
            .get(index.get())
            .map(Vec::as_slice)
    }

    pub(crate) fn function_instantiation(
        &self,
        index: FunctionInstantiationIndex,
    ) -> Option<(FunctionHandleIndex, SignatureIndex)> {
        self.definitions
            .function_instantiations
            .get(index.get())
            .copied()
    }

    pub(crate) fn constant(&self, index: ConstantIndex) -> Option<&Arc<Value>> {
        self.definitions.constants.get(index.get())
    }

    /// Sizes of the tables that are linked lazily.
    pub(crate) fn linked_tables(&self) -> LinkedTables {
        LinkedTables {
            datatypes: self.definitions.datatype_handles.len(),
            functions: self.definitions.function_handles.len(),
            instantiations: self.definitions.function_instantiations.len(),
        }
    }
}

/// How many items of each kind a module names.
pub(crate) struct LinkedTables {
    pub(crate) datatypes: usize,
    pub(crate) functions: usize,
    pub(crate) instantiations: usize,
}

/// # Layout
///
/// ```text
/// function   = handle visibility flags acquires [code]
/// visibility = %x00 / %x01 / %x03       ; private, public, package
/// flags      = %x00-06                  ; 2 native (no code), 4 entry
/// acquires   = uleb *uleb               ; positions of structs, unused on Sui
/// ```
fn function(
    reader: &mut Reader<'_>,
    definitions: &Definitions,
    tables: &Tables<'_>,
) -> Result<Function, ParseError> {
    const NATIVE: u8 = 2;
    const ENTRY: u8 = 4;
    let index = FunctionHandleIndex(reader.index()?);
    let handle = definitions
        .function_handles
        .get(index.get())
        .ok_or(ParseError::Index {
            what: "function",
            index: index.get(),
            count: definitions.function_handles.len(),
        })?;
    if handle.module.0 != tables.self_handle {
        return Err(ParseError::Inconsistent {
            what: "function",
            name: handle.name.to_string(),
            problem: "belongs to another module",
        });
    }
    let offset = reader.offset();
    let visibility = match reader.u8()? {
        0 => Visibility::Private,
        1 => Visibility::Public,
        3 => Visibility::Package,
        byte => {
            return Err(ParseError::Unknown {
                what: "visibility",
                byte,
                offset,
            });
        }
    };
    let offset = reader.offset();
    let flags = reader.u8()?;
    if flags & !(NATIVE | ENTRY) != 0 {
        return Err(ParseError::Unknown {
            what: "function flags",
            byte: flags,
            offset,
        });
    }
    for _ in 0..reader.count(255)? {
        reader.index()?;
    }
    let code = if flags & NATIVE == 0 {
        let parameters = definitions.signature(handle.parameters)?.len();
        Some(Code::read(reader, definitions, tables.version, parameters)?)
    } else {
        None
    };
    Ok(Function {
        handle: index,
        visibility,
        is_entry: flags & ENTRY != 0,
        code,
    })
}
