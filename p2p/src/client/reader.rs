//! The items of a response, as they arrive.

use std::sync::{Arc, atomic::AtomicU64};

use tokio::time::Instant;

use super::Result;
use crate::{
    framing::{FrameReader, Item, ItemSize},
    identity::PeerId,
    peers::PeerBook,
};

/// Reads the items of a response. Dropped before the end, it tells the peer to stop.
pub struct ItemReader {
    reader: FrameReader,
    left: u64,
    ended: bool,
    peer: PeerId,
    peers: Arc<PeerBook>,
    begun: Instant,
    bytes: u64,
}

impl ItemReader {
    pub(super) fn new(reader: FrameReader, items: u64, peer: PeerId, peers: Arc<PeerBook>) -> Self {
        Self {
            reader,
            left: items,
            ended: false,
            peer,
            peers,
            begun: Instant::now(),
            bytes: 0,
        }
    }

    /// The next item in order; `size` derives how long the one with this index must be. `None`
    /// after all that were asked for, once the peer also says so.
    ///
    /// # Errors
    /// Bytes that are not what was asked for, too slow, too late, or a broken stream. Nothing more
    /// can be read then.
    pub async fn next(&mut self, size: impl FnOnce(u32) -> ItemSize) -> Result<Option<Item>> {
        let result = self.read(size).await;
        match &result {
            Ok(Some(Item::Present(bytes))) => self.bytes += bytes.len() as u64,
            Ok(Some(Item::Absent(_))) => {}
            Ok(None) => self
                .peers
                .transferred(&self.peer, self.bytes, self.begun.elapsed()),
            Err(error) => {
                self.left = 0;
                self.ended = true;
                self.peers.failed(&self.peer, error, Instant::now());
            }
        }
        result
    }

    async fn read(&mut self, size: impl FnOnce(u32) -> ItemSize) -> Result<Option<Item>> {
        if self.left > 0 {
            self.left -= 1;
            return Ok(Some(self.reader.item(size).await?));
        }
        if !self.ended {
            self.reader.end().await?;
            self.ended = true;
        }
        Ok(None)
    }

    /// Counts the bytes of the response as they arrive, those of an incomplete item too.
    #[must_use]
    pub fn received(&self) -> Arc<AtomicU64> {
        self.reader.received()
    }

    /// How many items are still to come.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.left
    }
}
