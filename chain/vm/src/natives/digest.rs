//! `std::hash`, `sui::hash` and `sui::hmac`.

use blake2::{Blake2b, digest::consts::U32};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use sha3::{Keccak256, Sha3_256};

use super::{Call, Outcome, Table, returns};
use crate::failure::FailureKind;

pub(super) const STANDARD: Table = &[
    ("hash", "sha2_256", digest::<Sha256>),
    ("hash", "sha3_256", digest::<Sha3_256>),
];

pub(super) const TABLE: Table = &[
    ("hash", "blake2b256", digest::<Blake2b<U32>>),
    ("hash", "keccak256", digest::<Keccak256>),
    ("hmac", "hmac_sha3_256", hmac_sha3_256),
];

/// Steps per hash, on top of those for its input.
const PRICE: u64 = 50;
/// Steps per 32 bytes of input.
const PRICE_PER_WORD: u64 = 4;

fn input(call: &mut Call<'_, '_>) -> Result<Vec<u8>, FailureKind> {
    let input = call.bytes()?;
    let words = u64::try_from(input.len() / 32).unwrap_or(u64::MAX / PRICE_PER_WORD);
    call.charge(words * PRICE_PER_WORD)?;
    Ok(input)
}

fn digest<D: Digest>(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE)?;
    returns(D::digest(input(call)?).to_vec())
}

fn hmac_sha3_256(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(2 * PRICE)?;
    let key = input(call)?;
    let message = input(call)?;
    let mut mac = Hmac::<Sha3_256>::new_from_slice(&key).expect("any key length will do");
    mac.update(&message);
    returns(mac.finalize().into_bytes().to_vec())
}
