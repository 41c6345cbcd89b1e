//! What tests of the VM need of it: rules a session can be told to break, so that tests can show they
//! would notice, and a record of what BLS natives returned, for the unit-test VM that lacks them.
//! Builds without the feature `testing` know none of this.

use blake2::{Blake2b, Digest, digest::consts::U32};
use sui_sdk_types::{Address, TypeTag};

use crate::{
    failure::FailureKind,
    interpreter::Machine,
    linker::{LinkedModule, Target},
    module::Instruction,
    value::{PlaceMut, Value},
};

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Addition of `u64` wraps instead of failing.
    AddWraps,
    /// Division rounds up.
    DivideRoundsUp,
    /// `<` holds for equal numbers.
    LessIncludesEqual,
    /// A cast drops the bits that do not fit.
    CastTruncates,
    /// Swapping two elements of a vector does nothing.
    SwapIgnored,
    /// Popping takes the first element of a vector instead of the last.
    PopTakesFirst,
    /// A switch over an enum takes the branch of the first variant.
    SwitchTakesFirst,
    /// A write through a reference of two steps or more is lost.
    DeepWriteLost,
    /// A removed dynamic field stays.
    RemovedChildStays,
    /// Fresh ids skip a number.
    IdSkipped,
    /// Every second event is lost.
    EventLost,
    /// Abort codes are off by one.
    AbortCodeOff,
    /// Every BLS signature verifies.
    BlsAlwaysValid,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::AddWraps,
        Self::DivideRoundsUp,
        Self::LessIncludesEqual,
        Self::CastTruncates,
        Self::SwapIgnored,
        Self::PopTakesFirst,
        Self::SwitchTakesFirst,
        Self::DeepWriteLost,
        Self::RemovedChildStays,
        Self::IdSkipped,
        Self::EventLost,
        Self::AbortCodeOff,
        Self::BlsAlwaysValid,
    ];
}

impl Machine<'_> {
    /// Executes an instruction wrongly, if it is the one to get wrong.
    pub(crate) fn sabotage(
        &mut self,
        instruction: &Instruction,
    ) -> Option<Result<(), FailureKind>> {
        use Instruction as I;
        let stack = &mut self.memory.stack;
        match (self.fault?, instruction) {
            (Fault::AddWraps, I::Add) => {
                let [.., Value::U64(left), Value::U64(right)] = stack[..] else {
                    return None;
                };
                stack.truncate(stack.len() - 2);
                stack.push(Value::U64(left.wrapping_add(right)));
            }
            (Fault::DivideRoundsUp, I::Divide) => {
                let [.., Value::U64(left), Value::U64(right)] = stack[..] else {
                    return None;
                };
                if right == 0 {
                    return None;
                }
                stack.truncate(stack.len() - 2);
                stack.push(Value::U64(left.div_ceil(right)));
            }
            (Fault::LessIncludesEqual, I::Less) => {
                let [.., Value::U64(left), Value::U64(right)] = stack[..] else {
                    return None;
                };
                stack.truncate(stack.len() - 2);
                stack.push(Value::Bool(left <= right));
            }
            (Fault::CastTruncates, I::CastU64) => {
                let Some(Value::U128(number)) = stack.last() else {
                    return None;
                };
                let low = u64::try_from(number.get() & u128::from(u64::MAX)).ok()?;
                stack.pop();
                stack.push(Value::U64(low));
            }
            (Fault::SwapIgnored, I::VectorSwap) => stack.truncate(stack.len().checked_sub(3)?),
            (Fault::PopTakesFirst, I::VectorPopBack) => {
                let Some(Value::Reference(vector)) = stack.last().cloned() else {
                    return None;
                };
                let Ok(PlaceMut::Value(Value::Vector(items))) = self.memory.place_mut(&vector, 0)
                else {
                    return None;
                };
                items.reverse();
                let first = items.pop()?;
                items.reverse();
                self.memory.stack.pop();
                self.memory.stack.push(first);
            }
            (Fault::DeepWriteLost, I::WriteReference) => {
                let Some(Value::Reference(place)) = stack.last() else {
                    return None;
                };
                if place.path().len() < 2 {
                    return None;
                }
                stack.truncate(stack.len().checked_sub(2)?);
            }
            _ => return None,
        }
        Some(Ok(()))
    }

    /// Whether this rule is to be broken.
    pub(crate) fn breaks(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

impl Machine<'_> {
    /// The beginning of a line of the tape, if this native is one of those on it:
    /// `native hex...`, the arguments in order, a list of byte strings as so many words.
    pub(crate) fn tape_question(
        &self,
        module: &LinkedModule,
        target: Target,
        arguments: &[Value],
    ) -> Option<String> {
        if !["bls12381", "group_ops"].contains(&module.module.name().as_str()) {
            return None;
        }
        let name = module.function_name(target.function)?.as_str();
        let name = name
            .trim_start_matches("internal_")
            .trim_start_matches("bls12381_");
        let mut line = name.to_owned();
        for argument in arguments {
            self.tape_words(argument, &mut line)?;
        }
        Some(line)
    }

    fn tape_words(&self, value: &Value, line: &mut String) -> Option<()> {
        match value {
            Value::U8(byte) => word(&[*byte], line),
            Value::Bytes(bytes) => word(bytes, line),
            Value::Vector(items) => {
                for item in items.iter() {
                    self.tape_words(item, line)?;
                }
            }
            Value::Reference(reference) => {
                self.tape_words(self.memory.value(reference).ok()?, line)?;
            }
            _ => return None,
        }
        Some(())
    }

    /// Completes a line of the tape.
    pub(crate) fn tape_answer(&mut self, mut line: String, answer: &Value) {
        line.push_str(" =");
        match answer {
            Value::Bool(value) => word(&[u8::from(*value)], &mut line),
            Value::Bytes(bytes) => word(bytes, &mut line),
            _ => return,
        }
        self.tape.push(line);
    }
}

/// The id of a dynamic field where `usize` has 32 bits: the length of the key is hashed in four bytes.
pub(crate) fn narrow_child_id(parent: &Address, key_type: &TypeTag, key: &[u8]) -> Address {
    const SCOPE: u8 = 0xf0;
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let tag = bcs::to_bytes(key_type).expect("type tags always encode");
    let digest = Blake2b::<U32>::new()
        .chain_update([SCOPE])
        .chain_update(parent)
        .chain_update(length.to_le_bytes())
        .chain_update(key)
        .chain_update(tag);
    Address::new(digest.finalize().into())
}

fn word(bytes: &[u8], line: &mut String) {
    line.push(' ');
    for byte in bytes {
        line.push_str(&format!("{byte:02x}"));
    }
}
