//! How slowly a reader may take what it asked for. A reader that takes nothing, or drips, would hold
//! memory and a place for as long as it likes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

/// Bytes a second below which a reader is too slow.
const SLOWEST: u64 = 4 << 10;
/// Over how long that is averaged.
const OVER: Duration = Duration::from_secs(30);

/// What a reader has left to wait: time passes while it takes nothing, and bytes it takes buy time.
#[derive(Debug)]
struct Patience {
    left: Duration,
    since: Option<Instant>,
}

impl Patience {
    /// The reader takes nothing now; when will that have been too long?
    fn waits(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now) + self.left
    }

    /// The reader took bytes.
    fn took(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(now.duration_since(since));
        }
        let bought = Duration::from_micros(bytes as u64 * 1_000_000 / SLOWEST);
        self.left = (self.left + bought).min(OVER);
    }
}

/// A stream to a reader that can be given up.
pub(crate) trait Cut {
    /// Whatever the reader has not taken is forgotten when the stream is dropped, not kept for him.
    fn cut(&self);
}

impl Cut for TcpStream {
    fn cut(&self) {
        // Without it the system keeps what it was given for some minutes.
        let _ = self.set_zero_linger();
    }
}

pin_project! {
    /// A stream that fails once its reader was too slow.
    pub(crate) struct Paced<S> {
        #[pin]
        stream: S,
        #[pin]
        alarm: Sleep,
        patience: Patience,
    }
}

impl<S> Paced<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            alarm: sleep_until(Instant::now()),
            patience: Patience {
                left: OVER,
                since: None,
            },
        }
    }
}

impl<S: AsyncWrite + Cut> Paced<S> {
    fn write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut this = self.project();
        if let Poll::Ready(result) = write(this.stream.as_mut(), cx) {
            if let Ok(bytes) = &result {
                this.patience.took(*bytes, Instant::now());
            }
            return Poll::Ready(result);
        }
        let end = this.patience.waits(Instant::now());
        if this.alarm.deadline() != end {
            this.alarm.as_mut().reset(end);
        }
        ready!(this.alarm.poll(cx));
        this.stream.cut();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Cut> AsyncWrite for Paced<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(cx)
    }
}

impl<S: AsyncRead> AsyncRead for Paced<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().stream.poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    impl Cut for DuplexStream {
        fn cut(&self) {}
    }

    /// Sends a megabyte to a reader that takes so many bytes each second; how long it lasts.
    async fn send(each_second: usize) -> (io::Result<()>, Duration) {
        let (mut far, near) = duplex(1 << 10);
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; each_second];
            while far.read_exact(&mut buffer).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let begun = Instant::now();
        let mut near = Box::pin(Paced::new(near));
        let result = near.write_all(&vec![7; 1 << 20]).await;
        reader.abort();
        (result, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn drips_are_cut_and_slow_readers_are_not() {
        let (result, time) = send(1).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(time <= Duration::from_secs(31), "{time:?}");
        let (result, time) = send(2 << 10).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(time <= Duration::from_secs(62), "{time:?}");
        send(5 << 10).await.0.unwrap();
    }
}
