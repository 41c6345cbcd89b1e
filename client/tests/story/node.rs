//! A storage node in memory: real codec, real signatures, and faults on demand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use floe_chain::{
    blob::{BlobState, Registration},
    certificate::Confirmation,
    epoch::Epoch,
    id::{NodeId, ObjectId},
    keys::BlsSecretKey,
    rpc::{ChainRead, memory::MemoryChain},
    statement::Statement,
};
use floe_codec::{
    Axis, BlobId, BlobLayout, Codec, SegmentIndex, SegmentMetadata, ShardIndex, Unverified,
};
use floe_p2p::{
    server::{Answer, Call, Items, Payload, Service},
    wire::{
        ItemStatus, Refusal, Status,
        message::{
            BlobStatus, Confirm, ConfirmReply, GetBlobStatus, GetMetadata, GetSliver, GetSymbols,
            MissingSlivers, PutInconsistency, PutSliver, PutSliverReply, SegmentRange,
        },
    },
};

/// How a node misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Takes nothing more, once all nodes together took so many slivers.
    FullAfter(u64),
    /// Answers no writer until the fault is taken away.
    Hold,
    /// Flips a bit in every sliver it serves, and in every symbol.
    Garbage,
    /// Takes requests for what it holds and never answers, like a machine that was switched off.
    Silent,
    /// Signs something else than what it holds.
    ForgedConfirmation,
    /// Answers with the confirmation of another node, whose key has this seed.
    Replay { node: NodeId, seed: u8 },
    /// Says that an epoch has begun which nobody knows.
    FarAhead,
}

pub(crate) type Key = (BlobId, SegmentIndex, ShardIndex, Axis);

/// What a node holds and knows.
pub(crate) struct State {
    pub(crate) id: NodeId,
    pub(crate) epoch: Epoch,
    pub(crate) fault: Fault,
    pub(crate) metadata: BTreeMap<(BlobId, SegmentIndex), Bytes>,
    pub(crate) slivers: BTreeMap<Key, Bytes>,
    pub(crate) proofs: BTreeSet<BlobId>,
    /// Slivers and symbols that readers asked for.
    pub(crate) served: u64,
    pub(crate) symbols: u64,
    /// Requests it got while it was silent.
    pub(crate) ignored: usize,
}

#[derive(Clone)]
pub(crate) struct MemoryNode {
    pub(crate) chain: MemoryChain,
    pub(crate) codec: Codec,
    pub(crate) key: Arc<BlsSecretKey>,
    pub(crate) state: Arc<Mutex<State>>,
    /// Slivers that were sent to all nodes together.
    pub(crate) received_by_all: Arc<AtomicU64>,
}

impl MemoryNode {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Never returns while the node is silent.
    async fn speak(&self) {
        let silent = {
            let mut state = self.state();
            let silent = state.fault == Fault::Silent;
            state.ignored += usize::from(silent);
            silent
        };
        if silent {
            std::future::pending::<()>().await;
        }
    }

    async fn registered(&self, object: ObjectId) -> Answer<Registration> {
        let found = self.chain.blob(object).await.unwrap();
        found.ok_or_else(|| {
            Status::NotRegistered {
                cursor: floe_chain::event::EventCursor::START,
            }
            .into()
        })
    }

    async fn shards(&self) -> Vec<ShardIndex> {
        let (id, epoch) = {
            let state = self.state();
            (state.id, state.epoch)
        };
        let committee = self.chain.committee(epoch).await.unwrap().unwrap();
        match committee.index_of(id) {
            Some(member) => committee.shards_of(member).collect(),
            None => Vec::new(),
        }
    }

    fn check_epoch(&self, call: &Call) -> Answer<()> {
        let (epoch, fault) = {
            let state = self.state();
            (state.epoch, state.fault)
        };
        if fault == Fault::FarAhead {
            let epoch = Epoch::new(9999);
            Err(Status::WrongEpoch { epoch }.into())
        } else if call.epoch == epoch {
            Ok(())
        } else {
            Err(Status::WrongEpoch { epoch }.into())
        }
    }

    fn missing(&self, layout: &BlobLayout, blob: BlobId, shards: &[ShardIndex]) -> MissingSlivers {
        let state = self.state();
        let mut metadata = Vec::new();
        let mut slivers = Vec::new();
        for segment in layout.segments().map(|segment| segment.index()) {
            if !state.metadata.contains_key(&(blob, segment)) {
                metadata.push(SegmentRange::one(segment));
            }
            for shard in shards {
                for axis in Axis::BOTH {
                    if !state.slivers.contains_key(&(blob, segment, *shard, axis)) {
                        slivers.push((*shard, axis, SegmentRange::one(segment)));
                    }
                }
            }
        }
        MissingSlivers {
            metadata: metadata.try_into().unwrap(),
            slivers: slivers.try_into().unwrap(),
            truncated: false,
        }
    }

    fn confirmation(&self, registration: &Registration) -> Confirmation {
        let (node, epoch, fault) = {
            let state = self.state();
            (state.id, state.epoch, state.fault)
        };
        let network = self.chain.network();
        let mut body = registration.available();
        if fault == Fault::ForgedConfirmation {
            body.size += 1;
        }
        let statement = Statement {
            network,
            epoch,
            body,
        };
        match fault {
            Fault::Replay { node, seed } => {
                let key = BlsSecretKey::from_seed(&[seed; 32]);
                Confirmation::sign(node, statement, &key)
            }
            _ => Confirmation::sign(node, statement, &self.key),
        }
    }
}

fn layout_of(registration: &Registration, shards: floe_codec::ShardCount) -> BlobLayout {
    BlobLayout::new(registration.encoding, shards, registration.size).unwrap()
}

impl Service for MemoryNode {
    async fn put_sliver(
        &self,
        call: &Call,
        request: PutSliver,
        payload: &mut Payload,
    ) -> Answer<PutSliverReply> {
        self.check_epoch(call)?;
        let fault = self.state().fault;
        if let Fault::FullAfter(slivers) = fault {
            while self.received_by_all.load(Ordering::Relaxed) < slivers {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            return Err(Status::Full.into());
        }
        while self.state().fault == Fault::Hold {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        self.check_epoch(call)?;
        let registration = self.registered(request.object).await?;
        let shards = self.chain.system().await.unwrap().shards;
        let layout = layout_of(&registration, shards);
        let own = self.shards().await;
        let place = (request.blob, request.segment);
        if request.metadata {
            let bytes = payload.next_at_most(128 << 10).await?;
            self.state()
                .metadata
                .insert(place, Bytes::copy_from_slice(&bytes));
        }
        let bytes = self.state().metadata.get(&place).cloned();
        let bytes = bytes.ok_or_else(|| Refusal::bad_request("no metadata"))?;
        let metadata: SegmentMetadata<Unverified> = bcs::from_bytes(&bytes).unwrap();
        let metadata = metadata
            .verify(&request.blob)
            .map_err(|e| Refusal::bad_request(e.to_string()))?;
        for key in &request.slivers {
            if !own.contains(&key.shard) {
                return Err(Status::WrongShard {
                    epoch: self.state().epoch,
                }
                .into());
            }
            let size = metadata.layout().sliver_size(key.axis);
            let bytes = payload.next(u32::try_from(size).unwrap()).await?;
            let pair = request.blob.pair_of(key.shard, shards).unwrap();
            let index = pair.sliver(key.axis, shards).unwrap();
            self.codec
                .verify_sliver(&metadata, key.axis, index, &bytes)
                .map_err(|e| Refusal::bad_request(e.to_string()))?;
            let key = (request.blob, request.segment, key.shard, key.axis);
            self.received_by_all.fetch_add(1, Ordering::Relaxed);
            self.state()
                .slivers
                .insert(key, Bytes::copy_from_slice(&bytes));
        }
        let complete = self.missing(&layout, request.blob, &own).is_empty();
        let confirmation = if request.confirm && complete {
            Some(self.confirmation(&registration))
        } else {
            None
        };
        Ok(PutSliverReply { confirmation })
    }

    async fn get_metadata(&self, _: &Call, request: GetMetadata, items: &mut Items) -> Answer<()> {
        self.speak().await;
        for segment in request.segments.iter() {
            let found = self.state().metadata.get(&(request.blob, segment)).cloned();
            match found {
                Some(bytes) => {
                    let grant = items.reserve(u32::try_from(bytes.len()).unwrap()).await?;
                    items.send(bytes, grant).await?;
                }
                None => items.absent(ItemStatus::NotHeld).await?,
            }
        }
        Ok(())
    }

    async fn get_sliver(&self, _: &Call, request: GetSliver, items: &mut Items) -> Answer<()> {
        self.speak().await;
        for index in 0..u32::try_from(request.items()).unwrap() {
            let (segment, shard) = request.item(index).unwrap();
            let key = (request.blob, segment, shard, request.axis);
            let (found, fault) = {
                let mut state = self.state();
                state.served += 1;
                (state.slivers.get(&key).cloned(), state.fault)
            };
            match found {
                Some(mut bytes) => {
                    if fault == Fault::Garbage {
                        let mut wrong = bytes.to_vec();
                        wrong[0] ^= 1;
                        bytes = wrong.into();
                    }
                    let grant = items.reserve(u32::try_from(bytes.len()).unwrap()).await?;
                    items.send(bytes, grant).await?;
                }
                None => items.absent(ItemStatus::NotHeld).await?,
            }
        }
        Ok(())
    }

    async fn get_symbols(&self, _: &Call, request: GetSymbols, items: &mut Items) -> Answer<()> {
        let shards = self.chain.system().await.unwrap().shards;
        for (blob, segment) in request.iter() {
            let mut item = vec![0; request.sources.len().div_ceil(8)];
            let metadata = self.state().metadata.get(&(blob, segment)).cloned();
            let metadata: SegmentMetadata<Unverified> =
                bcs::from_bytes(&metadata.ok_or(Status::NotHeld)?).unwrap();
            let metadata = metadata.verify(&blob).unwrap();
            let sliver_of = |shard, axis| {
                let pair = blob.pair_of(shard, shards).unwrap();
                pair.sliver(axis, shards).unwrap()
            };
            let crossing = sliver_of(request.target, request.axis);
            let axis = request.axis.orthogonal();
            for (at, shard) in request.sources.iter().enumerate() {
                let key = (blob, segment, *shard, axis);
                let (sliver, fault) = {
                    let mut state = self.state();
                    state.symbols += 1;
                    (state.slivers.get(&key).cloned(), state.fault)
                };
                let Some(bytes) = sliver else { continue };
                let index = sliver_of(*shard, axis);
                let sliver = self.codec.verify_sliver(&metadata, axis, index, bytes);
                let extended = self.codec.extend_sliver(&sliver.unwrap());
                let mut symbol = extended.symbol(crossing).unwrap().to_vec();
                symbol[0] ^= u8::from(fault == Fault::Garbage);
                item[at / 8] |= 1 << (at % 8);
                item.extend(symbol);
            }
            let grant = items.reserve(u32::try_from(item.len()).unwrap()).await?;
            items.send(item.into(), grant).await?;
        }
        Ok(())
    }

    async fn get_blob_status(&self, call: &Call, request: GetBlobStatus) -> Answer<BlobStatus> {
        self.check_epoch(call)?;
        let object = request
            .object
            .ok_or_else(|| Refusal::bad_request("which registration?"))?;
        let registration = self.registered(object).await?;
        let layout = layout_of(&registration, self.chain.system().await.unwrap().shards);
        let own = self.shards().await;
        let state = match registration.certified {
            Some(_) => BlobState::Certified,
            None => BlobState::Registered,
        };
        Ok(BlobStatus {
            state,
            missing: self.missing(&layout, request.blob, &own),
        })
    }

    async fn confirm(&self, call: &Call, request: Confirm) -> Answer<ConfirmReply> {
        self.check_epoch(call)?;
        let registration = self.registered(request.object).await?;
        let layout = layout_of(&registration, self.chain.system().await.unwrap().shards);
        let missing = self.missing(&layout, request.blob, &self.shards().await);
        if missing.is_empty() {
            return Ok(ConfirmReply::Confirmed(self.confirmation(&registration)));
        }
        Ok(ConfirmReply::Missing(missing))
    }

    async fn put_inconsistency(
        &self,
        _: &Call,
        request: PutInconsistency,
        payload: &mut Payload,
    ) -> Answer<()> {
        let bytes = payload.next_at_most(8 << 20).await?;
        let place = (request.blob, request.segment);
        let metadata = self.state().metadata.get(&place).cloned();
        let metadata = metadata.ok_or_else(|| Refusal::from(Status::NotHeld))?;
        let metadata: SegmentMetadata<Unverified> = bcs::from_bytes(&metadata).unwrap();
        let metadata = metadata.verify(&request.blob).unwrap();
        let proof: floe_codec::InconsistencyProof =
            bcs::from_bytes(&bytes).map_err(|e| Refusal::bad_request(e.to_string()))?;
        proof
            .verify(&self.codec, &metadata)
            .map_err(|e| Refusal::bad_request(e.to_string()))?;
        self.state().proofs.insert(request.blob);
        Ok(())
    }
}
