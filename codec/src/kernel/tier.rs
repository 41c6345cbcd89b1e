//! Which implementation of the hot loops runs: the best the processor has, or the one named.

use std::{fmt, str::FromStr, sync::OnceLock};

/// One implementation of field arithmetic and hashing. All give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// The crates that define the bytes: the path of processors without a tier of their own.
    Portable,
    /// Own code without vector instructions: the twin that the vector tiers are tested against.
    Scalar,
    /// 256-bit vectors with table look-ups (x86-64 since 2013).
    Avx2,
    /// 512-bit vectors with Galois-field instructions (x86-64 servers since 2019).
    Avx512,
}

/// A tier that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TierError {
    /// There is no tier of this name.
    #[error("no kernel is named {0:?}; there are portable, scalar, avx2 and avx512")]
    Unknown(String),
    /// This processor lacks the instructions.
    #[error("this processor cannot run the {0} kernel")]
    Unavailable(Tier),
}

impl Tier {
    /// Every tier, from the plainest.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Scalar, Self::Avx2, Self::Avx512];

    /// The environment variable that names the tier to use.
    pub const VARIABLE: &str = "FLOE_KERNEL";

    /// The tier that `FLOE_KERNEL` names, or else the fastest one of this processor.
    pub fn select() -> Result<Self, TierError> {
        static SELECTED: OnceLock<Result<Tier, TierError>> = OnceLock::new();
        SELECTED
            .get_or_init(|| match std::env::var(Self::VARIABLE) {
                Ok(name) => name.parse::<Self>()?.check(),
                Err(_) => Ok(Self::fastest()),
            })
            .clone()
    }

    /// The fastest tier of this processor.
    #[must_use]
    pub fn fastest() -> Self {
        let vector = [Self::Avx512, Self::Avx2]
            .into_iter()
            .find(|tier| tier.is_available());
        vector.unwrap_or(Self::Portable)
    }

    /// Whether this processor has the instructions.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable | Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("gfni")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    fn check(self) -> Result<Self, TierError> {
        if self.is_available() {
            Ok(self)
        } else {
            Err(TierError::Unavailable(self))
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Tier {
    type Err = TierError;

    fn from_str(name: &str) -> Result<Self, TierError> {
        let named = Self::ALL.into_iter().find(|tier| tier.name() == name);
        named.ok_or_else(|| TierError::Unknown(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for tier in Tier::ALL {
            assert_eq!(tier.to_string().parse(), Ok(tier));
        }
        assert_eq!(
            "sse9".parse::<Tier>(),
            Err(TierError::Unknown("sse9".into()))
        );
        assert!(Tier::fastest().is_available());
    }
}
