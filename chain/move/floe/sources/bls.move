/// BLS12-381 (min-pk) certificates: who signed, with how much weight, over which bytes.
/// Knows nothing of what the bytes mean.
module floe::bls;

use sui::bls12381::{Self, UncompressedG1};
use sui::group_ops::Element;

/// The signers bitmap has the wrong length or names members that do not exist.
const EBitmap: u64 = 1;
/// The signers weigh less than the statement needs.
const EWeight: u64 = 2;
/// The aggregated signature is not the signers' signature over the statement.
const ESignature: u64 = 3;

/// The keys of one committee in member order, and the shards each speaks for.
public struct KeyRing has copy, drop, store {
    epoch: u32,
    shards: u16,
    weights: vector<u16>,
    keys: vector<Element<UncompressedG1>>,
}

public(package) fun key_ring(
    epoch: u32,
    shards: u16,
    weights: vector<u16>,
    keys: vector<Element<UncompressedG1>>,
): KeyRing {
    KeyRing { epoch, shards, weights, keys }
}

/// Weight enough to certify: the least w with 3w >= 2N + 1.
public fun quorum(shards: u16): u64 { (2 * (shards as u64) + 3) / 3 }

/// Weight that holds at least one honest node: the least w with 3w >= N + 1.
public fun validity(shards: u16): u64 { ((shards as u64) + 3) / 3 }

/// Aborts unless members that weigh at least `needed` signed exactly `statement`.
/// `signers` is a bitmap over the members in their order, least significant bit first, unused bits zero.
public(package) fun verify(
    self: &KeyRing,
    statement: &vector<u8>,
    signers: &vector<u8>,
    signature: &vector<u8>,
    needed: u64,
) {
    let members = self.keys.length();
    assert!(signers.length() == members.divide_and_round_up(8), EBitmap);
    let mut weight = 0;
    let mut keys = vector[];
    signers.length().do!(|byte| {
        let mut bits = signers[byte];
        let mut member = byte * 8;
        while (bits > 0) {
            if (bits & 1 == 1) {
                assert!(member < members, EBitmap);
                weight = weight + (self.weights[member] as u64);
                keys.push_back(self.keys[member]);
            };
            bits = bits >> 1;
            member = member + 1;
        }
    });
    assert!(weight >= needed, EWeight);
    let key = compressed(&bls12381::uncompressed_g1_sum(&keys));
    assert!(bls12381::bls12381_min_pk_verify(signature, &key, statement), ESignature);
}

/// Aborts in `sui::group_ops` unless `key` is a point of the right subgroup.
public(package) fun uncompressed(key: &vector<u8>): Element<UncompressedG1> {
    bls12381::g1_to_uncompressed_g1(&bls12381::g1_from_bytes(key))
}

public(package) fun compressed(key: &Element<UncompressedG1>): vector<u8> {
    *bls12381::uncompressed_g1_to_g1(key).bytes()
}
