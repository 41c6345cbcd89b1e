//! Types: from the spelling in a module, or a tag, to runtime types by defining ids; shapes, abilities.

use std::sync::Arc;

use sui_sdk_types::TypeTag;

use super::{LinkedModule, Linker, TABLE, entry};
use crate::{
    abilities::Abilities,
    failure::{FailureKind, Missing},
    module::{DatatypeHandle, DatatypeHandleIndex, Layout, SignatureIndex, SignatureToken},
    types::{DatatypeName, Type},
    value::Shape,
};

impl Linker<'_> {
    /// A list of types, as the module spells them (open where it is generic).
    pub(crate) fn signature(
        &mut self,
        from: &LinkedModule,
        index: SignatureIndex,
    ) -> Result<Vec<Type>, FailureKind> {
        let tokens = from.module.signature(index).ok_or(TABLE)?;
        tokens
            .iter()
            .map(|token| self.resolve(from, token))
            .collect()
    }

    fn resolve(
        &mut self,
        from: &LinkedModule,
        token: &SignatureToken,
    ) -> Result<Type, FailureKind> {
        Ok(match token {
            SignatureToken::Vector(inner) => Type::vector(self.resolve(from, inner)?)?,
            SignatureToken::Reference(inner) => Type::reference(self.resolve(from, inner)?, false)?,
            SignatureToken::MutableReference(inner) => {
                Type::reference(self.resolve(from, inner)?, true)?
            }
            SignatureToken::Datatype(handle, arguments) => {
                let name = self.datatype_name(from, *handle)?;
                let arguments = arguments
                    .iter()
                    .map(|argument| self.resolve(from, argument))
                    .collect::<Result<_, _>>()?;
                Type::datatype(name, arguments)?
            }
            primitive => primitive.primitive().ok_or(TABLE)?,
        })
    }

    fn datatype_name(
        &mut self,
        from: &LinkedModule,
        index: DatatypeHandleIndex,
    ) -> Result<Arc<DatatypeName>, FailureKind> {
        let cell = from.datatypes.get(index.get()).ok_or(TABLE)?;
        if let Some(name) = cell.get() {
            return Ok(name.clone());
        }
        let handle = from.module.datatype_handle(index).ok_or(TABLE)?;
        let module = from.module.module_handle(handle.module).ok_or(TABLE)?;
        let root = entry(&self.contexts, from.context)?.root.clone();
        let storage = root.link(&module.address);
        let defining = self.package(&storage)?.origin(&module.name, &handle.name);
        let name = Arc::new(DatatypeName {
            defining,
            original: module.address,
            module: module.name.clone(),
            name: handle.name.clone(),
        });
        Ok(cell.get_or_init(|| name).clone())
    }

    /// The type a tag stands for. Its packages are looked up; tags may name any version.
    pub(crate) fn type_of(&mut self, tag: &TypeTag) -> Result<Type, FailureKind> {
        Ok(match tag {
            TypeTag::Bool => Type::Bool,
            TypeTag::U8 => Type::U8,
            TypeTag::U16 => Type::U16,
            TypeTag::U32 => Type::U32,
            TypeTag::U64 => Type::U64,
            TypeTag::U128 => Type::U128,
            TypeTag::U256 => Type::U256,
            TypeTag::Address => Type::Address,
            TypeTag::Signer => Type::Signer,
            TypeTag::Vector(inner) => Type::vector(self.type_of(inner)?)?,
            TypeTag::Struct(tag) => {
                let package = self.package(tag.address())?;
                let name = Arc::new(DatatypeName {
                    defining: package.origin(tag.module(), tag.name()),
                    original: package.original(),
                    module: tag.module().clone(),
                    name: tag.name().clone(),
                });
                let parameters = self.declaration(&name)?.1.type_parameters;
                let arguments = tag
                    .type_params()
                    .iter()
                    .map(|argument| self.type_of(argument))
                    .collect::<Result<Vec<_>, _>>()?;
                let expected = parameters.len();
                if arguments.len() != expected {
                    return Err(FailureKind::TypeArity {
                        given: arguments.len(),
                        expected,
                    });
                }
                for (index, (argument, parameter)) in arguments.iter().zip(&parameters).enumerate()
                {
                    self.check_constraint(index, argument, parameter.constraints)?;
                }
                Type::datatype(name, arguments)?
            }
        })
    }

    /// Fails unless `argument` has the abilities `constraint` asks for.
    pub(crate) fn check_constraint(
        &mut self,
        index: usize,
        argument: &Type,
        constraint: Abilities,
    ) -> Result<(), FailureKind> {
        if self.abilities(argument)?.contains(constraint) {
            return Ok(());
        }
        Err(FailureKind::Constraint {
            index,
            argument: argument.clone(),
        })
    }

    /// The declaration of a datatype, in the package version that introduced it.
    fn declaration(
        &mut self,
        name: &DatatypeName,
    ) -> Result<(Arc<LinkedModule>, DatatypeHandle, Layout), FailureKind> {
        let context = self.context(&name.defining)?;
        let position = self.module(context, &name.original, &name.module)?;
        let linked = self.linked(context, position)?;
        let (handle, layout) = linked
            .module
            .datatype_named(&name.name)
            .ok_or_else(|| Missing::Datatype(name.module.clone(), name.name.clone()))?;
        let (handle, layout) = (handle.clone(), layout.clone());
        Ok((linked, handle, layout))
    }

    /// The fields of a closed datatype.
    pub(crate) fn shape(&mut self, datatype: &Type) -> Result<Arc<Shape>, FailureKind> {
        if let Some(shape) = self.shapes.get(datatype) {
            return Ok(shape.clone());
        }
        let Type::Datatype(instance) = datatype else {
            return Err(FailureKind::IllTyped("a primitive type has no fields"));
        };
        let (linked, _, layout) = self.declaration(instance.name())?;
        let mut fields = |fields: &[crate::module::Field]| {
            fields
                .iter()
                .map(|field| {
                    let open = self.resolve(&linked, &field.kind)?;
                    Ok(open.substitute(instance.arguments())?)
                })
                .collect::<Result<Vec<_>, FailureKind>>()
        };
        let shape = Arc::new(match layout {
            Layout::Struct(of) => Shape::Struct(fields(&of)?),
            Layout::Enum(variants) => Shape::Enum(
                variants
                    .iter()
                    .map(|variant| fields(&variant.fields))
                    .collect::<Result<_, _>>()?,
            ),
        });
        self.shapes.insert(datatype.clone(), shape.clone());
        Ok(shape)
    }

    /// The abilities of a closed type.
    pub(crate) fn abilities(&mut self, kind: &Type) -> Result<Abilities, FailureKind> {
        Ok(match kind {
            Type::Signer => Abilities::DROP,
            Type::Reference(_) | Type::MutableReference(_) => Abilities::REFERENCE,
            Type::Vector(inner) => {
                let inner = self.abilities(inner)?;
                Abilities::PRIMITIVE.instantiate([inner].into_iter())
            }
            Type::Datatype(instance) => {
                let (_, handle, _) = self.declaration(instance.name())?;
                let mut arguments = Vec::new();
                for (argument, parameter) in instance.arguments().iter().zip(handle.type_parameters)
                {
                    if !parameter.phantom {
                        arguments.push(self.abilities(argument)?);
                    }
                }
                handle.abilities.instantiate(arguments.into_iter())
            }
            Type::Parameter(_) => {
                return Err(FailureKind::IllTyped("an open type has no abilities"));
            }
            _ => Abilities::PRIMITIVE,
        })
    }
}
