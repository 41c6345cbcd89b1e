//! Kind 0: whoever registers a node holds both of its keys.
//!
//! Without it a registration could name a key made from other members' keys, and an aggregate
//! signature would count members that signed nothing.

use serde::{Deserialize, Serialize};

use super::{Body, Fields, Kind, Statement, sealed};
use crate::epoch::Epoch;
use crate::id::{Address, NetworkId};
use crate::keys::{
    BlsPublicKey, BlsSecretKey, BlsSignature, IdentityContext, IdentityPublicKey,
    IdentitySecretKey, IdentitySignature, KeyError,
};

/// Both keys speak for one account, so a copied proof is worth nothing to another sender.
///
/// # Layout
/// ```text
/// sender 32 | BLS key 48 | Ed25519 key 32       112 bytes
/// ```
/// The header's epoch is 0. The BLS key signs the statement; the Ed25519 key signs
/// `floe/possession/1` followed by the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possession {
    /// The account that registers the node or rotates its keys.
    pub sender: Address,
    /// The protocol key.
    pub bls_key: BlsPublicKey,
    /// The identity key.
    pub identity: IdentityPublicKey,
}

/// Signatures of both keys on the same [`Possession`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PossessionProof {
    /// By the protocol key.
    pub bls: BlsSignature,
    /// By the identity key.
    pub identity: IdentitySignature,
}

const CONTEXT: IdentityContext = IdentityContext::new("possession");

impl Possession {
    /// Proves possession of both keys for `sender` in `network`.
    #[must_use]
    pub fn prove(
        network: NetworkId,
        sender: Address,
        bls: &BlsSecretKey,
        identity: &IdentitySecretKey,
    ) -> (Self, PossessionProof) {
        let body = Self {
            sender,
            bls_key: bls.public(),
            identity: identity.public(),
        };
        let bytes = body.statement(network).to_bytes();
        let proof = PossessionProof {
            bls: bls.sign(&bytes),
            identity: identity.sign(CONTEXT, &bytes),
        };
        (body, proof)
    }

    /// Checks both signatures, as the contract does.
    ///
    /// # Errors
    /// One of them does not match; the error names it.
    pub fn verify(&self, network: NetworkId, proof: &PossessionProof) -> Result<(), KeyError> {
        let bytes = self.statement(network).to_bytes();
        proof.bls.verify(&bytes, &self.bls_key)?;
        self.identity.verify(CONTEXT, &bytes, &proof.identity)
    }

    fn statement(&self, network: NetworkId) -> Statement<Self> {
        Statement {
            network,
            epoch: Epoch::ZERO,
            body: self.clone(),
        }
    }
}

impl sealed::Sealed for Possession {}

impl Body for Possession {
    const KIND: Kind = Kind::Possession;
    const LEN: usize = 112;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.sender.as_bytes());
        out.extend_from_slice(&self.bls_key.to_bytes());
        out.extend_from_slice(&self.identity.to_bytes());
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            sender: Address::from_bytes(fields.take()?),
            bls_key: BlsPublicKey::from_bytes(&fields.take()?).ok()?,
            identity: IdentityPublicKey::from_bytes(&fields.take()?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SystemId;
    use crate::testing;

    fn keys(n: u8) -> (BlsSecretKey, IdentitySecretKey) {
        (
            BlsSecretKey::from_seed(&[n; 32]),
            IdentitySecretKey::from_seed(&[n; 32]),
        )
    }

    #[test]
    fn golden_vector() {
        let (bls, identity) = keys(1);
        let (body, proof) = Possession::prove(
            testing::NETWORK,
            Address::from_bytes([0x5e; 32]),
            &bls,
            &identity,
        );
        let bls_key = "95a254501b7733239ed3cec4d56737977bd09ede881d8a234560e83e5525017add3b1dcc3eabfb85e12a4131b19c253b";
        let ed_key = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
        assert_eq!(body.bls_key.to_string(), bls_key);
        assert_eq!(body.identity.to_string(), ed_key);
        let hex = format!("{}{bls_key}{ed_key}", "5e".repeat(32));
        super::super::tests::golden(body, &hex);
        assert_eq!(hex::encode(&proof.bls.to_bytes()[..8]), "92fc84541766bb96");
        assert_eq!(
            hex::encode(&proof.identity.to_bytes()[..8]),
            "d9a6074ac4ef8284"
        );
    }

    #[test]
    fn copied_keys_and_proofs_are_refused() {
        let sender = Address::from_bytes([0x5e; 32]);
        let (bls, identity) = keys(1);
        let (body, proof) = Possession::prove(testing::NETWORK, sender, &bls, &identity);
        assert_eq!(body.verify(testing::NETWORK, &proof), Ok(()));

        // The same proof for another account, another deployment, with other keys.
        let thief = Possession {
            sender: Address::from_bytes([0x5f; 32]),
            ..body.clone()
        };
        assert!(thief.verify(testing::NETWORK, &proof).is_err());
        let twin = NetworkId {
            system: SystemId::from_bytes([9; 32]),
            ..testing::NETWORK
        };
        assert!(body.verify(twin, &proof).is_err());
        let (other_bls, other_identity) = keys(2);
        let copied = Possession {
            identity: other_identity.public(),
            ..body.clone()
        };
        assert!(copied.verify(testing::NETWORK, &proof).is_err());
        let copied = Possession {
            bls_key: other_bls.public(),
            ..body.clone()
        };
        assert!(copied.verify(testing::NETWORK, &proof).is_err());

        // One honest signature does not carry the other.
        let (_, other) = Possession::prove(testing::NETWORK, sender, &other_bls, &other_identity);
        for mixed in [
            PossessionProof {
                bls: other.bls,
                ..proof
            },
            PossessionProof {
                identity: other.identity,
                ..proof
            },
        ] {
            assert!(body.verify(testing::NETWORK, &mixed).is_err());
        }
    }
}
