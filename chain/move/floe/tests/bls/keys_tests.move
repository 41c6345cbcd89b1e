/// Who may register with which keys.
#[test_only]
module floe::keys_tests;

use floe::events::NodeRegistered;
use floe::keys;
use floe::world::{Self, World};
use sui::bls_tape::recall;
use sui::event;

#[test]
fun both_keys_are_proved() {
    let mut world = fresh();
    let k = world.register();
    let pool = world.staking().pool(world.node(k));
    assert!(pool.keys().bls() == world::bls_key(k));
    assert!(pool.keys().ed25519() == world::ed25519_key(k));
    assert!(pool.governance() == world::account(k));
    assert!(event::events_by_type<NodeRegistered>().length() == 1);
    world.end();
}

#[test, expected_failure(abort_code = keys::EBlsProof)]
fun a_copied_bls_proof_is_worth_nothing_to_another_sender() {
    attempt(1, world::bls_key(0), world::ed25519_key(0), world::bls_proof(0), world::ed25519_proof(0));
}

#[test, expected_failure(abort_code = keys::EBlsProof)]
fun a_bls_proof_covers_the_ed25519_key_beside_it() {
    attempt(0, world::bls_key(0), world::ed25519_key(1), world::bls_proof(0), world::ed25519_proof(1));
}

#[test, expected_failure(abort_code = keys::EBlsProof)]
fun a_bls_proof_for_another_system_is_refused() {
    let proof = recall(b"bls proof elsewhere");
    attempt(0, world::bls_key(0), world::ed25519_key(0), proof, world::ed25519_proof(0));
}

#[test, expected_failure(abort_code = keys::EBlsProof)]
fun garbage_proves_nothing() {
    let garbage = vector::tabulate!(96, |_| 0xff);
    attempt(0, world::bls_key(0), world::ed25519_key(0), garbage, world::ed25519_proof(0));
}

#[test, expected_failure(abort_code = keys::EEd25519Proof)]
fun the_ed25519_key_must_sign_too() {
    attempt(0, world::bls_key(0), world::ed25519_key(0), world::bls_proof(0), world::ed25519_proof(1));
}

#[test, expected_failure(abort_code = keys::EEd25519Proof)]
fun a_bls_proof_is_no_ed25519_proof() {
    attempt(0, world::bls_key(0), world::ed25519_key(0), world::bls_proof(0), vector[]);
}

#[test, expected_failure(abort_code = keys::ELength)]
fun a_short_bls_key_is_refused() {
    attempt(0, vector[1], world::ed25519_key(0), world::bls_proof(0), world::ed25519_proof(0));
}

#[test, expected_failure(abort_code = keys::ELength)]
fun a_short_ed25519_key_is_refused() {
    attempt(0, world::bls_key(0), vector[1], world::bls_proof(0), world::ed25519_proof(0));
}

fun fresh(): World { world::new(10, world::default_params()) }

fun attempt(
    sender: u16,
    bls_key: vector<u8>,
    ed25519_key: vector<u8>,
    bls_proof: vector<u8>,
    ed25519_proof: vector<u8>,
) {
    let mut world = fresh();
    world.next_tx(world::account(sender));
    let (_, staking, _, _, ctx) = world.parts();
    let _cap = staking.register_node(
        b"node".to_string(),
        vector[],
        bls_key,
        ed25519_key,
        bls_proof,
        ed25519_proof,
        0,
        world::default_vote(),
        ctx,
    );
    abort
}
