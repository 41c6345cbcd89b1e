//! Heads and items on streams: reads and writes them within a deadline, a minimum throughput and
//! the sizes that were derived. Nothing is allocated for a length that was not compared first.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

use crate::{
    transport::{RecvStream, SendStream, StreamError},
    wire::{Head, ItemHead, ItemStatus, ResetCode, VarintReader, WireError},
};

/// Why a message could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes break the protocol.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The stream or its connection ended.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The deadline of the request passed.
    #[error("the deadline passed")]
    Deadline,
    /// The peer moves bytes slower than the minimum throughput.
    #[error("the peer is slower than {} bytes a second", Pace::MIN_RATE)]
    TooSlow,
}

impl FrameError {
    /// The code to reset or stop a stream with after this error.
    pub(crate) const fn reset_code(&self) -> ResetCode {
        match self {
            Self::Wire(_) => ResetCode::BadRequest,
            Self::Stream(_) => ResetCode::NotNeeded,
            Self::Deadline => ResetCode::Deadline,
            Self::TooSlow => ResetCode::TooSlow,
        }
    }
}

/// Minimum throughput: only the time spent waiting for the peer counts.
#[derive(Debug, Default)]
struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Bytes a second a peer must move, after [`Self::GRACE`].
    const MIN_RATE: u64 = 4 << 10;
    /// Waiting that is always granted.
    const GRACE: Duration = Duration::from_secs(10);

    fn patience(&self) -> Duration {
        let earned = Duration::from_millis(self.bytes.saturating_mul(1000) / Self::MIN_RATE);
        (Self::GRACE + earned).saturating_sub(self.waited)
    }

    async fn wait<T>(
        &mut self,
        deadline: Instant,
        future: impl Future<Output = Result<T, StreamError>>,
    ) -> Result<T, FrameError> {
        let start = Instant::now();
        let patience = start + self.patience();
        let result = timeout_at(deadline.min(patience), future).await;
        self.waited += start.elapsed();
        match result {
            Ok(result) => Ok(result?),
            Err(_) if patience < deadline => Err(FrameError::TooSlow),
            Err(_) => Err(FrameError::Deadline),
        }
    }
}

/// The size an item must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemSize {
    /// Derived from the blob's layout.
    Exactly(u32),
    /// Not derivable (proofs); anything up to this.
    AtMost(u32),
}

/// An item as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Its bytes, of the size expected.
    Present(Bytes),
    /// The peer has none, and why.
    Absent(ItemStatus),
}

impl Item {
    /// The bytes, if there are any.
    #[must_use]
    pub fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Present(bytes) => Some(bytes),
            Self::Absent(_) => None,
        }
    }
}

/// Reads heads and items from a stream.
pub(crate) struct FrameReader {
    stream: RecvStream,
    deadline: Instant,
    pace: Pace,
    received: Arc<AtomicU64>,
    next_item: u32,
}

impl FrameReader {
    pub(crate) fn new(stream: RecvStream, deadline: Instant) -> Self {
        Self {
            stream,
            deadline,
            pace: Pace::default(),
            received: Arc::default(),
            next_item: 0,
        }
    }

    /// Counts bytes as they arrive.
    pub(crate) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    pub(crate) const fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    pub(crate) fn stop(self, code: ResetCode) {
        self.stream.stop(code);
    }

    /// Waits for a head however long the deadline allows: the peer may have to work for it.
    pub(crate) async fn head<H: Head>(&mut self) -> Result<H, FrameError> {
        let mut length = VarintReader::default();
        let length = loop {
            let chunk = match timeout_at(self.deadline, self.stream.chunk(1)).await {
                Ok(chunk) => chunk?,
                Err(_) => return Err(FrameError::Deadline),
            };
            let byte = chunk
                .as_deref()
                .and_then(<[u8]>::first)
                .ok_or(WireError::Truncated)?;
            if let Some(length) = length.push(*byte)? {
                break length;
            }
        };
        H::check_size(length)?;
        Ok(H::from_bytes(&self.exactly(length).await?)?)
    }

    /// The next item in order, of the size that `expected` derives for its index.
    pub(crate) async fn item(
        &mut self,
        expected: impl FnOnce(u32) -> ItemSize,
    ) -> Result<Item, FrameError> {
        let mut head = [0; ItemHead::SIZE];
        head.copy_from_slice(&self.exactly(ItemHead::SIZE).await?);
        let head = ItemHead::from_bytes(head)?;
        let (index, length) = (head.index, head.length);
        if index != self.next_item {
            return Err(WireError::ItemIndex { index }.into());
        }
        self.next_item += 1;
        if head.status != ItemStatus::Present {
            return Ok(Item::Absent(head.status));
        }
        match expected(index) {
            ItemSize::Exactly(expected) if length != expected => {
                return Err(WireError::ItemSize {
                    index,
                    length,
                    expected,
                }
                .into());
            }
            ItemSize::AtMost(max) if length > max => {
                let (length, max) = (length.into(), max.into());
                return Err(WireError::TooLong {
                    what: "item",
                    length,
                    max,
                }
                .into());
            }
            ItemSize::Exactly(_) | ItemSize::AtMost(_) => {}
        }
        let length = usize::try_from(length).map_err(|_| WireError::Truncated)?;
        self.exactly(length).await.map(Item::Present)
    }

    /// Checks that nothing follows.
    pub(crate) async fn end(&mut self) -> Result<(), FrameError> {
        match self.pace.wait(self.deadline, self.stream.chunk(1)).await? {
            None => Ok(()),
            Some(_) => Err(WireError::Trailing.into()),
        }
    }

    /// The next `length` bytes in one piece. The caller compared the length with its cap.
    async fn exactly(&mut self, length: usize) -> Result<Bytes, FrameError> {
        let mut buffer = BytesMut::new();
        while buffer.len() < length {
            let wanted = length - buffer.len();
            let chunk = self
                .pace
                .wait(self.deadline, self.stream.chunk(wanted))
                .await?;
            let chunk = chunk.ok_or(WireError::Truncated)?;
            self.pace.bytes += chunk.len() as u64;
            self.received
                .fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if chunk.len() == length {
                return Ok(chunk);
            }
            if buffer.is_empty() {
                buffer.reserve(length);
            }
            buffer.extend_from_slice(&chunk);
        }
        Ok(buffer.freeze())
    }
}

/// Writes heads and items to a stream, small pieces together.
pub(crate) struct FrameWriter {
    stream: SendStream,
    deadline: Instant,
    pace: Pace,
    next_item: u32,
    pending: BytesMut,
    /// What was copied to `pending`: whoever granted its memory gets it back when it is sent.
    copied: Vec<Bytes>,
}

/// Bytes that were copied together, with what they were copied from.
struct Together {
    bytes: Bytes,
    _from: Vec<Bytes>,
}

impl AsRef<[u8]> for Together {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl FrameWriter {
    /// Items up to this size are copied next to their header; larger ones go out as they are.
    const COPY_BELOW: usize = 2 << 10;
    /// Collected small pieces are handed on at this size.
    const FLUSH_AT: usize = 16 << 10;
    /// Large items are handed on in pieces of this size.
    const SLICE: usize = 128 << 10;

    pub(crate) fn new(stream: SendStream, deadline: Instant) -> Self {
        let pending = BytesMut::new();
        Self {
            stream,
            deadline,
            pace: Pace::default(),
            next_item: 0,
            pending,
            copied: Vec::new(),
        }
    }

    pub(crate) const fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    pub(crate) fn head<H: Head>(&mut self, head: &H) -> Result<(), FrameError> {
        self.pending.extend_from_slice(&head.to_frame()?);
        Ok(())
    }

    pub(crate) async fn item(&mut self, bytes: Bytes) -> Result<(), FrameError> {
        let length = u32::try_from(bytes.len()).map_err(|_| WireError::TooLong {
            what: "item",
            length: bytes.len() as u64,
            max: u32::MAX.into(),
        })?;
        self.item_head(ItemStatus::Present, length);
        if bytes.len() <= Self::COPY_BELOW {
            self.pending.extend_from_slice(&bytes);
            self.copied.push(bytes);
            return if self.pending.len() >= Self::FLUSH_AT {
                self.flush().await
            } else {
                Ok(())
            };
        }
        self.flush().await?;
        self.send(bytes).await
    }

    pub(crate) async fn absent(&mut self, status: ItemStatus) -> Result<(), FrameError> {
        self.item_head(status, 0);
        if self.pending.len() >= Self::FLUSH_AT {
            self.flush().await
        } else {
            Ok(())
        }
    }

    fn item_head(&mut self, status: ItemStatus, length: u32) {
        let head = ItemHead {
            index: self.next_item,
            status,
            length,
        };
        self.next_item += 1;
        self.pending.extend_from_slice(&head.to_bytes());
    }

    pub(crate) async fn flush(&mut self) -> Result<(), FrameError> {
        let bytes = self.pending.split().freeze();
        let from = std::mem::take(&mut self.copied);
        let pending = if from.is_empty() {
            bytes
        } else {
            Bytes::from_owner(Together { bytes, _from: from })
        };
        self.send(pending).await
    }

    /// In slices, so that a peer that takes some of a large item is not taken for a dead one.
    async fn send(&mut self, mut bytes: Bytes) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            let slice = bytes.split_to(bytes.len().min(Self::SLICE));
            let length = slice.len() as u64;
            self.pace
                .wait(self.deadline, self.stream.send(slice))
                .await?;
            self.pace.bytes += length;
        }
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<(), FrameError> {
        self.flush().await?;
        self.stream.finish();
        Ok(())
    }

    pub(crate) fn set_priority(&mut self, priority: i32) {
        self.stream.set_priority(priority);
    }

    pub(crate) fn reset(self, code: ResetCode) {
        self.stream.reset(code);
    }
}
