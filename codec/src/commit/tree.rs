//! Openings: proofs that an entry is in a list of hashes, along BLAKE3's own tree of 1 KiB chunks.
//!
//! The verifier knows how many entries there are, so every length, and whether a node is the root,
//! follows from (count, index) and is never read from the proof.

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use serde::{Deserialize, Serialize};

use super::{Hash, Level};

/// 32-byte entries in one chunk of BLAKE3.
pub(crate) const CHUNK_ENTRIES: usize = blake3::CHUNK_LEN / blake3::OUT_LEN;

/// A path from one 32-byte entry to the hash of the list it is in.
///
/// # Layout
/// A list of 32-byte words: the other entries of the entry's chunk of 32, in order, then the chaining
/// values of the siblings on the way up, bottom first, none where a node has no sibling. With e
/// entries at index i the chunk has c = min(32, e - 32 floor(i / 32)) entries; 9 words at e = 10,
/// 36 at e = 1000. ULEB128 count, then the words, in BCS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Opening(Vec<Hash>);

/// An opening that does not have the length its place implies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an opening of entry {index} of {count} has {expected} words of 32 bytes, got {got}")]
pub struct OpeningError {
    /// Which entry was opened.
    pub index: usize,
    /// How many entries there are.
    pub count: usize,
    /// The words it must have.
    pub expected: usize,
    /// The words it has.
    pub got: usize,
}

impl Opening {
    /// The bytes of the words.
    #[must_use]
    pub fn size(&self) -> usize {
        32 * self.0.len()
    }

    /// The root of the list of `count` entries if entry `index` is `entry`.
    ///
    /// The caller has checked that `index` is below `count`.
    pub(crate) fn root(
        &self,
        level: &Level,
        entry: Hash,
        index: usize,
        count: usize,
    ) -> Result<Hash, OpeningError> {
        let chunk = index / CHUNK_ENTRIES;
        let others = (count - chunk * CHUNK_ENTRIES).min(CHUNK_ENTRIES) - 1;
        let expected = others
            + siblings(chunk, count.div_ceil(CHUNK_ENTRIES))
                .flatten()
                .count();
        if self.0.len() != expected {
            return Err(OpeningError {
                index,
                count,
                expected,
                got: self.0.len(),
            });
        }
        let (others, mut path) = self.0.split_at(others);
        let mut entries = others.to_vec();
        entries.insert(index % CHUNK_ENTRIES, entry);
        let mut node = chunk_of(level, chunk, count, &entries);
        let mut position = chunk;
        let mut steps = siblings(chunk, count.div_ceil(CHUNK_ENTRIES)).peekable();
        while let Some(step) = steps.next() {
            if step.is_some() {
                let (sibling, rest) = path.split_first().expect("the words were counted");
                let (left, right) = if position.is_multiple_of(2) {
                    (&node, sibling)
                } else {
                    (sibling, &node)
                };
                node = merge(level, left, right, steps.peek().is_none());
                path = rest;
            }
            position /= 2;
        }
        Ok(node)
    }
}

/// The hash of a list of 32-byte entries with every inner node, to make openings from.
///
/// Pairing neighbours and carrying an odd last node up gives the tree of BLAKE3, in which the left
/// subtree of each node is the largest complete one.
#[derive(Clone, Debug)]
pub(crate) struct ChunkTree {
    entries: Vec<Hash>,
    /// Chunk values, then each layer above them, up to the root alone.
    layers: Vec<Vec<Hash>>,
}

impl ChunkTree {
    /// The tree over `entries`, of which there is at least one.
    pub(crate) fn new(level: &Level, entries: Vec<Hash>) -> Self {
        let chunks = entries.chunks(CHUNK_ENTRIES).enumerate();
        let chunks = chunks.map(|(index, chunk)| chunk_of(level, index, entries.len(), chunk));
        let mut layers = vec![chunks.collect::<Vec<_>>()];
        while let Some(above) = layers
            .last()
            .filter(|top| top.len() > 1)
            .map(|top| parents(level, top))
        {
            layers.push(above);
        }
        Self { entries, layers }
    }

    pub(crate) fn entries(&self) -> &[Hash] {
        &self.entries
    }

    pub(crate) fn root(&self) -> Hash {
        self.layers
            .last()
            .and_then(|top| top.first())
            .copied()
            .expect("there is an entry")
    }

    /// The opening of entry `index`, which is below the number of entries.
    pub(crate) fn open(&self, index: usize) -> Opening {
        let chunk = index / CHUNK_ENTRIES;
        let start = chunk * CHUNK_ENTRIES;
        let end = (start + CHUNK_ENTRIES).min(self.entries.len());
        let others = (start..end)
            .filter(|&other| other != index)
            .map(|other| self.entries[other]);
        let path = siblings(chunk, self.layers[0].len()).zip(&self.layers);
        let path = path.filter_map(|(sibling, layer)| Some(layer[sibling?]));
        Opening(others.chain(path).collect())
    }
}

/// What a chunk of a list of `count` entries contributes: its chaining value, or the root itself if
/// it is the only one.
pub(crate) fn chunk_of(level: &Level, index: usize, count: usize, entries: &[Hash]) -> Hash {
    if count <= CHUNK_ENTRIES {
        level.hash(entries)
    } else {
        let offset = blake3::CHUNK_LEN as u64 * crate::layout::size_u64(index);
        let mut hasher = blake3::Hasher::new_keyed(&level.0);
        hasher
            .set_input_offset(offset)
            .update(entries.as_flattened())
            .finalize_non_root()
    }
}

fn parents(level: &Level, below: &[Hash]) -> Vec<Hash> {
    let is_root = below.len() == 2;
    let parent = |pair: &[Hash]| match pair {
        [left, right] => merge(level, left, right, is_root),
        carried => carried[0],
    };
    below.chunks(2).map(parent).collect()
}

/// For each layer below the root, the sibling of the node over `chunk`, if it has one.
fn siblings(chunk: usize, chunks: usize) -> impl Iterator<Item = Option<usize>> {
    let mut layer = (chunk, chunks);
    std::iter::from_fn(move || {
        let (position, count) = layer;
        layer = (position / 2, count.div_ceil(2));
        (count > 1).then_some(Some(position ^ 1).filter(|&sibling| sibling < count))
    })
}

fn merge(level: &Level, left: &Hash, right: &Hash, is_root: bool) -> Hash {
    let mode = Mode::KeyedHash(&level.0);
    if is_root {
        *merge_subtrees_root(left, right, mode).as_bytes()
    } else {
        merge_subtrees_non_root(left, right, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(count: usize) -> Vec<Hash> {
        (0..count)
            .map(|i| *blake3::hash(&i.to_le_bytes()).as_bytes())
            .collect()
    }

    #[test]
    fn trees_equal_the_keyed_hash_and_open_everywhere() {
        let level = Level::sliver();
        for count in [
            1, 4, 10, 31, 32, 33, 64, 65, 96, 100, 129, 256, 257, 1000, 1024, 2048,
        ] {
            let tree = ChunkTree::new(level, entries(count));
            let root = level.hash(tree.entries());
            assert_eq!(tree.root(), root, "{count}");
            for index in 0..count {
                let opening = tree.open(index);
                let entry = tree.entries()[index];
                assert_eq!(opening.root(level, entry, index, count), Ok(root));
                // Another place, level or entry gives another root or is refused.
                let elsewhere = (index + 1) % count;
                if elsewhere != index {
                    assert_ne!(opening.root(level, entry, elsewhere, count), Ok(root));
                }
                assert_ne!(opening.root(level, [7; 32], index, count), Ok(root));
                assert_ne!(opening.root(Level::root(), entry, index, count), Ok(root));
            }
        }
    }

    #[test]
    fn openings_have_the_specified_sizes() {
        for (count, size) in [(10, 288), (32, 992), (100, 1056), (1000, 1152)] {
            assert_eq!(
                ChunkTree::new(Level::sliver(), entries(count))
                    .open(0)
                    .size(),
                size
            );
        }
        let short = Opening(vec![[0; 32]; 35]);
        let error = short.root(Level::sliver(), [0; 32], 0, 1000).unwrap_err();
        assert_eq!((error.expected, error.got), (36, 35));
    }
}
