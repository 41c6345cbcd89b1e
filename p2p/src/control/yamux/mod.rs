//! Yamux for the control plane's connections over TCP and through relays: the library's, with a bound on
//! what a connection holds as a whole. On the wire it is `/yamux/1.0.0` as everybody speaks it.

mod ledger;
mod stream;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    future::{Ready, ready},
    io, iter,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::{
    UpgradeInfo,
    muxing::{StreamMuxer, StreamMuxerEvent},
    upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade},
};
use tokio::time::{Sleep, sleep};
use yamux::{Config, Connection, ConnectionError, Mode};

use self::stream::{Account, Socket, Stream};

/// How long what was written may take to leave when the connection is closed: a peer that reads nothing would
/// keep it open for ever.
const CLOSING: Duration = Duration::from_secs(2);
/// Streams of a connection, of both sides.
const STREAMS: usize = 512;
/// Streams that a peer opened and nobody took yet; more are reset.
const WAITING: usize = 128;

/// Begins yamux on a connection whose peer is proven.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Yamux;

impl UpgradeInfo for Yamux {
    type Info = &'static str;
    type InfoIter = iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        iter::once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> InboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_inbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(io, Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> OutboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_outbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(io, Mode::Client)))
    }
}

/// One connection as libp2p's swarm uses it.
pub(super) struct Muxer<C> {
    connection: Connection<Socket<C>>,
    account: Account,
    /// Streams that came while nobody asked for them.
    inbound: VecDeque<Stream>,
    /// Who asked when there was none.
    asked: Option<Waker>,
    closing: Option<Pin<Box<Sleep>>>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    fn new(io: C, mode: Mode) -> Self {
        let account = Account::new(mode);
        let mut config = Config::default();
        config.set_max_num_streams(STREAMS);
        Self {
            connection: Connection::new(Socket::new(io, account.clone()), config, mode),
            account,
            inbound: VecDeque::new(),
            asked: None,
            closing: None,
        }
    }

    /// Moves everything there is to move.
    fn advance(&mut self, cx: &mut Context<'_>) -> Result<(), ConnectionError> {
        let gone = self.account.gone();
        while let Poll::Ready(next) = self.connection.poll_next_inbound(cx) {
            let Some(Ok(stream)) = next else {
                self.account.close();
                return Err(match next {
                    Some(Err(error)) => error,
                    _ => ConnectionError::Closed,
                });
            };
            let stream = Stream::new(stream, self.account.clone());
            if self.inbound.len() < WAITING {
                self.inbound.push_back(stream);
            }
            self.asked.take().into_iter().for_each(Waker::wake);
        }
        self.account.forget(gone);
        Ok(())
    }
}

impl<C> Drop for Muxer<C> {
    fn drop(&mut self) {
        self.account.close();
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = Stream;
    type Error = ConnectionError;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Stream, ConnectionError>> {
        if self.inbound.is_empty() {
            self.advance(cx)?;
        }
        let Some(stream) = self.inbound.pop_front() else {
            self.asked = Some(cx.waker().clone());
            return Poll::Pending;
        };
        Poll::Ready(Ok(stream))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Stream, ConnectionError>> {
        let opened = self.connection.poll_new_outbound(cx);
        opened.map_ok(|stream| Stream::new(stream, self.account.clone()))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        self.account.close();
        if let Poll::Ready(closed) = self.connection.poll_close(cx) {
            return Poll::Ready(closed);
        }
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(CLOSING)));
        closing.as_mut().poll(cx).map(Ok)
    }

    /// Addresses never change.
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, ConnectionError>> {
        self.advance(cx)?;
        Poll::Pending
    }
}
