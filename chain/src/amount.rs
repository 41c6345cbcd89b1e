//! Amounts of money: WAL pays for storage, SUI for transactions. Both have nine decimals.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Smallest units in one WAL or one SUI.
pub const UNITS_PER_COIN: u64 = 1_000_000_000;
const DECIMALS: usize = 9;

/// Text that is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an amount such as 12 or 0.5 (at most nine decimals)")]
pub struct ParseAmountError {
    /// What was given, cut to 40 characters.
    pub text: String,
}

fn parse(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || fraction.len() > DECIMALS || !digits(whole) || !digits(fraction) {
        return None;
    }
    let units: u64 = format!("{fraction:0<DECIMALS$}").parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(UNITS_PER_COIN)?
        .checked_add(units)
}

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident, $symbol:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(u64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// An amount in smallest units (10^-9).
            pub const fn from_units(units: u64) -> Self {
                Self(units)
            }

            /// The amount in smallest units (10^-9).
            pub const fn units(self) -> u64 {
                self.0
            }

            /// The sum, or `None` when it does not fit.
            #[must_use]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(units) => Some(Self(units)),
                    None => None,
                }
            }

            /// The difference, or `None` when `other` is more.
            #[must_use]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(units) => Some(Self(units)),
                    None => None,
                }
            }

            /// `count` times the amount, or `None` when it does not fit.
            #[must_use]
            pub const fn checked_mul(self, count: u64) -> Option<Self> {
                match self.0.checked_mul(count) {
                    Some(units) => Some(Self(units)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (whole, units) = (self.0 / UNITS_PER_COIN, self.0 % UNITS_PER_COIN);
                let fraction = format!(".{units:09}");
                let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
                f.pad(&format!(concat!("{}{} ", $symbol), whole, fraction))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseAmountError;

            /// Reads `12`, `0.5` or what `Display` writes.
            fn from_str(text: &str) -> Result<Self, ParseAmountError> {
                let number = text.trim();
                let number = number.strip_suffix($symbol).unwrap_or(number).trim_end();
                parse(number)
                    .map(Self)
                    .ok_or_else(|| ParseAmountError { text: text.chars().take(40).collect() })
            }
        }
    };
}

amount!(
    /// An amount of WAL, the coin that pays for storage and is staked.
    Wal, "WAL"
);
amount!(
    /// An amount of SUI, the coin that pays for transactions.
    Sui, "SUI"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(Wal::from_units(1_500_000_000).to_string(), "1.5 WAL");
        assert_eq!(Sui::from_units(1).to_string(), "0.000000001 SUI");
        assert_eq!(Wal::ZERO.to_string(), "0 WAL");
        assert_eq!(" 0.5 ".parse(), Ok(Wal::from_units(500_000_000)));
        for text in [
            "",
            ".5",
            "1.",
            "-1",
            "1,5",
            "1e3",
            "0.0000000001",
            "18446744074",
            "1 SUI",
        ] {
            assert_eq!(text.parse::<Wal>().is_ok(), text == "1.", "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(units: u64) {
            let amount = Wal::from_units(units);
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }
    }
}
