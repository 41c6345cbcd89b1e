//! BLAKE3 in lanes: many inputs of one size at once, each the keyed hash it would have alone.
//!
//! The library hashes one long input in vector lanes across its 1 KiB chunks; symbols and rows of
//! hashes are short, so here the lanes run across inputs. The compression itself is the library's.

use blake3::{IncrementCounter, platform::Platform};

use super::Tier;

/// A hash or chaining value.
type Hash = [u8; 32];

/// Bytes of a block; inputs are multiples of it.
pub(crate) const BLOCK: usize = blake3::BLOCK_LEN;

/// Inputs hashed together at most.
pub(crate) const LANES: usize = 16;

/// Above this many bytes an input fills the lanes by itself.
const LONG: usize = LANES * blake3::CHUNK_LEN;

const CHUNK_START: u8 = 1;
const CHUNK_END: u8 = 2;
const PARENT: u8 = 4;
const ROOT: u8 = 8;
const KEYED: u8 = 16;

/// Hashing on one tier with one key.
#[derive(Clone, Copy)]
pub(crate) struct LaneHasher {
    platform: Platform,
    key: Hash,
    words: [u32; 8],
}

impl LaneHasher {
    pub(crate) fn new(tier: Tier, key: Hash) -> Self {
        let platform = match tier {
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512 => Platform::avx512(),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2 => Platform::avx2(),
            Tier::Scalar => Some(Platform::portable()),
            _ => None,
        };
        Self {
            platform: platform.unwrap_or_else(Platform::detect),
            key,
            words: blake3::platform::words_from_le_bytes_32(&key),
        }
    }

    /// The keyed hashes of `inputs`, at most [`LANES`], all of the same length: a positive multiple
    /// of [`BLOCK`].
    pub(crate) fn hash(&self, inputs: &[&[u8]], hashes: &mut [Hash]) {
        let length = inputs.first().map_or(0, |input| input.len());
        if length > LONG {
            for (input, hash) in inputs.iter().zip(hashes) {
                *hash = *blake3::keyed_hash(&self.key, input).as_bytes();
            }
        } else if length > blake3::CHUNK_LEN {
            self.hash_chunks(inputs, length, hashes);
        } else {
            self.chunks(inputs, 0, CHUNK_END | ROOT, hashes);
        }
    }

    /// The chaining values of chunk `index` of several inputs longer than a chunk.
    pub(crate) fn chunk_values(&self, chunks: &[&[u8]], index: usize, values: &mut [Hash]) {
        self.chunks(chunks, index, CHUNK_END, values);
    }

    /// Inputs of 2 to 16 chunks: the values of the chunks, then the tree above them.
    fn hash_chunks(&self, inputs: &[&[u8]], length: usize, hashes: &mut [Hash]) {
        const MOST: usize = LONG / blake3::CHUNK_LEN;
        let mut nodes = [[[0; 32]; LANES]; MOST];
        let nodes = &mut nodes[..length.div_ceil(blake3::CHUNK_LEN)];
        for (index, values) in nodes.iter_mut().enumerate() {
            let start = index * blake3::CHUNK_LEN;
            let range = start..length.min(start + blake3::CHUNK_LEN);
            let chunks = lanes(inputs, &[][..], |input| &input[range.clone()]);
            self.chunks(&chunks[..inputs.len()], index, CHUNK_END, values);
        }
        self.tree(nodes, &mut hashes[..inputs.len()]);
    }

    /// The roots of the trees over nodes of several lists, of which there is at least one each: entry
    /// i of list j is `nodes[i][j]`. Overwrites the nodes.
    pub(crate) fn tree(&self, nodes: &mut [[Hash; LANES]], roots: &mut [Hash]) {
        // Pairing neighbours and carrying an odd last node up gives BLAKE3's tree.
        let mut count = nodes.len();
        while count > 1 {
            let flags = if count == 2 { PARENT | ROOT } else { PARENT };
            for pair in 0..count / 2 {
                let [left, right] = [nodes[2 * pair], nodes[2 * pair + 1]];
                let blocks: [[Hash; 2]; LANES] =
                    std::array::from_fn(|lane| [left[lane], right[lane]]);
                let parents = blocks.each_ref().map(|block| block.as_flattened());
                self.many(&parents[..roots.len()], 0, flags, 0, 0, &mut nodes[pair]);
            }
            if count % 2 == 1 {
                nodes[count / 2] = nodes[count - 1];
            }
            count = count.div_ceil(2);
        }
        roots.copy_from_slice(&nodes[0][..roots.len()]);
    }

    fn chunks(&self, chunks: &[&[u8]], index: usize, end: u8, out: &mut [Hash]) {
        self.many(chunks, index, 0, CHUNK_START, end, out);
    }

    /// One call of the library's compression in lanes. It takes the length as a constant.
    fn many(
        &self,
        inputs: &[&[u8]],
        counter: usize,
        flags: u8,
        start: u8,
        end: u8,
        out: &mut [Hash],
    ) {
        macro_rules! by_length {
            ($($blocks:literal)*) => {
                match inputs.first().map_or(0, |input| input.len()) {
                    0 => {}
                    $(
                        length if length == $blocks * BLOCK => {
                            const EMPTY: &[u8; $blocks * BLOCK] = &[0; $blocks * BLOCK];
                            let arrays = lanes(inputs, EMPTY, |input| {
                                input.first_chunk().expect("inputs are of one length")
                            });
                            self.platform.hash_many(
                                &arrays[..inputs.len()],
                                &self.words,
                                counter as u64,
                                IncrementCounter::No,
                                KEYED | flags,
                                start,
                                end,
                                out.as_flattened_mut(),
                            );
                        }
                    )*
                    _ => unreachable!("lengths are multiples of a block, up to a chunk"),
                }
            };
        }
        by_length!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    }
}

/// What `of` gives for each of at most [`LANES`] items.
fn lanes<'a, T, U: Copy>(items: &'a [T], unused: U, of: impl Fn(&'a T) -> U) -> [U; LANES] {
    let mut lanes = [unused; LANES];
    for (lane, item) in lanes.iter_mut().zip(items) {
        *lane = of(item);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use blake3::hazmat::HasherExt;

    use super::*;

    #[test]
    fn every_tier_hashes_as_the_library() {
        let mut data = vec![0; 20_000];
        blake3::Hasher::new().finalize_xof().fill(&mut data);
        for tier in Tier::ALL.into_iter().filter(|tier| tier.is_available()) {
            let hasher = LaneHasher::new(tier, [9; 32]);
            for blocks in [1, 2, 7, 15, 16, 17, 19, 32, 33, 65, 129, 255, 256, 257] {
                for count in [0, 1, 2, 5, 15, 16] {
                    let inputs: Vec<&[u8]> = (0..count)
                        .map(|i| &data[i * 99..][..blocks * BLOCK])
                        .collect();
                    let mut hashes = vec![[0; 32]; count];
                    hasher.hash(&inputs, &mut hashes);
                    for (input, hash) in inputs.iter().zip(hashes) {
                        assert_eq!(blake3::keyed_hash(&[9; 32], input), hash, "{tier} {blocks}");
                    }
                }
            }
        }
    }

    #[test]
    fn chunk_values_are_those_of_the_tree() {
        let data = [5; 2048];
        let inputs = [&data[..1024], &data[3..1027]];
        let mut values = [[0; 32]; 2];
        LaneHasher::new(Tier::fastest(), [1; 32]).chunk_values(&inputs, 3, &mut values);
        for (input, value) in inputs.iter().zip(values) {
            let mut hasher = blake3::Hasher::new_keyed(&[1; 32]);
            hasher.set_input_offset(3 * 1024).update(input);
            assert_eq!(hasher.finalize_non_root(), value);
        }
    }
}
