//! A libp2p stream in the words of the transport traits. libp2p carries no codes: whatever ends a
//! stream early looks the same to the other side.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt,
    io::{ReadHalf, WriteHalf},
};
use libp2p::swarm::Stream;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tokio_util::task::TaskTracker;

use crate::{
    transport::{RecvHalf, RecvStream, SendHalf, SendStream, StreamError},
    wire::ResetCode,
};

/// The most that is read from the stream at once.
const CHUNK: usize = 32 << 10;
/// How long the last bytes of a finished stream may take.
const LINGER: Duration = Duration::from_secs(30);

type Place = Arc<OwnedSemaphorePermit>;

/// Both halves of a stream, which hold its place until the last of them is gone.
pub(super) fn halves(
    stream: Stream,
    place: Place,
    finishing: &TaskTracker,
) -> (SendStream, RecvStream) {
    let (read, write) = stream.split();
    let send = StreamSend {
        write: Some(write),
        finishing: finishing.clone(),
        place: Arc::clone(&place),
    };
    let recv = StreamRecv {
        read,
        buffer: Vec::new(),
        unread: Bytes::new(),
        _place: place,
    };
    (SendStream::new(send), RecvStream::new(recv))
}

struct StreamSend {
    /// None once the stream was finished or given up.
    write: Option<WriteHalf<Stream>>,
    finishing: TaskTracker,
    place: Place,
}

impl SendHalf for StreamSend {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
    ) -> Poll<Result<(), StreamError>> {
        let Some(write) = &mut self.write else {
            return Poll::Ready(Err(StreamError::Over));
        };
        let sent = ready!(Pin::new(write).poll_write(cx, data)).map_err(|error| ended(&error))?;
        if sent == 0 {
            return Poll::Ready(Err(StreamError::Reset(ResetCode::NotNeeded)));
        }
        data.advance(sent);
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self) {
        if let Some(mut write) = self.write.take() {
            let place = Arc::clone(&self.place);
            self.finishing.spawn(async move {
                // Whoever does not take the end does not need it.
                let _ = timeout(LINGER, write.close()).await;
                drop(place);
            });
        }
    }

    fn reset(&mut self, _: ResetCode) {
        self.write = None;
    }

    fn set_priority(&mut self, _: i32) {}
}

struct StreamRecv {
    read: ReadHalf<Stream>,
    buffer: Vec<u8>,
    unread: Bytes,
    _place: Place,
}

impl RecvHalf for StreamRecv {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Result<Option<Bytes>, StreamError>> {
        if self.unread.is_empty() {
            self.buffer.resize(CHUNK, 0);
            let read = Pin::new(&mut self.read).poll_read(cx, &mut self.buffer);
            let length = ready!(read).map_err(|error| ended(&error))?;
            let Some(bytes) = self.buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
                return Poll::Ready(Ok(None));
            };
            self.unread = Bytes::copy_from_slice(bytes);
        }
        let length = self.unread.len().min(max);
        Poll::Ready(Ok(Some(self.unread.split_to(length))))
    }

    /// The peer learns of it when the other half is over too.
    fn stop(&mut self, _: ResetCode) {
        self.unread = Bytes::new();
    }
}

fn ended(error: &io::Error) -> StreamError {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::WriteZero
        | io::ErrorKind::UnexpectedEof => StreamError::Reset(ResetCode::NotNeeded),
        io::ErrorKind::TimedOut => StreamError::TimedOut,
        _ => StreamError::Lost,
    }
}
