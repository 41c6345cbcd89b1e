//! From names to code and types: linkage, defining ids, shapes. Reads packages through
//! [`World`] and remembers what it read.
//!
//! One *context* per package that is called from outside: its linkage table decides which version
//! of every dependency runs, throughout the call.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use sui_sdk_types::{Address, Identifier, TypeTag};

use crate::{
    abilities::Abilities,
    failure::{FailureKind, Missing},
    module::{
        Code, DatatypeHandle, DatatypeHandleIndex, FunctionHandleIndex, FunctionIndex,
        FunctionInstantiationIndex, Layout, Module, SignatureIndex, SignatureToken,
    },
    natives::{self, NativeFunction},
    package::{Package, World},
    types::{DatatypeName, Type},
    value::Shape,
};

const TABLE: FailureKind = FailureKind::IllTyped("an index leaves its table");

/// Packages, contexts and shapes seen so far.
pub(crate) struct Linker<'w> {
    world: &'w dyn World,
    packages: HashMap<Address, Option<Arc<Package>>>,
    contexts: Vec<Context>,
    contexts_by_root: HashMap<Address, u32>,
    shapes: HashMap<Type, Arc<Shape>>,
}

struct Context {
    root: Arc<Package>,
    modules: Vec<Arc<LinkedModule>>,
    by_name: HashMap<(Address, Identifier), u32>,
}

/// A module within a context.
pub(crate) struct LinkedModule {
    context: u32,
    pub(crate) module: Arc<Module>,
    /// The version this module's code came from.
    pub(crate) package: Arc<Package>,
    datatypes: Vec<OnceLock<Arc<DatatypeName>>>,
    functions: Vec<OnceLock<Target>>,
    instantiations: Vec<OnceLock<Instantiation>>,
}

/// A function within a context.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) module: u32,
    pub(crate) function: FunctionIndex,
    pub(crate) parameters: usize,
    pub(crate) callee: Callee,
}

/// How a function runs.
#[derive(Clone, Copy)]
pub(crate) enum Callee {
    Code,
    Native(NativeFunction),
    Unsupported,
}

/// A function with type arguments, which may name the caller's type parameters.
#[derive(Clone)]
struct Instantiation {
    target: Target,
    arguments: Arc<[Type]>,
    open: bool,
}

impl LinkedModule {
    /// The body of a function.
    pub(crate) fn code(&self, function: FunctionIndex) -> Result<&Code, FailureKind> {
        self.module
            .function(function)
            .and_then(|function| function.code.as_ref())
            .ok_or(TABLE)
    }

    pub(crate) fn function_name(&self, function: FunctionIndex) -> Option<&Identifier> {
        let handle = self.module.function(function)?.handle;
        Some(&self.module.function_handle(handle)?.name)
    }
}

impl<'w> Linker<'w> {
    pub(crate) fn new(world: &'w dyn World) -> Self {
        Self {
            world,
            packages: HashMap::new(),
            contexts: Vec::new(),
            contexts_by_root: HashMap::new(),
            shapes: HashMap::new(),
        }
    }

    pub(crate) fn world(&self) -> &'w dyn World {
        self.world
    }

    pub(crate) fn publish(&mut self, package: Arc<Package>) {
        self.packages.insert(package.storage(), Some(package));
    }

    /// The package stored at `id`.
    pub(crate) fn package(&mut self, id: &Address) -> Result<Arc<Package>, FailureKind> {
        let world = self.world;
        self.packages
            .entry(*id)
            .or_insert_with(|| world.package(id))
            .clone()
            .ok_or_else(|| Missing::Package(*id).into())
    }

    /// The context of calls into the package stored at `root`.
    fn context(&mut self, root: &Address) -> Result<u32, FailureKind> {
        if let Some(context) = self.contexts_by_root.get(root) {
            return Ok(*context);
        }
        let package = self.package(root)?;
        let context = position(self.contexts.len())?;
        self.contexts.push(Context {
            root: package,
            modules: Vec::new(),
            by_name: HashMap::new(),
        });
        self.contexts_by_root.insert(*root, context);
        Ok(context)
    }

    /// The version of module `name` that a context uses for the package `original`.
    fn module(
        &mut self,
        context: u32,
        original: &Address,
        name: &Identifier,
    ) -> Result<u32, FailureKind> {
        let scope = entry(&self.contexts, context)?;
        let key = (*original, name.clone());
        if let Some(known) = scope.by_name.get(&key) {
            return Ok(*known);
        }
        let storage = scope.root.link(original);
        let package = self.package(&storage)?;
        let module = package
            .modules()
            .get(name)
            .cloned()
            .ok_or_else(|| Missing::Module(storage, name.clone()))?;
        let tables = module.linked_tables();
        let linked = Arc::new(LinkedModule {
            context,
            package,
            datatypes: unlinked(tables.datatypes),
            functions: unlinked(tables.functions),
            instantiations: unlinked(tables.instantiations),
            module,
        });
        let scope = entry_mut(&mut self.contexts, context)?;
        let module = position(scope.modules.len())?;
        scope.modules.push(linked);
        scope.by_name.insert(key, module);
        Ok(module)
    }

    /// A function of the package stored at `root`, for a call from outside.
    pub(crate) fn entry_point(
        &mut self,
        root: &Address,
        module: &Identifier,
        function: &Identifier,
    ) -> Result<(Arc<LinkedModule>, Target), FailureKind> {
        let context = self.context(root)?;
        let original = entry(&self.contexts, context)?.root.original();
        let target = self.target(context, &original, module, function)?;
        Ok((self.linked(context, target.module)?, target))
    }

    fn linked(&self, context: u32, module: u32) -> Result<Arc<LinkedModule>, FailureKind> {
        entry(&entry(&self.contexts, context)?.modules, module).cloned()
    }

    /// The module a target is in, seen from a module of the same context.
    pub(crate) fn module_of(
        &self,
        from: &LinkedModule,
        target: Target,
    ) -> Result<Arc<LinkedModule>, FailureKind> {
        self.linked(from.context, target.module)
    }

    fn target(
        &mut self,
        context: u32,
        original: &Address,
        module: &Identifier,
        function: &Identifier,
    ) -> Result<Target, FailureKind> {
        let position = self.module(context, original, module)?;
        let linked = self.linked(context, position)?;
        let missing = || Missing::Function(module.clone(), function.clone());
        let index = linked.module.function_named(function).ok_or_else(missing)?;
        let definition = linked.module.function(index).ok_or_else(missing)?;
        let handle = linked
            .module
            .function_handle(definition.handle)
            .ok_or_else(missing)?;
        let callee = match &definition.code {
            Some(_) => Callee::Code,
            None => natives::find(original, module, function)
                .map_or(Callee::Unsupported, Callee::Native),
        };
        Ok(Target {
            module: position,
            function: index,
            parameters: linked
                .module
                .signature(handle.parameters)
                .ok_or(TABLE)?
                .len(),
            callee,
        })
    }

    /// The function behind a plain call.
    pub(crate) fn call(
        &mut self,
        from: &LinkedModule,
        index: FunctionHandleIndex,
    ) -> Result<Target, FailureKind> {
        let cell = from.functions.get(index.get()).ok_or(TABLE)?;
        if let Some(target) = cell.get() {
            return Ok(*target);
        }
        let handle = from.module.function_handle(index).ok_or(TABLE)?;
        let module = from.module.module_handle(handle.module).ok_or(TABLE)?;
        let target = self.target(from.context, &module.address, &module.name, &handle.name)?;
        Ok(*cell.get_or_init(|| target))
    }

    /// The function behind a generic call, with its type arguments in a frame with these.
    pub(crate) fn call_generic(
        &mut self,
        from: &LinkedModule,
        index: FunctionInstantiationIndex,
        frame: &[Type],
    ) -> Result<(Target, Arc<[Type]>), FailureKind> {
        let cell = from.instantiations.get(index.get()).ok_or(TABLE)?;
        let linked = match cell.get() {
            Some(linked) => linked,
            None => {
                let (handle, signature) = from.module.function_instantiation(index).ok_or(TABLE)?;
                let target = self.call(from, handle)?;
                let arguments: Arc<[Type]> = self.signature(from, signature)?.into();
                let open = arguments.iter().any(Type::is_open);
                cell.get_or_init(|| Instantiation {
                    target,
                    arguments,
                    open,
                })
            }
        };
        let arguments = if linked.open {
            linked
                .arguments
                .iter()
                .map(|argument| argument.substitute(frame))
                .collect::<Result<_, _>>()?
        } else {
            linked.arguments.clone()
        };
        Ok((linked.target, arguments))
    }

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

    /// Whether the elements of a vector instruction are bytes.
    pub(crate) fn packs_bytes(
        from: &LinkedModule,
        element: SignatureIndex,
        frame: &[Type],
    ) -> Result<bool, FailureKind> {
        match from.module.signature(element) {
            Some([SignatureToken::U8]) => Ok(true),
            Some([SignatureToken::Parameter(index)]) => {
                Ok(frame.get(usize::from(*index)) == Some(&Type::U8))
            }
            Some([_]) => Ok(false),
            _ => Err(TABLE),
        }
    }

    fn resolve(
        &mut self,
        from: &LinkedModule,
        token: &SignatureToken,
    ) -> Result<Type, FailureKind> {
        Ok(match token {
            SignatureToken::Bool => Type::Bool,
            SignatureToken::U8 => Type::U8,
            SignatureToken::U16 => Type::U16,
            SignatureToken::U32 => Type::U32,
            SignatureToken::U64 => Type::U64,
            SignatureToken::U128 => Type::U128,
            SignatureToken::U256 => Type::U256,
            SignatureToken::Address => Type::Address,
            SignatureToken::Signer => Type::Signer,
            SignatureToken::Parameter(index) => Type::Parameter(*index),
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

fn unlinked<T>(count: usize) -> Vec<OnceLock<T>> {
    (0..count).map(|_| OnceLock::new()).collect()
}

fn position(length: usize) -> Result<u32, FailureKind> {
    u32::try_from(length).map_err(|_| TABLE)
}

fn entry<T>(table: &[T], index: u32) -> Result<&T, FailureKind> {
    usize::try_from(index)
        .ok()
        .and_then(|index| table.get(index))
        .ok_or(TABLE)
}

fn entry_mut<T>(table: &mut [T], index: u32) -> Result<&mut T, FailureKind> {
    usize::try_from(index)
        .ok()
        .and_then(|index| table.get_mut(index))
        .ok_or(TABLE)
}
