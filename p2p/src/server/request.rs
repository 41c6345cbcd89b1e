//! One request from its first byte to its last: decode, limit, ask the service, answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::{
    Answer, Call, Grant, Items, Payload, Server, Service, admission::Budget, refusal_of,
    turns::Seat,
};
use crate::{
    control::score::Fault,
    framing::{FrameError, FrameReader, FrameWriter},
    guard::{Action, Limit, guest::Guest},
    transport::{RecvStream, SendStream},
    wire::{
        Kind, Refusal, Request, RequestHead, ResetCode, ResponseHead, Status, TrafficClass,
        message::GetSymbols,
    },
};

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// What a request costs besides the bytes it moves, in bytes of work.
const REQUEST_COST: u64 = 32 << 10;
/// What a symbol costs, in bytes of work: a sliver is read and encoded for it.
const SYMBOL_COST: u64 = 64 << 10;

/// An answer without streamed items.
struct Whole {
    head: ResponseHead,
    item: Option<Bytes>,
}

impl Whole {
    fn reply(reply: &impl Serialize, item: Option<Bytes>) -> Answer<Self> {
        match ResponseHead::ok(reply) {
            Ok(head) => Ok(Self { head, item }),
            Err(error) => Err(Refusal::internal(error.to_string())),
        }
    }
}

impl<S: Service> Server<S> {
    /// Answers the request on a stream, whatever it is.
    pub(super) async fn answer(&self, guest: &Arc<Guest>, send: SendStream, recv: RecvStream) {
        let _visit = guest.begin();
        let start = Instant::now();
        let mut reader = FrameReader::new(recv, start + HEAD_TIMEOUT);
        let mut writer = FrameWriter::new(send, start + HEAD_TIMEOUT);
        let head = match reader.head::<RequestHead>().await {
            Ok(head) => head,
            Err(error) => {
                self.metrics.malformed();
                if let Some(fault) = fault_of(&error) {
                    guest.fault(fault);
                }
                if let FrameError::Wire(_) = error {
                    // The connection's next stream is not affected: each stream is one request.
                    let _ = refuse(writer, &refusal_of(&error)).await;
                } else {
                    writer.reset(error.reset_code());
                }
                reader.stop(error.reset_code());
                return;
            }
        };
        let kind = Kind(head.kind);
        let class = guest.class().serves_as(kind, head.class);
        let deadline = start + head.time_left().min(self.settings.longest_deadline);
        reader.set_deadline(deadline);
        writer.set_deadline(deadline);
        writer.set_priority(class.priority());
        let timer = self.metrics.request(kind, class);
        let status = self
            .exchange(
                guest,
                RequestHead { class, ..head },
                deadline,
                reader,
                writer,
            )
            .await;
        if status == Status::BadRequest {
            guest.fault(Fault::BadRequest);
        }
        timer.end(&status);
    }

    /// Checks the head, grants memory and a place, and lets the service answer. Returns how it
    /// ended, for the metrics.
    async fn exchange(
        &self,
        guest: &Arc<Guest>,
        head: RequestHead,
        deadline: Instant,
        reader: FrameReader,
        writer: FrameWriter,
    ) -> Status {
        let refused = |refusal: Refusal, reader: FrameReader, writer| async move {
            // Once answered, the payload is not wanted any more.
            let _ = refuse(writer, &refusal).await;
            reader.stop(ResetCode::Answered);
            refusal.status
        };
        let admitted = self.admit(guest, &head, deadline).await;
        let (_place, grant) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => return refused(refusal, reader, writer).await,
        };
        let call = Call {
            peer: guest.peer(),
            class: guest.class(),
            traffic: head.class,
            epoch: head.epoch,
            deadline,
        };
        let seat = self.turns.seat(call.peer, call.traffic);
        let mut payload = Payload::new(reader, grant, head.payload, Arc::clone(guest));

        macro_rules! decode {
            () => {
                match Request::from_body(&head.body) {
                    Ok(request) => request,
                    Err(error) => {
                        let refusal = Refusal::bad_request(error.to_string());
                        return refused(refusal, payload.into_reader(), writer).await;
                    }
                }
            };
        }
        // Waits for the turn to work on it.
        macro_rules! sit {
            ($cost:expr) => {
                if let Err(refusal) = sit(&seat, $cost, deadline).await {
                    guest.note(Action::Refused, Limit::Turns);
                    return refused(refusal, payload.into_reader(), writer).await;
                }
            };
        }
        // A message with items: the service reads them, then everything must have been read.
        macro_rules! upload {
            ($method:ident) => {{
                let request = decode!();
                sit!(REQUEST_COST);
                payload.set_seat(seat);
                let answer = self.service.$method(&call, request, &mut payload);
                match within(deadline, answer).await {
                    Ok(reply) => payload
                        .end()
                        .await
                        .and_then(|()| Whole::reply(&reply, None)),
                    Err(refusal) => Err(refusal),
                }
            }};
        }
        // A message without items, answered whole.
        macro_rules! ask {
            ($method:ident) => {{
                let request = decode!();
                sit!(REQUEST_COST);
                let answer = within(deadline, self.service.$method(&call, request)).await;
                seat.leave();
                answer.and_then(|reply| Whole::reply(&reply, None))
            }};
        }
        // The same, with one item after the reply.
        macro_rules! ask_item {
            ($method:ident) => {{
                let request = decode!();
                sit!(REQUEST_COST);
                let answer = within(deadline, self.service.$method(&call, request)).await;
                seat.leave();
                match answer {
                    Ok((reply, item)) => self
                        .bind(guest, item, deadline)
                        .await
                        .and_then(|item| Whole::reply(&reply, Some(item))),
                    Err(refusal) => Err(refusal),
                }
            }};
        }
        // A message whose items the service streams.
        macro_rules! download {
            ($method:ident) => {
                download!($method, |_| 0)
            };
            ($method:ident, $symbols:expr) => {{
                let request = decode!();
                let symbols: u64 = $symbols(&request);
                if symbols > 0
                    && let Err(refusal) = guest.admit_symbols(symbols)
                {
                    return refused(refusal, payload.into_reader(), writer).await;
                }
                sit!(REQUEST_COST.saturating_add(symbols.saturating_mul(SYMBOL_COST)));
                let budget = self.outbound.clone();
                let mut items = Items::new(writer, budget, Arc::clone(guest), seat, deadline);
                let answer =
                    within(deadline, self.service.$method(&call, request, &mut items)).await;
                let status = status_of(&answer);
                return match items.end(answer).await {
                    Ok(()) => status,
                    Err(error) => refusal_of(&error).status,
                };
            }};
        }

        let answer: Answer<Whole> = match Kind(head.kind) {
            Kind::PUT_METADATA => upload!(put_metadata),
            Kind::PUT_SLIVER => upload!(put_sliver),
            Kind::PUT_INCONSISTENCY => upload!(put_inconsistency),
            Kind::GET_METADATA => download!(get_metadata),
            Kind::GET_SLIVER => download!(get_sliver),
            Kind::GET_SYMBOLS => download!(get_symbols, GetSymbols::symbols),
            Kind::GET_BLOB_STATUS => ask!(get_blob_status),
            Kind::CONFIRM => ask!(confirm),
            Kind::GET_NODE_RECORD => ask!(get_node_record),
            Kind::GET_NODE_INFO => ask!(get_node_info),
            Kind::HEALTH => ask!(health),
            Kind::GET_INCONSISTENCY => ask_item!(get_inconsistency),
            Kind::GET_COMMITTEE => ask_item!(get_committee),
            _ => Err(Refusal::unsupported()),
        };
        match answer {
            Ok(whole) => {
                guest.sent(whole.item.as_ref().map_or(0, |item| item.len() as u64));
                match send_whole(writer, whole).await {
                    Ok(()) => Status::Ok,
                    Err(error) => refusal_of(&error).status,
                }
            }
            Err(refusal) => refused(refusal, payload.into_reader(), writer).await,
        }
    }

    /// A place among the requests being answered and memory for the payload.
    async fn admit(
        &self,
        guest: &Guest,
        head: &RequestHead,
        deadline: Instant,
    ) -> Answer<(tokio::sync::OwnedSemaphorePermit, Grant)> {
        if self.draining.is_cancelled() && head.class != TrafficClass::Control {
            return Err(Status::ShuttingDown.into());
        }
        if head.deadline_ms == 0 {
            return Err(Status::Deadline.into());
        }
        head.check()
            .map_err(|error| Refusal::bad_request(error.to_string()))?;
        guest.admit(head.payload)?;
        let place = Arc::clone(&self.requests).try_acquire_owned();
        let place = place.map_err(|_| {
            guest.note(Action::Refused, Limit::OpenRequests);
            Refusal::busy(Budget::RETRY_AFTER)
        })?;
        let who = (guest.peer(), guest.class());
        let grant = self.inbound.take(who, head.payload, deadline).await;
        let grant = grant.inspect_err(|_| guest.note(Action::Refused, Limit::MemoryIn))?;
        Ok((place, grant))
    }

    /// Takes memory for an item that the service has made already.
    async fn bind(&self, guest: &Guest, item: Bytes, deadline: Instant) -> Answer<Bytes> {
        let length = u32::try_from(item.len());
        let length = length.map_err(|_| Refusal::internal("an item of 4 GiB or more"))?;
        let who = (guest.peer(), guest.class());
        let grant = self.outbound.take(who, length, deadline).await;
        let mut grant = grant.inspect_err(|_| guest.note(Action::Refused, Limit::MemoryOut))?;
        Ok(grant.bind(item))
    }
}

async fn within<T>(deadline: Instant, answer: impl Future<Output = Answer<T>>) -> Answer<T> {
    timeout_at(deadline, answer)
        .await
        .unwrap_or_else(|_| Err(Status::Deadline.into()))
}

async fn sit(seat: &Seat, cost: u64, deadline: Instant) -> Answer<()> {
    let sat = timeout_at(deadline, seat.sit(cost)).await;
    sat.map_err(|_| Status::Deadline.into())
}

/// What a stream that did not begin with a request is to its peer's standing.
const fn fault_of(error: &FrameError) -> Option<Fault> {
    match error {
        FrameError::Wire(_) => Some(Fault::BadRequest),
        FrameError::Deadline | FrameError::TooSlow => Some(Fault::Dripping),
        FrameError::Stream(_) => None,
    }
}

fn status_of<T>(answer: &Answer<T>) -> Status {
    answer
        .as_ref()
        .map_or_else(|refusal| refusal.status.clone(), |_| Status::Ok)
}

async fn send_whole(mut writer: FrameWriter, whole: Whole) -> Result<(), FrameError> {
    writer.head(&whole.head)?;
    if let Some(item) = whole.item {
        writer.item(item).await?;
    }
    writer.finish().await
}

async fn refuse(mut writer: FrameWriter, refusal: &Refusal) -> Result<(), FrameError> {
    // A refusal is small and goes out even when the request's own time is up.
    writer.set_deadline(Instant::now() + HEAD_TIMEOUT);
    writer.head(&ResponseHead::refused(refusal))?;
    writer.finish().await
}
