//! One stream as two halves that hide which transport carries it. Bytes go out and
//! come in without a copy.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};

use super::StreamError;
use crate::wire::ResetCode;

/// The sending half of a stream, implemented by each transport.
pub trait SendHalf: Send + Sync {
    /// Accepts a prefix of `data` and advances it; ready once at least one byte was taken.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
    ) -> Poll<Result<(), StreamError>>;

    /// Says that nothing follows.
    fn finish(&mut self);

    /// Gives up what was not delivered yet.
    fn reset(&mut self, code: ResetCode);

    /// Streams of higher priority are sent first within a connection.
    fn set_priority(&mut self, priority: i32);
}

/// The receiving half of a stream, implemented by each transport.
pub trait RecvHalf: Send + Sync {
    /// The next bytes in order, at most `max` of them; `None` at the end.
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Result<Option<Bytes>, StreamError>>;

    /// Asks the peer to send no more.
    fn stop(&mut self, code: ResetCode);
}

/// The sending half of a stream. Dropped before [`finish`](Self::finish), it resets the stream.
pub struct SendStream {
    half: Box<dyn SendHalf>,
    open: bool,
}

/// The receiving half of a stream. Dropped before its end, it stops the sender.
pub struct RecvStream {
    half: Box<dyn RecvHalf>,
    open: bool,
}

impl SendStream {
    /// Wraps a transport's half.
    pub fn new(half: impl SendHalf + 'static) -> Self {
        Self {
            half: Box::new(half),
            open: true,
        }
    }

    /// Hands all of `data` to the transport, waiting for flow control. Safe to drop midway, but
    /// then it is unknown how much was taken.
    pub async fn send(&mut self, mut data: Bytes) -> Result<(), StreamError> {
        while data.has_remaining() {
            poll_fn(|cx| self.half.poll_send(cx, &mut data)).await?;
        }
        Ok(())
    }

    /// Says that nothing follows; delivery goes on in the background.
    pub fn finish(mut self) {
        self.open = false;
        self.half.finish();
    }

    /// Gives up what was not delivered yet and says why.
    pub fn reset(mut self, code: ResetCode) {
        self.open = false;
        self.half.reset(code);
    }

    /// Streams of higher priority are sent first within a connection.
    pub fn set_priority(&mut self, priority: i32) {
        self.half.set_priority(priority);
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        if self.open {
            self.half.reset(ResetCode::NotNeeded);
        }
    }
}

impl RecvStream {
    /// Wraps a transport's half.
    pub fn new(half: impl RecvHalf + 'static) -> Self {
        Self {
            half: Box::new(half),
            open: true,
        }
    }

    /// The next bytes, at most `max` and at least one; `None` at the end of the stream. Safe to
    /// drop midway: nothing is lost.
    pub async fn chunk(&mut self, max: usize) -> Result<Option<Bytes>, StreamError> {
        poll_fn(|cx| self.half.poll_recv(cx, max)).await
    }

    /// Asks the peer to send no more and says why.
    pub fn stop(mut self, code: ResetCode) {
        self.open = false;
        self.half.stop(code);
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        if self.open {
            self.half.stop(ResetCode::NotNeeded);
        }
    }
}
