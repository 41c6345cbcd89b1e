/// What certifies a blob and what does not. The signatures are on the BLS tape under the names used here.
#[test_only]
module floe::certify_tests;

use floe::blob;
use floe::bls;
use floe::encoding;
use floe::events::{BlobCertified, BlobInconsistent};
use floe::statement;
use floe::system;
use floe::world::{Self, World};
use std::unit_test::destroy;
use sui::bcs;
use sui::bls12381;
use sui::bls_tape::recall;
use sui::event;

#[test]
fun a_quorum_certifies_a_permanent_blob() {
    let mut world = world::standard();
    let mut blob = world.register_blob(1, 1_000, false, 3);
    assert!(!blob.is_certified());
    world.certify_permanent(&mut blob, 1);
    assert!(blob.is_certified());
    assert!(event::events_by_type<BlobCertified>().length() == 1);
    destroy(blob);
    world.end();
}

#[test]
fun the_least_quorum_suffices() {
    let mut world = world::standard();
    let mut blob = world.register_blob(1, 1_000, false, 3);
    let signers = world.bitmap(vector[0, 1, 3]);
    world.system().certify(&mut blob, 1, signers, recall(b"exact quorum"));
    assert!(blob.is_certified());
    destroy(blob);
    world.end();
}

#[test]
fun a_certificate_of_a_deletable_blob_names_its_object() {
    let mut world = world::standard();
    let mut blob = world.register_blob(1, 1_000, true, 3);
    world.certify_deletable(&mut blob);
    assert!(blob.is_certified());
    destroy(blob);
    world.end();
}

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_permanent_certificate_does_not_certify_a_deletable_blob() {
    refuse_deletable(b"permanent for deletable");
}

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_certificate_of_another_object_does_not_certify_a_deletable_blob() {
    refuse_deletable(b"other object");
}

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_forged_signature_is_refused() { refuse(recall(b"forged")) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_certificate_of_another_epoch_is_refused() { refuse(recall(b"next epoch")) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_certificate_of_another_system_is_refused() { refuse(recall(b"other system")) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_certificate_of_another_chain_is_refused() { refuse(recall(b"other chain")) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_certificate_of_another_kind_is_refused() { refuse(recall(b"other kind")) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_certificate_of_another_size_is_refused() { refuse(recall(b"other size")) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_certificate_of_another_encoding_is_refused() { refuse(recall(b"other encoding")) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_certificate_of_another_persistence_is_refused() { refuse(recall(b"deletable")) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_statement_with_a_trailing_byte_is_refused() { refuse(recall(b"trailing byte")) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun signers_that_did_not_sign_are_refused() { refuse(recall(b"too few signed")) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun signers_that_are_not_named_are_refused() {
    present!(|world| world.bitmap(vector[0, 1, 3]), recall(b"too many signed"))
}

#[test, expected_failure(abort_code = bls::ESignature)]
fun garbage_is_no_signature() { refuse(vector::tabulate!(96, |_| 0xff)) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_short_signature_is_refused() { refuse(vector[1, 2, 3]) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun the_point_at_infinity_is_no_signature() {
    let mut infinity = vector::tabulate!(96, |_| 0);
    *&mut infinity[0] = 0xc0;
    refuse(infinity)
}

#[test, expected_failure(abort_code = bls::EWeight)]
fun less_than_a_quorum_is_refused() {
    present!(|world| world.bitmap(vector[0, 1]), vector[])
}

#[test, expected_failure(abort_code = bls::EWeight)]
fun nobody_is_no_quorum() { present!(|_| vector[0], vector[]) }

#[test, expected_failure(abort_code = bls::EBitmap)]
fun a_bitmap_that_is_too_long_is_refused() { present!(|_| vector[0x0f, 0], vector[]) }

#[test, expected_failure(abort_code = bls::EBitmap)]
fun a_bitmap_that_is_too_short_is_refused() { present!(|_| vector[], vector[]) }

#[test, expected_failure(abort_code = bls::EBitmap)]
fun a_bitmap_with_a_tail_is_refused() { present!(|_| vector[0x1f], vector[]) }

#[test, expected_failure(abort_code = bls::ESignature)]
fun two_sizes_of_one_root_cannot_share_a_certificate() {
    let mut world = world::standard();
    let large = world.register_blob(1, 1_000, false, 3);
    let mut small = world.register_blob(1, 1, false, 3);
    assert!(large.blob_id() != small.blob_id());
    world.certify(&mut small, b"large for small");
    abort
}

#[test, expected_failure(abort_code = system::EStaleEpoch)]
fun a_certificate_that_says_its_epoch_is_over_is_refused_by_name() {
    let mut world = world::standard();
    let mut blob = world.register_blob(1, 1_000, false, 3);
    world.next_epoch();
    let signers = world.bitmap(vector[0, 1, 2, 3]);
    world.system().certify(&mut blob, 1, signers, vector[]);
    abort
}

#[test, expected_failure(abort_code = blob::EAlreadyCertified)]
fun a_blob_certifies_once() {
    let mut world = world::standard();
    let mut blob = world.register_blob(1, 1_000, false, 3);
    world.certify_permanent(&mut blob, 1);
    world.certify_permanent(&mut blob, 1);
    abort
}

#[test, expected_failure(abort_code = blob::EExpired)]
fun an_expired_blob_does_not_certify() {
    let mut world = world::standard();
    let mut blob = world.register_blob(1, 1_000, false, 2);
    world.next_epoch();
    world.certify_permanent(&mut blob, 1);
    abort
}

#[test]
fun one_honest_member_makes_a_blob_invalid() {
    let mut world = world::standard();
    let blob = world.register_blob(1, 1_000, false, 3);
    let signers = world.bitmap(vector[0, 3]);
    world.system().mark_inconsistent(blob.blob_id(), 1, signers, recall(b"inconsistent"));
    assert!(event::events_by_type<BlobInconsistent>().length() == 1);
    destroy(blob);
    world.end();
}

#[test, expected_failure(abort_code = bls::EWeight)]
fun less_than_one_honest_member_does_not() {
    let world = world::standard();
    world.system().mark_inconsistent(world::root(9), 1, world.bitmap(vector[0]), vector[]);
    abort
}

#[test, expected_failure(abort_code = bls::ESignature)]
fun a_certificate_of_availability_does_not_make_a_blob_invalid() {
    let mut world = world::standard();
    let blob = world.register_blob(1, 1_000, false, 3);
    let signers = world.bitmap(vector[0, 1, 2, 3]);
    let signature = recall(b"available for inconsistent");
    world.system().mark_inconsistent(blob.blob_id(), 1, signers, signature);
    abort
}

#[test, expected_failure(abort_code = system::EStaleEpoch)]
fun a_stale_certificate_does_not_make_a_blob_invalid() {
    let world = world::standard();
    world.system().mark_inconsistent(world::root(9), 2, vector[15], vector[]);
    abort
}

#[test, expected_failure(abort_code = statement::EBlobId)]
fun a_blob_id_has_32_bytes() {
    let world = world::standard();
    world.system().mark_inconsistent(vector[9], 1, vector[15], vector[]);
    abort
}

/// I10: signatures made for every (system, epoch, kind), presented as every (epoch, kind) of this system, are good
/// if and only if all three agree.
#[test]
fun a_certificate_verifies_for_exactly_one_system_epoch_and_kind() {
    let world = world::standard();
    let domain = world.system().domain();
    let keys = vector[0, 1, 2, 3].map!(|k| bls::uncompressed(&world::bls_key(k)));
    let key = bls::compressed(&bls12381::uncompressed_g1_sum(&keys));
    let blob_id = encoding::blob_id(1, 10, 1_000, world::root(1));
    let mut good = 0u64;
    every!(|epoch, kind| {
        let statement = if (kind == 1) domain.available(epoch, blob_id, 1_000, 1, option::none())
        else domain.inconsistent(epoch, blob_id);
        every!(|signed_epoch, signed_kind| 2u8.do!(|signed_system| {
            let mut name = b"matrix ";
            name.push_back(signed_system);
            name.append(bcs::to_bytes(&signed_epoch));
            name.push_back(signed_kind);
            let accepted = bls12381::bls12381_min_pk_verify(&recall(name), &key, &statement);
            let same = signed_system == 0 && signed_epoch == epoch && signed_kind == kind;
            assert!(accepted == same);
            if (accepted) good = good + 1;
        }))
    });
    assert!(good == 6);
    world.end();
}

/// Epochs 1 to 3, kinds 1 and 2.
macro fun every($f: |u32, u8|) {
    let mut epoch = 1;
    while (epoch <= 3) {
        let mut kind = 1;
        while (kind <= 2) {
            $f(epoch, kind);
            kind = kind + 1;
        };
        epoch = epoch + 1;
    }
}

fun refuse(signature: vector<u8>) {
    present!(|world| world.bitmap(vector[0, 1, 2, 3]), signature)
}

macro fun present($signers: |&World| -> vector<u8>, $signature: vector<u8>) {
    let mut world = world::standard();
    let mut blob = world.register_blob(1, 1_000, false, 3);
    let signers = $signers(&world);
    world.system().certify(&mut blob, 1, signers, $signature);
    abort
}

fun refuse_deletable(name: vector<u8>) {
    let mut world = world::standard();
    let mut blob = world.register_blob(1, 1_000, true, 3);
    world.certify(&mut blob, name);
    abort
}
