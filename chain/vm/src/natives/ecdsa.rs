//! `sui::ecdsa_k1` and `sui::ecdsa_r1`.

use k256::ecdsa::{RecoveryId, signature::hazmat::PrehashVerifier};
use sha2::{Digest, Sha256};
use sha3::Keccak256;

use super::{Call, Outcome, Table, abort, returns};
use crate::failure::FailureKind;

pub(super) const TABLE: Table = &[
    ("ecdsa_k1", "secp256k1_ecrecover", k1_recover),
    ("ecdsa_k1", "decompress_pubkey", k1_decompress),
    ("ecdsa_k1", "secp256k1_verify", k1_verify),
    ("ecdsa_r1", "secp256r1_ecrecover", r1_recover),
    ("ecdsa_r1", "secp256r1_verify", r1_verify),
];

const PRICE: u64 = 5_000;

const E_FAIL_TO_RECOVER: u64 = 0;
const E_INVALID_SIGNATURE: u64 = 1;
const E_INVALID_KEY: u64 = 2;

/// The digest the caller's hash byte asks for: 0 Keccak-256, 1 SHA-256.
fn prehash(hash: u8, message: &[u8]) -> Option<[u8; 32]> {
    match hash {
        0 => Some(Keccak256::digest(message).into()),
        1 => Some(Sha256::digest(message).into()),
        _ => None,
    }
}

/// Signature, key and digest of a `verify` call.
type Claim = (Vec<u8>, Vec<u8>, Option<[u8; 32]>);

fn claim(call: &mut Call<'_, '_>) -> Result<Claim, FailureKind> {
    call.charge(PRICE)?;
    let (signature, key, message) = (call.bytes()?, call.bytes()?, call.bytes()?);
    Ok((signature, key, prehash(call.u8()?, &message)))
}

/// Signature `r | s`, recovery id and digest of an `ecrecover` call.
fn recoverable(call: &mut Call<'_, '_>) -> Result<([u8; 64], u8, [u8; 32]), FailureKind> {
    call.charge(PRICE)?;
    let (signature, message) = (call.bytes()?, call.bytes()?);
    let Some(digest) = prehash(call.u8()?, &message) else {
        return abort(E_FAIL_TO_RECOVER);
    };
    match signature.split_last() {
        Some((recovery, rs)) if *recovery < 4 => match rs.try_into() {
            Ok(rs) => Ok((rs, *recovery, digest)),
            Err(_) => abort(E_INVALID_SIGNATURE),
        },
        _ => abort(E_INVALID_SIGNATURE),
    }
}

/// The two functions that differ between the curves in nothing but the crate that implements them.
macro_rules! curve {
    ($curve:ident, $verify:ident, $recover:ident) => {
        fn $verify(call: &mut Call<'_, '_>) -> Outcome {
            let (signature, key, digest) = claim(call)?;
            let valid = || {
                let signature = $curve::ecdsa::Signature::from_slice(&signature).ok()?;
                // Of the two signatures (r, s) and (r, -s), only the one with the smaller s counts.
                if signature.normalize_s().is_some() {
                    return None;
                }
                let key = compressed(&key)
                    .and_then(|key| $curve::ecdsa::VerifyingKey::from_sec1_bytes(key).ok())?;
                key.verify_prehash(&digest?, &signature).ok()
            };
            returns(valid().is_some())
        }

        fn $recover(call: &mut Call<'_, '_>) -> Outcome {
            let (rs, recovery, digest) = recoverable(call)?;
            let signature = $curve::ecdsa::Signature::from_slice(&rs).ok();
            let Some((signature, recovery)) = signature.zip(RecoveryId::from_byte(recovery)) else {
                return abort(E_INVALID_SIGNATURE);
            };
            let key =
                $curve::ecdsa::VerifyingKey::recover_from_prehash(&digest, &signature, recovery);
            match key {
                Ok(key) => returns(key.to_encoded_point(true).as_bytes().to_vec()),
                Err(_) => abort(E_FAIL_TO_RECOVER),
            }
        }
    };
}

curve!(k256, k1_verify, k1_recover);
curve!(p256, r1_verify, r1_recover);

fn k1_decompress(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE / 10)?;
    let key = call.bytes()?;
    match compressed(&key).and_then(|key| k256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()) {
        Some(key) => returns(key.to_encoded_point(false).as_bytes().to_vec()),
        None => abort(E_INVALID_KEY),
    }
}

/// Only the 33-byte form of a public key counts.
fn compressed(key: &[u8]) -> Option<&[u8]> {
    (key.len() == 33).then_some(key)
}
