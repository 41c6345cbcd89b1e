//! One QUIC connection as libp2p's swarm uses it: streams both ways, and nothing else.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{
    AsyncRead, AsyncWrite, StreamExt,
    stream::{self, BoxStream},
};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use quinn::{ConnectionError, RecvStream, SendStream, VarInt};

type Opened = Result<(SendStream, RecvStream), ConnectionError>;

/// A connection whose peer is proven. Dropping it closes it.
pub(in crate::control) struct Muxer {
    connection: quinn::Connection,
    inbound: BoxStream<'static, Opened>,
    outbound: BoxStream<'static, Opened>,
}

impl Muxer {
    pub(super) fn new(connection: quinn::Connection) -> Self {
        let inbound = stream::unfold(connection.clone(), |connection| async {
            Some((connection.accept_bi().await, connection))
        });
        let outbound = stream::unfold(connection.clone(), |connection| async {
            Some((connection.open_bi().await, connection))
        });
        Self {
            connection,
            inbound: inbound.boxed(),
            outbound: outbound.boxed(),
        }
    }

    pub(super) const fn connection(&self) -> &quinn::Connection {
        &self.connection
    }
}

impl fmt::Debug for Muxer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Muxer").field(&self.connection).finish()
    }
}

impl StreamMuxer for Muxer {
    type Substream = Stream;
    type Error = ConnectionError;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Stream, ConnectionError>> {
        next(&mut self.inbound, cx)
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Stream, ConnectionError>> {
        next(&mut self.outbound, cx)
    }

    /// The endpoint tells the peer; there is nothing to wait for.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.connection.close(VarInt::from_u32(0), b"");
        Poll::Ready(Ok(()))
    }

    /// The endpoint moves the connection, and its addresses never change.
    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, ConnectionError>> {
        Poll::Pending
    }
}

fn next(
    streams: &mut BoxStream<'static, Opened>,
    cx: &mut Context<'_>,
) -> Poll<Result<Stream, ConnectionError>> {
    streams.poll_next_unpin(cx).map(|next| {
        let (send, recv) = next.expect("these streams of streams never end")?;
        let closed = false;
        Ok(Stream { send, recv, closed })
    })
}

/// One stream.
#[derive(Debug)]
pub(in crate::control) struct Stream {
    send: SendStream,
    recv: RecvStream,
    closed: bool,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        AsyncRead::poll_read(Pin::new(&mut self.recv), cx, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.send), cx)
    }

    /// Closing again is no error: protocols do.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::replace(&mut self.closed, true) {
            return Poll::Ready(Ok(()));
        }
        AsyncWrite::poll_close(Pin::new(&mut self.send), cx)
    }
}
