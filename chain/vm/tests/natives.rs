//! Natives that the unit-test VM does not compute: BLS12-381, on vectors and against `blst`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

#[expect(dead_code, reason = "each test uses its part")]
mod support;

use blst::min_pk;
use floe_move_vm::{Argument, ExecutionFailure, FailureKind, Value};
use sui_sdk_types::Address;

const DOMAIN: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";

/// Calls `0x2::module::function`, a private one too, with byte vectors by reference.
fn call(
    module: &str,
    function: &str,
    group: &[u8],
    bytes: &[&[u8]],
) -> Result<Value, ExecutionFailure> {
    let world = support::MemoryWorld::with(support::framework());
    let mut session = support::session(&world);
    let kind = floe_move_vm::Type::vector(floe_move_vm::Type::U8).unwrap();
    let mut arguments: Vec<_> = group
        .iter()
        .map(|byte| Argument::Value(Value::U8(*byte)))
        .collect();
    for bytes in bytes {
        let slot = session.hold(kind.clone(), Value::Bytes(bytes.to_vec()));
        arguments.push(Argument::Reference(slot));
    }
    let (module, function) = (support::name(module), support::name(function));
    let mut returned = session.call(&Address::TWO, &module, &function, &[], arguments)?;
    Ok(returned.pop().unwrap())
}

fn group(function: &str, group: &[u8], bytes: &[&[u8]]) -> Result<Vec<u8>, FailureKind> {
    match call("group_ops", &format!("internal_{function}"), group, bytes) {
        Ok(Value::Bytes(bytes)) => Ok(bytes),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(failure.kind),
    }
}

fn verifies(module: &str, function: &str, bytes: &[&[u8]]) -> bool {
    match call(module, function, &[], bytes) {
        Ok(Value::Bool(valid)) => valid,
        other => panic!("{other:?}"),
    }
}

/// A constant of the framework's `bls12381` module, by its length and first bytes.
fn constant(length: usize, start: &[u8]) -> Vec<u8> {
    for bytes in support::bytecode("framework") {
        let at = bytes
            .windows(start.len())
            .position(|window| window == start);
        if let Some(at) = at {
            return bytes[at..at + length].to_vec();
        }
    }
    panic!("no such constant in the framework")
}

const SCALAR: u8 = 0;
const G1: u8 = 1;
const G2: u8 = 2;
const UNCOMPRESSED: u8 = 4;

fn scalar(number: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[31] = number;
    bytes
}

#[test]
fn signatures_verify_only_as_blst_says() {
    let key = min_pk::SecretKey::key_gen(&[7; 32], &[]).unwrap();
    let public = key.sk_to_pk().to_bytes();
    let signature = key.sign(b"blob", DOMAIN, &[]).to_bytes();
    let verify =
        |s: &[u8], k: &[u8], m: &[u8]| verifies("bls12381", "bls12381_min_pk_verify", &[s, k, m]);
    assert!(verify(&signature, &public, b"blob"));
    assert!(!verify(&signature, &public, b"blot"));
    let other = min_pk::SecretKey::key_gen(&[8; 32], &[]).unwrap();
    assert!(!verify(&signature, &other.sk_to_pk().to_bytes(), b"blob"));
    assert!(!verify(&signature[..95], &public, b"blob"));
    assert!(!verify(&signature, &public[..47], b"blob"));
    assert!(!verify(&[], &[], b""));
    // The point at infinity signs nothing.
    let (mut infinite_key, mut infinite) = ([0; 48], [0; 96]);
    infinite_key[0] = 0xc0;
    infinite[0] = 0xc0;
    assert!(!verify(&infinite, &infinite_key, b"blob"));
    // The uncompressed forms are not accepted.
    assert!(!verify(
        &key.sign(b"blob", DOMAIN, &[]).serialize(),
        &public,
        b"blob"
    ));
}

#[test]
fn short_signatures_verify_only_as_blst_says() {
    let domain = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
    let keys = [9, 10].map(|seed| blst::min_sig::SecretKey::key_gen(&[seed; 32], &[]).unwrap());
    let signature = keys[0].sign(b"beacon", domain, &[]).to_bytes();
    let verify = |key: &blst::min_sig::SecretKey, message: &[u8]| {
        let key = key.sk_to_pk().to_bytes();
        verifies(
            "bls12381",
            "bls12381_min_sig_verify",
            &[&signature, &key, message],
        )
    };
    assert!(verify(&keys[0], b"beacon"));
    assert!(!verify(&keys[0], b"bacon"));
    assert!(!verify(&keys[1], b"beacon"));
}

#[test]
fn sums_and_conversions_aggregate_keys() {
    let keys: Vec<_> = (1..=5)
        .map(|seed| {
            min_pk::SecretKey::key_gen(&[seed; 32], &[])
                .unwrap()
                .sk_to_pk()
        })
        .collect();
    let whole: Vec<Vec<u8>> = keys
        .iter()
        .map(|key| {
            let converted = group("convert", &[G1, UNCOMPRESSED], &[&key.to_bytes()]).unwrap();
            assert_eq!(converted, key.serialize());
            converted
        })
        .collect();
    let world = support::MemoryWorld::with(support::framework());
    let mut session = support::session(&world);
    let bytes = floe_move_vm::Type::vector(floe_move_vm::Type::U8).unwrap();
    let kind = floe_move_vm::Type::vector(bytes).unwrap();
    let terms = Value::vector(whole.into_iter().map(Value::Bytes).collect()).unwrap();
    let slot = session.hold(kind, terms);
    let arguments = vec![
        Argument::Value(Value::U8(UNCOMPRESSED)),
        Argument::Reference(slot),
    ];
    let (module, function) = (support::name("group_ops"), support::name("internal_sum"));
    let sum = session
        .call(&Address::TWO, &module, &function, &[], arguments)
        .unwrap();
    let Some(Value::Bytes(sum)) = sum.first() else {
        panic!("{sum:?}")
    };
    let compressed = group("convert", &[UNCOMPRESSED, G1], &[sum]).unwrap();
    let references: Vec<_> = keys.iter().collect();
    let aggregate = min_pk::AggregatePublicKey::aggregate(&references, true).unwrap();
    assert_eq!(compressed, aggregate.to_public_key().to_bytes());
    let first = keys[0].to_bytes();
    let rest = group("sub", &[G1], &[&compressed, &first]).unwrap();
    assert_eq!(group("add", &[G1], &[&rest, &first]).unwrap(), compressed);
}

#[test]
fn groups_keep_their_laws() {
    let generator = constant(48, &[0x97, 0xf1, 0xd3, 0xa7, 0x31, 0x97, 0xd7, 0x94]);
    let generator2 = constant(96, &[0x93, 0xe0, 0x2b, 0x60, 0x52, 0x71, 0x9f, 0x60]);
    for (kind, generator) in [(G1, &generator), (G2, &generator2)] {
        let times = |n: u8| group("mul", &[kind], &[&scalar(n), generator]).unwrap();
        let sum = group("add", &[kind], &[&times(2), &times(3)]).unwrap();
        assert_eq!(sum, times(5));
        assert_eq!(group("sub", &[kind], &[&sum, &times(3)]).unwrap(), times(2));
        assert_eq!(
            group("div", &[kind], &[&scalar(5), &times(5)]).unwrap(),
            *generator
        );
        let scalars = [scalar(2), scalar(3)].concat();
        let points = [generator.clone(), times(4)].concat();
        let product = group("multi_scalar_mul", &[kind], &[&scalars, &points]).unwrap();
        assert_eq!(product, times(14));
        let abort = Err(FailureKind::Abort { code: 1 });
        assert_eq!(group("div", &[kind], &[&scalar(0), generator]), abort);
        assert_eq!(group("add", &[kind], &[b"short", generator]), abort);
        assert_eq!(group("hash_to", &[kind], &[b""]), abort);
        let hashed = group("hash_to", &[kind], &[b"message"]).unwrap();
        assert!(matches!(
            call("group_ops", "internal_validate", &[kind], &[&hashed]),
            Ok(Value::Bool(true))
        ));
    }
    let seven = group("add", &[SCALAR], &[&scalar(3), &scalar(4)]).unwrap();
    assert_eq!(seven, scalar(7));
    let quotient = group("div", &[SCALAR], &[&scalar(2), &scalar(14)]).unwrap();
    assert_eq!(quotient, scalar(7));
    let too_large = [0xff; 32];
    assert!(matches!(
        call("group_ops", "internal_validate", &[SCALAR], &[&too_large]),
        Ok(Value::Bool(false))
    ));
}

/// The pairing of the generators is the framework's constant.
#[test]
fn the_pairing_of_the_generators_is_the_known_one() {
    let generator = constant(48, &[0x97, 0xf1, 0xd3, 0xa7, 0x31, 0x97, 0xd7, 0x94]);
    let generator2 = constant(96, &[0x93, 0xe0, 0x2b, 0x60, 0x52, 0x71, 0x9f, 0x60]);
    let known = constant(576, &[0x12, 0x50, 0xeb, 0xd8, 0x71, 0xfc, 0x0a, 0x92]);
    let paired = group("pairing", &[G1], &[&generator, &generator2]).unwrap();
    assert_eq!(paired, known);
    let arithmetic = group("add", &[3], &[&known, &known]);
    assert!(matches!(arithmetic, Err(FailureKind::UnsupportedNative(_))));
}

/// A point of the curve that is outside the subgroup is refused where points are made.
#[test]
fn points_outside_the_subgroup_do_not_validate() {
    // x = 4 is on the curve, in none of the subgroup's cosets but its own.
    let mut point = [0; 48];
    point[0] = 0x80;
    point[47] = 4;
    assert!(matches!(
        call("group_ops", "internal_validate", &[G1], &[&point]),
        Ok(Value::Bool(false))
    ));
}

/// The encodings of points of small order: eight canonical ones, and six that are not.
fn small_order() -> Vec<[u8; 32]> {
    let torsion = curve25519_dalek::constants::EIGHT_TORSION;
    let mut encodings: Vec<_> = torsion.iter().map(|p| p.compress().to_bytes()).collect();
    // y = 0 and y = 1 with the prime added, of either sign; y = 1 and y = -1 with the sign of x = 0 set.
    let mut spelled = |first: u8, rest: u8, last: u8| {
        let mut bytes = [rest; 32];
        (bytes[0], bytes[31]) = (first, last);
        encodings.push(bytes);
    };
    for last in [0x7f, 0xff] {
        spelled(0xed, 0xff, last);
        spelled(0xee, 0xff, last);
    }
    spelled(0x01, 0x00, 0x80);
    spelled(0xec, 0xff, 0xff);
    encodings
}

/// The vectors of ZIP-215: with a key and an `R` of small order and `s` zero, every message is signed.
#[test]
fn ed25519_follows_zip_215() {
    let encodings = small_order();
    assert_eq!(encodings.len(), 14);
    for key in &encodings {
        for r in &encodings {
            let signature = [r.as_slice(), &[0; 32]].concat();
            assert!(
                verifies("ed25519", "ed25519_verify", &[&signature, key, b"Zcash"]),
                "{r:02x?} {key:02x?}"
            );
        }
    }
}

#[test]
fn ed25519_signatures_have_one_spelling_of_s_and_cover_the_message() {
    use ed25519_dalek::Signer;
    let signer = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let key = signer.verifying_key().to_bytes();
    let good = signer.sign(b"message").to_bytes();
    let valid = |signature: &[u8], key: &[u8], message: &[u8]| {
        verifies("ed25519", "ed25519_verify", &[signature, key, message])
    };
    assert!(valid(&good, &key, b"message"));
    assert!(!valid(&good, &key, b"massage"));
    for at in 0..64 {
        let mut other = good;
        other[at] ^= 1;
        assert!(!valid(&other, &key, b"message"), "{at}");
    }
    // s plus the order of the group.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut other = good;
    let mut carry = 0;
    for (byte, order) in other[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert!(!valid(&other, &key, b"message"));
    for (signature, key) in [
        (&good[..63], &key[..]),
        (&good[..], &key[..31]),
        (&[][..], &[][..]),
        (&good[..], &[2; 32][..]),
    ] {
        assert!(!valid(signature, key, b"message"));
    }
}
