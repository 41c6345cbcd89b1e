//! Prints the tape for the Move tests: what BLS12-381 really answers to everything they ask.
//!
//! The Move test VM has no BLS (it accepts every signature), so `chain/move/test.sh` replaces its
//! natives by a lookup of these lines. Statements are composed by this crate and by the contract
//! independently: one byte of difference, and the contract asks for what is not on the tape.
//!
//! One line per answer: `native argument... = result`, all in hex. `recall` is no native: it hands
//! keys and signatures to the tests by name.

#![expect(clippy::print_stdout, reason = "the tape is the output")]

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use blst::min_pk::{AggregatePublicKey, PublicKey, Signature};
use floe_chain::epoch::Epoch;
use floe_chain::id::{Address, ChainId, NetworkId, ObjectId, SystemId};
use floe_chain::keys::{BlsPublicKey, BlsSecretKey, BlsSignature, IdentitySecretKey};
use floe_chain::statement::{Available, Body, Inconsistent, Persistence, Possession, Statement};
use floe_codec::{BlobId, BlobLayout, BlobRoot, Encoding, ShardCount};

/// Nodes whose keys are on the tape; `floe::world` registers them as needed.
const NODES: u16 = 300;
/// Nodes that also have a second pair of keys, numbered from `NODES` on.
const ROTATING: u16 = 4;
/// The committee of the certificate tests; its members hold 3, 3, 3 and 1 of ten shards.
const ALL: &[u16] = &[0, 1, 2, 3];
const EXACT_QUORUM: &[u16] = &[0, 1, 3];
const EXACT_VALIDITY: &[u16] = &[0, 3];
const SHARDS: u16 = 10;

fn main() {
    let network = NetworkId {
        chain: ChainId::from_bytes([0x11; 32]),
        system: SystemId::from_bytes(object_id(0, 1)),
    };
    possession(network);
    availability(network);
    inconsistency(network);
    refusals(network);
    matrix(network);
}

/// Keys of all nodes and their proofs.
fn possession(network: NetworkId) {
    for k in 0..NODES + ROTATING {
        let key = bls_key(k).public().to_bytes();
        let sender = k % NODES;
        let (_, proof) = Possession::prove(network, account(sender), &bls_key(k), &identity(k));
        recall(&name("bls key", &k.to_le_bytes()), &key);
        recall(&name("bls proof", &k.to_le_bytes()), &proof.bls.to_bytes());
        recall(
            &name("ed25519 key", &k.to_le_bytes()),
            &identity(k).public().to_bytes(),
        );
        recall(
            &name("ed25519 proof", &k.to_le_bytes()),
            &proof.identity.to_bytes(),
        );
        let whole = point(&key);
        answer("validate", &[&[G1], &key], &[1]);
        answer("convert", &[&[G1], &[UNCOMPRESSED_G1], &key], &whole);
        answer("convert", &[&[UNCOMPRESSED_G1], &[G1], &whole], &key);
        verify(&proof.bls.to_bytes(), &key, &possessed(network, sender, k));
    }
    // Node 0's proof presented by another sender, over another Ed25519 key, in another system, and nonsense.
    let key = bls_key(0).public().to_bytes();
    let (_, proof) = Possession::prove(network, account(0), &bls_key(0), &identity(0));
    let proof = proof.bls.to_bytes();
    verify(&proof, &key, &possessed(network, 1, 0));
    let mixed = Possession {
        identity: identity(1).public(),
        ..possession_of(0, 0)
    };
    verify(&proof, &key, &statement(network, 0, mixed));
    let (_, elsewhere) = Possession::prove(other(network), account(0), &bls_key(0), &identity(0));
    recall(b"bls proof elsewhere", &elsewhere.bls.to_bytes());
    verify(&elsewhere.bls.to_bytes(), &key, &possessed(network, 0, 0));
    verify(&[0xff; 96], &key, &possessed(network, 0, 0));
}

/// Certificates for permanent blobs in twelve epochs, and for deletable ones at predictable addresses.
fn availability(network: NetworkId) {
    for epoch in 1..=12u32 {
        for blob in 1..=3u8 {
            let bytes = statement(network, epoch, permanent(blob, 1_000));
            let label = [&epoch.to_le_bytes()[..], &[blob]].concat();
            certificate(&name("available", &label), ALL, &bytes, ALL, &bytes);
        }
    }
    let bytes = statement(network, 1, permanent(1, 1_000));
    certificate(b"exact quorum", EXACT_QUORUM, &bytes, EXACT_QUORUM, &bytes);
    for transaction in 0..24u64 {
        let id = object_id(transaction, 2);
        let bytes = statement(network, 1, deletable(1, 1_000, id));
        certificate(&name("deletable", &id), ALL, &bytes, ALL, &bytes);
        // Neither a permanent certificate nor one for another object will do.
        let signed = statement(network, 1, permanent(1, 1_000));
        certificate(b"permanent for deletable", ALL, &bytes, ALL, &signed);
        let signed = statement(network, 1, deletable(1, 1_000, [0xdd; 32]));
        certificate(b"other object", ALL, &bytes, ALL, &signed);
    }
}

fn inconsistency(network: NetworkId) {
    let bytes = statement(network, 1, inconsistent());
    certificate(
        b"inconsistent",
        EXACT_VALIDITY,
        &bytes,
        EXACT_VALIDITY,
        &bytes,
    );
    let signed = statement(network, 1, permanent(1, 1_000));
    certificate(b"available for inconsistent", ALL, &bytes, ALL, &signed);
}

/// Signatures that must not certify blob 1 of 1,000 bytes in epoch 1.
fn refusals(network: NetworkId) {
    let claimed = statement(network, 1, permanent(1, 1_000));
    let refused = |label: &str, signed: Vec<u8>| {
        certificate(label.as_bytes(), ALL, &claimed, ALL, &signed);
    };
    refused("forged", b"nothing of ours".to_vec());
    refused("next epoch", statement(network, 2, permanent(1, 1_000)));
    refused(
        "other system",
        statement(other(network), 1, permanent(1, 1_000)),
    );
    let chain = ChainId::from_bytes([0x12; 32]);
    let twin = NetworkId { chain, ..network };
    refused("other chain", statement(twin, 1, permanent(1, 1_000)));
    refused("other kind", statement(network, 1, inconsistent()));
    refused("other size", {
        let body = Available {
            size: 999,
            ..permanent(1, 1_000)
        };
        statement(network, 1, body)
    });
    refused("other encoding", {
        let encoding = Encoding::RedStuff16;
        statement(
            network,
            1,
            Available {
                encoding,
                ..permanent(1, 1_000)
            },
        )
    });
    refused(
        "deletable",
        statement(network, 1, deletable(1, 1_000, [0xdd; 32])),
    );
    refused("trailing byte", [claimed.as_slice(), &[0]].concat());
    certificate(b"too few signed", ALL, &claimed, EXACT_QUORUM, &claimed);
    certificate(b"too many signed", EXACT_QUORUM, &claimed, ALL, &claimed);
    for garbage in [vec![0xff; 96], vec![1, 2, 3], infinity()] {
        verify(&garbage, &sum_of(ALL).1, &claimed);
    }
    // The same root registered with one byte: the certificate of the large blob is worth nothing.
    let small = statement(network, 1, permanent(1, 1));
    certificate(b"large for small", ALL, &small, ALL, &claimed);
}

/// Every certificate of a system, epoch and kind against every other one.
fn matrix(network: NetworkId) {
    let body = |network, epoch, kind| match kind {
        1 => statement(network, epoch, permanent(1, 1_000)),
        _ => statement(network, epoch, inconsistent()),
    };
    for signed_epoch in 1..=3u32 {
        for signed_kind in 1..=2u8 {
            for (system, signed_network) in [(0, network), (1, other(network))] {
                let signed = body(signed_network, signed_epoch, signed_kind);
                let label = [&[system], &signed_epoch.to_le_bytes()[..], &[signed_kind]].concat();
                for epoch in 1..=3 {
                    for kind in 1..=2 {
                        let claimed = body(network, epoch, kind);
                        certificate(&name("matrix", &label), ALL, &claimed, ALL, &signed);
                    }
                }
            }
        }
    }
}

// --- fixtures -------------------------------------------------------------------------------------------------------

fn bls_key(k: u16) -> BlsSecretKey {
    BlsSecretKey::from_seed(&seed(k))
}

fn identity(k: u16) -> IdentitySecretKey {
    IdentitySecretKey::from_seed(&seed(k))
}

fn seed(k: u16) -> [u8; 32] {
    let mut seed = [0x5e; 32];
    seed[..2].copy_from_slice(&k.to_le_bytes());
    seed
}

/// The account of node `k`: 0x1000 + k.
fn account(k: u16) -> Address {
    let mut bytes = [0; 32];
    bytes[30..].copy_from_slice(&(0x1000 + k).to_be_bytes());
    Address::from_bytes(bytes)
}

/// The `index`-th object that transaction number `transaction` of a Move test scenario creates.
fn object_id(transaction: u64, index: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&transaction.to_le_bytes());
    Blake2b::<U32>::new()
        .chain_update([0xf1])
        .chain_update(digest)
        .chain_update(index.to_le_bytes())
        .finalize()
        .into()
}

fn other(network: NetworkId) -> NetworkId {
    NetworkId {
        system: SystemId::from_bytes([0x22; 32]),
        ..network
    }
}

fn possession_of(sender: u16, k: u16) -> Possession {
    Possession {
        sender: account(sender),
        bls_key: bls_key(k).public(),
        identity: identity(k).public(),
    }
}

fn possessed(network: NetworkId, sender: u16, k: u16) -> Vec<u8> {
    statement(network, 0, possession_of(sender, k))
}

fn permanent(root: u8, size: u64) -> Available {
    let shards = ShardCount::new(SHARDS).expect("ten shards");
    let layout = BlobLayout::for_shards(shards, size).expect("a small blob");
    Available {
        blob: BlobId::derive(&layout, &BlobRoot::from_bytes([root; 32])),
        size,
        encoding: Encoding::RedStuff8,
        persistence: Persistence::Permanent,
    }
}

fn deletable(root: u8, size: u64, object: [u8; 32]) -> Available {
    Available {
        persistence: Persistence::Deletable(ObjectId::from_bytes(object)),
        ..permanent(root, size)
    }
}

fn inconsistent() -> Inconsistent {
    Inconsistent {
        blob: permanent(1, 1_000).blob,
    }
}

fn statement<B: Body>(network: NetworkId, epoch: u32, body: B) -> Vec<u8> {
    let epoch = Epoch::new(epoch);
    Statement {
        network,
        epoch,
        body,
    }
    .to_bytes()
}

fn infinity() -> Vec<u8> {
    let mut point = vec![0; 96];
    point[0] = 0xc0;
    point
}

// --- answers --------------------------------------------------------------------------------------------------------

const G1: u8 = 1;
const UNCOMPRESSED_G1: u8 = 4;

/// Puts a signature of `signers` on `signed` on the tape as `name`, with all that is asked when it is presented as
/// one of `claimed_signers` on `claimed`.
fn certificate(
    name: &[u8],
    claimed_signers: &[u16],
    claimed: &[u8],
    signers: &[u16],
    signed: &[u8],
) {
    let signatures: Vec<_> = signers.iter().map(|k| bls_key(*k).sign(signed)).collect();
    let signature = BlsSignature::aggregate(&signatures)
        .expect("somebody signs")
        .to_bytes();
    let (whole, key) = sum_of(claimed_signers);
    let mut arguments = vec![vec![UNCOMPRESSED_G1]];
    arguments.extend(
        claimed_signers
            .iter()
            .map(|k| point(&bls_key(*k).public().to_bytes())),
    );
    let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
    recall(name, &signature);
    answer("sum", &arguments, &whole);
    answer("convert", &[&[UNCOMPRESSED_G1], &[G1], &whole], &key);
    verify(&signature, &key, claimed);
}

/// The sum of public keys, whole and compressed.
fn sum_of(signers: &[u16]) -> (Vec<u8>, [u8; BlsPublicKey::LEN]) {
    let keys: Vec<_> = signers
        .iter()
        .map(|k| PublicKey::from_bytes(&bls_key(*k).public().to_bytes()).expect("a key"))
        .collect();
    let keys: Vec<_> = keys.iter().collect();
    let sum = AggregatePublicKey::aggregate(&keys, true)
        .expect("valid keys")
        .to_public_key();
    (sum.serialize().to_vec(), sum.to_bytes())
}

fn point(key: &[u8]) -> Vec<u8> {
    PublicKey::from_bytes(key)
        .expect("a key")
        .serialize()
        .to_vec()
}

/// Asks blst what Sui's `bls12381_min_pk_verify` asks it.
fn verify(signature: &[u8], key: &[u8], message: &[u8]) {
    const DST: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";
    let accepted = match (
        Signature::from_bytes(signature),
        PublicKey::key_validate(key),
    ) {
        (Ok(signature), Ok(key)) => {
            signature.verify(true, message, DST, &[], &key, false) == blst::BLST_ERROR::BLST_SUCCESS
        }
        _ => false,
    };
    answer(
        "min_pk_verify",
        &[signature, key, message],
        &[accepted.into()],
    );
}

fn name(what: &str, which: &[u8]) -> Vec<u8> {
    [what.as_bytes(), b" ", which].concat()
}

fn recall(name: &[u8], value: &[u8]) {
    answer("recall", &[name], value);
}

fn answer(native: &str, arguments: &[&[u8]], result: &[u8]) {
    let arguments: Vec<_> = arguments.iter().map(hex::encode).collect();
    println!("{native} {} = {}", arguments.join(" "), hex::encode(result));
}
