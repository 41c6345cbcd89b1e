/// What a blob costs in stored bytes and how its id follows from its root: the chain's half of the codec.
/// Holds no state; `docs/protocol.md` section "Blob format" is the specification.
module floe::encoding;

use std::hash;
use sui::bcs;

/// The encoding is unknown or not the one for this number of shards.
const EEncoding: u64 = 1;
/// The blob has more segments than the codec allows.
const ESize: u64 = 2;
/// A blob root has 32 bytes.
const ERoot: u64 = 3;

/// Over GF(2^8), for 4 to 64 shards.
const RED_STUFF_8: u8 = 1;
/// Over GF(2^16), for 65 shards and more.
const RED_STUFF_16: u8 = 2;
const MAX_SHARDS_8: u16 = 64;

const MAX_SEGMENTS: u64 = 1 << 20;
/// Segments carry about this many bytes where symbols stay small.
const SEGMENT_TARGET: u64 = 4 << 20;
const MIN_FULL_SYMBOL: u64 = 512;
const SYMBOL_ALIGN: u64 = 64;
/// Both sliver hashes of one pair.
const PAIR_HASHES: u64 = 64;
/// Metadata is kept by every node, counted for at most this many of them.
const MAX_METADATA_COPIES: u64 = 128;

/// Bytes that all nodes together store for a blob of `size` bytes over `shards` shards, metadata included.
public fun encoded_size(shards: u16, size: u64): u64 {
    let n = shards as u64;
    let f = (n - 1) / 3;
    let (k1, k2) = (n - 2 * f, n - f);
    let symbols = k1 * k2;
    let full_symbol =
        SEGMENT_TARGET.divide_and_round_up(symbols).divide_and_round_up(SYMBOL_ALIGN) * SYMBOL_ALIGN;
    let full_symbol = full_symbol.max(MIN_FULL_SYMBOL);
    let capacity = symbols * full_symbol;
    let segments = size.divide_and_round_up(capacity).max(1);
    assert!(segments <= MAX_SEGMENTS, ESize);
    let rest = size - (segments - 1) * capacity;
    let last_symbol = (rest.divide_and_round_up(symbols).divide_and_round_up(2) * 2).max(2);
    n * (k1 + k2) * ((segments - 1) * full_symbol + last_symbol)
        + PAIR_HASHES * n * segments * n.min(MAX_METADATA_COPIES)
}

/// SHA-256("floe/blob/1" | encoding u8 | shards u16 LE | size u64 LE | root 32).
public fun blob_id(encoding: u8, shards: u16, size: u64, root: vector<u8>): vector<u8> {
    let expected = if (shards <= MAX_SHARDS_8) RED_STUFF_8 else RED_STUFF_16;
    assert!(encoding == expected, EEncoding);
    assert!(root.length() == 32, ERoot);
    let mut bytes = b"floe/blob/1";
    bytes.push_back(encoding);
    bytes.append(bcs::to_bytes(&shards));
    bytes.append(bcs::to_bytes(&size));
    bytes.append(root);
    hash::sha2_256(bytes)
}
