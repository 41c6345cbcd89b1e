//! The two passes over the source. The first learns the blob id and keeps nothing. The second makes
//! the slivers, a bounded number of segments at a time, and stops if the bytes changed in between.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use floe_codec::{
    Axis, BlobCommitment, BlobLayout, Codec, EncodedSegment, InputChanged, SegmentBuffers,
    SegmentIndex, SegmentLayout, SliverIndex,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    disk::source::{Source, SourceError},
    progress::{Event, Listener, Phase},
};

/// Why a pass stopped.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The source is not what it was in the first pass.
    #[error(transparent)]
    InputChanged(#[from] InputChanged),
    /// The coding task died.
    #[error("the coding task ended early: {0}")]
    Task(String),
}

/// Reads everything once and returns what it is committed to. Blocks.
///
/// # Errors
/// The source cannot be read.
pub(crate) fn commit(
    codec: &Codec,
    source: &Source,
    layout: BlobLayout,
    listener: &Listener,
) -> Result<BlobCommitment, EncodeError> {
    let mut memory = Memory::default();
    let mut roots = Vec::new();
    for segment in layout.segments() {
        read(source, &segment, &mut memory.source)?;
        let root = codec
            .commit_segment(&segment, &memory.source, &mut memory.buffers)
            .expect("exactly the segment was read");
        roots.push(root);
        listener.on(Event::Bytes {
            phase: Phase::Encode,
            done: segment.range().end,
            total: Some(layout.length()),
        });
    }
    Ok(BlobCommitment::new(layout, &roots).expect("every segment has a root"))
}

fn read(source: &Source, segment: &SegmentLayout, into: &mut Vec<u8>) -> Result<(), SourceError> {
    into.resize(segment.length(), 0);
    source.read_at(segment.offset(), into)
}

/// Source bytes and coded output of one segment, used again for the next.
#[derive(Debug, Default)]
struct Memory {
    source: Vec<u8>,
    buffers: SegmentBuffers,
}

/// Makes the slivers of segments, at most [`window`](Self::window) of them in memory at once.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    codec: Codec,
    source: Arc<Source>,
    commitment: Arc<BlobCommitment>,
    idle: Arc<Mutex<Vec<Memory>>>,
    window: Arc<Semaphore>,
}

/// Coded segments in memory at once, in bytes, where more than one fits.
const WINDOW_BYTES: u128 = 56 << 20;
/// Most segments in memory at once.
const WINDOW_SEGMENTS: usize = 8;

impl Encoder {
    pub(crate) fn new(codec: Codec, source: Arc<Source>, commitment: Arc<BlobCommitment>) -> Self {
        let window = Semaphore::new(Self::window_of(commitment.layout()));
        Self {
            codec,
            source,
            commitment,
            idle: Arc::default(),
            window: Arc::new(window),
        }
    }

    /// How many segments of such a blob may be in memory at once.
    fn window_of(layout: &BlobLayout) -> usize {
        let whole = layout.encoded_size() + u128::from(layout.length());
        let each = (whole / u128::from(layout.segment_count())).max(1);
        usize::try_from(WINDOW_BYTES / each)
            .unwrap_or(usize::MAX)
            .clamp(1, WINDOW_SEGMENTS)
    }

    pub(crate) fn commitment(&self) -> &BlobCommitment {
        &self.commitment
    }

    /// Waits for room for one more segment.
    pub(crate) async fn room(&self) -> OwnedSemaphorePermit {
        let room = Arc::clone(&self.window).acquire_owned().await;
        room.expect("the window is never closed")
    }

    /// Codes one segment into the room granted.
    pub(crate) async fn encode(
        &self,
        segment: SegmentIndex,
        room: OwnedSemaphorePermit,
    ) -> Result<Arc<CodedSegment>, EncodeError> {
        let encoder = self.clone();
        tokio::task::spawn_blocking(move || encoder.encode_now(segment, room))
            .await
            .map_err(|panicked| EncodeError::Task(panicked.to_string()))?
    }

    fn encode_now(
        &self,
        segment: SegmentIndex,
        room: OwnedSemaphorePermit,
    ) -> Result<Arc<CodedSegment>, EncodeError> {
        let layout = self.commitment.layout().segment(segment);
        let layout = layout.expect("only segments of the blob are encoded");
        let mut memory = self.idle().pop().unwrap_or_default();
        read(&self.source, &layout, &mut memory.source)?;
        let coded = self
            .codec
            .encode_segment(&layout, memory.source, memory.buffers)
            .expect("exactly the segment was read");
        let metadata = self.commitment.metadata(&coded)?;
        let metadata = bcs::to_bytes(&metadata).expect("metadata always encodes");
        Ok(Arc::new(CodedSegment {
            index: segment,
            metadata: metadata.into(),
            coded: Some(coded),
            idle: Arc::clone(&self.idle),
            _room: room,
        }))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Memory>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slivers of one segment. Its memory and its place in the window are given back when the last
/// sliver that was taken from it is dropped.
#[derive(Debug)]
pub(crate) struct CodedSegment {
    index: SegmentIndex,
    metadata: Bytes,
    /// Present until dropped.
    coded: Option<EncodedSegment<Vec<u8>>>,
    idle: Arc<Mutex<Vec<Memory>>>,
    _room: OwnedSemaphorePermit,
}

impl CodedSegment {
    /// Which segment.
    pub(crate) fn index(&self) -> SegmentIndex {
        self.index
    }

    /// The segment's metadata as it travels.
    pub(crate) fn metadata(&self) -> Bytes {
        self.metadata.clone()
    }

    /// One sliver, without a copy.
    pub(crate) fn sliver(self: &Arc<Self>, axis: Axis, index: SliverIndex) -> Bytes {
        struct Part {
            of: Arc<CodedSegment>,
            axis: Axis,
            index: SliverIndex,
        }
        impl AsRef<[u8]> for Part {
            fn as_ref(&self) -> &[u8] {
                self.of.bytes(self.axis, self.index)
            }
        }
        Bytes::from_owner(Part {
            of: Arc::clone(self),
            axis,
            index,
        })
    }

    fn bytes(&self, axis: Axis, index: SliverIndex) -> &[u8] {
        let coded = self.coded.as_ref().expect("present until dropped");
        coded.sliver(axis, index).expect("slivers are below n")
    }
}

impl Drop for CodedSegment {
    fn drop(&mut self) {
        if let Some((source, buffers)) = self.coded.take().map(EncodedSegment::into_parts) {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(Memory { source, buffers });
        }
    }
}
