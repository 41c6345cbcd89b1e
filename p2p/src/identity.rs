//! Who a peer is: the Ed25519 key pair behind its `PeerId`, as the transports need it.
//!
//! Key files are not read here; the caller parses the key line and hands over the 32-byte seed.

use std::fmt;

use floe_chain::keys::{IdentityContext, IdentityPublicKey, IdentitySignature};
use libp2p_identity::{Keypair, PublicKey, ed25519};

pub use libp2p_identity::PeerId;

/// The key pair that proves a `PeerId` on both planes. `Debug` shows the peer id, never the key.
#[derive(Clone)]
pub struct Identity {
    keypair: Keypair,
    peer: PeerId,
}

impl Identity {
    /// Bytes of a seed and of a public key.
    pub const KEY_SIZE: usize = 32;

    /// The identity grown from a secret 32-byte Ed25519 seed.
    #[must_use]
    pub fn from_seed(mut seed: [u8; Self::KEY_SIZE]) -> Self {
        let secret = ed25519::SecretKey::try_from_bytes(&mut seed)
            .expect("any 32 bytes are an Ed25519 seed");
        Self::new(ed25519::Keypair::from(secret))
    }

    /// A new identity from the operating system's randomness: light clients use one per run.
    #[must_use]
    pub fn generate() -> Self {
        Self::new(ed25519::Keypair::generate())
    }

    fn new(keypair: ed25519::Keypair) -> Self {
        let keypair = Keypair::from(keypair);
        let peer = keypair.public().to_peer_id();
        Self { keypair, peer }
    }

    /// The peer id this identity proves.
    #[must_use]
    pub const fn peer_id(&self) -> PeerId {
        self.peer
    }

    pub(crate) const fn keypair(&self) -> &Keypair {
        &self.keypair
    }

    /// The key others verify this identity's signatures with.
    #[must_use]
    pub fn public_key(&self) -> IdentityPublicKey {
        public_key_of(&self.peer)
            .and_then(|key| IdentityPublicKey::from_bytes(&key).ok())
            .expect("an identity is an Ed25519 key of full order")
    }

    /// Signs `body` in `context`.
    #[must_use]
    pub fn sign(&self, context: IdentityContext, body: &[u8]) -> IdentitySignature {
        let signature = self
            .keypair
            .sign(&context.message(body))
            .expect("Ed25519 keys sign everything");
        IdentitySignature::new(
            signature
                .try_into()
                .expect("an Ed25519 signature has 64 bytes"),
        )
    }

    /// A secret that only the owner of this identity can compute, different for each purpose.
    pub(crate) fn derive_secret(&self, purpose: &[u8]) -> [u8; 32] {
        self.keypair
            .derive_secret(purpose)
            .expect("secrets derive from every Ed25519 key")
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.peer).finish()
    }
}

/// Bytes that are no Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a point of the Ed25519 curve")]
pub struct NotAPublicKey;

/// The peer id of an Ed25519 public key, as the chain lists it.
///
/// # Errors
/// The bytes are no point of the curve.
pub fn peer_id_of(public_key: &[u8; Identity::KEY_SIZE]) -> Result<PeerId, NotAPublicKey> {
    let key = ed25519::PublicKey::try_from_bytes(public_key).map_err(|_| NotAPublicKey)?;
    Ok(PublicKey::from(key).to_peer_id())
}

/// The Ed25519 public key inside a peer id; `None` for peer ids of other key types.
#[must_use]
pub fn public_key_of(peer: &PeerId) -> Option<[u8; Identity::KEY_SIZE]> {
    // An Ed25519 peer id is the identity multihash (code 0) of the protobuf-encoded public key.
    let hash = peer.as_ref();
    if hash.code() != 0 {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(hash.digest()).ok()?;
    Some(key.try_into_ed25519().ok()?.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_id_and_its_public_key_convert_both_ways() {
        let identity = Identity::from_seed([7; 32]);
        let key = public_key_of(&identity.peer_id()).unwrap();
        assert_eq!(peer_id_of(&key), Ok(identity.peer_id()));
    }

    #[test]
    fn a_seed_always_gives_the_same_peer_id() {
        let peer = Identity::from_seed([1; 32]).peer_id().to_base58();
        assert_eq!(peer, "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5");
    }

    #[test]
    fn debug_does_not_show_the_key() {
        let identity = Identity::from_seed([9; 32]);
        let text = format!("{identity:?}");
        assert_eq!(text, format!("Identity({:?})", identity.peer_id()));
    }

    #[test]
    fn a_peer_id_of_another_kind_has_no_ed25519_key() {
        assert_eq!(public_key_of(&PeerId::random()), None);
    }
}
