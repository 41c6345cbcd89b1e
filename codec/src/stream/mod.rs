//! Whole blobs over readers and writers, in memory that does not grow with the blob.

mod decode;
mod encode;

pub use decode::{DecodeStreamError, Decoder};
pub use encode::{EncodeError, Encoder, ReadySegment};
