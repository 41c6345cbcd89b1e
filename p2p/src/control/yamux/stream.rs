//! The two ends of what the ledger counts: the socket below yamux, and the streams above it.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use futures::{AsyncRead, AsyncWrite};
use yamux::Mode;

use super::ledger::Ledger;

/// The ledger of a connection, and who waits for it.
#[derive(Clone, Debug)]
pub(super) struct Account(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    ledger: Ledger,
    /// The connection, until something is read.
    reader: Option<Waker>,
    /// Streams, until something leaves.
    writers: Vec<Waker>,
    /// Whether the socket took less than it was given last.
    stuck: bool,
    /// Nothing moves any more, and nobody waits for it.
    closed: bool,
}

impl Account {
    pub(super) fn new(mode: Mode) -> Self {
        let ledger = Ledger::new(mode);
        Self(Arc::new(Mutex::new(Waiting {
            ledger,
            ..Waiting::default()
        })))
    }

    /// Streams dropped so far.
    pub(super) fn gone(&self) -> usize {
        self.lock().ledger.gone()
    }

    /// The library was at work since the first `gone` streams were dropped. It notices that only where it
    /// can write.
    pub(super) fn forget(&self, gone: usize) {
        let mut this = self.lock();
        if !this.stuck {
            this.ledger.forget(gone);
            this.wake();
        }
    }

    pub(super) fn close(&self) {
        let mut this = self.lock();
        this.closed = true;
        this.wake();
    }

    /// No code under this lock panics, so a poisoned one still guards whole data.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn wake(&mut self) {
        if self.closed || self.ledger.may_take() {
            self.reader.take().into_iter().for_each(Waker::wake);
        }
        if self.closed || self.ledger.may_write() {
            self.writers.drain(..).for_each(Waker::wake);
        }
    }
}

/// The socket, from which no more is taken than streams may hold.
pub(super) struct Socket<C> {
    io: C,
    account: Account,
}

impl<C> Socket<C> {
    pub(super) const fn new(io: C, account: Account) -> Self {
        Self { io, account }
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Socket<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        {
            let mut account = self.account.lock();
            if !account.ledger.may_take() {
                account.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        let length = ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        let came = self.account.lock().ledger.came(&buffer[..length]);
        came.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Poll::Ready(Ok(length))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Socket<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buffer);
        let mut account = self.account.lock();
        account.stuck = written.is_pending();
        let length = ready!(written)?;
        account.ledger.left(&buffer[..length]);
        account.wake();
        drop(account);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}

/// A stream that waits while the connection holds too much.
#[derive(Debug)]
pub(in crate::control) struct Stream {
    stream: yamux::Stream,
    /// Is dropped after the stream.
    entry: Entry,
}

/// A stream's place in the ledger.
#[derive(Debug)]
struct Entry {
    id: u32,
    account: Account,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut account = self.account.lock();
        account.ledger.dropped(self.id);
        // The library may have noticed before this.
        account.reader.take().into_iter().for_each(Waker::wake);
    }
}

impl Stream {
    pub(super) fn new(stream: yamux::Stream, account: Account) -> Self {
        let id = stream.id().val();
        account.lock().ledger.opened(id);
        let entry = Entry { id, account };
        Self { stream, entry }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let mut account = self.entry.account.lock();
        account.ledger.read(self.entry.id, length);
        account.wake();
        drop(account);
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        {
            let mut account = self.entry.account.lock();
            if !account.closed && !account.ledger.may_write() {
                if !account.writers.iter().any(|it| it.will_wake(cx.waker())) {
                    account.writers.push(cx.waker().clone());
                }
                return Poll::Pending;
            }
        }
        let length = ready!(Pin::new(&mut self.stream).poll_write(cx, buffer))?;
        self.entry.account.lock().ledger.wrote(length);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
