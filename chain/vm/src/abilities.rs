//! The four abilities of Move types. Nothing here looks at values.

use std::fmt;

/// A set of abilities.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Abilities(u8);

impl Abilities {
    /// No ability at all.
    pub const EMPTY: Self = Self(0);
    /// Values may be copied.
    pub const COPY: Self = Self(1);
    /// Values may be dropped.
    pub const DROP: Self = Self(2);
    /// Values may be stored inside objects.
    pub const STORE: Self = Self(4);
    /// Values are objects.
    pub const KEY: Self = Self(8);
    /// What integers, booleans and addresses have.
    pub const PRIMITIVE: Self = Self(7);
    /// What references have.
    pub const REFERENCE: Self = Self(3);

    /// The set with this bit pattern (copy 1, drop 2, store 4, key 8), if it is one.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits < 16 { Some(Self(bits)) } else { None }
    }

    /// The bit pattern: copy 1, drop 2, store 4, key 8.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every ability of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Abilities in both sets.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Abilities in either set.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What a type argument must have for the type around it to have these abilities: `key` asks
    /// for `store`, every other ability for itself.
    pub const fn required_of_arguments(self) -> Self {
        let same = self.0 & Self::PRIMITIVE.0;
        if self.contains(Self::KEY) {
            Self(same | Self::STORE.0)
        } else {
            Self(same)
        }
    }

    /// The abilities of `declared<arguments>`: each declared ability that all non-phantom
    /// arguments allow.
    pub fn instantiate(self, arguments: impl Iterator<Item = Self> + Clone) -> Self {
        [Self::COPY, Self::DROP, Self::STORE, Self::KEY]
            .into_iter()
            .filter(|ability| {
                self.contains(*ability)
                    && arguments
                        .clone()
                        .all(|argument| argument.contains(ability.required_of_arguments()))
            })
            .fold(Self::EMPTY, Self::union)
    }
}

impl fmt::Debug for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::COPY, "copy"),
            (Self::DROP, "drop"),
            (Self::STORE, "store"),
            (Self::KEY, "key"),
        ];
        f.debug_set()
            .entries(
                names
                    .iter()
                    .filter(|(ability, _)| self.contains(*ability))
                    .map(|(_, name)| name),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_what_its_arguments_allow() {
        let declared = Abilities::KEY.union(Abilities::STORE);
        let with = |argument| declared.instantiate([argument].into_iter());
        assert_eq!(with(Abilities::PRIMITIVE), declared);
        assert_eq!(with(Abilities::STORE), declared);
        assert_eq!(with(Abilities::KEY), Abilities::EMPTY);
        assert_eq!(declared.instantiate([].into_iter()), declared);
    }
}
