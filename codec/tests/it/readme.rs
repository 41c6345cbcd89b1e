//! The worked example of the README, number by number.

use floe_codec::{Axis, SliverIndex};

use crate::support::{CODEC, layout, shards};

#[test]
fn the_worked_example_is_what_the_codec_does() {
    let source = b"Hello, Floe!";
    let segment = layout(4, source.len()).segments().next().unwrap();
    let encoded = CODEC
        .encode_segment(&segment, source, Default::default())
        .unwrap();
    let commitment = floe_codec::BlobCommitment::new(layout(4, 12), &[encoded.root()]).unwrap();
    let metadata = commitment.metadata(&encoded).unwrap();

    let mut lines = Vec::new();
    for index in SliverIndex::all(shards(4)) {
        let bytes = encoded.sliver(Axis::Primary, index).unwrap();
        let sliver = CODEC
            .verify_sliver(&metadata, Axis::Primary, index, bytes)
            .unwrap();
        let extended = CODEC.extend_sliver(&sliver);
        let cells = SliverIndex::all(shards(4)).map(|column| {
            let symbol = extended.symbol(column).unwrap();
            format!("`{:02x} {:02x}`", symbol[0], symbol[1])
        });
        lines.push(format!(
            "| **row {index}** | {} |",
            cells.collect::<Vec<_>>().join(" | ")
        ));
    }
    for axis in Axis::BOTH {
        for index in SliverIndex::all(shards(4)) {
            let hash = encoded.sliver_hash(axis, index).unwrap().to_string();
            lines.push(format!("{axis} {index}: {}", &hash[..16]));
        }
    }
    lines.push(format!("segment root {}", encoded.root()));
    lines.push(format!("blob root {}", commitment.root()));
    lines.push(format!("blob id {}", commitment.id()));
    let readme = include_str!("../../README.md");
    for line in lines {
        assert!(readme.contains(&line), "not in README.md: {line}");
    }
}
