//! Integer instructions, on values alone. Everything checked; nothing wraps but shifts, which drop
//! the bits they push out.

use std::cmp::Ordering;

use ruint::aliases::U256;

use super::ILL_TYPED_OPERAND;
use crate::{failure::FailureKind, value::Value};

type Outcome = Result<Value, FailureKind>;

/// Applies one checked method to two integers of one width.
macro_rules! checked {
    ($left:expr, $right:expr, $method:ident) => {
        match ($left, $right) {
            (Value::U64(a), Value::U64(b)) => a.$method(b).map(Value::U64),
            (Value::U8(a), Value::U8(b)) => a.$method(b).map(Value::U8),
            (Value::U16(a), Value::U16(b)) => a.$method(b).map(Value::U16),
            (Value::U32(a), Value::U32(b)) => a.$method(b).map(Value::U32),
            (Value::U128(a), Value::U128(b)) => a.get().$method(b.get()).map(Value::from),
            (Value::U256(a), Value::U256(b)) => a.$method(b).map(Value::U256),
            _ => return Err(ILL_TYPED_OPERAND),
        }
        .ok_or(FailureKind::Arithmetic)
    };
}

/// Applies one operator to two integers of one width.
macro_rules! bitwise {
    ($left:expr, $right:expr, $operator:tt) => {
        Ok(match ($left, $right) {
            (Value::U64(a), Value::U64(b)) => Value::U64(a $operator b),
            (Value::U8(a), Value::U8(b)) => Value::U8(a $operator b),
            (Value::U16(a), Value::U16(b)) => Value::U16(a $operator b),
            (Value::U32(a), Value::U32(b)) => Value::U32(a $operator b),
            (Value::U128(a), Value::U128(b)) => Value::from(a.get() $operator b.get()),
            (Value::U256(a), Value::U256(b)) => Value::U256(a $operator b),
            _ => return Err(ILL_TYPED_OPERAND),
        })
    };
}

pub(super) fn add(left: Value, right: Value) -> Outcome {
    checked!(left, right, checked_add)
}

pub(super) fn subtract(left: Value, right: Value) -> Outcome {
    checked!(left, right, checked_sub)
}

pub(super) fn multiply(left: Value, right: Value) -> Outcome {
    checked!(left, right, checked_mul)
}

pub(super) fn divide(left: Value, right: Value) -> Outcome {
    checked!(left, right, checked_div)
}

pub(super) fn modulo(left: Value, right: Value) -> Outcome {
    checked!(left, right, checked_rem)
}

pub(super) fn bit_or(left: Value, right: Value) -> Outcome {
    bitwise!(left, right, |)
}

pub(super) fn bit_and(left: Value, right: Value) -> Outcome {
    bitwise!(left, right, &)
}

pub(super) fn xor(left: Value, right: Value) -> Outcome {
    bitwise!(left, right, ^)
}

pub(super) fn shift_left(value: Value, by: Value) -> Outcome {
    let by = shift(&value, by)?;
    Ok(match value {
        Value::U8(number) => Value::U8(number << by),
        Value::U16(number) => Value::U16(number << by),
        Value::U32(number) => Value::U32(number << by),
        Value::U64(number) => Value::U64(number << by),
        Value::U128(number) => Value::from(number.get() << by),
        Value::U256(number) => Value::U256(number << usize::from(by)),
        _ => return Err(ILL_TYPED_OPERAND),
    })
}

pub(super) fn shift_right(value: Value, by: Value) -> Outcome {
    let by = shift(&value, by)?;
    Ok(match value {
        Value::U8(number) => Value::U8(number >> by),
        Value::U16(number) => Value::U16(number >> by),
        Value::U32(number) => Value::U32(number >> by),
        Value::U64(number) => Value::U64(number >> by),
        Value::U128(number) => Value::from(number.get() >> by),
        Value::U256(number) => Value::U256(number >> usize::from(by)),
        _ => return Err(ILL_TYPED_OPERAND),
    })
}

/// The distance of a shift, which must be less than the width shifted.
fn shift(value: &Value, by: Value) -> Result<u8, FailureKind> {
    let Value::U8(by) = by else {
        return Err(ILL_TYPED_OPERAND);
    };
    let width = match value {
        Value::U8(_) => 8,
        Value::U16(_) => 16,
        Value::U32(_) => 32,
        Value::U64(_) => 64,
        Value::U128(_) => 128,
        Value::U256(_) => return Ok(by),
        _ => return Err(ILL_TYPED_OPERAND),
    };
    if by < width {
        Ok(by)
    } else {
        Err(FailureKind::Arithmetic)
    }
}

pub(super) fn compare(left: &Value, right: &Value) -> Result<Ordering, FailureKind> {
    Ok(match (left, right) {
        (Value::U64(a), Value::U64(b)) => a.cmp(b),
        (Value::U8(a), Value::U8(b)) => a.cmp(b),
        (Value::U16(a), Value::U16(b)) => a.cmp(b),
        (Value::U32(a), Value::U32(b)) => a.cmp(b),
        (Value::U128(a), Value::U128(b)) => a.get().cmp(&b.get()),
        (Value::U256(a), Value::U256(b)) => a.cmp(b),
        _ => return Err(ILL_TYPED_OPERAND),
    })
}

/// Converts an integer, which must fit.
macro_rules! cast {
    ($name:ident, $width:ty, $wrap:expr) => {
        pub(super) fn $name(value: Value) -> Outcome {
            match value {
                Value::U8(number) => <$width>::try_from(number).ok(),
                Value::U16(number) => <$width>::try_from(number).ok(),
                Value::U32(number) => <$width>::try_from(number).ok(),
                Value::U64(number) => <$width>::try_from(number).ok(),
                Value::U128(number) => <$width>::try_from(number.get()).ok(),
                Value::U256(number) => <$width>::try_from(number).ok(),
                _ => return Err(ILL_TYPED_OPERAND),
            }
            .map($wrap)
            .ok_or(FailureKind::Arithmetic)
        }
    };
}

cast!(cast_u8, u8, Value::U8);
cast!(cast_u16, u16, Value::U16);
cast!(cast_u32, u32, Value::U32);
cast!(cast_u64, u64, Value::U64);
cast!(cast_u128, u128, Value::from);
cast!(cast_u256, U256, Value::U256);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ruint::aliases::U512;

    use super::*;

    const WIDTHS: [usize; 6] = [8, 16, 32, 64, 128, 256];

    /// The lowest `width` bits as an integer of that width.
    fn integer(number: U256, width: usize) -> Value {
        let number = number & (U256::MAX >> (256 - width));
        match width {
            8 => Value::U8(number.to()),
            16 => Value::U16(number.to()),
            32 => Value::U32(number.to()),
            64 => Value::U64(number.to()),
            128 => Value::from(number.to::<u128>()),
            _ => Value::U256(number),
        }
    }

    fn wide(value: &Value) -> U512 {
        match value {
            Value::U8(number) => U512::from(*number),
            Value::U16(number) => U512::from(*number),
            Value::U32(number) => U512::from(*number),
            Value::U64(number) => U512::from(*number),
            Value::U128(number) => U512::from(number.get()),
            Value::U256(number) => U512::from(*number),
            other => unreachable!("{other:?} is no integer"),
        }
    }

    /// Numbers of every magnitude, zero and the largest among them.
    fn number() -> impl Strategy<Value = U256> {
        let any = any::<[u64; 4]>().prop_map(U256::from_limbs);
        (any, 0..=256_usize)
            .prop_map(|(number, by)| if by == 256 { U256::MAX } else { number >> by })
    }

    proptest! {
        /// Against arithmetic in twice the bits of the widest integer, where nothing overflows.
        #[test]
        fn integers_behave_as_numbers(left in number(), right in number(), width in prop::sample::select(&WIDTHS), by in any::<u8>()) {
            let (left, right) = (integer(left, width), integer(right, width));
            let (a, b) = (wide(&left), wide(&right));
            let fits = |result: Option<U512>| match result.filter(|result| result.bit_len() <= width) {
                Some(result) => Ok(integer(result.to(), width)),
                None => Err(FailureKind::Arithmetic),
            };
            let both = || (left.clone(), right.clone());
            let apply = |operation: fn(Value, Value) -> Outcome| {
                let (left, right) = both();
                operation(left, right)
            };
            prop_assert_eq!(apply(add), fits(Some(a + b)));
            prop_assert_eq!(apply(subtract), fits(a.checked_sub(b)));
            prop_assert_eq!(apply(multiply), fits(Some(a * b)));
            prop_assert_eq!(apply(divide), fits(a.checked_div(b)));
            prop_assert_eq!(apply(modulo), fits(a.checked_rem(b)));
            prop_assert_eq!(apply(bit_or), fits(Some(a | b)));
            prop_assert_eq!(apply(bit_and), fits(Some(a & b)));
            prop_assert_eq!(apply(xor), fits(Some(a ^ b)));
            prop_assert_eq!(compare(&left, &right), Ok(a.cmp(&b)));

            let distance = usize::from(by);
            let shifted = |result: U512| match distance < width {
                true => Ok(integer(result.wrapping_to(), width)),
                false => Err(FailureKind::Arithmetic),
            };
            prop_assert_eq!(shift_left(left.clone(), Value::U8(by)), shifted(a << distance));
            prop_assert_eq!(shift_right(left.clone(), Value::U8(by)), shifted(a >> distance));

            let casts: [fn(Value) -> Outcome; 6] =
                [cast_u8, cast_u16, cast_u32, cast_u64, cast_u128, cast_u256];
            for (cast, width) in casts.into_iter().zip(WIDTHS) {
                let expected = match a.bit_len() <= width {
                    true => Ok(integer(a.to(), width)),
                    false => Err(FailureKind::Arithmetic),
                };
                prop_assert_eq!(cast(left.clone()), expected);
            }
        }
    }

    #[test]
    fn arithmetic_never_wraps() {
        assert_eq!(
            add(Value::U8(255), Value::U8(1)),
            Err(FailureKind::Arithmetic)
        );
        assert_eq!(
            subtract(Value::from(0_u128), Value::from(1_u128)),
            Err(FailureKind::Arithmetic)
        );
        assert_eq!(
            multiply(Value::U256(U256::MAX), Value::U256(U256::from(2))),
            Err(FailureKind::Arithmetic)
        );
        assert_eq!(
            divide(Value::U64(1), Value::U64(0)),
            Err(FailureKind::Arithmetic)
        );
        assert_eq!(
            modulo(Value::U256(U256::ONE), Value::U256(U256::ZERO)),
            Err(FailureKind::Arithmetic)
        );
        assert_eq!(
            cast_u8(Value::U256(U256::from(256))),
            Err(FailureKind::Arithmetic)
        );
        assert_eq!(add(Value::U8(1), Value::U16(1)), Err(ILL_TYPED_OPERAND));
    }

    #[test]
    fn shifts_drop_bits_and_mind_their_width() {
        assert_eq!(
            shift_left(Value::U8(0xff), Value::U8(4)),
            Ok(Value::U8(0xf0))
        );
        assert_eq!(
            shift_left(Value::U8(1), Value::U8(8)),
            Err(FailureKind::Arithmetic)
        );
        let top = U256::ONE << 255;
        assert_eq!(
            shift_left(Value::U256(U256::ONE), Value::U8(255)),
            Ok(Value::U256(top))
        );
        assert_eq!(
            shift_left(Value::U256(top), Value::U8(1)),
            Ok(Value::U256(U256::ZERO))
        );
        assert_eq!(
            shift_right(Value::U256(top), Value::U8(255)),
            Ok(Value::U256(U256::ONE))
        );
    }
}
