//! The bounded connection and the library's at the ends of a pipe.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::core::muxing::{StreamMuxerBox, SubstreamBox};
use tokio::{
    io::duplex,
    sync::{Mutex, mpsc},
    task::{JoinHandle, JoinSet},
};
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::*;

/// Bytes on their way in the pipe.
const PIPE: usize = 16 << 10;
/// What a connection may hold each way, with one frame that is not whole yet.
const HELD: usize = 128 << 10;

/// A connection that a task moves.
struct End {
    open: mpsc::Sender<()>,
    opened: mpsc::Receiver<SubstreamBox>,
    came: mpsc::Receiver<SubstreamBox>,
    /// Whoever has it keeps the connection still.
    pause: Arc<Mutex<()>>,
    task: JoinHandle<()>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl End {
    fn new(mut muxer: StreamMuxerBox) -> Self {
        let (open, mut asked) = mpsc::channel(1_000);
        let (give, opened) = mpsc::channel(1_000);
        let (take, came) = mpsc::channel(1_000);
        let pause = Arc::new(Mutex::new(()));
        let moves = Arc::clone(&pause);
        let task = tokio::spawn(poll_fn(move |cx| {
            let Ok(_moves) = moves.try_lock() else {
                // Time goes on meanwhile, and that is when to look again.
                let waker = cx.waker().clone();
                tokio::spawn(async move {
                    still().await;
                    waker.wake();
                });
                return Poll::Pending;
            };
            let mut muxer = Pin::new(&mut muxer);
            while let Poll::Ready(Some(())) = asked.poll_recv(cx) {
                let Poll::Ready(stream) = muxer.as_mut().poll_outbound(cx) else {
                    panic!("too many at once");
                };
                give.try_send(stream.unwrap()).unwrap();
            }
            while let Poll::Ready(stream) = muxer.as_mut().poll_inbound(cx) {
                let Ok(stream) = stream else {
                    return Poll::Ready(());
                };
                take.try_send(stream).unwrap();
            }
            let _ = muxer.poll(cx);
            Poll::Pending
        }));
        Self {
            open,
            opened,
            came,
            pause,
            task,
        }
    }

    async fn open(&mut self) -> SubstreamBox {
        self.open.send(()).await.unwrap();
        self.opened.recv().await.unwrap()
    }
}

/// The bounded connection, and one of the library's to it.
async fn pair() -> (End, End) {
    let (one, other) = duplex(PIPE);
    let bounded = Yamux.upgrade_inbound(one.compat(), "").await.unwrap();
    let library = libp2p::yamux::Config::default();
    let library = library.upgrade_outbound(other.compat(), "").await.unwrap();
    (
        End::new(StreamMuxerBox::new(bounded)),
        End::new(StreamMuxerBox::new(library)),
    )
}

/// Begins to write so much to each stream, and then to close it.
fn send(streams: Vec<SubstreamBox>, length: usize, sent: &Arc<AtomicUsize>) -> JoinSet<()> {
    let mut sending = JoinSet::new();
    for mut stream in streams {
        let sent = Arc::clone(sent);
        sending.spawn(async move {
            let mut left = length;
            while left > 0 {
                let written = stream.write(&vec![7; left.min(16 << 10)]).await.unwrap();
                sent.fetch_add(written, Relaxed);
                left -= written;
            }
            stream.close().await.unwrap();
        });
    }
    sending
}

/// Reads all of what is sent to each stream.
async fn receive(to: &mut End, length: usize, mut sending: JoinSet<()>) {
    for _ in 0..sending.len() {
        let mut stream = to.came.recv().await.unwrap();
        sending.spawn(async move {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            assert!(all.len() == length && all.iter().all(|byte| *byte == 7));
        });
    }
    sending.join_all().await;
}

/// Until nothing moves any more: time goes on only then.
async fn still() {
    sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_fills_a_bound_and_not_a_window_for_each_stream() {
    let (mut bounded, mut peer) = pair().await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(peer.open().await);
    }
    let (each, sent) = (300 << 10, Arc::default());
    let sending = send(streams, each, &sent);
    still().await;
    // The library holds up to eleven frames of each stream on its side.
    let of_peer = 50 * 11 * (16 << 10);
    let came = sent.load(Relaxed);
    assert!(came < of_peer + PIPE + HELD, "{came} bytes came");
    assert!(bounded.came.len() < 10, "{} streams", bounded.came.len());
    receive(&mut bounded, each, sending).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_written_a_bound_and_not_a_queue_for_each_stream() {
    let (mut bounded, mut peer) = pair().await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(bounded.open().await);
    }
    // Nothing is taken from the pipe.
    let moving = peer.pause.clone().lock_owned().await;
    let (each, sent) = (300 << 10, Arc::default());
    let sending = send(streams, each, &sent);
    still().await;
    let left = sent.load(Relaxed);
    assert!(left < PIPE + HELD, "{left} bytes were taken");
    drop(moving);
    receive(&mut peer, each, sending).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_closed_in_time_though_its_peer_reads_nothing() {
    let (one, other) = duplex(PIPE);
    let mut muxer = Yamux.upgrade_inbound(one.compat(), "").await.unwrap();
    let stream = poll_fn(|cx| Pin::new(&mut muxer).poll_outbound(cx));
    let mut stream = stream.await.unwrap();
    let writing = tokio::spawn(async move {
        let mut written = 0;
        while let Ok(length) = stream.write(&[7; 16 << 10]).await {
            written += length;
        }
        written
    });
    let _ = tokio::time::timeout(
        Duration::from_secs(1),
        poll_fn(|cx| Pin::new(&mut muxer).poll(cx).map(drop)),
    )
    .await;
    let begun = tokio::time::Instant::now();
    poll_fn(|cx| Pin::new(&mut muxer).poll_close(cx))
        .await
        .unwrap();
    assert_eq!(begun.elapsed(), CLOSING);
    assert!(writing.await.unwrap() > 0);
    drop(other);
}
