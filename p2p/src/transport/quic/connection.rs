//! One QUIC connection whose peer is proven.

use std::{fmt, net::IpAddr};

use futures::future::BoxFuture;
use quinn::VarInt;

use super::stream::{QuicRecv, QuicSend, connection_error};
use crate::{
    identity::PeerId,
    transport::{Connection, Credit, RecvStream, SendStream, Side, StreamError},
    wire::CloseCode,
};

pub(super) struct QuicConnection {
    pub(super) inner: quinn::Connection,
    pub(super) peer: PeerId,
}

impl Connection for QuicConnection {
    fn peer(&self) -> PeerId {
        self.peer
    }

    fn side(&self) -> Side {
        match self.inner.side() {
            quinn::Side::Client => Side::Dialer,
            quinn::Side::Server => Side::Listener,
        }
    }

    fn open(&self) -> BoxFuture<'_, Result<(SendStream, RecvStream), StreamError>> {
        Box::pin(async { streams(self.inner.open_bi().await) })
    }

    fn accept(&self) -> BoxFuture<'_, Result<(SendStream, RecvStream), StreamError>> {
        Box::pin(async { streams(self.inner.accept_bi().await) })
    }

    fn remote(&self) -> Option<IpAddr> {
        Some(self.inner.remote_address().ip())
    }

    fn received(&self) -> Option<u64> {
        Some(self.inner.stats().udp_rx.bytes)
    }

    fn grant(&self, credit: Credit) {
        self.inner
            .set_max_concurrent_bi_streams(credit.streams.into());
        self.inner.set_send_window(credit.send_window.into());
        // A peer that we dialled mostly answers what we asked it, and may fill the window it began
        // with.
        if self.side() == Side::Listener {
            self.inner.set_receive_window(credit.window.into());
        }
    }

    fn close_reason(&self) -> Option<StreamError> {
        self.inner.close_reason().as_ref().map(connection_error)
    }

    fn closed(&self) -> BoxFuture<'_, StreamError> {
        Box::pin(async { connection_error(&self.inner.closed().await) })
    }

    fn close(&self, code: CloseCode) {
        self.inner.close(VarInt::from_u32(code.code()), b"");
    }
}

fn streams(
    opened: Result<(quinn::SendStream, quinn::RecvStream), quinn::ConnectionError>,
) -> Result<(SendStream, RecvStream), StreamError> {
    let (send, recv) = opened.map_err(|error| connection_error(&error))?;
    Ok((
        SendStream::new(QuicSend(send)),
        RecvStream::new(QuicRecv(recv)),
    ))
}

impl fmt::Debug for QuicConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicConnection")
            .field("peer", &self.peer)
            .field("remote", &self.inner.remote_address())
            .field("side", &self.side())
            .finish_non_exhaustive()
    }
}
