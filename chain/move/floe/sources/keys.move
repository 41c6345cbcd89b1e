/// The two public keys of a storage node, held only as a pair whose possession was proved.
module floe::keys;

use floe::statement::{Self, Domain};
use sui::bls12381;
use sui::ed25519;

/// A BLS key has 48 bytes, an Ed25519 key 32.
const ELength: u64 = 1;
/// The BLS key did not sign the statement of possession.
const EBlsProof: u64 = 2;
/// The Ed25519 key did not sign the statement of possession.
const EEd25519Proof: u64 = 3;

/// `bls` signs statements; `ed25519` names the peer on the network.
public struct NodeKeys has copy, drop, store {
    bls: vector<u8>,
    ed25519: vector<u8>,
}

/// Aborts unless both keys signed that whoever sends as `sender` to this system holds them.
public(package) fun prove(
    domain: &Domain,
    sender: address,
    bls: vector<u8>,
    ed25519: vector<u8>,
    bls_proof: &vector<u8>,
    ed25519_proof: &vector<u8>,
): NodeKeys {
    assert!(bls.length() == 48 && ed25519.length() == 32, ELength);
    let statement = domain.possession(sender, &bls, &ed25519);
    assert!(bls12381::bls12381_min_pk_verify(bls_proof, &bls, &statement), EBlsProof);
    let prefixed = statement::under_ed25519(statement);
    assert!(ed25519::ed25519_verify(ed25519_proof, &ed25519, &prefixed), EEd25519Proof);
    NodeKeys { bls, ed25519 }
}

public fun bls(self: &NodeKeys): vector<u8> { self.bls }

public fun ed25519(self: &NodeKeys): vector<u8> { self.ed25519 }

#[test_only]
public fun unproved_for_testing(): NodeKeys { NodeKeys { bls: vector[], ed25519: vector[] } }
