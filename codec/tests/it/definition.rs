//! The definition of the code and its hashes, written plainly: the crates called once per symbol,
//! BLAKE3 over whole lists. Slow, and independent of the product's own path.

use floe_codec::Encoding;

/// Extends k symbols to n.
pub(crate) fn extend(n: u16, source: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (k, n) = (source.len(), usize::from(n));
    let mut symbols = source.to_vec();
    if n <= Encoding::RED_STUFF_8_MAX.into() {
        symbols.resize(n, vec![0; source[0].len()]);
        let code = reed_solomon_erasure::galois_8::ReedSolomon::new(k, n - k).unwrap();
        code.encode(&mut symbols).unwrap();
    } else {
        symbols.extend(reed_solomon_simd::encode(k, n - k, source).unwrap());
    }
    symbols
}

/// Lists of 32-byte hashes under the key of one level.
pub(crate) fn keyed(context: &str, entries: &[[u8; 32]]) -> [u8; 32] {
    *blake3::keyed_hash(&blake3::derive_key(context, b""), &entries.concat()).as_bytes()
}

pub(crate) fn symbol_hash(symbol: &[u8]) -> [u8; 32] {
    let mut padded = symbol.to_vec();
    padded.resize(symbol.len().next_multiple_of(64), 0);
    *blake3::keyed_hash(&blake3::derive_key("floe/symbol/1", b""), &padded).as_bytes()
}

/// The hash of a sliver's n symbols.
pub(crate) fn sliver_hash(symbols: &[Vec<u8>]) -> [u8; 32] {
    let hashes: Vec<_> = symbols.iter().map(|symbol| symbol_hash(symbol)).collect();
    keyed("floe/sliver/1", &hashes)
}

/// The symbols of a line of bytes.
pub(crate) fn symbols(bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
    bytes.chunks(size).map(<[u8]>::to_vec).collect()
}
