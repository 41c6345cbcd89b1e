//! Whole blobs over readers and writers, in memory that does not grow with the blob.

mod decode;
mod encode;

pub use decode::{DecodeStreamError, Decoder};
pub use encode::{EncodeError, Encoder, ReadySegment};

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
