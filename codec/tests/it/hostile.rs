//! What a hostile writer can commit to: any slivers, any hashes.

use floe_codec::{
    Axis, BlobId, BlobLayout, BlobRoot, ByAxis, SegmentMetadata, SliverIndex, Unverified,
    VerifiedSliver,
};

use crate::{
    definition::{extend, keyed, sliver_hash, symbols},
    support::{CODEC, Choices, OneSegment, bytes, layout},
};

/// A blob of one segment with slivers chosen freely; `None` where nobody has bytes for the hash.
#[derive(Clone)]
pub(crate) struct Hostile {
    pub(crate) slivers: ByAxis<Vec<Option<Vec<u8>>>>,
    pub(crate) metadata: SegmentMetadata,
}

/// Ways to deviate from an honest encoding.
pub(crate) const WAYS: [&str; 9] = [
    "one symbol of a row",
    "one symbol of a column",
    "a row",
    "a column",
    "swapped rows",
    "dirty padding",
    "rows of two codewords",
    "a hash without preimage",
    "a row that is no codeword",
];

impl Hostile {
    /// A blob that deviates in one of the `WAYS`, or an honest one for any other word.
    pub(crate) fn new(n: u16, length: usize, way: &str, choices: &mut Choices) -> Self {
        let blob = layout(n, length);
        let mut source = bytes(length);
        let size = blob.segments().next().unwrap().symbol_size();
        if way == "dirty padding" {
            let padded = blob.segments().next().unwrap().padded_length();
            source.resize(padded, 0);
            let at = length + choices.below(padded - length);
            source[at] = 1;
        }
        let honest = slivers(&OneSegment::new(n, source.len()), &source);
        let mut slivers = honest.clone();
        let mut hashes: Option<Vec<[u8; 32]>> = None;
        let i = choices.below(n.into());
        match way {
            "one symbol of a row" | "one symbol of a column" => {
                let axis = if way.ends_with("row") {
                    Axis::Primary
                } else {
                    Axis::Secondary
                };
                let line = slivers.get_mut(axis)[i].as_mut().unwrap();
                let at = choices.below(line.len());
                line[at] ^= 1 << choices.below(8);
            }
            "a row" | "a column" => {
                let axis = if way == "a row" {
                    Axis::Primary
                } else {
                    Axis::Secondary
                };
                let line = slivers.get_mut(axis)[i].as_mut().unwrap();
                *line = choices.bytes(line.len());
            }
            "swapped rows" => slivers.primary.swap(i, (i + 1) % usize::from(n)),
            "rows of two codewords" => {
                let mut other = source.clone();
                other[0] ^= 1;
                let other = self::slivers(&OneSegment::new(n, source.len()), &other);
                let half = usize::from(n) / 2;
                slivers.primary[half..].clone_from_slice(&other.primary[half..]);
            }
            "a hash without preimage" | "a row that is no codeword" => {
                let mut list = sliver_hashes(n, size, &slivers);
                let mut row = extend(n, &symbols(slivers.primary[i].as_ref().unwrap(), size));
                row[choices.below(n.into())][0] ^= 1;
                let no_codeword = way == "a row that is no codeword";
                list[2 * i] = if no_codeword {
                    sliver_hash(&row)
                } else {
                    [7; 32]
                };
                slivers.primary[i] = None;
                hashes = Some(list);
            }
            _ => {}
        }
        let hashes = hashes.unwrap_or_else(|| sliver_hashes(n, size, &slivers));
        let (id, metadata) = commit(blob, hashes);
        Self {
            slivers,
            metadata: metadata.verify(&id).unwrap(),
        }
    }

    /// Commits to the slivers as they are now, all of which are there.
    #[cfg_attr(test, expect(dead_code, reason = "for the fuzz targets"))]
    pub(crate) fn commit_again(&mut self) {
        let layout = *self.metadata.blob_layout();
        let size = self.metadata.layout().symbol_size();
        let hashes = sliver_hashes(layout.shards().get(), size, &self.slivers);
        let (id, metadata) = commit(layout, hashes);
        self.metadata = metadata.verify(&id).unwrap();
    }

    /// The slivers of `axis` that somebody can have.
    pub(crate) fn available(&self, axis: Axis) -> Vec<VerifiedSliver<&[u8]>> {
        let slivers = self.slivers.get(axis).iter().enumerate();
        let present = slivers.filter_map(|(index, bytes)| Some((index, bytes.as_deref()?)));
        let verify = |(index, bytes): (usize, _)| {
            let index = SliverIndex(index.try_into().unwrap());
            CODEC
                .verify_sliver(&self.metadata, axis, index, bytes)
                .unwrap()
        };
        present.map(verify).collect()
    }
}

/// The slivers of the encoding of `source`, which has as many bytes as the blob of the shape.
fn slivers(shape: &OneSegment, source: &[u8]) -> ByAxis<Vec<Option<Vec<u8>>>> {
    let segment = shape.metadata.layout();
    let encoded = CODEC
        .encode_segment(segment, source, Default::default())
        .unwrap();
    ByAxis::from_fn(|axis| {
        let indexes = SliverIndex::all(segment.shards());
        indexes
            .map(|index| Some(encoded.sliver(axis, index).unwrap().to_vec()))
            .collect()
    })
}

fn sliver_hashes(n: u16, size: usize, slivers: &ByAxis<Vec<Option<Vec<u8>>>>) -> Vec<[u8; 32]> {
    let hash = |sliver: &Option<Vec<u8>>| {
        sliver_hash(&extend(n, &symbols(sliver.as_ref().unwrap(), size)))
    };
    let pairs = slivers.primary.iter().zip(&slivers.secondary);
    pairs
        .flat_map(|(primary, secondary)| [hash(primary), hash(secondary)])
        .collect()
}

/// Metadata with any hashes, and the id it belongs to. A blob of one segment has an empty opening.
pub(crate) fn commit(
    layout: BlobLayout,
    hashes: Vec<[u8; 32]>,
) -> (BlobId, SegmentMetadata<Unverified>) {
    let root = keyed("floe/root/1", &[keyed("floe/segment/1", &hashes)]);
    let id = BlobId::derive(&layout, &BlobRoot::from_bytes(root));
    let opening: Vec<[u8; 32]> = Vec::new();
    let bytes = bcs::to_bytes(&(layout, 0u32, hashes, opening)).unwrap();
    (id, bcs::from_bytes(&bytes).unwrap())
}
