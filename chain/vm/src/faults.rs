//! Rules a session can be told to break, so that tests can show they would notice. Builds without
//! the feature `faults` know none of this.

use crate::{
    failure::FailureKind,
    interpreter::Machine,
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
    /// A vector of bytes compares by its length.
    BytesCompareByLength,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 14] = [
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
        Self::BytesCompareByLength,
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
            (Fault::BytesCompareByLength, I::Equal) => {
                let [.., Value::Bytes(left), Value::Bytes(right)] = &stack[..] else {
                    return None;
                };
                let equal = left.len() == right.len();
                stack.truncate(stack.len() - 2);
                stack.push(Value::Bool(equal));
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
