//! A light stream of events for tools: filtered by the server, in order, unproved.
//!
//! A server can leave events out of it without being noticed; nodes use
//! [`ChainEvents`](super::ChainEvents).

use futures::stream::{BoxStream, StreamExt};
use sui_rpc::Client;
use sui_rpc::client::{EventStreamRequest, EventStreamStart};
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{Address, StructTag};

use super::error::{Attempt, ChainError};
use crate::event::{ChainEvent, EventCursor};

/// Streams the events of a package's module `events` from a checkpoint on.
pub(crate) fn tail(
    client: &Client,
    package: Address,
    checkpoint: u64,
) -> BoxStream<'static, Result<(EventCursor, ChainEvent), ChainError>> {
    const MASK: &str = "checkpoint,transaction_index,event_index,event_type,contents";
    let url = client.uri().to_string();
    let of_ours = proto::filter::event::event_type(format!("{package}::events"));
    let filter: proto::EventFilter = proto::EventFilter::matching(of_ours);
    let request = EventStreamRequest::new()
        .with_read_mask(FieldMask::from_str(MASK))
        .with_filter(filter)
        .with_start(EventStreamStart::Checkpoint(checkpoint));
    let frames = client.stream_events(request);
    frames
        .filter_map(move |frame| {
            let item = match frame {
                Ok(frame) => frame.event.as_ref().map(read),
                Err(status) => {
                    let reason = status.message().to_owned();
                    let attempts = vec![Attempt {
                        url: url.clone(),
                        reason,
                    }];
                    Some(Err(ChainError::Unreachable {
                        what: "events",
                        attempts,
                    }))
                }
            };
            std::future::ready(item)
        })
        .boxed()
}

fn read(event: &proto::Event) -> Result<(EventCursor, ChainEvent), ChainError> {
    let malformed = |reason: String| ChainError::malformed("event", reason);
    let tag: StructTag = event
        .event_type()
        .parse()
        .map_err(|_| malformed(format!("{} is no type", event.event_type())))?;
    let position = |index: Option<u32>| index.ok_or_else(|| malformed("it has no position".into()));
    let transaction = event
        .transaction_index
        .map(u32::try_from)
        .and_then(Result::ok);
    let cursor = EventCursor {
        checkpoint: event.checkpoint(),
        transaction: position(transaction)?,
        event: position(event.event_index)?,
    };
    let event = ChainEvent::decode(tag.name().as_str(), event.contents().value())
        .map_err(|error| malformed(error.to_string()))?;
    Ok((cursor, event))
}
