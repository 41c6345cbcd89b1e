//! One direction of a simulated stream: chunks that become readable when they are due.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep_until},
};

use super::connection::Link;
use crate::{
    transport::{RecvHalf, SendHalf, Side, StreamError},
    wire::ResetCode,
};

/// Unread bytes a stream may hold, and the largest chunk.
const WINDOW: usize = 1 << 20;
const CHUNK: usize = 64 << 10;

#[derive(Default)]
struct Pipe {
    chunks: VecDeque<(Instant, Event)>,
    unread: usize,
    /// The receiver wants no more.
    stopped: Option<ResetCode>,
    sender: Option<Waker>,
    receiver: Option<Waker>,
}

#[derive(Clone)]
enum Event {
    Data(Bytes),
    End,
    Reset(ResetCode),
}

type Shared = Arc<Mutex<Pipe>>;

/// The end of the connection, as one half waits for it.
enum Over {
    Waiting(Pin<Box<dyn Future<Output = StreamError> + Send + Sync>>),
    Ended(StreamError),
}

impl Over {
    fn of(link: &Link, side: Side) -> Self {
        let mut over = link.over(side);
        Self::Waiting(Box::pin(async move {
            let why = over
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|why| *why);
            why.unwrap_or(StreamError::Lost)
        }))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        if let Self::Waiting(ended) = self {
            *self = Self::Ended(ready!(ended.as_mut().poll(cx)));
        }
        match self {
            Self::Ended(why) => Poll::Ready(*why),
            Self::Waiting(_) => Poll::Pending,
        }
    }
}

/// A direction whose bytes flow from `side` to the other one.
pub(super) fn pipe(
    link: &Arc<Link>,
    side: Side,
    permit: Option<Arc<OwnedSemaphorePermit>>,
) -> (PipeSend, PipeRecv) {
    let pipe = Shared::default();
    let send = PipeSend {
        pipe: Arc::clone(&pipe),
        link: Arc::clone(link),
        side,
        over: Over::of(link, side),
        last_due: None,
        _permit: permit.clone(),
    };
    let recv = PipeRecv {
        pipe,
        link: Arc::clone(link),
        side,
        over: Over::of(link, side.other()),
        timer: None,
        _permit: permit,
    };
    (send, recv)
}

pub(super) struct PipeSend {
    pipe: Shared,
    link: Arc<Link>,
    side: Side,
    over: Over,
    last_due: Option<Instant>,
    _permit: Option<Arc<OwnedSemaphorePermit>>,
}

impl PipeSend {
    fn push(&mut self, event: Event) {
        let length = match &event {
            Event::Data(bytes) => bytes.len(),
            Event::End | Event::Reset(_) => 0,
        };
        let [from, to] = self.link.direction(self.side);
        let due = self.link.network.arrival(from, to, length);
        // Streams keep their order whatever the chance of each chunk.
        let due = self.last_due.map_or(due, |last| due.max(last));
        self.last_due = Some(due);
        let mut pipe = lock(&self.pipe);
        pipe.unread += length;
        pipe.chunks.push_back((due, event));
        wake(&mut pipe.receiver);
    }
}

impl SendHalf for PipeSend {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
    ) -> Poll<Result<(), StreamError>> {
        if let Poll::Ready(why) = self.over.poll(cx) {
            return Poll::Ready(Err(why));
        }
        let space = {
            let mut pipe = lock(&self.pipe);
            if let Some(code) = pipe.stopped {
                return Poll::Ready(Err(StreamError::Reset(code)));
            }
            if pipe.unread >= WINDOW {
                pipe.sender = Some(cx.waker().clone());
                return Poll::Pending;
            }
            WINDOW - pipe.unread
        };
        let chunk = data.split_to(data.len().min(space).min(CHUNK));
        self.push(Event::Data(chunk));
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self) {
        self.push(Event::End);
    }

    fn reset(&mut self, code: ResetCode) {
        self.push(Event::Reset(code));
    }

    fn set_priority(&mut self, _priority: i32) {}
}

pub(super) struct PipeRecv {
    pipe: Shared,
    link: Arc<Link>,
    side: Side,
    over: Over,
    timer: Option<Pin<Box<Sleep>>>,
    _permit: Option<Arc<OwnedSemaphorePermit>>,
}

impl RecvHalf for PipeRecv {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Result<Option<Bytes>, StreamError>> {
        if let Poll::Ready(why) = self.over.poll(cx) {
            return Poll::Ready(Err(why));
        }
        let mut pipe = lock(&self.pipe);
        pipe.receiver = Some(cx.waker().clone());
        let Some((due, event)) = pipe.chunks.front_mut() else {
            return Poll::Pending;
        };
        if *due > Instant::now() {
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(*due)));
            timer.as_mut().reset(*due);
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        let [from, to] = self.link.direction(self.side);
        if self.link.network.is_blocked(from, to, Some(cx.waker())) {
            return Poll::Pending;
        }
        match event {
            Event::End => Poll::Ready(Ok(None)),
            Event::Reset(code) => Poll::Ready(Err(StreamError::Reset(*code))),
            Event::Data(bytes) => {
                let part = bytes.split_to(bytes.len().min(max));
                let empty = !bytes.has_remaining();
                pipe.unread -= part.len();
                if empty {
                    pipe.chunks.pop_front();
                }
                wake(&mut pipe.sender);
                Poll::Ready(Ok(Some(part)))
            }
        }
    }

    fn stop(&mut self, code: ResetCode) {
        let mut pipe = lock(&self.pipe);
        pipe.stopped = Some(code);
        wake(&mut pipe.sender);
    }
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}
