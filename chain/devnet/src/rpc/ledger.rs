//! LedgerService: objects, transactions, checkpoints, epochs, and scans over them.

use std::sync::Arc;

use futures::stream;
use prost_types::FieldMask;
use sui_rpc::{
    field::FieldMaskTree,
    proto::sui::rpc::v2::{
        BatchGetObjectsRequest, BatchGetObjectsResponse, BatchGetTransactionsRequest,
        BatchGetTransactionsResponse, Checkpoint, Epoch, Event, ExecutedTransaction,
        GetCheckpointRequest, GetCheckpointResponse, GetEpochRequest, GetEpochResponse,
        GetObjectRequest, GetObjectResponse, GetObjectResult, GetServiceInfoRequest,
        GetServiceInfoResponse, GetTransactionRequest, GetTransactionResponse,
        GetTransactionResult, ListCheckpointsRequest, ListCheckpointsResponse, ListEventsRequest,
        ListEventsResponse, ListTransactionsRequest, ListTransactionsResponse, Object, Ordering,
        ProtocolConfig, QueryEnd, QueryEndReason, QueryOptions, SystemState, Watermark,
        get_checkpoint_request::CheckpointId, ledger_service_server::LedgerService,
    },
};
use sui_sdk_types::{Address, Digest};
use tonic::{Request, Status};

use super::{
    Frames, Reply, Services,
    filter::Filter,
    headers::CHAIN_NAME,
    page,
    query::{End, Frame, Matcher, Position, Range, Scan},
    render, status,
};
use crate::{
    execute::system,
    ledger::{self, Ledger, Place},
    node::Node,
};

/// Objects or transactions in one batch request.
const BATCH: usize = 1_000;

#[tonic::async_trait]
impl LedgerService for Services {
    async fn get_service_info(
        &self,
        _: Request<GetServiceInfoRequest>,
    ) -> Reply<GetServiceInfoResponse> {
        let info = self.node.read(|ledger| {
            let mut info = GetServiceInfoResponse::default();
            info.chain_id = Some(ledger.chain().to_string());
            info.chain = Some(CHAIN_NAME.into());
            info.epoch = Some(ledger.terms().epoch);
            info.lowest_available_checkpoint = Some(0);
            info.lowest_available_checkpoint_objects = Some(0);
            info.server = Some(concat!("floe-devnet/", env!("CARGO_PKG_VERSION")).into());
            if let Some(newest) = ledger.history().newest() {
                info.checkpoint_height = Some(newest.summary.sequence_number);
                info.timestamp = Some(render::timestamp(newest.summary.timestamp_ms));
            }
            info
        });
        Ok(info.await?.into())
    }

    async fn get_object(&self, request: Request<GetObjectRequest>) -> Reply<GetObjectResponse> {
        let request = request.into_inner();
        let mask = object_mask(request.read_mask.as_ref())?;
        let object = self
            .node
            .read(|ledger| object(ledger, &request, &mask))
            .await??;
        Ok(GetObjectResponse::new(object).into())
    }

    async fn batch_get_objects(
        &self,
        request: Request<BatchGetObjectsRequest>,
    ) -> Reply<BatchGetObjectsResponse> {
        let request = request.into_inner();
        let mask = object_mask(request.read_mask.as_ref())?;
        bounded("requests", request.requests.len())?;
        let objects = self.node.read(|ledger| {
            let objects = request.requests.iter();
            let objects = page::batch(objects.map(|request| object(ledger, request, &mask)));
            let result = |found| match found {
                Ok(object) => GetObjectResult::new_object(object),
                Err(error) => GetObjectResult::new_error(status::embedded(&error)),
            };
            objects.map(result).collect()
        });
        Ok(BatchGetObjectsResponse::new(objects.await?).into())
    }

    async fn get_transaction(
        &self,
        request: Request<GetTransactionRequest>,
    ) -> Reply<GetTransactionResponse> {
        let request = request.into_inner();
        let mask = transaction_mask(request.read_mask.as_ref())?;
        let digest = request.digest.as_deref();
        let transaction = self
            .node
            .read(|ledger| transaction(ledger, digest, &mask))
            .await??;
        Ok(GetTransactionResponse::new(transaction).into())
    }

    async fn batch_get_transactions(
        &self,
        request: Request<BatchGetTransactionsRequest>,
    ) -> Reply<BatchGetTransactionsResponse> {
        let request = request.into_inner();
        let mask = transaction_mask(request.read_mask.as_ref())?;
        bounded("digests", request.digests.len())?;
        let transactions = self.node.read(|ledger| {
            let digests = request.digests.iter();
            let found = digests.map(|digest| transaction(ledger, Some(digest), &mask));
            let result = |found| match found {
                Ok(transaction) => GetTransactionResult::new_transaction(transaction),
                Err(error) => GetTransactionResult::new_error(status::embedded(&error)),
            };
            page::batch(found).map(result).collect()
        });
        Ok(BatchGetTransactionsResponse::new(transactions.await?).into())
    }

    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Reply<GetCheckpointResponse> {
        let request = request.into_inner();
        let mask =
            render::mask::<Checkpoint>(request.read_mask.as_ref(), "sequence_number,digest")?;
        let digest = match &request.checkpoint_id {
            Some(CheckpointId::Digest(digest)) => {
                Some(status::parse::<Digest>("digest", Some(digest))?)
            }
            _ => None,
        };
        let checkpoint = self.node.read(|ledger| {
            let history = ledger.history();
            let found = match (&request.checkpoint_id, digest) {
                (_, Some(digest)) => history.checkpoint_by_digest(&digest),
                (Some(CheckpointId::SequenceNumber(sequence)), _) => history.checkpoint(*sequence),
                _ => history.newest(),
            };
            found.map(|checkpoint| render::checkpoint(ledger, checkpoint, &mask))
        });
        let checkpoint = checkpoint
            .await?
            .ok_or_else(|| Status::not_found("Checkpoint not found"))?;
        Ok(GetCheckpointResponse::new(checkpoint).into())
    }

    async fn get_epoch(&self, request: Request<GetEpochRequest>) -> Reply<GetEpochResponse> {
        let request = request.into_inner();
        let default = "epoch,first_checkpoint,last_checkpoint,start,end,reference_gas_price,protocol_config.protocol_version";
        let mask = render::mask::<Epoch>(request.read_mask.as_ref(), default)?;
        let epoch = self
            .node
            .read(|ledger| epoch(ledger, request.epoch.unwrap_or(ledger.terms().epoch)))
            .await?;
        let epoch = epoch.ok_or_else(|| Status::not_found("Epoch not found"))?;
        Ok(GetEpochResponse::new(sui_rpc::merge::Merge::merge_from(&epoch, &mask)).into())
    }

    async fn list_checkpoints(
        &self,
        request: Request<ListCheckpointsRequest>,
    ) -> Reply<Frames<ListCheckpointsResponse>> {
        let request = request.into_inner();
        let mask =
            render::mask::<Checkpoint>(request.read_mask.as_ref(), "sequence_number,digest")?;
        let range = range(
            request.start_checkpoint,
            request.end_checkpoint,
            request.options.as_ref(),
        )?;
        let frames = self
            .scan(
                range,
                checkpoints(Filter::of_transactions(request.filter.as_ref())?),
            )
            .await?;
        Ok(respond(frames, move |ledger, frame| {
            let mut response = ListCheckpointsResponse::default();
            response.checkpoint = frame
                .item
                .as_ref()
                .map(|(checkpoint, _)| render::checkpoint(ledger, checkpoint, &mask));
            response.watermark = Some(watermark(&frame));
            response.end = end(&frame);
            response
        }))
    }

    async fn list_transactions(
        &self,
        request: Request<ListTransactionsRequest>,
    ) -> Reply<Frames<ListTransactionsResponse>> {
        let request = request.into_inner();
        let mask = render::mask::<ExecutedTransaction>(request.read_mask.as_ref(), "digest")?;
        let range = range(
            request.start_checkpoint,
            request.end_checkpoint,
            request.options.as_ref(),
        )?;
        let frames = self
            .scan(
                range,
                transactions(Filter::of_transactions(request.filter.as_ref())?),
            )
            .await?;
        Ok(respond(frames, move |ledger, frame| {
            let mut response = ListTransactionsResponse::default();
            response.transaction = frame.item.as_ref().and_then(|(checkpoint, position)| {
                transaction_at(ledger, checkpoint, *position, &mask)
            });
            response.watermark = Some(watermark(&frame));
            response.end = end(&frame);
            response
        }))
    }

    async fn list_events(
        &self,
        request: Request<ListEventsRequest>,
    ) -> Reply<Frames<ListEventsResponse>> {
        let request = request.into_inner();
        let mask = render::mask::<Event>(request.read_mask.as_ref(), "event_type")?;
        let range = range(
            request.start_checkpoint,
            request.end_checkpoint,
            request.options.as_ref(),
        )?;
        let frames = self
            .scan(range, events(Filter::of_events(request.filter.as_ref())?))
            .await?;
        Ok(respond(frames, move |_, frame| {
            let mut response = ListEventsResponse::default();
            response.event = frame
                .item
                .as_ref()
                .and_then(|(checkpoint, position)| event_at(checkpoint, *position, &mask));
            response.watermark = Some(watermark(&frame));
            response.end = end(&frame);
            response
        }))
    }
}

impl Services {
    async fn scan(&self, range: Range, matcher: Matcher) -> Result<(Arc<Node>, Scan), Status> {
        let height = self.node.read(|ledger| ledger.history().height()).await?;
        Ok((self.node.clone(), Scan::new(range, height, matcher)))
    }
}

/// Turns a scan into a response stream; each frame is made when the client takes it.
fn respond<T: Send + 'static>(
    scan: (Arc<Node>, Scan),
    message: impl Fn(&Ledger, Frame) -> T + Send + Sync + Clone + 'static,
) -> tonic::Response<Frames<T>> {
    let frames = stream::unfold(scan, move |(node, mut scan)| {
        let message = message.clone();
        async move {
            let next = node
                .read(|ledger| {
                    scan.step(ledger.history())
                        .map(|frame| message(ledger, frame))
                })
                .await;
            match next {
                Ok(Some(message)) => Some((Ok(message), (node, scan))),
                Ok(None) => None,
                Err(error) => Some((Err(error.into()), (node, scan))),
            }
        }
    });
    tonic::Response::new(Box::pin(frames))
}

fn object_mask(mask: Option<&FieldMask>) -> Result<FieldMaskTree, Status> {
    render::mask::<Object>(mask, "object_id,version,digest")
}

fn transaction_mask(mask: Option<&FieldMask>) -> Result<FieldMaskTree, Status> {
    render::mask::<ExecutedTransaction>(mask, "digest")
}

fn bounded(field: &str, count: usize) -> Result<(), Status> {
    if count > BATCH {
        Err(status::invalid(
            field,
            format!("{count} given, at most {BATCH} are allowed"),
        ))
    } else {
        Ok(())
    }
}

fn object(
    ledger: &Ledger,
    request: &GetObjectRequest,
    mask: &FieldMaskTree,
) -> Result<Object, Status> {
    let id: Address = status::address("object_id", request.object_id.as_deref())?;
    let found = match request.version {
        Some(version) => ledger.objects().at(&id, version),
        None => ledger.objects().get(&id),
    };
    found
        .map(|object| render::object(object, mask))
        .ok_or_else(|| status::no_object(&id))
}

fn transaction(
    ledger: &Ledger,
    digest: Option<&str>,
    mask: &FieldMaskTree,
) -> Result<ExecutedTransaction, Status> {
    let digest = status::parse("digest", digest)?;
    let found = ledger.history().transaction(&digest);
    found
        .map(|(executed, place)| render::transaction(ledger.history(), executed, place, mask))
        .ok_or_else(|| status::no_transaction(&digest))
}

fn epoch(ledger: &Ledger, number: u64) -> Option<Epoch> {
    let found: &ledger::Epoch = ledger.history().epoch(number)?;
    let price = ledger.terms().reference_gas_price;
    let mut protocol = ProtocolConfig::default();
    protocol.protocol_version = Some(system::PROTOCOL_VERSION);
    let mut system_state = SystemState::default();
    system_state.version = Some(2);
    system_state.epoch = Some(number);
    system_state.protocol_version = Some(system::PROTOCOL_VERSION);
    system_state.reference_gas_price = Some(price);
    system_state.epoch_start_timestamp_ms = Some(found.start_ms);
    let mut epoch = Epoch::default();
    epoch.epoch = Some(number);
    epoch.committee = Some(found.committee.clone().into());
    epoch.first_checkpoint = Some(found.first);
    epoch.last_checkpoint = found.last;
    epoch.start = Some(render::timestamp(found.start_ms));
    let last = found
        .last
        .and_then(|last| ledger.history().checkpoint(last));
    epoch.end = last.map(|checkpoint| render::timestamp(checkpoint.summary.timestamp_ms));
    epoch.reference_gas_price = Some(price);
    epoch.protocol_config = Some(protocol);
    epoch.system_state = Some(Box::new(system_state));
    Some(epoch)
}

fn range(
    start: Option<u64>,
    end: Option<u64>,
    options: Option<&QueryOptions>,
) -> Result<Range, Status> {
    let cursor = |field: &str, bytes: Option<&[u8]>| match bytes {
        Some(bytes) => Position::decode(bytes)
            .map(Some)
            .ok_or_else(|| status::invalid(field, "not a cursor of this server")),
        None => Ok(None),
    };
    let after = cursor(
        "options.after",
        options.and_then(|options| options.after.as_deref()),
    )?;
    let before = cursor(
        "options.before",
        options.and_then(|options| options.before.as_deref()),
    )?;
    let ordering = options
        .and_then(|options| options.ordering)
        .unwrap_or_default();
    let ordering =
        Ordering::try_from(ordering).map_err(|error| status::invalid("options.ordering", error))?;
    let limit = options.and_then(|options| options.limit);
    Ok(Range {
        start,
        end,
        after,
        before,
        descending: ordering == Ordering::Descending,
        limit,
    })
}

pub(super) fn checkpoints(filter: Filter) -> Matcher {
    Box::new(move |checkpoint| {
        let position = Position::end_of(checkpoint.summary.sequence_number);
        if filter.matches_checkpoint(checkpoint) {
            vec![position]
        } else {
            Vec::new()
        }
    })
}

pub(super) fn transactions(filter: Filter) -> Matcher {
    Box::new(move |checkpoint| {
        let sequence = checkpoint.summary.sequence_number;
        let matching = (0..)
            .zip(&checkpoint.transactions)
            .filter(|(_, executed)| filter.matches_transaction(executed));
        matching
            .map(|(transaction, _)| Position {
                checkpoint: sequence,
                transaction,
                event: u32::MAX,
            })
            .collect()
    })
}

pub(super) fn events(filter: Filter) -> Matcher {
    Box::new(move |checkpoint| {
        let sequence = checkpoint.summary.sequence_number;
        let mut positions = Vec::new();
        for (transaction, executed) in (0..).zip(&checkpoint.transactions) {
            for (event, emitted) in (0..).zip(executed.events.iter().flat_map(|events| &events.0)) {
                if filter.matches_event(emitted) {
                    positions.push(Position {
                        checkpoint: sequence,
                        transaction,
                        event,
                    });
                }
            }
        }
        positions
    })
}

pub(super) fn transaction_at(
    ledger: &Ledger,
    checkpoint: &ledger::Checkpoint,
    position: Position,
    mask: &FieldMaskTree,
) -> Option<ExecutedTransaction> {
    let executed = checkpoint
        .transactions
        .get(usize::try_from(position.transaction).ok()?)?;
    Some(render::transaction(
        ledger.history(),
        executed,
        Some(place(position)),
        mask,
    ))
}

pub(super) fn event_at(
    checkpoint: &ledger::Checkpoint,
    position: Position,
    mask: &FieldMaskTree,
) -> Option<Event> {
    let executed = checkpoint
        .transactions
        .get(usize::try_from(position.transaction).ok()?)?;
    render::event(executed, place(position), position.event, mask)
}

fn place(position: Position) -> Place {
    Place {
        checkpoint: position.checkpoint,
        index: position.transaction,
    }
}

fn watermark(frame: &Frame) -> Watermark {
    let mut watermark = Watermark::default();
    watermark.cursor = Some(frame.cursor.encode().into());
    watermark.checkpoint = frame.covered;
    watermark
}

fn end(frame: &Frame) -> Option<QueryEnd> {
    let mut end = QueryEnd::default();
    let reason = match frame.end? {
        End::ItemLimit => QueryEndReason::ItemLimit,
        End::ScanLimit => QueryEndReason::ScanLimit,
        End::CheckpointBound => QueryEndReason::CheckpointBound,
        End::CursorBound => QueryEndReason::CursorBound,
        End::LedgerTip => QueryEndReason::LedgerTip,
    };
    end.reason = Some(reason.into());
    Some(end)
}
