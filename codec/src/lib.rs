//! What a Floe blob *is*: ids, axes, symbols, slivers, encoding, commitments and proofs.

mod axis;
mod blob_id;
mod encoding;
mod hash;
mod index;
mod layout;
mod params;

pub use axis::{Axis, ByAxis};
pub use blob_id::{BlobId, BlobIdParseError};
pub use encoding::{Encoding, UnknownEncoding};
pub use hash::{BlobRoot, SegmentRoot, SliverHash, SymbolHash};
pub use index::{IndexError, SegmentIndex, ShardIndex, SliverIndex, SliverPairIndex, SymbolIndex};
pub use layout::{BlobLayout, LayoutError, SegmentLayout};
pub use params::{ShardCount, ShardCountError, Weight};
