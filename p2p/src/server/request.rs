//! One request from its first byte to its last: decode, limit, ask the service, answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::{Answer, Call, Items, Payload, Server, Service, admission::Budget, refusal_of};
use crate::{
    framing::{FrameError, FrameReader, FrameWriter},
    transport::{Connection, RecvStream, SendStream},
    wire::{Kind, Refusal, Request, RequestHead, ResetCode, ResponseHead, Status, TrafficClass},
};

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

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
    pub(super) async fn answer(
        &self,
        connection: &dyn Connection,
        send: SendStream,
        recv: RecvStream,
    ) {
        let start = Instant::now();
        let mut reader = FrameReader::new(recv, start + HEAD_TIMEOUT);
        let mut writer = FrameWriter::new(send, start + HEAD_TIMEOUT);
        let head = match reader.head::<RequestHead>().await {
            Ok(head) => head,
            Err(error) => {
                self.metrics.malformed();
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
        let deadline = start + head.time_left().min(self.settings.longest_deadline);
        reader.set_deadline(deadline);
        writer.set_deadline(deadline);
        writer.set_priority(head.class.priority());
        let timer = self.metrics.request(kind, head.class);
        let status = self
            .exchange(connection, head, deadline, reader, writer)
            .await;
        timer.end(&status);
    }

    /// Checks the head, grants memory and a place, and lets the service answer. Returns how it
    /// ended, for the metrics.
    async fn exchange(
        &self,
        connection: &dyn Connection,
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
        let admitted = self.admit(&head, deadline).await;
        let (_place, grant) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => return refused(refusal, reader, writer).await,
        };
        let peer = connection.peer();
        let call = Call {
            peer,
            class: self.classify.classify(&peer),
            traffic: head.class,
            epoch: head.epoch,
            deadline,
        };
        let mut payload = Payload::new(reader, grant, head.payload);

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
        // A message with items: the service reads them, then everything must have been read.
        macro_rules! upload {
            ($method:ident) => {{
                let request = decode!();
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
                let answer = within(deadline, self.service.$method(&call, request)).await;
                answer.and_then(|reply| Whole::reply(&reply, None))
            }};
        }
        // The same, with one item after the reply.
        macro_rules! ask_item {
            ($method:ident) => {{
                let request = decode!();
                let answer = within(deadline, self.service.$method(&call, request)).await;
                answer.and_then(|(reply, item)| Whole::reply(&reply, Some(item)))
            }};
        }
        // A message whose items the service streams.
        macro_rules! download {
            ($method:ident) => {{
                let request = decode!();
                let mut items = Items::new(writer, self.outbound.clone(), deadline);
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
            Kind::GET_SYMBOLS => download!(get_symbols),
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
            Ok(whole) => match send_whole(writer, whole).await {
                Ok(()) => Status::Ok,
                Err(error) => refusal_of(&error).status,
            },
            Err(refusal) => refused(refusal, payload.into_reader(), writer).await,
        }
    }

    /// A place among the requests being answered and memory for the payload.
    async fn admit(
        &self,
        head: &RequestHead,
        deadline: Instant,
    ) -> Answer<(tokio::sync::OwnedSemaphorePermit, super::Grant)> {
        if self.draining.is_cancelled() && head.class != TrafficClass::Control {
            return Err(Status::ShuttingDown.into());
        }
        if head.deadline_ms == 0 {
            return Err(Status::Deadline.into());
        }
        head.check()
            .map_err(|error| Refusal::bad_request(error.to_string()))?;
        let place = Arc::clone(&self.requests)
            .try_acquire_owned()
            .map_err(|_| Refusal::busy(Budget::RETRY_AFTER))?;
        let grant = self.inbound.take(head.payload, deadline).await?;
        Ok((place, grant))
    }
}

async fn within<T>(deadline: Instant, answer: impl Future<Output = Answer<T>>) -> Answer<T> {
    timeout_at(deadline, answer)
        .await
        .unwrap_or_else(|_| Err(Status::Deadline.into()))
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
