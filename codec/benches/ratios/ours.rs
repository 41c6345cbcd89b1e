//! What the codec does for each row, with its memory reused.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use floe_codec::{
    Axis, BlobCommitment, BlobId, BlobLayout, Codec, DecodeBuffers, EncodedSegment, HelperSymbols,
    SegmentBuffers, SegmentLayout, SegmentMetadata, SliverIndex, VerifiedSliver,
};

pub(crate) struct Ours {
    codec: Codec,
    blob: Vec<u8>,
    layout: BlobLayout,
    commitment: BlobCommitment,
    /// Metadata and slivers of the last segment, whose rows are decoded and recovered.
    metadata: SegmentMetadata,
    last_rows: Vec<VerifiedSliver>,
    /// For each axis, what the last slivers of the other axis send to rebuild one sliver.
    symbols: [Vec<(SliverIndex, Vec<u8>)>; 2],
    extended: Vec<Vec<u8>>,
    encoded: SegmentBuffers,
    committed: SegmentBuffers,
    decoded: DecodeBuffers,
    matrix: Vec<u8>,
}

impl Ours {
    pub(crate) fn new(codec: Codec, layout: BlobLayout, blob: Vec<u8>) -> Self {
        let commitment = codec.commit(&layout, &blob[..]).unwrap();
        let last = layout.segments().last().unwrap();
        let n = layout.shards().get();
        let encoded = codec
            .encode_segment(&last, &blob[range(&last)], SegmentBuffers::default())
            .unwrap();
        let metadata = commitment.metadata(&encoded).unwrap();
        let lasts = |axis| {
            let k = *layout.shards().source_slivers().get(axis);
            let slivers =
                (n - k..n).map(|index| verified(&codec, &metadata, &encoded, axis, index));
            slivers.collect::<Vec<_>>()
        };
        let symbols = Axis::BOTH.map(|axis| {
            let target = if axis == Axis::Primary { 0 } else { n - 1 };
            let send = |helper: VerifiedSliver| {
                let extended = codec.extend_sliver(&helper);
                (
                    helper.index(),
                    extended.symbol(SliverIndex(target)).unwrap().to_vec(),
                )
            };
            lasts(axis.orthogonal()).into_iter().map(send).collect()
        });
        let last_rows = lasts(Axis::Primary);
        // All n rows with all their symbols, padded, to hash.
        let extended = SliverIndex::all(layout.shards())
            .map(|row| {
                let row = verified(&codec, &metadata, &encoded, Axis::Primary, row.get());
                let extended = codec.extend_sliver(&row);
                let symbols = SliverIndex::all(layout.shards());
                let padded = |column| {
                    let mut symbol = extended.symbol(column).unwrap().to_vec();
                    symbol.resize(symbol.len().next_multiple_of(64), 0);
                    symbol
                };
                symbols.flat_map(padded).collect()
            })
            .collect();
        let matrix = vec![0; last.padded_length()];
        Self {
            codec,
            blob,
            layout,
            commitment,
            metadata,
            last_rows,
            symbols,
            extended,
            encoded: SegmentBuffers::default(),
            committed: SegmentBuffers::default(),
            decoded: DecodeBuffers::default(),
            matrix,
        }
    }

    pub(crate) fn id(&self) -> BlobId {
        *self.commitment.id()
    }

    pub(crate) fn encode(&mut self) {
        for (segment, root) in self.layout.segments().zip(self.commitment.segment_roots()) {
            let buffers = std::mem::take(&mut self.encoded);
            let source = &self.blob[range(&segment)];
            let encoded = self
                .codec
                .encode_segment(&segment, source, buffers)
                .unwrap();
            assert_eq!(encoded.root(), root);
            self.encoded = encoded.into_parts().1;
        }
    }

    pub(crate) fn commit(&mut self) {
        for (segment, root) in self.layout.segments().zip(self.commitment.segment_roots()) {
            let source = &self.blob[range(&segment)];
            let got = self
                .codec
                .commit_segment(&segment, source, &mut self.committed);
            assert_eq!(got, Ok(root));
        }
    }

    pub(crate) fn decode_only(&mut self) {
        self.codec
            .decode_unchecked(&self.metadata, &self.last_rows, &mut self.matrix)
            .unwrap();
        let segment = self.metadata.layout();
        assert!(self.matrix[..segment.length()] == self.blob[range(segment)]);
    }

    pub(crate) fn decode(&mut self) {
        let slivers = &self.last_rows;
        let bytes = self
            .codec
            .decode_segment(&self.metadata, slivers, &mut self.decoded)
            .unwrap();
        assert!(bytes == &self.blob[range(self.metadata.layout())]);
    }

    pub(crate) fn recover_pair(&mut self) {
        let n = self.layout.shards().get();
        for (axis, target) in [(Axis::Primary, 0), (Axis::Secondary, n - 1)] {
            let sent = &self.symbols[usize::from(axis == Axis::Secondary)];
            let helpers: Vec<_> = sent
                .iter()
                .map(|(sliver, symbols)| HelperSymbols {
                    sliver: *sliver,
                    symbols,
                })
                .collect();
            let targets = [SliverIndex(target)];
            let recovered = self
                .codec
                .recover_slivers(&self.metadata, axis, &targets, &helpers)
                .unwrap();
            recovered
                .into_iter()
                .for_each(|sliver| drop(sliver.unwrap()));
        }
    }

    pub(crate) fn hash(&mut self) {
        let padded = self.metadata.layout().symbol_size().next_multiple_of(64);
        std::hint::black_box(self.codec.hash_for_benchmark(padded, &self.extended));
    }
}

/// A blob in a file and the slivers of all its segments.
pub(crate) struct Stream {
    codec: Codec,
    blob: Vec<u8>,
    input: TemporaryFile,
    output: TemporaryFile,
    commitment: BlobCommitment,
    /// The last k1 primary slivers of each segment, with its metadata.
    segments: Vec<(SegmentMetadata, Vec<VerifiedSliver>)>,
    /// What the calls without a stream use.
    encoded: SegmentBuffers,
    decoded: DecodeBuffers,
}

/// Removed when dropped.
struct TemporaryFile(PathBuf);

impl Stream {
    pub(crate) fn new(codec: Codec, layout: BlobLayout, blob: Vec<u8>) -> Self {
        let file = |name| {
            let name = format!("floe-ratios-{}-{name}", std::process::id());
            TemporaryFile(std::env::temp_dir().join(name))
        };
        let (input, output) = (file("input"), file("output"));
        std::fs::write(input.path(), &blob).unwrap();
        let commitment = codec.commit(&layout, &blob[..]).unwrap();
        let n = layout.shards().get();
        let k1 = layout.shards().source_slivers().primary;
        let mut buffers = SegmentBuffers::default();
        let segments = layout.segments().map(|segment| {
            let source = &blob[range(&segment)];
            let memory = std::mem::take(&mut buffers);
            let encoded = codec.encode_segment(&segment, source, memory).unwrap();
            let metadata = commitment.metadata(&encoded).unwrap();
            let last = n - k1..n;
            let slivers =
                last.map(|index| verified(&codec, &metadata, &encoded, Axis::Primary, index));
            let slivers = slivers.collect();
            buffers = encoded.into_parts().1;
            (metadata, slivers)
        });
        let segments = segments.collect();
        Self {
            codec,
            blob,
            input,
            output,
            commitment,
            segments,
            encoded: buffers,
            decoded: DecodeBuffers::default(),
        }
    }

    pub(crate) fn encode_file(&mut self) {
        let input = || File::open(self.input.path()).unwrap();
        let commitment = self.codec.commit(self.commitment.layout(), input());
        let mut encoder = self.codec.encoder(commitment.unwrap(), input());
        while let Some(ready) = encoder.next_segment().unwrap() {
            encoder.recycle(ready.encoded);
        }
    }

    /// The same calls for each segment without the stream.
    pub(crate) fn encode_memory(&mut self) {
        for (metadata, _) in &self.segments {
            let (segment, root) = (metadata.layout(), metadata.root());
            let source = &self.blob[range(segment)];
            let buffers = &mut self.encoded;
            let got = self.codec.commit_segment(segment, source, buffers);
            assert_eq!(got.as_ref(), Ok(root));
        }
        for (metadata, _) in &self.segments {
            let source = &self.blob[range(metadata.layout())];
            let buffers = std::mem::take(&mut self.encoded);
            let encoded = self
                .codec
                .encode_segment(metadata.layout(), source, buffers)
                .unwrap();
            self.commitment.metadata(&encoded).unwrap();
            self.encoded = encoded.into_parts().1;
        }
    }

    pub(crate) fn decode_file(&mut self) {
        let (id, layout) = (*self.commitment.id(), *self.commitment.layout());
        // Its pages, too, were used before.
        let mut output = File::options();
        let output = output.create(true).write(true).truncate(false);
        let output = output.open(self.output.path()).unwrap();
        let mut decoder = self.codec.decoder(id, layout, output);
        for (metadata, slivers) in &self.segments {
            decoder.push(metadata, slivers).unwrap();
        }
        decoder.finish().unwrap();
    }

    /// The same calls for each segment without the stream.
    pub(crate) fn decode_memory(&mut self) {
        for (metadata, slivers) in &self.segments {
            let bytes = self
                .codec
                .decode_segment(metadata, slivers, &mut self.decoded)
                .unwrap();
            std::hint::black_box(bytes);
        }
    }
}

impl TemporaryFile {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // It may never have been made, and a benchmark has nobody to tell.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn range(segment: &SegmentLayout) -> std::ops::Range<usize> {
    let start = usize::try_from(segment.offset()).unwrap();
    start..start + segment.length()
}

fn verified(
    codec: &Codec,
    metadata: &SegmentMetadata,
    encoded: &EncodedSegment<&[u8]>,
    axis: Axis,
    index: u16,
) -> VerifiedSliver {
    let index = SliverIndex(index);
    let bytes = encoded.sliver(axis, index).unwrap().to_vec();
    codec.verify_sliver(metadata, axis, index, bytes).unwrap()
}
