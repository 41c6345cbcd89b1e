//! Slivers and hashes against a plain rewriting of the definition: the crates called once per symbol,
//! BLAKE3 and SHA-256 over whole lists.

use floe_codec::{Axis, SliverIndex};
use sha2::{Digest, Sha256};

use crate::{
    definition::{self, keyed, sliver_hash, symbols},
    support::{OneSegment, SHARD_COUNTS, area, shards},
};

/// The sizes at which coding a whole row as one shard of the FFT crate would differ.
const SYMBOL_SIZES: [usize; 5] = [2, 6, 62, 66, 130];

/// The n x n symbols, `[row][column]`.
type Square = Vec<Vec<Vec<u8>>>;

fn transpose(lines: &[Vec<Vec<u8>>]) -> Square {
    (0..lines[0].len())
        .map(|i| lines.iter().map(|line| line[i].clone()).collect())
        .collect()
}

fn square(n: u16, size: usize, source: &[u8], columns_first: bool) -> Square {
    let extend = |line: Vec<Vec<u8>>| definition::extend(n, &line);
    let row_size = usize::from(shards(n).source_slivers().secondary) * size;
    let rows: Square = source
        .chunks(row_size)
        .map(|row| symbols(row, size))
        .collect();
    if columns_first {
        let columns: Square = transpose(&rows).into_iter().map(extend).collect();
        transpose(&columns).into_iter().map(extend).collect()
    } else {
        let rows: Square = rows.into_iter().map(extend).collect();
        let columns: Square = transpose(&rows).into_iter().map(extend).collect();
        transpose(&columns)
    }
}

fn check(n: u16, size: usize) {
    // One byte of padding, so that padding is part of what is compared.
    let blob = OneSegment::new(n, area(n) * size - 1);
    assert_eq!(blob.metadata.layout().symbol_size(), size);
    let mut source = blob.bytes.clone();
    source.push(0);
    let rows = square(n, size, &source, false);
    assert!(
        rows == square(n, size, &source, true),
        "n = {n}, size {size}: the order matters"
    );

    let columns = transpose(&rows);
    let mut hashes = Vec::new();
    for index in 0..usize::from(n) {
        for (axis, lines) in [(Axis::Primary, &rows), (Axis::Secondary, &columns)] {
            let sliver = SliverIndex(index.try_into().unwrap());
            let kept = usize::from(shards(n).source_symbols(axis));
            assert!(
                blob.encoded.sliver(axis, sliver).unwrap() == lines[index][..kept].concat(),
                "n = {n}, size {size}: {axis} sliver {index}"
            );
            hashes.push(sliver_hash(&lines[index]));
            assert_eq!(
                blob.metadata.sliver_hash(axis, sliver).unwrap().as_bytes(),
                hashes.last().unwrap()
            );
        }
    }
    let segment_root = keyed("floe/segment/1", &hashes);
    assert_eq!(blob.encoded.root().as_bytes(), &segment_root);
    let root = keyed("floe/root/1", &[segment_root]);
    assert_eq!(blob.commitment.root().as_bytes(), &root);
    let layout = blob.commitment.layout();
    let id = Sha256::new()
        .chain_update(b"floe/blob/1")
        .chain_update([layout.encoding().code()])
        .chain_update(n.to_le_bytes())
        .chain_update(layout.length().to_le_bytes())
        .chain_update(root)
        .finalize();
    assert_eq!(blob.commitment.id().as_bytes()[..], id[..]);
}

#[test]
fn slivers_and_hashes_equal_the_definition() {
    for n in SHARD_COUNTS.into_iter().filter(|&n| n < 1000) {
        for size in SYMBOL_SIZES {
            check(n, size);
        }
    }
}

#[test]
fn slivers_and_hashes_equal_the_definition_at_1000_shards() {
    for size in SYMBOL_SIZES {
        check(1000, size);
    }
}
