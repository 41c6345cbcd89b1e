//! `sui::ed25519`.

use ed25519_dalek::{Signature, Verifier, VerifyingKey};

use super::{Call, Outcome, Table, returns};

pub(super) const TABLE: Table = &[("ed25519", "ed25519_verify", verify)];

const PRICE: u64 = 2_000;

/// `ed25519_verify(signature, public_key, message)`; malformed keys and signatures do not verify.
fn verify(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE)?;
    let (signature, key, message) = (call.bytes()?, call.bytes()?, call.bytes()?);
    let parsed = Signature::from_slice(&signature).ok().zip(
        <[u8; 32]>::try_from(key)
            .ok()
            .and_then(|key| VerifyingKey::from_bytes(&key).ok()),
    );
    returns(parsed.is_some_and(|(signature, key)| key.verify(&message, &signature).is_ok()))
}
