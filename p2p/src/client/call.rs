//! One call from dialling to the head of its response.

use std::{pin::pin, sync::Arc};

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::{CallError, CallOptions, DataClient, ItemReader, Result, payload_size};
use crate::{
    address::PeerAddress,
    framing::{FrameError, FrameReader, FrameWriter},
    transport::{Connection, StreamError},
    wire::{Request, RequestHead, ResetCode, ResponseHead},
};

/// A request ready to be sent, once or again.
struct Outgoing<'a> {
    head: RequestHead,
    items: &'a [Bytes],
    deadline: Instant,
}

impl DataClient {
    /// Sends a request and reads the head of its response; `expected` items follow.
    pub(super) async fn call<R: Request>(
        &self,
        to: &PeerAddress,
        request: &R,
        items: &[Bytes],
        expected: u64,
        options: &CallOptions,
    ) -> Result<(R::Reply, ItemReader)> {
        let begun = Instant::now();
        let payload = payload_size(R::KIND, items)?;
        let outgoing = Outgoing {
            head: RequestHead {
                kind: R::KIND.0,
                epoch: options.epoch,
                deadline_ms: 0,
                class: options.class,
                payload,
                body: request.to_body()?,
            },
            items,
            deadline: begun + options.deadline,
        };
        outgoing.head.check()?;
        let result = self.exchange(to, outgoing).await;
        let result = match result {
            Ok((head, reader)) => match head.into_reply::<R::Reply>() {
                Ok(Ok(reply)) => Ok((reply, reader)),
                Ok(Err(refusal)) => Err(refusal.into()),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error),
        };
        match result {
            Ok((reply, reader)) => {
                self.peers
                    .answered(&to.peer, payload, begun.elapsed(), Instant::now());
                let reader = ItemReader::new(reader, expected, to.peer, Arc::clone(&self.peers));
                Ok((reply, reader))
            }
            Err(error) => {
                self.peers.failed(&to.peer, &error, Instant::now());
                Err(error)
            }
        }
    }

    async fn exchange(
        &self,
        to: &PeerAddress,
        mut outgoing: Outgoing<'_>,
    ) -> Result<(ResponseHead, FrameReader)> {
        let deadline = outgoing.deadline;
        let connect = || async {
            match timeout_at(deadline, self.pool.connect(to)).await {
                Ok(connected) => Ok(connected?),
                Err(_) => Err(CallError::Deadline),
            }
        };
        let (connection, reused) = connect().await?;
        match outgoing.send(&*connection).await {
            // The peer may have gone away, or restarted, while the connection was idle. Every
            // request may be repeated, so ask once more on a fresh one.
            Err(CallError::Stream(error)) if reused && connection.close_reason().is_some() => {
                tracing::debug!(peer = %to.peer, %error, "a kept connection was dead");
                let (connection, _) = connect().await?;
                outgoing.send(&*connection).await
            }
            result => result,
        }
    }
}

impl Outgoing<'_> {
    async fn send(&mut self, connection: &dyn Connection) -> Result<(ResponseHead, FrameReader)> {
        let (send, recv) = timeout_at(self.deadline, connection.open())
            .await
            .map_err(|_| CallError::Deadline)??;
        let left = self
            .deadline
            .saturating_duration_since(Instant::now())
            .as_millis();
        self.head.deadline_ms = u32::try_from(left).unwrap_or(u32::MAX);
        let mut writer = FrameWriter::new(send, self.deadline);
        let mut reader = FrameReader::new(recv, self.deadline);
        writer.set_priority(self.head.class.priority());
        writer.head(&self.head)?;

        let head = self.converse(writer, reader.head()).await?;
        Ok((head, reader))
    }

    /// Uploads the items while the head of the response is awaited: it may come first, as a
    /// refusal. It is read by one future from beginning to end, since a part of it may have arrived
    /// when the upload ends.
    async fn converse(
        &self,
        mut writer: FrameWriter,
        response: impl Future<Output = std::result::Result<ResponseHead, FrameError>>,
    ) -> Result<ResponseHead> {
        let mut response = pin!(response);
        let early = {
            let upload = pin!(async {
                for item in self.items {
                    writer.item(item.clone()).await?;
                }
                writer.flush().await
            });
            tokio::select! {
                biased;
                head = &mut response => Some(head),
                uploaded = upload => match uploaded {
                    Ok(()) => None,
                    // The peer stopped reading: its answer says why.
                    Err(FrameError::Stream(StreamError::Reset(_))) => Some((&mut response).await),
                    Err(error) => return Err(error.into()),
                },
            }
        };
        if let Some(head) = early {
            writer.reset(ResetCode::NotNeeded);
            return Ok(head?);
        }
        writer.finish().await?;
        Ok(response.await?)
    }
}
