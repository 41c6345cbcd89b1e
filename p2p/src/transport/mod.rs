//! How bytes travel between two peers: the traits every data transport implements.
//!
//! A transport proves who the other side is and carries streams; it knows no message. [`quic`] is
//! the network, [`libp2p`] the way in for whoever cannot take it, [`sim`] a simulated one for tests.

mod credit;
pub(crate) mod handshake;
mod stream;

pub mod fallback;
pub mod libp2p;
pub mod quic;
pub mod sim;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;

use crate::{
    address::PeerAddress,
    guard::Watch,
    identity::PeerId,
    wire::{CloseCode, ResetCode},
};

pub use stream::{RecvHalf, RecvStream, SendHalf, SendStream};

/// Dials and accepts connections whose remote `PeerId` is proven.
pub trait DataTransport: Send + Sync + 'static {
    /// The peer id this side proves.
    fn local_peer(&self) -> PeerId;

    /// Connects to `to.peer`, trying its addresses in order. Whoever answers but proves another
    /// peer id is refused before the first byte.
    fn dial<'a>(
        &'a self,
        to: &'a PeerAddress,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>, DialError>>;

    /// The next connection from outside; `None` once the transport is closed.
    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>>;

    /// Where the members of the committee are: a share of the places for handshakes is theirs.
    fn members_at(&self, _addresses: &[IpAddr]) {}

    /// Whom to tell about what limits did before a peer was known.
    fn report_to(&self, _watch: Arc<Watch>) {}

    /// Closes every connection with `code` and accepts no more.
    fn close(&self, code: CloseCode);

    /// Waits until every peer has been told about the close, or had the time to be.
    fn closed(&self) -> BoxFuture<'_, ()>;
}

/// A connection to a peer whose identity is proven.
pub trait Connection: Send + Sync + fmt::Debug + 'static {
    /// Who is on the other side.
    fn peer(&self) -> PeerId;

    /// Which side dialled.
    fn side(&self) -> Side;

    /// Opens a stream for one request; waits while the peer grants no stream credit.
    fn open(&self) -> BoxFuture<'_, Result<(SendStream, RecvStream), StreamError>>;

    /// The next stream the peer opened.
    fn accept(&self) -> BoxFuture<'_, Result<(SendStream, RecvStream), StreamError>>;

    /// From where, if the transport knows places.
    fn remote(&self) -> Option<IpAddr> {
        None
    }

    /// Bytes received so far, whatever they were for, confirmations of what was sent included; `None` if the
    /// transport does not know.
    fn received(&self) -> Option<u64> {
        None
    }

    /// Sets what the peer may have open and in flight on this connection.
    fn grant(&self, credit: Credit);

    /// Why the connection is over; `None` while it lives.
    fn close_reason(&self) -> Option<StreamError>;

    /// Waits for the end of the connection and says why it ended.
    fn closed(&self) -> BoxFuture<'_, StreamError>;

    /// Ends the connection; streams that are under way are lost.
    fn close(&self, code: CloseCode);
}

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// This side dialled.
    Dialer,
    /// The peer dialled.
    Listener,
}

/// What a peer may have open and in flight on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Streams the peer may have open at once.
    pub streams: u32,
    /// Bytes the peer may have sent on them without our having read them.
    pub window: u32,
    /// Bytes on their way to the peer that it has not confirmed.
    pub send_window: u32,
}

/// Why no connection was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The peer has no address to try.
    #[error("no address is known for peer {peer}")]
    NoAddress {
        /// Who was to be reached.
        peer: PeerId,
    },
    /// The host name did not resolve.
    #[error("the name of {address} does not resolve: {reason}")]
    Resolve {
        /// The address tried.
        address: String,
        /// What the resolver said.
        reason: String,
    },
    /// Nobody answered in time.
    #[error("peer {peer} did not answer at {address} within {} ms", within.as_millis())]
    Timeout {
        /// Who was to be reached.
        peer: PeerId,
        /// The last address tried.
        address: String,
        /// How long it was tried.
        within: Duration,
    },
    /// Somebody else answered.
    #[error("peer {expected} was expected at {address}, but the one there proves another identity")]
    WrongPeer {
        /// Who was to be reached.
        expected: PeerId,
        /// The address tried.
        address: String,
    },
    /// The other side refused, or the path failed.
    #[error("the connection to {peer} at {address} failed: {reason}")]
    Failed {
        /// Who was to be reached.
        peer: PeerId,
        /// The last address tried.
        address: String,
        /// What went wrong.
        reason: String,
    },
    /// This side is closing.
    #[error("this endpoint is shutting down")]
    Closed,
}

/// Why a stream or its connection ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The peer reset the stream it was sending on, or stopped the one it was receiving on.
    #[error("the peer ended the stream: {0}")]
    Reset(ResetCode),
    /// The peer closed the connection.
    #[error("the peer closed the connection: {0}")]
    Closed(CloseCode),
    /// This side closed the connection.
    #[error("the connection was closed on this side")]
    LocallyClosed,
    /// Nothing was heard from the peer for the idle timeout.
    #[error("the peer fell silent")]
    TimedOut,
    /// The peer lost the connection's state, usually by a restart, or broke QUIC.
    #[error("the connection was lost")]
    Lost,
    /// The stream was already finished or reset on this side.
    #[error("the stream is already over")]
    Over,
}
