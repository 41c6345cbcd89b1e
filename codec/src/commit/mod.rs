//! The commitment tree: which bytes each hash is over, and with which key.
//!
//! Levels, from the bottom: symbol, sliver (a row or column of one segment), segment, blob. Each is
//! BLAKE3 in keyed mode with a key of its own, so a hash of one level means nothing on another.
//! `docs/protocol.md`, "Commitments".

mod tree;

use std::sync::LazyLock;

pub(crate) use tree::{CHUNK_ENTRIES, ChunkTree, chunk_of, root_of_chunks};
pub use tree::{Opening, OpeningError};

use crate::{Axis, SliverIndex};

/// A hash as raw bytes; the public types name the level.
pub(crate) type Hash = [u8; 32];

/// The key of one level of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(Hash);

impl Level {
    pub(crate) fn symbol() -> &'static Self {
        &KEYS[0]
    }

    pub(crate) fn sliver() -> &'static Self {
        &KEYS[1]
    }

    pub(crate) fn segment() -> &'static Self {
        &KEYS[2]
    }

    pub(crate) fn root() -> &'static Self {
        &KEYS[3]
    }

    /// The hash of `entries`, one after the other.
    pub(crate) fn hash(&self, entries: &[Hash]) -> Hash {
        *blake3::keyed_hash(&self.0, entries.as_flattened()).as_bytes()
    }
}

static KEYS: LazyLock<[Level; 4]> = LazyLock::new(|| {
    [
        "floe/symbol/1",
        "floe/sliver/1",
        "floe/segment/1",
        "floe/root/1",
    ]
    .map(|context| Level(blake3::derive_key(context, b"")))
});

/// Where a sliver's hash stands in a segment's list: primary 0, secondary 0, primary 1, and so on.
pub(crate) fn hash_position(axis: Axis, index: SliverIndex) -> usize {
    2 * usize::from(index.get())
        + match axis {
            Axis::Primary => 0,
            Axis::Secondary => 1,
        }
}

/// Symbols are hashed zero-padded to a multiple of this many bytes, the block of BLAKE3.
const SYMBOL_BLOCK: usize = 64;

/// The hash of one symbol.
pub(crate) fn symbol_hash(symbol: &[u8]) -> Hash {
    let padding = symbol.len().next_multiple_of(SYMBOL_BLOCK) - symbol.len();
    let mut hasher = blake3::Hasher::new_keyed(&Level::symbol().0);
    hasher.update(symbol).update(&[0; SYMBOL_BLOCK][..padding]);
    *hasher.finalize().as_bytes()
}

/// The hashes of symbols of equal size.
pub(crate) fn symbol_hashes(symbols: &[&[u8]], hashes: &mut [Hash]) {
    for (symbol, hash) in symbols.iter().zip(hashes) {
        *hash = symbol_hash(symbol);
    }
}
