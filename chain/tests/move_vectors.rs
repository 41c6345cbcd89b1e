//! The Move tests of encoded sizes and blob ids carry vectors; here the codec is held to the same.

use floe_codec::{BlobId, BlobLayout, BlobRoot, Encoding, ShardCount};

const MOVE_TESTS: &str = include_str!("../move/floe/tests/encoding_tests.move");

/// The arguments of every call of `function` in the Move tests.
fn calls(function: &str) -> Vec<Vec<&'static str>> {
    let (start, end) = (format!("{function}("), ')');
    let lines = MOVE_TESTS.lines().filter_map(|line| {
        let arguments = line.trim().strip_prefix(&start)?.split_once(end)?.0;
        Some(arguments.split(", ").collect())
    });
    lines.collect()
}

#[test]
fn encoded_sizes() {
    let vectors = calls("check");
    assert!(vectors.len() > 90, "only {} vectors", vectors.len());
    for vector in vectors {
        let [shards, size, expected] = vector[..] else {
            panic!("{vector:?} is no vector")
        };
        let shards = ShardCount::new(shards.parse().unwrap()).unwrap();
        let layout = BlobLayout::for_shards(shards, size.parse().unwrap()).unwrap();
        assert_eq!(
            layout.encoded_size(),
            expected.parse().unwrap(),
            "{vector:?}"
        );
    }
}

#[test]
fn blob_ids() {
    let ids = calls("encoding::blob_id");
    let expected: Vec<_> = MOVE_TESTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("== x\"")?.strip_suffix("\","))
        .collect();
    // Those without an expected id are the refusals.
    assert_eq!(expected.len(), 4);
    for (vector, expected) in ids.iter().zip(expected) {
        let [encoding, shards, size, root] = vector[..] else {
            panic!("{vector:?} is no vector")
        };
        let encoding = Encoding::from_code(encoding.parse().unwrap()).unwrap();
        let shards = ShardCount::new(shards.parse().unwrap()).unwrap();
        let layout = BlobLayout::new(encoding, shards, size.parse().unwrap()).unwrap();
        let root = root.trim_start_matches("x\"").trim_end_matches('"');
        let root = BlobRoot::from_bytes(hex::decode(root).unwrap().try_into().unwrap());
        let id = BlobId::derive(&layout, &root);
        assert_eq!(hex::encode(id.as_bytes()), expected);
    }
}
