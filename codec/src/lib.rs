//! What a Floe blob *is*: ids, axes, symbols, slivers, encoding, commitments and proofs.
//!
//! Start at [`Codec`], which does the work, and [`BlobLayout`], from which every size follows. The
//! formats are described in `docs/protocol.md`, section "Blob format", and cannot change: a changed
//! byte is a new [`Encoding`].
//!
//! This crate does no IO beyond the readers and writers it is given, keeps no clock and draws no random
//! numbers. Input from outside meets a typed error, never a panic, and is compared with the derived
//! sizes before anything is allocated.

mod axis;
mod blob_id;
mod code;
mod codec;
mod commit;
mod commitment;
mod encoding;
mod hash;
mod inconsistency;
mod index;
mod kernel;
mod layout;
mod metadata;
mod params;
mod pool;
mod proof;
mod range;
mod recover;
mod segment;
mod sliver;
mod stream;

pub use axis::{Axis, ByAxis};
pub use blob_id::{BlobId, BlobIdParseError};
pub use codec::{Codec, CodecError};
pub use commit::{Opening, OpeningError};
pub use commitment::{BlobCommitment, InputChanged, RootCountError};
pub use encoding::{Encoding, UnknownEncoding};
pub use hash::{BlobRoot, SegmentRoot, SliverHash, SymbolHash};
pub use inconsistency::{InconsistencyError, InconsistencyProof};
pub use index::{IndexError, SegmentIndex, ShardIndex, SliverIndex, SliverPairIndex, SymbolIndex};
pub use kernel::{Tier, TierError};
pub use layout::{BlobLayout, LayoutError, SegmentLayout};
pub use metadata::{MetadataError, SegmentMetadata, Unverified, Verified};
pub use params::{ShardCount, ShardCountError, Weight};
pub use proof::{ProvenSymbol, SymbolError, SymbolProof};
pub use range::{RangeError, RangePlan, RowRange, SegmentRange, WrongRowError};
pub use recover::{HelperSymbols, RecoverError};
pub use segment::{DecodeBuffers, DecodeError, EncodedSegment, SegmentBuffers, SourceLengthError};
pub use sliver::{ExtendedSliver, SliverError, VerifiedSliver};
pub use stream::{DecodeStreamError, Decoder, EncodeError, Encoder, ReadySegment, SegmentBytes};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
