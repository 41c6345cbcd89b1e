//! The items a request brings.

use std::sync::Arc;

use bytes::Bytes;

use super::{Grant, refusal_of, turns::Seat};
use crate::{
    control::score::Fault,
    framing::{FrameError, FrameReader, Item, ItemSize},
    guard::guest::Guest,
    wire::{Refusal, WireError},
};

/// The items of a request, in order. Their memory was granted before the service was called; each
/// [`Bytes`] gives its part back when dropped.
pub struct Payload {
    reader: FrameReader,
    grant: Grant,
    declared: u32,
    guest: Arc<Guest>,
    seat: Option<Seat>,
}

impl Payload {
    pub(super) fn new(reader: FrameReader, grant: Grant, declared: u32, guest: Arc<Guest>) -> Self {
        Self {
            reader,
            grant,
            declared,
            guest,
            seat: None,
        }
    }

    /// Where the request is worked on, while it does not wait for its peer.
    pub(super) fn set_seat(&mut self, seat: Seat) {
        self.seat = Some(seat);
    }

    /// The bytes of all items together, as the caller declared them.
    #[must_use]
    pub const fn declared(&self) -> u32 {
        self.declared
    }

    /// The next item, of exactly the size that follows from the blob's layout.
    ///
    /// # Errors
    /// Any other size is refused before it is read; the stream may break or be too slow.
    pub async fn next(&mut self, size: u32) -> Result<Bytes, Refusal> {
        self.item(ItemSize::Exactly(size)).await
    }

    /// The next item, whose size cannot be derived (proofs), of at most `max` bytes.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn next_at_most(&mut self, max: u32) -> Result<Bytes, Refusal> {
        self.item(ItemSize::AtMost(max)).await
    }

    async fn item(&mut self, size: ItemSize) -> Result<Bytes, Refusal> {
        let granted = u32::try_from(self.grant.left()).unwrap_or(u32::MAX);
        let over = match size {
            ItemSize::Exactly(size) => size > granted,
            ItemSize::AtMost(_) => false,
        };
        if over {
            return Err(Refusal::bad_request(
                "the items are longer than the payload declared",
            ));
        }
        let size = match size {
            ItemSize::AtMost(max) => ItemSize::AtMost(max.min(granted)),
            exactly => exactly,
        };
        if let Some(seat) = &self.seat {
            seat.leave();
        }
        let item = self.reader.item(|_| size).await;
        match item {
            Ok(Item::Present(bytes)) => {
                if let Some(seat) = &self.seat {
                    seat.sit(bytes.len() as u64).await;
                }
                Ok(self.grant.bind(bytes))
            }
            Ok(Item::Absent(_)) => Err(Refusal::bad_request("an item of a request is absent")),
            Err(error) => {
                if error == FrameError::TooSlow {
                    self.guest.fault(Fault::Dripping);
                }
                Err(refusal_of(&error))
            }
        }
    }

    /// Checks that every declared byte was read and none follows.
    ///
    /// # Errors
    /// `BadRequest` otherwise.
    pub(super) async fn end(&mut self) -> Result<(), Refusal> {
        if self.grant.left() > 0 {
            return Err(refusal_of(&WireError::Truncated.into()));
        }
        self.seat = None;
        self.reader.end().await.map_err(|error| refusal_of(&error))
    }

    pub(super) fn into_reader(self) -> FrameReader {
        self.reader
    }
}
