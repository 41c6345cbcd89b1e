//! The interpreter: frames, the instruction loop, calls.
//!
//! It trusts nothing about the code it runs but that indices point into their tables. Every
//! instruction costs a step, every copy its weight; operands of the wrong kind are a typed failure.

mod arithmetic;
mod step;
mod vector;

use std::sync::Arc;

use crate::{
    failure::{ExecutionFailure, FailureKind, Limit, Location},
    limits::{Limits, Meter, within},
    linker::{Callee, LinkedModule, Linker, Target},
    memory::Memory,
    module::FunctionIndex,
    natives,
    objects::Objects,
    session::TransactionContext,
    types::Type,
    value::Value,
};

const ILL_TYPED_OPERAND: FailureKind = FailureKind::IllTyped("an operand of the wrong kind");

/// All state of a session.
pub(crate) struct Machine<'w> {
    pub(crate) linker: Linker<'w>,
    pub(crate) memory: Memory,
    pub(crate) objects: Objects,
    pub(crate) meter: Meter,
    pub(crate) limits: Limits,
    pub(crate) transaction: TransactionContext,
    #[cfg(feature = "testing")]
    pub(crate) fault: Option<crate::testing::Fault>,
    /// What BLS natives were asked and answered, a line each.
    #[cfg(feature = "testing")]
    pub(crate) tape: Vec<String>,
    /// Whether lengths are hashed in four bytes.
    #[cfg(feature = "testing")]
    pub(crate) narrow: bool,
    frames: Vec<Frame>,
}

/// A function being executed.
struct Frame {
    module: Arc<LinkedModule>,
    function: FunctionIndex,
    type_arguments: Arc<[Type]>,
    /// Position of its first local.
    locals: usize,
    /// Height of the operand stack below it.
    stack: usize,
    returns: usize,
    next_instruction: usize,
}

/// Why the instructions of a frame stopped.
enum Exit {
    Call(Target, Arc<[Type]>),
    Return,
}

/// A failure, and the native function it happened in.
struct Trap {
    kind: FailureKind,
    native: Option<Target>,
}

impl From<FailureKind> for Trap {
    fn from(kind: FailureKind) -> Self {
        Self { kind, native: None }
    }
}

impl<'w> Machine<'w> {
    pub(crate) fn new(linker: Linker<'w>, limits: Limits, transaction: TransactionContext) -> Self {
        Self {
            linker,
            memory: Memory::default(),
            objects: Objects::default(),
            meter: Meter::new(&limits),
            limits,
            transaction,
            #[cfg(feature = "testing")]
            fault: None,
            #[cfg(feature = "testing")]
            tape: Vec::new(),
            #[cfg(feature = "testing")]
            narrow: false,
            frames: Vec::new(),
        }
    }

    /// Runs a function to its end and returns what it returned.
    pub(crate) fn run(
        &mut self,
        module: &Arc<LinkedModule>,
        target: Target,
        type_arguments: Arc<[Type]>,
        arguments: Vec<Value>,
    ) -> Result<Vec<Value>, ExecutionFailure> {
        self.memory.stack.extend(arguments);
        let result = self.run_calls(module, target, type_arguments);
        self.frames.clear();
        self.memory.locals.clear();
        let returned = std::mem::take(&mut self.memory.stack);
        result.map(|()| returned)
    }

    fn run_calls(
        &mut self,
        module: &Arc<LinkedModule>,
        target: Target,
        type_arguments: Arc<[Type]>,
    ) -> Result<(), ExecutionFailure> {
        self.enter(module, target, type_arguments)
            .map_err(|trap| locate(trap, &self.linker, module, target.function, 0))?;
        while let Some(frame) = self.frames.last() {
            let module = frame.module.clone();
            let function = frame.function;
            let mut next = frame.next_instruction;
            let exit = self
                .run_frame(&module, &mut next)
                .and_then(|exit| match exit {
                    Exit::Call(target, type_arguments) => {
                        if let Some(frame) = self.frames.last_mut() {
                            frame.next_instruction = next;
                        }
                        self.enter(&module, target, type_arguments)
                    }
                    Exit::Return => self.leave(),
                });
            exit.map_err(|trap| {
                locate(
                    trap,
                    &self.linker,
                    &module,
                    function,
                    next.saturating_sub(1),
                )
            })?;
        }
        Ok(())
    }

    /// Starts a function whose arguments are on the stack. A native one also ends here.
    fn enter(
        &mut self,
        from: &Arc<LinkedModule>,
        target: Target,
        type_arguments: Arc<[Type]>,
    ) -> Result<(), Trap> {
        let below = self
            .memory
            .stack
            .len()
            .checked_sub(target.parameters)
            .ok_or(FailureKind::IllTyped("a call with too few arguments"))?;
        match target.callee {
            Callee::Native(native) => {
                let arguments = self.memory.stack.split_off(below);
                #[cfg(feature = "testing")]
                let question = {
                    let module = self.linker.module_of(from, target)?;
                    self.tape_question(&module, target, &arguments)
                };
                let returned =
                    natives::call(self, native, &type_arguments, arguments).map_err(|kind| {
                        Trap {
                            kind,
                            native: Some(target),
                        }
                    })?;
                #[cfg(feature = "testing")]
                if let (Some(question), Some(answer)) = (question, &returned) {
                    self.tape_answer(question, answer);
                }
                self.memory.stack.extend(returned);
                Ok(())
            }
            Callee::Unsupported => {
                let module = self.linker.module_of(from, target)?;
                let name = module.function_name(target.function);
                let name = name.map_or("", |name| name.as_str());
                let name = format!("{}::{name}", module.module.name());
                Err(Trap {
                    kind: FailureKind::UnsupportedNative(name.into()),
                    native: Some(target),
                })
            }
            Callee::Code => {
                within(
                    Limit::CallDepth,
                    self.frames.len() + 1,
                    self.limits.call_depth,
                )?;
                let module = self.linker.module_of(from, target)?;
                let locals = self.memory.locals.len();
                self.memory.locals.extend(self.memory.stack.drain(below..));
                self.memory
                    .locals
                    .resize(locals + target.parameters + target.locals, Value::Empty);
                self.meter
                    .charge(u64::try_from(target.locals).unwrap_or(0) / 8)?;
                self.frames.push(Frame {
                    module,
                    function: target.function,
                    type_arguments,
                    locals,
                    stack: below,
                    returns: target.returns,
                    next_instruction: 0,
                });
                Ok(())
            }
        }
    }

    /// Ends the innermost function; what it returns stays on the stack.
    fn leave(&mut self) -> Result<(), Trap> {
        if let Some(frame) = self.frames.pop() {
            if self.memory.stack.len() != frame.stack + frame.returns {
                return Err(
                    FailureKind::IllTyped("a function returns another number of values").into(),
                );
            }
            self.memory.locals.truncate(frame.locals);
        }
        Ok(())
    }

    /// Charges for a copy of a value of this weight, and notes the memory.
    pub(crate) fn charge_copy(&mut self, weight: u64) -> Result<(), FailureKind> {
        self.meter.charge(weight)?;
        self.allocate(weight)
    }

    /// Notes that memory was taken, and counts what is alive when enough was.
    pub(crate) fn allocate(&mut self, weight: u64) -> Result<(), FailureKind> {
        self.meter.allocate(weight);
        if self.meter.audit_is_due() {
            self.meter.audit(self.memory.weight())?;
        }
        Ok(())
    }
}

fn locate(
    trap: Trap,
    linker: &Linker<'_>,
    module: &Arc<LinkedModule>,
    function: FunctionIndex,
    instruction: usize,
) -> ExecutionFailure {
    // A native function fails in its own name, at its first instruction.
    let native = trap
        .native
        .and_then(|target| Some((linker.module_of(module, target).ok()?, target.function)));
    let (module, function, instruction) = match &native {
        Some((module, function)) => (module, *function, 0),
        None => (module, function, instruction),
    };
    let location = module.function_name(function).map(|name| {
        Box::new(Location {
            package: module.package.storage(),
            original: module.package.original(),
            module: module.module.name().clone(),
            function,
            function_name: name.clone(),
            instruction: u16::try_from(instruction).unwrap_or(u16::MAX),
        })
    });
    ExecutionFailure {
        kind: trap.kind,
        location,
    }
}
