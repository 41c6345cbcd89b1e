//! From names to code: linkage, and the targets of calls. Reads packages through [`World`] and
//! remembers what it read.
//!
//! One *context* per package that is called from outside: its linkage table decides which version
//! of every dependency runs, throughout the call.

mod types;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use sui_sdk_types::{Address, Identifier};

use crate::{
    failure::{FailureKind, Missing},
    module::{
        Code, FunctionHandleIndex, FunctionIndex, FunctionInstantiationIndex, Module,
        SignatureIndex, SignatureToken,
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
    /// Values it returns.
    pub(crate) returns: usize,
    /// Locals beside its parameters.
    pub(crate) locals: usize,
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
        let length = |signature| Some(linked.module.signature(signature)?.len());
        let (callee, locals) = match &definition.code {
            Some(code) => (Callee::Code, length(code.locals).ok_or(TABLE)?),
            None => {
                let native = natives::find(original, module, function);
                (native.map_or(Callee::Unsupported, Callee::Native), 0)
            }
        };
        Ok(Target {
            module: position,
            function: index,
            parameters: length(handle.parameters).ok_or(TABLE)?,
            returns: length(handle.returns).ok_or(TABLE)?,
            locals,
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
