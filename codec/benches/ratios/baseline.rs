//! The straightforward way: for each codeword call the crate, for each symbol call BLAKE3.
//!
//! Encoders and buffers are kept between calls; nothing else is clever.

use floe_codec::{Axis, BlobCommitment, BlobLayout, Encoding, SegmentLayout, SegmentRoot};
use reed_solomon_erasure::galois_8::ReedSolomon;
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

/// Coding along one axis with the crate of the encoding.
#[expect(clippy::large_enum_variant, reason = "there are two of them")]
enum Line {
    Matrix(ReedSolomon),
    Fft {
        k: usize,
        m: usize,
        encoder: ReedSolomonEncoder,
        decoder: ReedSolomonDecoder,
    },
}

pub(crate) struct Baseline {
    pub(crate) blob: Vec<u8>,
    layout: BlobLayout,
    rows: Line,
    columns: Line,
    keys: [[u8; 32]; 4],
    /// All symbols of a segment: n rows of n.
    square: Vec<u8>,
    hashes: Vec<[u8; 32]>,
    decoded: Vec<u8>,
}

impl Line {
    fn new(encoding: Encoding, k: usize, n: usize) -> Self {
        let m = n - k;
        match encoding {
            Encoding::RedStuff8 => Self::Matrix(ReedSolomon::new(k, m).unwrap()),
            Encoding::RedStuff16 => Self::Fft {
                k,
                m,
                encoder: ReedSolomonEncoder::new(k, m, 2).unwrap(),
                decoder: ReedSolomonDecoder::new(k, m, 2).unwrap(),
            },
        }
    }

    /// Extends a codeword whose symbols are `stride` apart in `symbols`.
    fn extend(&mut self, size: usize, symbols: &mut [u8], stride: usize) {
        match self {
            Self::Matrix(code) => {
                let mut list: Vec<&mut [u8]> = symbols
                    .chunks_mut(stride)
                    .map(|symbol| &mut symbol[..size])
                    .collect();
                code.encode(&mut list[..]).unwrap();
            }
            Self::Fft { k, m, encoder, .. } => {
                encoder.reset(*k, *m, size).unwrap();
                for symbol in symbols.chunks(stride).take(*k) {
                    encoder.add_original_shard(&symbol[..size]).unwrap();
                }
                let extended = encoder.encode().unwrap();
                let places = symbols.chunks_mut(stride).skip(*k);
                for (place, symbol) in places.zip(extended.recovery_iter()) {
                    place[..size].copy_from_slice(symbol);
                }
            }
        }
    }

    /// Restores the source symbols of a codeword from its last k symbols.
    fn restore_from_last(&mut self, last: &[&[u8]], n: usize, mut put: impl FnMut(usize, &[u8])) {
        let k = last.len();
        match self {
            Self::Matrix(code) => {
                let mut list: Vec<Option<Vec<u8>>> = vec![None; n - k];
                list.extend(last.iter().map(|symbol| Some(symbol.to_vec())));
                code.reconstruct_data(&mut list).unwrap();
                for (index, symbol) in list.iter().take(k).enumerate() {
                    put(index, symbol.as_ref().unwrap());
                }
            }
            Self::Fft { k, m, decoder, .. } => {
                decoder.reset(*k, *m, last[0].len()).unwrap();
                for (position, symbol) in (n - last.len()..n).zip(last) {
                    if position < *k {
                        decoder.add_original_shard(position, symbol).unwrap();
                        put(position, symbol);
                    } else {
                        decoder.add_recovery_shard(position - *k, symbol).unwrap();
                    }
                }
                for (index, symbol) in decoder.decode().unwrap().restored_original_iter() {
                    put(index, symbol);
                }
            }
        }
    }
}

impl Baseline {
    pub(crate) fn new(layout: BlobLayout, bytes: usize) -> Self {
        let mut blob = vec![0; bytes];
        blake3::Hasher::new().finalize_xof().fill(&mut blob);
        let k = layout.shards().source_slivers();
        let n = usize::from(layout.shards().get());
        let line = |k: u16| Line::new(layout.encoding(), k.into(), n);
        let contexts = [
            "floe/symbol/1",
            "floe/sliver/1",
            "floe/segment/1",
            "floe/root/1",
        ];
        let mut baseline = Self {
            blob,
            layout,
            rows: line(k.secondary),
            columns: line(k.primary),
            keys: contexts.map(|context| blake3::derive_key(context, b"")),
            square: Vec::new(),
            hashes: vec![[0; 32]; n * n],
            decoded: Vec::new(),
        };
        baseline.encode();
        baseline
    }

    fn segment_bytes(&self, segment: &SegmentLayout) -> std::ops::Range<usize> {
        let start = usize::try_from(segment.offset()).unwrap();
        start..start + segment.length()
    }

    /// The square of symbols of a segment.
    fn fill_square(&mut self, segment: &SegmentLayout) {
        let (n, size) = (usize::from(segment.shards().get()), segment.symbol_size());
        let k = segment.shards().source_slivers();
        let (k1, k2) = (usize::from(k.primary), usize::from(k.secondary));
        self.square.resize(n * n * size, 0);
        let source = &self.blob[self.segment_bytes(segment)];
        let row_size = k2 * size;
        for (index, row) in self.square.chunks_mut(n * size).take(k1).enumerate() {
            let bytes = source.get(index * row_size..).unwrap_or_default();
            let bytes = &bytes[..bytes.len().min(row_size)];
            row[..bytes.len()].copy_from_slice(bytes);
            row[bytes.len()..row_size].fill(0);
            self.rows.extend(size, row, size);
        }
        for column in 0..n {
            self.columns
                .extend(size, &mut self.square[column * size..], n * size);
        }
    }

    fn segment_root(&mut self, segment: &SegmentLayout) -> SegmentRoot {
        let (n, size) = (usize::from(segment.shards().get()), segment.symbol_size());
        let padding = &[0; 64][..size.next_multiple_of(64) - size];
        for (symbol, hash) in self.square.chunks(size).zip(&mut self.hashes) {
            let mut hasher = blake3::Hasher::new_keyed(&self.keys[0]);
            *hash = *hasher.update(symbol).update(padding).finalize().as_bytes();
        }
        let mut root = blake3::Hasher::new_keyed(&self.keys[2]);
        for index in 0..n {
            let row = self.hashes[index * n..(index + 1) * n].as_flattened();
            let column: Vec<_> = self.hashes.iter().skip(index).step_by(n).copied().collect();
            root.update(blake3::keyed_hash(&self.keys[1], row).as_bytes());
            root.update(blake3::keyed_hash(&self.keys[1], column.as_flattened()).as_bytes());
        }
        SegmentRoot::from_bytes(*root.finalize().as_bytes())
    }

    pub(crate) fn commitment(&mut self) -> BlobCommitment {
        let segments: Vec<_> = self.layout.segments().collect();
        let root = |segment| {
            self.fill_square(segment);
            self.segment_root(segment)
        };
        let roots: Vec<_> = segments.iter().map(root).collect();
        BlobCommitment::new(self.layout, &roots).unwrap()
    }

    /// Slivers stay in the square, primary ones as parts of rows, secondary ones as parts of columns.
    pub(crate) fn encode(&mut self) {
        self.commitment();
    }

    /// The segment that is decoded and recovered: the last, which the square holds.
    fn last(&self) -> SegmentLayout {
        self.layout.segments().last().unwrap()
    }

    pub(crate) fn decode_only(&mut self) {
        let segment = self.last();
        let (n, size) = (usize::from(segment.shards().get()), segment.symbol_size());
        let row_size = segment.sliver_size(Axis::Primary);
        let k1 = usize::from(segment.shards().source_slivers().primary);
        self.decoded.resize(segment.padded_length(), 0);
        let rows = self.square.chunks(n * size).skip(n - k1);
        let slivers: Vec<&[u8]> = rows.map(|row| &row[..row_size]).collect();
        for start in (0..row_size).step_by(size) {
            let symbols: Vec<&[u8]> = slivers.iter().map(|s| &s[start..start + size]).collect();
            self.columns.restore_from_last(&symbols, n, |row, symbol| {
                self.decoded[row * row_size + start..][..size].copy_from_slice(symbol);
            });
        }
        assert!(self.decoded[..segment.length()] == self.blob[self.segment_bytes(&segment)]);
    }

    pub(crate) fn decode(&mut self) {
        self.decode_only();
        let segment = self.last();
        self.fill_square(&segment);
        self.segment_root(&segment);
    }

    /// Rebuilds primary sliver 0 and secondary sliver n - 1 from the last slivers of the other axis, and
    /// hashes them.
    pub(crate) fn recover_pair(&mut self) {
        let segment = self.last();
        let (n, size) = (usize::from(segment.shards().get()), segment.symbol_size());
        let padding = &[0; 64][..size.next_multiple_of(64) - size];
        for axis in Axis::BOTH {
            let k = usize::from(segment.shards().source_symbols(axis));
            let (line, stride, at) = match axis {
                Axis::Primary => (&mut self.rows, size, 0),
                Axis::Secondary => (&mut self.columns, n * size, (n - 1) * size),
            };
            let symbols: Vec<&[u8]> = (n - k..n)
                .map(|i| &self.square[at + i * stride..][..size])
                .collect();
            let mut sliver = vec![0; n * size];
            line.restore_from_last(&symbols, n, |index, symbol| {
                sliver[index * size..][..size].copy_from_slice(symbol);
            });
            line.extend(size, &mut sliver, size);
            let hashes: Vec<[u8; 32]> = sliver
                .chunks(size)
                .map(|symbol| {
                    let mut hasher = blake3::Hasher::new_keyed(&self.keys[0]);
                    *hasher.update(symbol).update(padding).finalize().as_bytes()
                })
                .collect();
            blake3::keyed_hash(&self.keys[1], hashes.as_flattened());
        }
    }

    pub(crate) fn hash(&mut self) {
        self.segment_root(&self.last());
    }
}
