/// Hashes and signatures that the unit-test VM computes for real (BLS12-381 it does not).
module corpus::hashes;

use corpus::random;
use std::hash;
use sui::{ecdsa_k1, ecdsa_r1, ed25519, hash as sui_hash, hmac};

public fun digests(seed: u64, _: &mut TxContext): vector<u8> {
    let mut random = random::source(seed);
    let mut out = random::log();
    let message = vector::tabulate!(random.below(200), |_| random.bits(8) as u8);
    out.put(hash::sha2_256(message));
    out.put(hash::sha3_256(message));
    out.put(sui_hash::blake2b256(&message));
    out.put(sui_hash::keccak256(&message));
    out.put(hmac::hmac_sha3_256(&message, &b"message"));
    out.put(hmac::hmac_sha3_256(&b"key", &message));
    out.done()
}

/// One valid signature of each scheme (taken from the framework's own tests), bent by the seed.
public fun signatures(seed: u64, _: &mut TxContext): vector<u8> {
    let mut out = random::log();
    let mut ed_key = x"cc62332e34bb2d5cd69f60efbb2a36cb916c7eb458301ea36636c4dbb012bd88";
    let mut ed_signature = x"cce72947906dbae4c166fc01fd096432784032be43db540909bc901dbc057992b4d655ca4f4355cf0868e1266baacf6919902969f063e74162f8f04bc4056105";
    if (seed % 8 == 1) *&mut ed_key[31] = ed_key[31] ^ 1;
    if (seed % 8 == 2) *&mut ed_signature[0] = ed_signature[0] ^ 128;
    if (seed % 8 == 3) { ed_signature.pop_back(); };
    out.put(ed25519::ed25519_verify(&ed_signature, &ed_key, &x"315f5bdb76d078c43b8ac0064e4a0164612b1fce77c869345bfc94c75894edd3"));
    let mut k1_key = x"02337cca2171fdbfcfd657fa59881f46269f1e590b5ffab6023686c7ad2ecc2c1c";
    let mut k1_signature = x"7e4237ebfbc36613e166bfc5f6229360a9c1949242da97ca04867e4de57b2df30c8340bcb320328cf46d71bda51fcb519e3ce53b348eec62de852e350edbd886";
    let message = b"Hello, world!";
    if (seed % 8 == 4) *&mut k1_key[0] = 3;
    if (seed % 8 == 5) *&mut k1_signature[63] = k1_signature[63] ^ 1;
    if (seed % 8 == 6) { k1_key.pop_back(); };
    out.put(ecdsa_k1::secp256k1_verify(&k1_signature, &k1_key, &message, (seed % 3) as u8));
    out.put(ecdsa_k1::decompress_pubkey(&k1_key));
    let mut recoverable = k1_signature;
    recoverable.push_back((seed % 5) as u8);
    out.put(ecdsa_k1::secp256k1_ecrecover(&recoverable, &message, (seed % 2) as u8));
    out.put(ecdsa_r1::secp256r1_verify(&k1_signature, &k1_key, &message, 1));
    out.put(ecdsa_r1::secp256r1_ecrecover(&recoverable, &message, 1));
    out.done()
}
