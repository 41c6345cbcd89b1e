//! Whole blobs over readers and writers, in memory that does not grow with the blob.

mod decode;
mod encode;

use crate::{
    SegmentBuffers,
    pool::{Buffer, Pool},
};

pub use decode::{DecodeStreamError, Decoder};
pub use encode::{EncodeError, Encoder, ReadySegment, SegmentBytes};

/// What one pass over a blob leaves to the next one, and one blob to the next.
#[derive(Default)]
pub(crate) struct StreamMemory {
    /// Of segments as they are read and written.
    plain: Pool<Buffer>,
    /// Of what they are encoded to.
    encoded: Pool<SegmentBuffers>,
}

/// Reads or writes on a thread of its own during the work: a coding thread that waits for a file codes
/// nothing.
fn beside<I: Send, T>(io: impl FnOnce() -> I + Send, work: impl FnOnce() -> T) -> (I, T) {
    std::thread::scope(|scope| {
        let io = scope.spawn(io);
        let worked = work();
        match io.join() {
            Ok(done) => (done, worked),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
