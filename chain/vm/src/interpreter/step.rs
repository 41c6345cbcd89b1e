//! One frame's instructions, up to its next call or its return.

use std::sync::Arc;

use super::{Exit, ILL_TYPED_OPERAND, Machine, Trap, arithmetic};
use crate::{
    failure::{FailureKind, Limit},
    limits::within,
    linker::{LinkedModule, Linker},
    module::Instruction,
    types::Type,
    value::{Items, Place, PlaceMut, Reference, Root, Value},
};

const EMPTY_STACK: FailureKind = FailureKind::IllTyped("the stack is empty");
const NO_LOCAL: FailureKind = FailureKind::IllTyped("a local that does not exist or is empty");

impl Machine<'_> {
    pub(super) fn run_frame(
        &mut self,
        module: &Arc<LinkedModule>,
        next: &mut usize,
    ) -> Result<Exit, Trap> {
        use Instruction as I;
        let Some(frame) = self.frames.last() else {
            return Ok(Exit::Return);
        };
        let base = frame.locals;
        let type_arguments = frame.type_arguments.clone();
        let code = module.code(frame.function)?;
        loop {
            let Some(instruction) = code.instructions.get(*next) else {
                return Err(FailureKind::IllTyped("execution runs off its function").into());
            };
            self.meter.charge(1)?;
            *next += 1;
            match instruction {
                I::Return => return Ok(Exit::Return),
                I::Call(function) => {
                    let target = self.linker.call(module, *function)?;
                    return Ok(Exit::Call(target, no_types()));
                }
                I::CallGeneric(instantiation) => {
                    let (target, types) =
                        self.linker
                            .call_generic(module, *instantiation, &type_arguments)?;
                    return Ok(Exit::Call(target, types));
                }
                I::Branch(target) => *next = usize::from(*target),
                I::BranchTrue(target) => {
                    if self.pop_bool()? {
                        *next = usize::from(*target);
                    }
                }
                I::BranchFalse(target) => {
                    if !self.pop_bool()? {
                        *next = usize::from(*target);
                    }
                }
                I::VariantSwitch(table) => {
                    let enumeration = self.pop_reference()?;
                    let Value::Variant(tag, _) = self.memory.value(&enumeration)? else {
                        return Err(ILL_TYPED_OPERAND.into());
                    };
                    #[cfg(feature = "testing")]
                    let tag = &if self.breaks(crate::testing::Fault::SwitchTakesFirst) {
                        0
                    } else {
                        *tag
                    };
                    let target = code
                        .jump_tables
                        .get(usize::from(*table))
                        .and_then(|targets| targets.get(usize::from(*tag)))
                        .ok_or(FailureKind::IllTyped("a variant without a jump target"))?;
                    *next = usize::from(*target);
                }
                I::Abort => {
                    let Value::U64(code) = self.pop()? else {
                        return Err(ILL_TYPED_OPERAND.into());
                    };
                    #[cfg(feature = "testing")]
                    let code = code ^ u64::from(self.breaks(crate::testing::Fault::AbortCodeOff));
                    return Err(FailureKind::Abort { code }.into());
                }
                I::LoadConstant(constant) => {
                    let constant = module
                        .module
                        .constant(*constant)
                        .ok_or(FailureKind::IllTyped("a constant that does not exist"))?;
                    self.charge_copy(constant.weight())?;
                    self.push(Value::clone(constant))?;
                }
                I::VectorPack(element, count) => {
                    let bytes = Linker::packs_bytes(module, *element, &type_arguments)?;
                    self.pack_vector(bytes, *count)?;
                }
                I::CopyLocal(local) => self.copy_local(base + usize::from(*local))?,
                I::MoveLocal(local) => {
                    let local = self.local(base + usize::from(*local))?;
                    let value = std::mem::replace(local, Value::Empty);
                    if value == Value::Empty {
                        return Err(NO_LOCAL.into());
                    }
                    self.push(value)?;
                }
                I::StoreLocal(local) => {
                    let value = self.pop()?;
                    *self.local(base + usize::from(*local))? = value;
                }
                I::BorrowLocal(local) => {
                    let local = u32::try_from(base + usize::from(*local))
                        .map_err(|_| FailureKind::IllTyped("too many locals"))?;
                    self.push(Value::Reference(Reference::new(Root::Local(local))))?;
                }
                other => self.operate(other)?,
            }
        }
    }

    /// Instructions that touch nothing but the stack and what it refers to.
    fn operate(&mut self, instruction: &Instruction) -> Result<(), FailureKind> {
        use Instruction as I;
        #[cfg(feature = "testing")]
        if let Some(done) = self.sabotage(instruction) {
            return done;
        }
        match instruction {
            I::LoadU64(number) => self.push(Value::U64(*number)),
            I::LoadU8(number) => self.push(Value::U8(*number)),
            I::LoadU16(number) => self.push(Value::U16(*number)),
            I::LoadU32(number) => self.push(Value::U32(*number)),
            I::LoadU128(number) => self.push(Value::from(**number)),
            I::LoadU256(number) => self.push(Value::U256(**number)),
            I::LoadBool(value) => self.push(Value::Bool(*value)),
            I::BorrowField(field) => match self.memory.stack.last_mut() {
                Some(Value::Reference(reference)) => Ok(reference.enter(u32::from(*field))?),
                _ => Err(ILL_TYPED_OPERAND),
            },
            I::ReadReference => self.read_reference(),
            I::WriteReference => self.write_reference(),
            I::Pack(fields) => {
                let fields = self.pop_many(*fields)?;
                self.allocate(1 + weight(fields.len()))?;
                self.push(Value::structure(fields)?)
            }
            I::Unpack(fields) => match self.pop()? {
                Value::Struct(items) => self.push_parts(items, *fields),
                _ => Err(ILL_TYPED_OPERAND),
            },
            I::PackVariant { tag, fields } => {
                let fields = self.pop_many(*fields)?;
                self.allocate(1 + weight(fields.len()))?;
                self.push(Value::Variant(*tag, Items::new(fields)?))
            }
            I::UnpackVariant { tag, fields } => match self.pop()? {
                Value::Variant(found, items) if found == *tag => self.push_parts(items, *fields),
                Value::Variant(..) => Err(FailureKind::VariantMismatch),
                _ => Err(ILL_TYPED_OPERAND),
            },
            I::UnpackVariantReference { tag, fields } => self.borrow_variant(*tag, *fields),
            I::Add => self.binary(arithmetic::add),
            I::Subtract => self.binary(arithmetic::subtract),
            I::Multiply => self.binary(arithmetic::multiply),
            I::Divide => self.binary(arithmetic::divide),
            I::Modulo => self.binary(arithmetic::modulo),
            I::BitOr => self.binary(arithmetic::bit_or),
            I::BitAnd => self.binary(arithmetic::bit_and),
            I::Xor => self.binary(arithmetic::xor),
            I::ShiftLeft => self.binary(arithmetic::shift_left),
            I::ShiftRight => self.binary(arithmetic::shift_right),
            I::Less => self.comparison(std::cmp::Ordering::is_lt),
            I::Greater => self.comparison(std::cmp::Ordering::is_gt),
            I::LessOrEqual => self.comparison(std::cmp::Ordering::is_le),
            I::GreaterOrEqual => self.comparison(std::cmp::Ordering::is_ge),
            I::Equal => {
                let equal = self.pop_equal()?;
                self.push(Value::Bool(equal))
            }
            I::NotEqual => {
                let equal = self.pop_equal()?;
                self.push(Value::Bool(!equal))
            }
            I::Or => self.logic(|left, right| left | right),
            I::And => self.logic(|left, right| left & right),
            I::Not => {
                let value = self.pop_bool()?;
                self.push(Value::Bool(!value))
            }
            I::CastU8 => self.unary(arithmetic::cast_u8),
            I::CastU16 => self.unary(arithmetic::cast_u16),
            I::CastU32 => self.unary(arithmetic::cast_u32),
            I::CastU64 => self.unary(arithmetic::cast_u64),
            I::CastU128 => self.unary(arithmetic::cast_u128),
            I::CastU256 => self.unary(arithmetic::cast_u256),
            I::VectorLength => self.vector_length(),
            I::VectorBorrow => self.vector_borrow(),
            I::VectorPushBack => self.vector_push_back(),
            I::VectorPopBack => self.vector_pop_back(),
            I::VectorUnpack(count) => self.vector_unpack(*count),
            I::VectorSwap => self.vector_swap(),
            I::Pop => self.pop().map(drop),
            I::Nop => Ok(()),
            _ => Err(FailureKind::IllTyped("an instruction out of place")),
        }
    }

    pub(super) fn push(&mut self, value: Value) -> Result<(), FailureKind> {
        if self.memory.stack.len() >= self.limits.stack {
            within(Limit::Stack, self.memory.stack.len() + 1, self.limits.stack)?;
        }
        self.memory.stack.push(value);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Value, FailureKind> {
        self.memory.stack.pop().ok_or(EMPTY_STACK)
    }

    pub(super) fn pop_many(&mut self, count: u16) -> Result<Vec<Value>, FailureKind> {
        let below = self.memory.stack.len().checked_sub(usize::from(count));
        below
            .map(|below| self.memory.stack.split_off(below))
            .ok_or(EMPTY_STACK)
    }

    pub(super) fn pop_reference(&mut self) -> Result<Reference, FailureKind> {
        match self.pop()? {
            Value::Reference(reference) => Ok(reference),
            _ => Err(ILL_TYPED_OPERAND),
        }
    }

    fn pop_bool(&mut self) -> Result<bool, FailureKind> {
        match self.pop()? {
            Value::Bool(value) => Ok(value),
            _ => Err(ILL_TYPED_OPERAND),
        }
    }

    fn local(&mut self, local: usize) -> Result<&mut Value, FailureKind> {
        self.memory.locals.get_mut(local).ok_or(NO_LOCAL)
    }

    fn copy_local(&mut self, local: usize) -> Result<(), FailureKind> {
        let copy = match self.memory.locals.get(local) {
            None | Some(Value::Empty) => return Err(NO_LOCAL),
            Some(Value::U64(number)) => Value::U64(*number),
            Some(value) => {
                let weight = value.weight();
                if weight > 1 {
                    self.meter.charge(weight)?;
                    self.meter.allocate(weight);
                }
                value.clone()
            }
        };
        self.allocate(0)?;
        self.push(copy)
    }

    fn read_reference(&mut self) -> Result<(), FailureKind> {
        let reference = self.pop_reference()?;
        let copy = match self.memory.place(&reference)? {
            Place::Byte(byte) => Value::U8(byte),
            Place::Value(Value::Empty) => return Err(NO_LOCAL),
            Place::Value(value) => {
                let weight = value.weight();
                if weight > 1 {
                    self.meter.charge(weight)?;
                    self.meter.allocate(weight);
                }
                value.clone()
            }
        };
        self.allocate(0)?;
        self.push(copy)
    }

    fn write_reference(&mut self) -> Result<(), FailureKind> {
        let reference = self.pop_reference()?;
        let value = self.pop()?;
        match self.memory.place_mut(&reference, value.depth())? {
            PlaceMut::Value(place) => *place = value,
            PlaceMut::Byte(place) => match value {
                Value::U8(byte) => *place = byte,
                _ => return Err(ILL_TYPED_OPERAND),
            },
        }
        Ok(())
    }

    /// Pushes the parts of an unpacked value.
    fn push_parts(&mut self, items: Items, expected: u16) -> Result<(), FailureKind> {
        let parts = items.into_vec();
        if parts.len() != usize::from(expected) {
            return Err(ILL_TYPED_OPERAND);
        }
        within(
            Limit::Stack,
            self.memory.stack.len() + parts.len(),
            self.limits.stack,
        )?;
        self.memory.stack.extend(parts);
        Ok(())
    }

    fn borrow_variant(&mut self, tag: u16, fields: u16) -> Result<(), FailureKind> {
        let reference = self.pop_reference()?;
        match self.memory.value(&reference)? {
            Value::Variant(found, items) if *found == tag => {
                if items.len() != usize::from(fields) {
                    return Err(ILL_TYPED_OPERAND);
                }
            }
            Value::Variant(..) => return Err(FailureKind::VariantMismatch),
            _ => return Err(ILL_TYPED_OPERAND),
        }
        for field in 0..fields {
            let mut part = reference.clone();
            part.enter(u32::from(field))?;
            self.push(Value::Reference(part))?;
        }
        Ok(())
    }

    fn unary(
        &mut self,
        operation: impl Fn(Value) -> Result<Value, FailureKind>,
    ) -> Result<(), FailureKind> {
        let value = self.pop()?;
        self.push(operation(value)?)
    }

    fn binary(
        &mut self,
        operation: impl Fn(Value, Value) -> Result<Value, FailureKind>,
    ) -> Result<(), FailureKind> {
        let right = self.pop()?;
        let left = self.pop()?;
        self.push(operation(left, right)?)
    }

    fn comparison(
        &mut self,
        holds: impl Fn(std::cmp::Ordering) -> bool,
    ) -> Result<(), FailureKind> {
        let right = self.pop()?;
        let left = self.pop()?;
        let order = arithmetic::compare(&left, &right)?;
        self.push(Value::Bool(holds(order)))
    }

    fn logic(&mut self, operation: impl Fn(bool, bool) -> bool) -> Result<(), FailureKind> {
        let right = self.pop_bool()?;
        let left = self.pop_bool()?;
        self.push(Value::Bool(operation(left, right)))
    }

    /// Whether two values are equal, or what two references point at.
    fn pop_equal(&mut self) -> Result<bool, FailureKind> {
        let right = self.pop()?;
        let left = self.pop()?;
        if let (Value::Reference(left), Value::Reference(right)) = (&left, &right) {
            let (left, right) = (self.memory.place(left)?, self.memory.place(right)?);
            return match (left, right) {
                (Place::Byte(left), Place::Byte(right)) => Ok(left == right),
                (Place::Value(left), Place::Value(right)) => {
                    self.meter.charge(left.weight().min(right.weight()))?;
                    Ok(left == right)
                }
                (Place::Byte(byte), Place::Value(value))
                | (Place::Value(value), Place::Byte(byte)) => Ok(*value == Value::U8(byte)),
            };
        }
        self.meter.charge(left.weight().min(right.weight()))?;
        Ok(left == right)
    }
}

fn weight(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The empty list of type arguments, shared.
fn no_types() -> Arc<[Type]> {
    static NONE: std::sync::OnceLock<Arc<[Type]>> = std::sync::OnceLock::new();
    NONE.get_or_init(|| Arc::from([])).clone()
}
