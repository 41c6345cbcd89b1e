//! What a peer says of itself, signed with its identity key: the envelope, and when it is believed.

use std::{fmt, marker::PhantomData};

use floe_chain::{
    epoch::ChainTime,
    id::NetworkId,
    keys::{IdentityContext, IdentityPublicKey, IdentitySignature, KeyError},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::identity::{Identity, PeerId, peer_id_of};

/// Something a peer signs with its identity key, and replaces by a later one.
pub trait Signable: Serialize + DeserializeOwned {
    /// What the signature is about.
    const CONTEXT: IdentityContext;
    /// The longest encoding, in bytes.
    const MAX_SIZE: usize;
    /// How long it is believed after it was written, in milliseconds.
    const MAX_AGE_MS: u64;

    /// The deployment it speaks of.
    fn network(&self) -> NetworkId;
    /// Who signs.
    fn signer(&self) -> &IdentityPublicKey;
    /// When it was written, by the signer's clock; of two, the later one counts.
    fn written(&self) -> ChainTime;
}

/// A signed value as it travels; nothing is checked yet.
///
/// # Layout
/// BCS: `value vector<u8> | signature 64`. The Ed25519 signature covers `floe/<context>/1` and the
/// bytes of the value.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Signed<T> {
    value: Vec<u8>,
    signature: IdentitySignature,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Signed<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            signature: self.signature,
            of: PhantomData,
        }
    }
}

impl<T> PartialEq for Signed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.signature == other.signature
    }
}

impl<T> Eq for Signed<T> {}

impl<T> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({} bytes)", self.value.len())
    }
}

/// A value whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    peer: PeerId,
    signed: Signed<T>,
}

/// A signed value that is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// Longer than any honest one.
    #[error("{length} bytes, at most {max} are allowed")]
    TooLong {
        /// Its length.
        length: usize,
        /// The cap.
        max: usize,
    },
    /// The bytes are no value of this kind.
    #[error("the value does not decode")]
    Malformed,
    /// It speaks of another deployment.
    #[error("it belongs to another network (chain {}, system {})", found.chain, found.system)]
    Network {
        /// The network it names.
        found: NetworkId,
    },
    /// It was written too long ago.
    #[error("written {age_ms} ms ago, at most {max_ms} are accepted")]
    Old {
        /// How long ago.
        age_ms: u64,
        /// The limit.
        max_ms: u64,
    },
    /// It claims to be written in the future.
    #[error("written {ahead_ms} ms ahead of this clock")]
    Future {
        /// How far ahead.
        ahead_ms: u64,
    },
    /// The signature does not match.
    #[error(transparent)]
    Signature(#[from] KeyError),
}

impl SignedError {
    /// Whether whoever passed it on should have known: clocks and networks of others are no fault.
    #[must_use]
    pub const fn blames_sender(&self) -> bool {
        match self {
            Self::TooLong { .. } | Self::Malformed | Self::Network { .. } | Self::Signature(_) => {
                true
            }
            Self::Old { .. } | Self::Future { .. } => false,
        }
    }
}

/// How far clocks of honest peers may disagree, in milliseconds.
pub const CLOCK_SKEW_MS: u64 = 10 * 60 * 1_000;

impl<T> Signed<T> {
    /// Bytes of its encoding, at most.
    #[must_use]
    pub const fn size(&self) -> usize {
        3 + self.value.len() + IdentitySignature::LEN
    }
}

impl<T: Signable> Signed<T> {
    /// Checks a value of `network` at `now`. Cheap checks come first, the signature last.
    ///
    /// # Errors
    /// See [`SignedError`].
    pub fn verify(self, network: NetworkId, now: ChainTime) -> Result<Verified<T>, SignedError> {
        let value = self.peek()?;
        let found = value.network();
        if found != network {
            return Err(SignedError::Network { found });
        }
        let (written, now) = (value.written().as_ms(), now.as_ms());
        let (age_ms, ahead_ms) = (now.saturating_sub(written), written.saturating_sub(now));
        if age_ms > T::MAX_AGE_MS {
            let max_ms = T::MAX_AGE_MS;
            return Err(SignedError::Old { age_ms, max_ms });
        }
        if ahead_ms > CLOCK_SKEW_MS {
            return Err(SignedError::Future { ahead_ms });
        }
        let signer = value.signer();
        if !cfg!(sabotage = "dht_trusted") {
            signer.verify(T::CONTEXT, &self.value, &self.signature)?;
        }
        let peer = peer_id_of(&signer.to_bytes()).map_err(|_| SignedError::Malformed)?;
        Ok(Verified {
            value,
            peer,
            signed: self,
        })
    }

    /// What it claims, unverified: to drop what is of no use before the signature is checked.
    ///
    /// # Errors
    /// It is too long or does not decode.
    pub fn peek(&self) -> Result<T, SignedError> {
        let (length, max) = (self.value.len(), T::MAX_SIZE);
        if length > max {
            return Err(SignedError::TooLong { length, max });
        }
        bcs::from_bytes(&self.value).map_err(|_| SignedError::Malformed)
    }
}

impl<T: Signable> Verified<T> {
    /// Signs a value with the identity it names.
    ///
    /// # Panics
    /// The value names another identity, or is longer than its kind may be: both are mistakes of
    /// the caller.
    #[must_use]
    pub fn sign(value: T, identity: &Identity) -> Self {
        assert_eq!(*value.signer(), identity.public_key(), "signs for itself");
        let bytes = bcs::to_bytes(&value).expect("plain data encodes");
        assert!(bytes.len() <= T::MAX_SIZE, "lists of the kind are bounded");
        let signature = identity.sign(T::CONTEXT, &bytes);
        Self {
            value,
            peer: identity.peer_id(),
            signed: Signed {
                value: bytes,
                signature,
                of: PhantomData,
            },
        }
    }

    /// The form that travels; the receiver verifies again.
    #[must_use]
    pub const fn signed(&self) -> &Signed<T> {
        &self.signed
    }

    /// Who signed, as a peer.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        self.peer
    }
}

impl<T> std::ops::Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
