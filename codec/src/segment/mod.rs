//! One segment as a code matrix: encoding it, and decoding it with the check that makes readers agree.

mod decode;
mod encode;

pub use decode::{DecodeBuffers, DecodeError};
pub(crate) use encode::Scratch;
pub use encode::{EncodedSegment, SegmentBuffers, SourceLengthError};
