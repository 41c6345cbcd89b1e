//! The commitment tree: which bytes each hash is over, and with which key.
//!
//! Levels, from the bottom: symbol, sliver (a row or column of one segment), segment, blob. Each is
//! BLAKE3 in keyed mode with a key of its own, so a hash of one level means nothing on another.
//! `docs/protocol.md`, "Commitments".

mod tree;

use std::sync::LazyLock;

pub(crate) use tree::{CHUNK_ENTRIES, ChunkTree, chunk_of};
pub use tree::{Opening, OpeningError};

use crate::{
    Axis, SliverIndex, Tier,
    kernel::hash::{BLOCK, LANES, LaneHasher},
};

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

/// The hash of one symbol: of its bytes, zero-padded to whole blocks of BLAKE3.
pub(crate) fn symbol_hash(symbol: &[u8]) -> Hash {
    let padding = padded(symbol.len()) - symbol.len();
    let mut hasher = blake3::Hasher::new_keyed(&Level::symbol().0);
    hasher.update(symbol).update(&[0; BLOCK][..padding]);
    *hasher.finalize().as_bytes()
}

/// The bytes that a symbol takes where it is hashed, zero-padded.
pub(crate) const fn padded(size: usize) -> usize {
    size.next_multiple_of(BLOCK)
}

/// The hashes of symbols, each padded with zeros to `padded` bytes.
pub(crate) fn symbol_hashes(tier: Tier, padded: usize, symbols: &[u8], hashes: &mut [Hash]) {
    let hasher = LaneHasher::new(tier, Level::symbol().0);
    let groups = symbols.chunks(LANES * padded);
    for (symbols, hashes) in groups.zip(hashes.chunks_mut(LANES)) {
        let mut inputs: [&[u8]; LANES] = [&[]; LANES];
        for (input, symbol) in inputs.iter_mut().zip(symbols.chunks_exact(padded)) {
            *input = symbol;
        }
        hasher.hash(&inputs[..hashes.len()], hashes);
    }
}

/// The hashes of lists of entries of equal length.
pub(crate) fn list_hashes(tier: Tier, level: &Level, lists: &[&[Hash]]) -> Vec<Hash> {
    let bytes = 32 * lists.first().map_or(0, |list| list.len());
    if !bytes.is_multiple_of(BLOCK) {
        return lists.iter().map(|list| level.hash(list)).collect();
    }
    let hasher = LaneHasher::new(tier, level.0);
    let mut hashes = vec![Hash::default(); lists.len()];
    for (lists, hashes) in lists.chunks(LANES).zip(hashes.chunks_mut(LANES)) {
        let lists: Vec<&[u8]> = lists.iter().map(|list| list.as_flattened()).collect();
        hasher.hash(&lists, hashes);
    }
    hashes
}

/// What chunk `index` of each of several lists of `count` entries contributes, as [`chunk_of`].
pub(crate) fn chunks_of(
    tier: Tier,
    level: &Level,
    index: usize,
    count: usize,
    chunks: &[&[Hash]],
) -> Vec<Hash> {
    let bytes = 32 * chunks.first().map_or(0, |chunk| chunk.len());
    if count <= CHUNK_ENTRIES {
        return list_hashes(tier, level, chunks);
    } else if !bytes.is_multiple_of(BLOCK) {
        let value = |chunk: &&[Hash]| chunk_of(level, index, count, chunk);
        return chunks.iter().map(value).collect();
    }
    let hasher = LaneHasher::new(tier, level.0);
    let mut values = vec![Hash::default(); chunks.len()];
    for (chunks, values) in chunks.chunks(LANES).zip(values.chunks_mut(LANES)) {
        let chunks: Vec<&[u8]> = chunks.iter().map(|chunk| chunk.as_flattened()).collect();
        hasher.chunk_values(&chunks, index, values);
    }
    values
}

/// The roots of the trees over the chunks of several lists: chunk i of list j is `chunk(i)[j]`.
pub(crate) fn roots_of_chunks<'a>(
    tier: Tier,
    level: &Level,
    chunks: usize,
    chunk: impl Fn(usize) -> &'a [Hash],
    roots: &mut [Hash],
) {
    let hasher = LaneHasher::new(tier, level.0);
    for (group, roots) in roots.chunks_mut(LANES).enumerate() {
        let mut nodes: Vec<[Hash; LANES]> = (0..chunks)
            .map(|i| {
                let values = &chunk(i)[group * LANES..][..roots.len()];
                let mut lanes = [Hash::default(); LANES];
                lanes[..values.len()].copy_from_slice(values);
                lanes
            })
            .collect();
        hasher.tree(&mut nodes, roots);
    }
}
