//! `sui::ed25519`, by the rules of ZIP-215, which Sui's validators follow.
//!
//! Points may be spelled in more than one way and have small order, and the equation is that with the
//! cofactor, so that one signature and a batch of them are judged alike; `s` has one spelling. An
//! implementation that is stricter would refuse what the chain accepts.

use curve25519_dalek::{
    EdwardsPoint, Scalar, edwards::CompressedEdwardsY, traits::IsIdentity as _,
};
use sha2::{Digest, Sha512};

use super::{Call, Outcome, Table, returns};

pub(super) const TABLE: Table = &[("ed25519", "ed25519_verify", verify)];

const PRICE: u64 = 2_000;

/// `ed25519_verify(signature, public_key, message)`; malformed keys and signatures do not verify.
fn verify(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE)?;
    let (signature, key, message) = (call.bytes()?, call.bytes()?, call.bytes()?);
    returns(verifies(&signature, &key, &message).unwrap_or(false))
}

/// `[8][s]B = [8]R + [8][k]A`; none for bytes that are no signature or no key.
fn verifies(signature: &[u8], key: &[u8], message: &[u8]) -> Option<bool> {
    let (r, s) = signature.split_at_checked(32)?;
    let point = |bytes| CompressedEdwardsY::from_slice(bytes).ok()?.decompress();
    let (r_point, key_point) = (point(r)?, point(key)?);
    let s = Option::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
    let k = Sha512::new()
        .chain_update(r)
        .chain_update(key)
        .chain_update(message);
    let k = Scalar::from_bytes_mod_order_wide(&k.finalize().into());
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-key_point, &s);
    Some((expected - r_point).mul_by_cofactor().is_identity())
}
