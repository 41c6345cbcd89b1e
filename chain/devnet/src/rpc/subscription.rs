//! SubscriptionService: what happens from now on. Streams follow the ledger by position, so a slow client loses nothing and costs no memory.

use std::sync::Arc;

use futures::{StreamExt, stream};
use sui_rpc::proto::sui::rpc::v2::{
    Checkpoint, Event, ExecutedTransaction, SubscribeCheckpointsRequest,
    SubscribeCheckpointsResponse, SubscribeEventsRequest, SubscribeEventsResponse,
    SubscribeTransactionsRequest, SubscribeTransactionsResponse, Watermark,
    subscription_service_server::SubscriptionService,
};
use tokio::sync::watch;
use tonic::{Request, Status};

use super::{Frames, Reply, Services, filter::Filter, ledger, query::Position, render};
use crate::{
    ledger::{self as chain, Ledger},
    node::Node,
};

#[tonic::async_trait]
impl SubscriptionService for Services {
    async fn subscribe_checkpoints(
        &self,
        request: Request<SubscribeCheckpointsRequest>,
    ) -> Reply<Frames<SubscribeCheckpointsResponse>> {
        let request = request.into_inner();
        let mask =
            render::mask::<Checkpoint>(request.read_mask.as_ref(), "sequence_number,digest")?;
        let filter = Filter::of_transactions(request.filter.as_ref())?;
        let filtered = !filter.is_open();
        let progress = |sequence: u64| {
            let mut response = SubscribeCheckpointsResponse::default();
            response.cursor = Some(sequence);
            response
        };
        let first = |tip| filtered.then(|| progress(tip));
        Ok(self.follow(first, move |ledger, checkpoint| {
            let mut response = progress(checkpoint.summary.sequence_number);
            if filter.matches_checkpoint(checkpoint) {
                response.checkpoint = Some(render::checkpoint(ledger, checkpoint, &mask));
            }
            vec![response]
        }))
    }

    async fn subscribe_transactions(
        &self,
        request: Request<SubscribeTransactionsRequest>,
    ) -> Reply<Frames<SubscribeTransactionsResponse>> {
        let request = request.into_inner();
        let mask = render::mask::<ExecutedTransaction>(request.read_mask.as_ref(), "digest")?;
        let matcher = ledger::transactions(Filter::of_transactions(request.filter.as_ref())?);
        let frame = |transaction, watermark| {
            let mut response = SubscribeTransactionsResponse::default();
            response.transaction = transaction;
            response.watermark = Some(watermark);
            response
        };
        let first = |tip| Some(frame(None, covered(tip)));
        Ok(self.follow(first, move |ledger, checkpoint| {
            let sequence = checkpoint.summary.sequence_number;
            let items = matcher(checkpoint).into_iter().map(|position| {
                let transaction = ledger::transaction_at(ledger, checkpoint, position, &mask);
                frame(transaction, watermark(position, sequence.checked_sub(1)))
            });
            items.chain([frame(None, covered(sequence))]).collect()
        }))
    }

    async fn subscribe_events(
        &self,
        request: Request<SubscribeEventsRequest>,
    ) -> Reply<Frames<SubscribeEventsResponse>> {
        let request = request.into_inner();
        let mask = render::mask::<Event>(request.read_mask.as_ref(), "event_type")?;
        let matcher = ledger::events(Filter::of_events(request.filter.as_ref())?);
        let frame = |event, watermark| {
            let mut response = SubscribeEventsResponse::default();
            response.event = event;
            response.watermark = Some(watermark);
            response
        };
        let first = |tip| Some(frame(None, covered(tip)));
        Ok(self.follow(first, move |_, checkpoint| {
            let sequence = checkpoint.summary.sequence_number;
            let items = matcher(checkpoint).into_iter().map(|position| {
                let event = ledger::event_at(checkpoint, position, &mask);
                frame(event, watermark(position, sequence.checked_sub(1)))
            });
            items.chain([frame(None, covered(sequence))]).collect()
        }))
    }
}

/// A subscription between two checkpoints.
struct Follower {
    node: Arc<Node>,
    height: watch::Receiver<u64>,
    next: u64,
}

impl Services {
    /// The first message, made from the newest checkpoint, then the messages for every later one as it appears.
    fn follow<T: Send + 'static>(
        &self,
        first: impl FnOnce(u64) -> Option<T>,
        messages: impl Fn(&Ledger, &chain::Checkpoint) -> Vec<T> + Send + Sync + 'static,
    ) -> tonic::Response<Frames<T>> {
        let height = self.node.height();
        let next = *height.borrow();
        let first = next.checked_sub(1).and_then(first).map(Ok);
        let follower = Follower {
            node: self.node.clone(),
            height,
            next,
        };
        let batches = stream::unfold(
            (follower, messages),
            |(mut follower, messages)| async move {
                let next = follower.next;
                follower
                    .height
                    .wait_for(|height| *height > next)
                    .await
                    .ok()?;
                let batch = follower.node.read(|ledger| {
                    ledger
                        .history()
                        .checkpoint(next)
                        .map(|checkpoint| messages(ledger, checkpoint))
                });
                let batch: Vec<Result<T, Status>> = match batch.await {
                    Ok(messages) => messages.unwrap_or_default().into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error.into())],
                };
                follower.next += 1;
                Some((stream::iter(batch), (follower, messages)))
            },
        );
        tonic::Response::new(Box::pin(stream::iter(first).chain(batches.flatten())))
    }
}

fn covered(sequence: u64) -> Watermark {
    watermark(Position::end_of(sequence), Some(sequence))
}

fn watermark(position: Position, covered: Option<u64>) -> Watermark {
    let mut watermark = Watermark::default();
    watermark.cursor = Some(position.encode().into());
    watermark.checkpoint = covered;
    watermark
}
