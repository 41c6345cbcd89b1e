//! A node's Ed25519 identity: one key pair for TLS, noise, pubsub and signed node records.
//!
//! Because other protocols sign with the same key, every statement of ours signed with it begins
//! with `floe/<kind>/1`, added here and nowhere else. The libp2p peer id is derived from the public
//! key by the crate that talks to peers.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use super::{KeyError, secret_from_line, serde_bytes_of};

/// What an identity signature is about: the `<kind>` in its `floe/<kind>/1` prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityContext(&'static str);

impl IdentityContext {
    /// Names a kind. Fails to compile, in a constant, when the kind is not lower-case words joined
    /// by hyphens: then no prefix could be the beginning of another.
    pub const fn new(kind: &'static str) -> Self {
        let bytes = kind.as_bytes();
        assert!(!bytes.is_empty(), "an identity context needs a name");
        let mut i = 0;
        while i < bytes.len() {
            assert!(
                bytes[i].is_ascii_lowercase() || bytes[i] == b'-',
                "lower case and hyphens"
            );
            i += 1;
        }
        Self(kind)
    }

    /// The bytes that are signed for `body`: `floe/<kind>/1` and then the body.
    pub fn message(self, body: &[u8]) -> Vec<u8> {
        let mut message = Vec::with_capacity("floe//1".len() + self.0.len() + body.len());
        message.extend_from_slice(b"floe/");
        message.extend_from_slice(self.0.as_bytes());
        message.extend_from_slice(b"/1");
        message.extend_from_slice(body);
        message
    }
}

/// A node's public identity: a canonical Ed25519 point that is not of small order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdentityPublicKey(VerifyingKey);

impl IdentityPublicKey {
    /// Length of the key.
    pub const LEN: usize = 32;

    /// Reads a key.
    ///
    /// # Errors
    /// The bytes are not a point of the curve, or one of small order (it would accept signatures
    /// that nobody made).
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, KeyError> {
        let wrong = KeyError::Point {
            what: "identity key",
        };
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| wrong)?;
        if key.is_weak() {
            Err(wrong)
        } else {
            Ok(Self(key))
        }
    }

    /// The key's bytes.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        self.0.to_bytes()
    }

    /// Checks a signature on `body` in `context`.
    ///
    /// # Errors
    /// It does not match.
    pub fn verify(
        &self,
        context: IdentityContext,
        body: &[u8],
        signature: &IdentitySignature,
    ) -> Result<(), KeyError> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0
            .verify_strict(&context.message(body), &signature)
            .map_err(|_| KeyError::Signature {
                what: "identity signature",
            })
    }
}

impl fmt::Display for IdentityPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for IdentityPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityPublicKey({self})")
    }
}

serde_bytes_of!(IdentityPublicKey, IdentityPublicKey::LEN);

/// An Ed25519 signature; any 64 bytes until verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdentitySignature([u8; 64]);

impl IdentitySignature {
    /// Length of the signature.
    pub const LEN: usize = 64;

    /// Wraps the bytes; verification decides what they are worth.
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape the serde macro calls")]
    fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, KeyError> {
        Ok(Self(*bytes))
    }

    /// The raw bytes.
    pub const fn to_bytes(&self) -> [u8; Self::LEN] {
        self.0
    }
}

impl fmt::Debug for IdentitySignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentitySignature({})", hex::encode(self.0))
    }
}

serde_bytes_of!(IdentitySignature, IdentitySignature::LEN);

/// A node's identity key. Never printed; wiped from memory when dropped.
#[derive(Clone)]
pub struct IdentitySecretKey(SigningKey);

impl IdentitySecretKey {
    /// Length of the seed.
    pub const LEN: usize = 32;

    /// The key of a 32-byte seed (RFC 8032); give it fresh random bytes.
    pub fn from_seed(seed: &[u8; Self::LEN]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads the one line of an `identity.key` file.
    ///
    /// # Errors
    /// It is not 43 characters of base64url.
    pub fn from_line(line: &str) -> Result<Self, KeyError> {
        Ok(Self::from_seed(&secret_from_line("identity key", line)?))
    }

    /// The one line of an `identity.key` file. Whoever calls this handles a secret.
    pub fn to_line(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0.to_bytes())
    }

    /// The seed, for the transports that hold the same identity. Handle as a secret.
    pub fn to_seed(&self) -> [u8; Self::LEN] {
        self.0.to_bytes()
    }

    /// The key others verify with.
    pub fn public(&self) -> IdentityPublicKey {
        IdentityPublicKey(self.0.verifying_key())
    }

    /// Signs `body` in `context`.
    pub fn sign(&self, context: IdentityContext, body: &[u8]) -> IdentitySignature {
        IdentitySignature(self.0.sign(&context.message(body)).to_bytes())
    }
}

impl fmt::Debug for IdentitySecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentitySecretKey(of {})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: IdentityContext = IdentityContext::new("hello");
    const OTHER: IdentityContext = IdentityContext::new("hello-two");

    #[test]
    fn a_signature_holds_in_one_context_only() {
        let key = IdentitySecretKey::from_seed(&[1; 32]);
        let signature = key.sign(HELLO, b"body");
        assert_eq!(key.public().verify(HELLO, b"body", &signature), Ok(()));
        assert!(key.public().verify(OTHER, b"body", &signature).is_err());
        assert!(key.public().verify(HELLO, b"bodY", &signature).is_err());
        assert_eq!(HELLO.message(b"x"), b"floe/hello/1x");
    }

    #[test]
    fn small_order_keys_are_refused() {
        assert!(IdentityPublicKey::from_bytes(&[0; 32]).is_err());
        let mut one = [0; 32];
        one[0] = 1;
        assert!(IdentityPublicKey::from_bytes(&one).is_err());
    }

    #[test]
    fn lines_round_trip_and_bad_lines_are_named() {
        let key = IdentitySecretKey::from_seed(&[7; 32]);
        let line = format!("{}\n", key.to_line());
        assert_eq!(
            IdentitySecretKey::from_line(&line).unwrap().public(),
            key.public()
        );
        let error = IdentitySecretKey::from_line("abc").unwrap_err();
        assert_eq!(
            error.to_string(),
            "identity key is written as 43 characters of base64url"
        );
    }
}
