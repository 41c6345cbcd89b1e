//! BLS12-381 keys and signatures: public keys in G1 (48 bytes), signatures in G2 (96 bytes).
//!
//! Ciphersuite `BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_`, the one Sui's `bls12381_min_pk_verify`
//! checks. Aggregation of signatures on one message is safe only between keys whose possession was
//! proved (see [`Possession`](crate::statement::Possession)); this file does not know which were.

use std::fmt;
use std::hash::{Hash, Hasher};

use blst::BLST_ERROR;
use blst::min_pk::{AggregatePublicKey, AggregateSignature, PublicKey, SecretKey, Signature};
use data_encoding::BASE64URL_NOPAD;

use super::{KeyError, secret_from_line, serde_bytes_of};

const DST: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";

/// A point of G1 in the right subgroup, never the identity. Checked once, when made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BlsPublicKey(PublicKey);

impl BlsPublicKey {
    /// Length of the compressed form.
    pub const LEN: usize = 48;

    /// Reads a compressed key.
    ///
    /// # Errors
    /// The bytes are not a valid point, not in the subgroup, or the identity.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, KeyError> {
        PublicKey::key_validate(bytes)
            .map(Self)
            .map_err(|_| KeyError::Point {
                what: "BLS public key",
            })
    }

    /// The compressed form.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        self.0.to_bytes()
    }
}

impl Hash for BlsPublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_bytes().hash(state);
    }
}

impl fmt::Display for BlsPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for BlsPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlsPublicKey({self})")
    }
}

serde_bytes_of!(BlsPublicKey, BlsPublicKey::LEN);

/// A signature, single or aggregated: a point of G2 in the right subgroup, never the identity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BlsSignature(Signature);

impl BlsSignature {
    /// Length of the compressed form.
    pub const LEN: usize = 96;

    /// Reads a compressed signature.
    ///
    /// # Errors
    /// The bytes are not a valid point, not in the subgroup, or the identity.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, KeyError> {
        Signature::sig_validate(bytes, true)
            .map(Self)
            .map_err(|_| KeyError::Point {
                what: "BLS signature",
            })
    }

    /// The compressed form.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        self.0.to_bytes()
    }

    /// Checks the signature of one key on `message`.
    ///
    /// # Errors
    /// It does not match.
    pub fn verify(&self, message: &[u8], key: &BlsPublicKey) -> Result<(), KeyError> {
        accepted(self.0.verify(false, message, DST, &[], &key.0, false))
    }

    /// Checks an aggregated signature of all of `keys` on the same `message`. The caller vouches
    /// that possession of every key was proved.
    ///
    /// # Errors
    /// It does not match, or there are no keys.
    pub fn verify_aggregate<'k>(
        &self,
        message: &[u8],
        keys: impl IntoIterator<Item = &'k BlsPublicKey>,
    ) -> Result<(), KeyError> {
        let keys: Vec<&PublicKey> = keys.into_iter().map(|key| &key.0).collect();
        let sum = AggregatePublicKey::aggregate(&keys, false).map_err(|_| KeyError::Signature {
            what: "BLS signature",
        })?;
        accepted(
            self.0
                .verify(false, message, DST, &[], &sum.to_public_key(), false),
        )
    }

    /// The sum of signatures; `None` for none.
    pub fn aggregate<'s>(signatures: impl IntoIterator<Item = &'s Self>) -> Option<Self> {
        let signatures: Vec<&Signature> = signatures.into_iter().map(|s| &s.0).collect();
        let sum = AggregateSignature::aggregate(&signatures, false).ok()?;
        Some(Self(sum.to_signature()))
    }
}

fn accepted(outcome: BLST_ERROR) -> Result<(), KeyError> {
    match outcome {
        BLST_ERROR::BLST_SUCCESS => Ok(()),
        _ => Err(KeyError::Signature {
            what: "BLS signature",
        }),
    }
}

impl fmt::Debug for BlsSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlsSignature({})", hex::encode(self.to_bytes()))
    }
}

serde_bytes_of!(BlsSignature, BlsSignature::LEN);

/// A node's protocol key. Never printed; wiped from memory when dropped.
#[derive(Clone)]
pub struct BlsSecretKey(SecretKey);

impl BlsSecretKey {
    /// Length of the scalar.
    pub const LEN: usize = 32;

    /// Derives a key from fresh random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SecretKey::key_gen(seed, &[]).expect("32 bytes of key material are enough"))
    }

    /// Reads the one line of a `protocol.key` file.
    ///
    /// # Errors
    /// It is not 43 characters of base64url, or the scalar is zero or out of range.
    pub fn from_line(line: &str) -> Result<Self, KeyError> {
        let bytes: [u8; Self::LEN] = secret_from_line("BLS secret key", line)?;
        SecretKey::from_bytes(&bytes)
            .map(Self)
            .map_err(|_| KeyError::Scalar {
                what: "BLS secret key",
            })
    }

    /// The one line of a `protocol.key` file. Whoever calls this handles a secret.
    pub fn to_line(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0.to_bytes())
    }

    /// The key others verify with.
    pub fn public(&self) -> BlsPublicKey {
        BlsPublicKey(self.0.sk_to_pk())
    }

    /// Signs bytes that already carry their kind and network (see [`crate::statement`]).
    pub fn sign(&self, message: &[u8]) -> BlsSignature {
        BlsSignature(self.0.sign(message, DST, &[]))
    }
}

impl fmt::Debug for BlsSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlsSecretKey(of {})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> BlsSecretKey {
        BlsSecretKey::from_seed(&[n; 32])
    }

    #[test]
    fn aggregate_verifies_for_exactly_its_signers() {
        let keys = [key(1), key(2), key(3)];
        let signatures: Vec<_> = keys.iter().map(|k| k.sign(b"statement")).collect();
        let sum = BlsSignature::aggregate(&signatures).unwrap();
        let public: Vec<_> = keys.iter().map(BlsSecretKey::public).collect();
        assert_eq!(sum.verify_aggregate(b"statement", &public), Ok(()));
        assert!(sum.verify_aggregate(b"another", &public).is_err());
        assert!(sum.verify_aggregate(b"statement", &public[..2]).is_err());
        assert!(sum.verify_aggregate(b"statement", []).is_err());
        assert!(BlsSignature::aggregate([]).is_none());
    }

    #[test]
    fn foreign_points_are_refused() {
        let mut infinity = [0; 48];
        infinity[0] = 0xc0;
        assert!(BlsPublicKey::from_bytes(&infinity).is_err());
        assert!(BlsPublicKey::from_bytes(&[0xff; 48]).is_err());
        let mut infinity = [0; 96];
        infinity[0] = 0xc0;
        assert!(BlsSignature::from_bytes(&infinity).is_err());
        assert!(BlsSecretKey::from_line(&"A".repeat(43)).is_err());
        assert!(BlsSecretKey::from_line(&format!("{}8", "_".repeat(42))).is_err());
    }

    #[test]
    fn text_and_bcs_round_trip() {
        let secret = key(9);
        assert_eq!(
            BlsSecretKey::from_line(&secret.to_line()).unwrap().public(),
            secret.public()
        );
        let bytes = bcs::to_bytes(&secret.public()).unwrap();
        assert_eq!(bytes, secret.public().to_bytes());
        assert_eq!(
            bcs::from_bytes::<BlsPublicKey>(&bytes).unwrap(),
            secret.public()
        );
        assert!(!format!("{secret:?}").contains(&secret.to_line()));
    }
}
