//! Fixed formats stay fixed: digests of everything the codec makes, for every shard count and size.
//!
//! `BLESS=1 cargo test -p floe-codec --test it golden` writes the files anew, seeds of the fuzz
//! targets included. A changed digest is a new format and needs a new encoding code.

#![expect(clippy::disallowed_methods, reason = "vectors and seeds are files")]

use std::{fs, path::PathBuf};

use floe_codec::{
    Axis, BlobCommitment, BlobLayout, DecodeBuffers, DecodeError, SegmentBuffers, SegmentMetadata,
    SliverIndex,
};
use serde_json::{Value, json};

use crate::{
    hostile::{Hostile, WAYS},
    support::{CODEC, Choices, SHARD_COUNTS, area, bytes, layout, shards},
};

/// Compares with the file, or writes it.
fn compare(file: &str, got: &Value) {
    let path = root().join("tests/vectors").join(file);
    let text = format!("{got:#}\n");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).unwrap();
    } else {
        let expected = fs::read_to_string(&path).unwrap();
        for (line, (expected, got)) in expected.lines().zip(text.lines()).enumerate() {
            assert_eq!(expected, got, "{file} line {}", line + 1);
        }
        assert_eq!(expected.len(), text.len());
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Lengths on both sides of a symbol, of a segment, and of several.
fn lengths(n: u16) -> Vec<usize> {
    let (symbol, capacity) = (2 * area(n), layout(n, 0).segment_capacity());
    let mut lengths = vec![0, 1, symbol - 1, symbol, symbol + 1];
    lengths.extend([capacity - 1, capacity, capacity + 1, 2 * capacity + 777]);
    lengths
}

fn hex(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex().to_string()
}

/// Everything about the blob of `bytes(length)`, each as one BLAKE3 digest.
fn digests(n: u16, length: usize) -> Value {
    let (layout, input) = (layout(n, length), bytes(length));
    let capacity = layout.segment_capacity();
    let segment_bytes = |index: usize| {
        let start = index * capacity;
        &input[start..(start + capacity).min(length)]
    };
    let mut buffers = SegmentBuffers::default();
    let roots: Vec<_> = layout
        .segments()
        .zip(0..)
        .map(|(s, i)| {
            CODEC
                .commit_segment(&s, segment_bytes(i), &mut buffers)
                .unwrap()
        })
        .collect();
    let commitment = BlobCommitment::new(layout, &roots).unwrap();
    let mut slivers = blake3::Hasher::new();
    let (mut metadata, mut openings) = (blake3::Hasher::new(), blake3::Hasher::new());
    for (segment, index) in layout.segments().zip(0..) {
        let encoded = CODEC
            .encode_segment(&segment, segment_bytes(index), buffers)
            .unwrap();
        let verified = commitment.metadata(&encoded).unwrap();
        metadata.update(&bcs::to_bytes(&verified).unwrap());
        for axis in Axis::BOTH {
            for sliver in SliverIndex::all(shards(n)) {
                slivers.update(encoded.sliver(axis, sliver).unwrap());
            }
            for sliver in [0, n / 2, n - 1].map(SliverIndex) {
                let bytes = encoded.sliver(axis, sliver).unwrap();
                let sliver = CODEC.verify_sliver(&verified, axis, sliver, bytes).unwrap();
                let extended = CODEC.extend_sliver(&sliver);
                for crossing in [0, n / 3, n - 1].map(SliverIndex) {
                    let proof = extended.prove(crossing).unwrap();
                    proof.verify(&verified).unwrap();
                    openings.update(&bcs::to_bytes(&proof).unwrap());
                }
            }
        }
        buffers = encoded.into_parts().1;
    }
    json!({
        "shards": n,
        "encoding": layout.encoding().code(),
        "length": length,
        "segments": layout.segment_count(),
        "encoded_size": layout.encoded_size().to_string(),
        "blob_id": commitment.id().to_string(),
        "blob_root": commitment.root().to_string(),
        "slivers": hex(&slivers),
        "metadata": hex(&metadata),
        "symbol_proofs": hex(&openings),
    })
}

#[test]
fn golden_blobs() {
    let cases = SHARD_COUNTS.iter().filter(|&&n| n < 1000);
    let cases = cases.flat_map(|&n| lengths(n).into_iter().map(move |length| digests(n, length)));
    compare("blobs.json", &cases.collect());
}

#[test]
fn golden_blobs_of_1000_shards() {
    let cases = lengths(1000)
        .into_iter()
        .map(|length| digests(1000, length));
    compare("blobs-1000.json", &cases.collect());
}

#[test]
fn golden_encoded_sizes() {
    let mut cases = Vec::new();
    for n in [
        4, 5, 6, 7, 10, 31, 64, 65, 100, 127, 128, 129, 256, 300, 1000, 1024,
    ] {
        let capacity = u64::try_from(layout(n, 0).segment_capacity()).unwrap();
        let symbol = 2 * u64::try_from(area(n)).unwrap();
        let longest = capacity * u64::from(BlobLayout::MAX_SEGMENTS);
        let lengths = [
            0,
            1,
            symbol,
            symbol + 1,
            capacity - 1,
            capacity,
            capacity + 1,
        ];
        for length in lengths
            .into_iter()
            .chain([10 * capacity + 12_345, 1 << 40, longest])
        {
            let layout = BlobLayout::for_shards(shards(n), length).unwrap();
            let last = layout.segments().last().unwrap();
            cases.push(json!({
                "shards": n,
                "encoding": layout.encoding().code(),
                "length": length.to_string(),
                "segments": layout.segment_count(),
                "last_symbol_size": last.symbol_size(),
                "encoded_size": layout.encoded_size().to_string(),
            }));
        }
    }
    compare("encoded-sizes.json", &cases.into());
}

#[test]
fn golden_inconsistency_proofs() {
    let mut cases = Vec::new();
    for n in [4, 10, 65] {
        for way in WAYS {
            let mut choices = Choices::new(n.into());
            let blob = Hostile::new(n, area(n) * 2 - 5, way, &mut choices);
            for axis in Axis::BOTH {
                let k = usize::from(*shards(n).source_slivers().get(axis));
                let slivers = choices.pick(&blob.available(axis), k);
                let mut buffers = DecodeBuffers::default();
                let error = CODEC.decode_segment(&blob.metadata, &slivers, &mut buffers);
                let Err(DecodeError::Inconsistent { proof, .. }) = error else {
                    panic!("{way} was not found: {error:?}");
                };
                let sent = bcs::to_bytes(&proof).unwrap();
                seed(
                    "inconsistency",
                    &format!("{n}-{axis}-{}", way.replace(' ', "-")),
                    &sent,
                );
                cases.push(json!({
                    "shards": n,
                    "way": way,
                    "blob_id": blob.metadata.blob().to_string(),
                    "read": axis,
                    "proof_bytes": sent.len(),
                    "proof": blake3::hash(&sent).to_hex().to_string(),
                }));
            }
        }
    }
    compare("inconsistency-proofs.json", &cases.into());
}

/// Good messages for the fuzzer to start from.
#[test]
fn golden_fuzz_seeds() {
    for n in [4, 10, 65] {
        let blob = crate::support::OneSegment::new(n, 1000);
        let metadata: &SegmentMetadata = &blob.metadata;
        seed(
            "metadata",
            &n.to_string(),
            &bcs::to_bytes(metadata).unwrap(),
        );
        for axis in Axis::BOTH {
            let extended = CODEC.extend_sliver(&blob.sliver(axis, 1));
            let proof = extended.prove(SliverIndex(n - 1)).unwrap();
            seed(
                "symbol",
                &format!("{n}-{axis}"),
                &bcs::to_bytes(&proof).unwrap(),
            );
        }
    }
    // Shape, length, then one change each: axis, sliver, byte, difference.
    for shape in [0, 1, 2, 3, u8::MAX] {
        let honest = [shape, 100];
        let tampered = [shape, 100, 0, 1, 0, 1, 1, 2, 0, 1];
        seed("slivers", &format!("{shape}-honest"), &honest);
        seed("slivers", &format!("{shape}-tampered"), &tampered);
    }
}

fn seed(target: &str, name: &str, bytes: &[u8]) {
    // Large seeds slow the fuzzer down without reaching more code.
    if std::env::var_os("BLESS").is_some() && bytes.len() <= 8192 {
        let folder = root().join("fuzz/seeds").join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
}
