//! The tables of a module, except code, read and checked: each index is checked against its table while
//! reading, so later look-ups cannot miss.

use std::{collections::BTreeSet, sync::Arc};

use sui_sdk_types::{Address, Identifier};

use super::{
    ConstantIndex, Datatype, DatatypeHandle, DatatypeHandleIndex, DatatypeParameter, Field,
    FunctionHandle, FunctionHandleIndex, FunctionInstantiationIndex, Layout, ModuleHandle,
    ModuleHandleIndex, ParseError, SignatureIndex, SignatureToken, Variant,
    code::{MAX_VARIANTS, check_index},
    constant,
    reader::Reader,
    tables::{Kind, Tables},
};
use crate::{abilities::Abilities, value::Value};

/// Most fields of a struct or variant, type parameters and parameters of a function.
const MAX_FIELDS: u32 = 255;

/// The checked tables of a module.
#[derive(Debug)]
pub(super) struct Definitions {
    pub(super) module_handles: Vec<ModuleHandle>,
    pub(super) datatype_handles: Vec<DatatypeHandle>,
    pub(super) function_handles: Vec<FunctionHandle>,
    pub(super) function_instantiations: Vec<(FunctionHandleIndex, SignatureIndex)>,
    pub(super) signatures: Vec<Vec<SignatureToken>>,
    pub(super) constants: Vec<Arc<Value>>,
    pub(super) structs: Vec<Datatype>,
    pub(super) enums: Vec<Datatype>,
    struct_instantiations: Vec<u16>,
    /// Offset of each field handle's field.
    fields: Vec<u16>,
    field_instantiations: Vec<u16>,
    /// Tag and field count of each variant handle.
    variants: Vec<(u16, u16)>,
    variant_instantiations: Vec<(u16, u16)>,
}

impl Definitions {
    pub(super) fn read(tables: &Tables<'_>) -> Result<Self, ParseError> {
        let identifiers = tables.items(Kind::Identifiers, identifier)?;
        let name = |reader: &mut Reader<'_>| entry("identifier", &identifiers, reader.index()?);
        let addresses = tables.items(Kind::Addresses, |reader| reader.array().map(Address::new))?;
        let module_handle = |reader: &mut Reader<'_>| {
            let address = entry("address", &addresses, reader.index()?)?;
            let name = name(reader)?;
            Ok(ModuleHandle { address, name })
        };
        let module_handles = tables.items(Kind::ModuleHandles, module_handle)?;
        tables.items(Kind::Friends, module_handle)?;
        let module = |reader: &mut Reader<'_>| {
            let index = reader.index()?;
            check_index("module", index.into(), module_handles.len())?;
            Ok(ModuleHandleIndex(index))
        };
        let datatype_handles = tables.items(Kind::DatatypeHandles, |reader| {
            Ok(DatatypeHandle {
                module: module(reader)?,
                name: name(reader)?,
                abilities: abilities(reader)?,
                type_parameters: (0..reader.count(MAX_FIELDS)?)
                    .map(|_| datatype_parameter(reader))
                    .collect::<Result<_, _>>()?,
            })
        })?;
        let token = |reader: &mut Reader<'_>| {
            let token = SignatureToken::read(reader)?;
            check_token(&token, &datatype_handles)?;
            Ok(token)
        };
        let signatures = tables.items(Kind::Signatures, |reader| {
            let tokens = SignatureToken::read_list(reader)?;
            for token in &tokens {
                check_token(token, &datatype_handles)?;
            }
            Ok(tokens)
        })?;
        let signature = |reader: &mut Reader<'_>| {
            let index = reader.index()?;
            check_index("signature", index.into(), signatures.len())?;
            Ok(SignatureIndex(index))
        };
        let function_handles = tables.items(Kind::FunctionHandles, |reader| {
            Ok(FunctionHandle {
                module: module(reader)?,
                name: name(reader)?,
                parameters: signature(reader)?,
                returns: signature(reader)?,
                type_parameters: (0..reader.count(MAX_FIELDS)?)
                    .map(|_| abilities(reader))
                    .collect::<Result<_, _>>()?,
            })
        })?;
        let function_instantiations = tables.items(Kind::FunctionInstantiations, |reader| {
            let handle = reader.index()?;
            let arguments = signature(reader)?;
            let generic: &FunctionHandle = entry_ref("function", &function_handles, handle)?;
            let given = signatures.get(arguments.get()).map_or(0, Vec::len);
            arity(&generic.name, generic.type_parameters.len(), given)?;
            Ok((FunctionHandleIndex(handle), arguments))
        })?;
        let constants = tables.items(Kind::Constants, |reader| {
            constant::read(reader, &datatype_handles).map(Arc::new)
        })?;

        let handle = |reader: &mut Reader<'_>| {
            let index = reader.index()?;
            check_index("datatype", index.into(), datatype_handles.len())?;
            Ok(DatatypeHandleIndex(index))
        };
        let field_list = |reader: &mut Reader<'_>| {
            (0..reader.count(MAX_FIELDS)?)
                .map(|_| {
                    Ok(Field {
                        name: name(reader)?,
                        kind: token(reader)?,
                    })
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let structs = tables.items(Kind::Structs, |reader| {
            let handle = handle(reader)?;
            declared(reader)?;
            let fields = field_list(reader)?;
            nonempty("struct", &datatype_handles, handle, fields.len())?;
            Ok(Datatype {
                handle,
                layout: Layout::Struct(fields),
            })
        })?;
        let enums = tables.items(Kind::Enums, |reader| {
            let handle = handle(reader)?;
            declared(reader)?;
            let variants = (0..reader.count(MAX_VARIANTS)?)
                .map(|_| {
                    Ok(Variant {
                        name: name(reader)?,
                        fields: field_list(reader)?,
                    })
                })
                .collect::<Result<Vec<_>, _>>()?;
            nonempty("enum", &datatype_handles, handle, variants.len())?;
            Ok(Datatype {
                handle,
                layout: Layout::Enum(variants),
            })
        })?;

        let struct_instantiations = tables.items(Kind::StructInstantiations, |reader| {
            let index = reader.index()?;
            signature(reader)?;
            check_index("struct", index.into(), structs.len())?;
            Ok(index)
        })?;
        let fields = tables.items(Kind::Fields, |reader| {
            let owner: &Datatype = entry_ref("struct", &structs, reader.index()?)?;
            let offset = reader.index()?;
            check_index("field", offset.into(), owner.fields_of(None))?;
            Ok(offset)
        })?;
        let field_instantiations = tables.items(Kind::FieldInstantiations, |reader| {
            let offset = entry("field", &fields, reader.index()?)?;
            signature(reader)?;
            Ok(offset)
        })?;
        let enum_instantiations = tables.items(Kind::EnumInstantiations, |reader| {
            let index = reader.index()?;
            signature(reader)?;
            check_index("enum", index.into(), enums.len())?;
            Ok(index)
        })?;
        let variant = |owner: u16, tag: u16| {
            let owner = entry_ref("enum", &enums, owner)?;
            check_index("variant", tag.into(), owner.variants())?;
            Ok((tag, narrow(owner.fields_of(Some(tag)))))
        };
        let variants = tables.items(Kind::Variants, |reader| {
            variant(reader.index()?, reader.index()?)
        })?;
        let variant_instantiations = tables.items(Kind::VariantInstantiations, |reader| {
            let owner = entry("enum", &enum_instantiations, reader.index()?)?;
            variant(owner, reader.index()?)
        })?;
        tables.items(Kind::Metadata, |reader| {
            for maximum in [1023, 65_535] {
                let length = reader.count(maximum)?;
                reader.bytes(length)?;
            }
            Ok(())
        })?;

        let definitions = Self {
            module_handles,
            datatype_handles,
            function_handles,
            function_instantiations,
            signatures,
            constants,
            structs,
            enums,
            struct_instantiations,
            fields,
            field_instantiations,
            variants,
            variant_instantiations,
        };
        definitions.check_datatypes(tables.self_handle)?;
        Ok(definitions)
    }

    /// Own datatypes belong to this module, have distinct names, and use only their own type
    /// parameters.
    fn check_datatypes(&self, self_handle: u16) -> Result<(), ParseError> {
        check_index("module", self_handle.into(), self.module_handles.len())?;
        let mut names = BTreeSet::new();
        for datatype in self.structs.iter().chain(&self.enums) {
            let Some(handle) = self.datatype_handles.get(datatype.handle.get()) else {
                continue;
            };
            let problem = |problem| ParseError::Inconsistent {
                what: "datatype",
                name: handle.name.to_string(),
                problem,
            };
            if handle.module.0 != self_handle {
                return Err(problem("belongs to another module"));
            }
            if !names.insert(&handle.name) {
                return Err(problem("is defined twice"));
            }
            let parameters = handle.type_parameters.len();
            for field in datatype.fields() {
                field.kind.try_for_each(&mut |token| match token {
                    SignatureToken::Parameter(index) => {
                        check_index("type parameter", usize::from(*index), parameters)
                    }
                    SignatureToken::Reference(_) | SignatureToken::MutableReference(_) => {
                        Err(problem("holds a reference"))
                    }
                    _ => Ok(()),
                })?;
            }
        }
        Ok(())
    }

    pub(super) fn signature(&self, index: SignatureIndex) -> Result<&[SignatureToken], ParseError> {
        entry_ref("signature", &self.signatures, index.0).map(Vec::as_slice)
    }

    pub(super) fn constant(&self, index: u16) -> Result<ConstantIndex, ParseError> {
        check_index("constant", index.into(), self.constants.len())?;
        Ok(ConstantIndex(index))
    }

    pub(super) fn function(&self, index: u16) -> Result<FunctionHandleIndex, ParseError> {
        let handle = entry_ref("function", &self.function_handles, index)?;
        arity(&handle.name, handle.type_parameters.len(), 0)?;
        Ok(FunctionHandleIndex(index))
    }

    pub(super) fn function_instantiation(
        &self,
        index: u16,
    ) -> Result<FunctionInstantiationIndex, ParseError> {
        check_index(
            "function instantiation",
            index.into(),
            self.function_instantiations.len(),
        )?;
        Ok(FunctionInstantiationIndex(index))
    }

    pub(super) fn field(&self, index: u16) -> Result<u16, ParseError> {
        entry("field", &self.fields, index)
    }

    pub(super) fn field_instantiation(&self, index: u16) -> Result<u16, ParseError> {
        entry("field instantiation", &self.field_instantiations, index)
    }

    pub(super) fn fields_of_struct(&self, index: u16) -> Result<u16, ParseError> {
        let datatype = entry_ref("struct", &self.structs, index)?;
        Ok(narrow(datatype.fields_of(None)))
    }

    pub(super) fn fields_of_struct_instantiation(&self, index: u16) -> Result<u16, ParseError> {
        let index = entry("struct instantiation", &self.struct_instantiations, index)?;
        self.fields_of_struct(index)
    }

    pub(super) fn variant(&self, index: u16) -> Result<(u16, u16), ParseError> {
        entry("variant", &self.variants, index)
    }

    pub(super) fn variant_instantiation(&self, index: u16) -> Result<(u16, u16), ParseError> {
        entry("variant instantiation", &self.variant_instantiations, index)
    }

    pub(super) fn variants_of_enum(&self, index: u16) -> Result<usize, ParseError> {
        entry_ref("enum", &self.enums, index).map(Datatype::variants)
    }

    /// A list of exactly one type: the element type of a vector instruction.
    pub(super) fn element(&self, index: u16) -> Result<SignatureIndex, ParseError> {
        let length = entry_ref("signature", &self.signatures, index)?.len();
        if length != 1 {
            return Err(ParseError::Inconsistent {
                what: "signature",
                name: index.to_string(),
                problem: "is not one element type",
            });
        }
        Ok(SignatureIndex(index))
    }
}

fn narrow(fields: usize) -> u16 {
    u16::try_from(fields).expect("the field count was read as at most MAX_FIELDS")
}

fn entry_ref<'t, T>(what: &'static str, table: &'t [T], index: u16) -> Result<&'t T, ParseError> {
    table.get(usize::from(index)).ok_or(ParseError::Index {
        what,
        index: index.into(),
        count: table.len(),
    })
}

fn entry<T: Clone>(what: &'static str, table: &[T], index: u16) -> Result<T, ParseError> {
    entry_ref(what, table, index).cloned()
}

fn arity(name: &Identifier, parameters: usize, arguments: usize) -> Result<(), ParseError> {
    if parameters == arguments {
        return Ok(());
    }
    Err(ParseError::Inconsistent {
        what: "instantiation of",
        name: name.to_string(),
        problem: "has another number of type arguments than it has type parameters",
    })
}

/// Handles exist and get as many arguments as they have parameters; references are outermost.
pub(super) fn check_token(
    token: &SignatureToken,
    handles: &[DatatypeHandle],
) -> Result<(), ParseError> {
    let target = match token {
        SignatureToken::Reference(inner) | SignatureToken::MutableReference(inner) => inner,
        other => other,
    };
    target.try_for_each(&mut |token| match token {
        SignatureToken::Datatype(handle, arguments) => {
            let handle = entry_ref("datatype", handles, handle.0)?;
            arity(&handle.name, handle.type_parameters.len(), arguments.len())
        }
        SignatureToken::Reference(_) | SignatureToken::MutableReference(_) => {
            Err(ParseError::Inconsistent {
                what: "type",
                name: format!("{token:?}"),
                problem: "is a reference inside another type",
            })
        }
        _ => Ok(()),
    })
}

fn identifier(reader: &mut Reader<'_>) -> Result<Identifier, ParseError> {
    let offset = reader.offset();
    let length = reader.count(65_535)?;
    std::str::from_utf8(reader.bytes(length)?)
        .ok()
        .and_then(|text| Identifier::new(text).ok())
        .ok_or(ParseError::Identifier { offset })
}

fn abilities(reader: &mut Reader<'_>) -> Result<Abilities, ParseError> {
    let offset = reader.offset();
    let byte = reader.u8()?;
    Abilities::from_bits(byte).ok_or(ParseError::Unknown {
        what: "ability set",
        byte,
        offset,
    })
}

fn datatype_parameter(reader: &mut Reader<'_>) -> Result<DatatypeParameter, ParseError> {
    Ok(DatatypeParameter {
        constraints: abilities(reader)?,
        phantom: reader.uleb(1)? == 1,
    })
}

/// The byte that says fields follow. Its only alternative, native structs, is not supported.
fn declared(reader: &mut Reader<'_>) -> Result<(), ParseError> {
    let offset = reader.offset();
    match reader.u8()? {
        2 => Ok(()),
        byte => Err(ParseError::Unknown {
            what: "declared datatype",
            byte,
            offset,
        }),
    }
}

/// Every value takes at least one byte: what bounds decoding by its input.
fn nonempty(
    what: &'static str,
    handles: &[DatatypeHandle],
    handle: DatatypeHandleIndex,
    parts: usize,
) -> Result<(), ParseError> {
    if parts > 0 {
        return Ok(());
    }
    Err(ParseError::Inconsistent {
        what,
        name: handles
            .get(handle.get())
            .map_or_else(String::new, |handle| handle.name.to_string()),
        problem: "has neither field nor variant",
    })
}
