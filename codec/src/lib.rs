//! What a Floe blob *is*: ids, axes, symbols, slivers, encoding, commitments and proofs.
