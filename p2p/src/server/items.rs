//! The items a response brings.

use std::sync::Arc;

use bytes::Bytes;

use super::{Budget, Grant, refusal_of, turns::Seat};
use crate::{
    control::score::Fault,
    framing::{FrameError, FrameWriter},
    guard::{Action, Limit, guest::Guest},
    wire::{ItemStatus, Refusal, ResponseHead},
};
use tokio::time::Instant;

/// The items of a response, sent in the order of their indexes while the service produces them.
/// Sending waits for the peer, so a slow reader slows the service and fills no memory.
pub struct Items {
    writer: FrameWriter,
    budget: Budget,
    guest: Arc<Guest>,
    seat: Seat,
    deadline: Instant,
    begun: bool,
    broken: Option<FrameError>,
}

impl Items {
    pub(super) const fn new(
        writer: FrameWriter,
        budget: Budget,
        guest: Arc<Guest>,
        seat: Seat,
        deadline: Instant,
    ) -> Self {
        Self {
            writer,
            budget,
            guest,
            seat,
            deadline,
            begun: false,
            broken: None,
        }
    }

    /// Grants memory for the next item, when it is this request's turn. Ask before reading it from the
    /// disk.
    ///
    /// # Errors
    /// `Busy` when this node's memory for answers is used up.
    pub async fn reserve(&self, length: u32) -> Result<Grant, Refusal> {
        self.seat.leave();
        let who = (self.guest.peer(), self.guest.class());
        let grant = self.budget.take(who, length, self.deadline).await;
        let grant = grant.inspect_err(|_| self.guest.note(Action::Refused, Limit::MemoryOut))?;
        self.seat.sit(length.into()).await;
        Ok(grant)
    }

    /// Sends the next item; `grant` is what [`Self::reserve`] gave for it.
    ///
    /// # Errors
    /// The peer is gone, too slow, or no longer interested; return the refusal.
    pub async fn send(&mut self, bytes: Bytes, mut grant: Grant) -> Result<(), Refusal> {
        self.begin()?;
        self.guest.sent(bytes.len() as u64);
        self.seat.leave();
        let result = self.writer.item(grant.bind(bytes)).await;
        self.note(result)
    }

    /// Says that there are no bytes for the next item, and why.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn absent(&mut self, status: ItemStatus) -> Result<(), Refusal> {
        self.begin()?;
        let result = self.writer.absent(status).await;
        self.note(result)
    }

    /// The head goes out with the first item: until then the request can still be refused.
    fn begin(&mut self) -> Result<(), Refusal> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        let result = ResponseHead::ok(&()).map_err(FrameError::from);
        let result = result.and_then(|head| self.writer.head(&head));
        self.note(result)
    }

    fn note(&mut self, result: Result<(), FrameError>) -> Result<(), Refusal> {
        result.map_err(|error| {
            if error == FrameError::TooSlow {
                self.guest.fault(Fault::Dripping);
            }
            let refusal = refusal_of(&error);
            self.broken = Some(error);
            refusal
        })
    }

    /// Ends the response after the service returned.
    pub(super) async fn end(mut self, answer: Result<(), Refusal>) -> Result<(), FrameError> {
        let answer = match answer {
            Ok(()) => self.begin(),
            refused => refused,
        };
        match (answer, self.broken) {
            (_, Some(error)) => {
                self.writer.reset(error.reset_code());
                Err(error)
            }
            (Ok(()), None) => self.writer.finish().await,
            (Err(refusal), None) if self.begun => {
                self.writer.reset(super::reset_code_of(&refusal.status));
                Ok(())
            }
            (Err(refusal), None) => {
                self.writer.head(&ResponseHead::refused(&refusal))?;
                self.writer.finish().await
            }
        }
    }
}
