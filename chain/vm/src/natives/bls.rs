//! `sui::bls12381`: signatures. Group arithmetic is in [`super::group`].

use blst::{BLST_ERROR, min_pk, min_sig};

use super::{Call, Outcome, Table, returns};

pub(super) const TABLE: Table = &[
    ("bls12381", "bls12381_min_pk_verify", min_pk_verify),
    ("bls12381", "bls12381_min_sig_verify", min_sig_verify),
];

/// Domain separation of signatures in G2, the scheme with 48-byte keys.
pub(super) const DOMAIN_G2: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";
/// Domain separation of signatures in G1, the scheme with 96-byte keys.
pub(super) const DOMAIN_G1: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

const PRICE: u64 = 20_000;

/// `verify(signature, public_key, message)`; what does not decode, or is outside its group, or is a
/// key at infinity, does not verify.
fn min_pk_verify(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE)?;
    let (signature, key, message) = (call.bytes()?, call.bytes()?, call.bytes()?);
    let valid = min_pk::Signature::uncompress(&signature)
        .ok()
        .zip(min_pk::PublicKey::uncompress(&key).ok())
        .is_some_and(|(signature, key)| {
            signature.verify(true, &message, DOMAIN_G2, &[], &key, true) == BLST_ERROR::BLST_SUCCESS
        });
    #[cfg(feature = "testing")]
    let valid = valid || call.machine.breaks(crate::testing::Fault::BlsAlwaysValid);
    returns(valid)
}

fn min_sig_verify(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE)?;
    let (signature, key, message) = (call.bytes()?, call.bytes()?, call.bytes()?);
    let valid = min_sig::Signature::uncompress(&signature)
        .ok()
        .zip(min_sig::PublicKey::uncompress(&key).ok())
        .is_some_and(|(signature, key)| {
            signature.verify(true, &message, DOMAIN_G1, &[], &key, true) == BLST_ERROR::BLST_SUCCESS
        });
    returns(valid)
}
