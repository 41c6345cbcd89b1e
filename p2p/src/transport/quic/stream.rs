//! quinn's streams and errors in the words of the transport traits.

use std::{
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use quinn::{ConnectionError, ReadError, VarInt, WriteError};

use crate::{
    transport::{RecvHalf, SendHalf, StreamError},
    wire::{CloseCode, ResetCode},
};

pub(super) struct QuicSend(pub(super) quinn::SendStream);

impl SendHalf for QuicSend {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
    ) -> Poll<Result<(), StreamError>> {
        // quinn keeps a blocked writer's waker in the connection, not in the future.
        let result = ready!(pin!(self.0.write_chunks(std::slice::from_mut(data))).poll(cx));
        Poll::Ready(result.map(drop).map_err(|error| match error {
            WriteError::Stopped(code) => StreamError::Reset(reset_code(code)),
            WriteError::ConnectionLost(error) => connection_error(&error),
            WriteError::ClosedStream | WriteError::ZeroRttRejected => StreamError::Over,
        }))
    }

    fn finish(&mut self) {
        // Fails only if the stream is already over, which needs no finishing.
        let _ = self.0.finish();
    }

    fn reset(&mut self, code: ResetCode) {
        let _ = self.0.reset(VarInt::from_u32(code.code()));
    }

    fn set_priority(&mut self, priority: i32) {
        let _ = self.0.set_priority(priority);
    }
}

pub(super) struct QuicRecv(pub(super) quinn::RecvStream);

impl RecvHalf for QuicRecv {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Result<Option<Bytes>, StreamError>> {
        let result = ready!(pin!(self.0.read_chunk(max, true)).poll(cx));
        Poll::Ready(result.map(|chunk| chunk.map(|chunk| chunk.bytes)).map_err(
            |error| match error {
                ReadError::Reset(code) => StreamError::Reset(reset_code(code)),
                ReadError::ConnectionLost(error) => connection_error(&error),
                ReadError::ClosedStream
                | ReadError::IllegalOrderedRead
                | ReadError::ZeroRttRejected => StreamError::Over,
            },
        ))
    }

    fn stop(&mut self, code: ResetCode) {
        let _ = self.0.stop(VarInt::from_u32(code.code()));
    }
}

fn reset_code(code: VarInt) -> ResetCode {
    ResetCode::from_code(code.into_inner())
}

pub(super) fn connection_error(error: &ConnectionError) -> StreamError {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            StreamError::Closed(CloseCode::from_code(close.error_code.into_inner()))
        }
        ConnectionError::LocallyClosed => StreamError::LocallyClosed,
        ConnectionError::TimedOut => StreamError::TimedOut,
        ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::Reset
        | ConnectionError::CidsExhausted => StreamError::Lost,
    }
}
