//! Storing a blob, from bytes to a certificate on chain. One loop over epochs: whatever interrupts,
//! the next round asks the nodes what they lack and goes on from there. Nothing is paid twice: the
//! journal and the chain are asked before each payment.

mod encode;
mod epoch;
mod error;
mod purchase;
mod resume;
mod shipment;
mod tail;
mod upload;

use std::sync::Arc;

use floe_chain::{
    amount::Wal,
    blob::Registration,
    epoch::{ChainTime, Epoch},
    id::ObjectId,
    rpc::ChainWrite,
};
use floe_codec::{BlobCommitment, BlobId, BlobLayout, SegmentRoot};
use serde::Serialize;

pub use encode::EncodeError;
pub use error::{QuorumLost, StoreError};
pub use resume::Unfinished;
pub use tail::{Tail, TailReport};
pub(crate) use upload::options;

use crate::{
    Client,
    chain::{Moment, is_late},
    disk::{
        journal::{Certified, FileSource, Journal, Kept, Registered, Started},
        path::FilePath,
        source::Source,
    },
    network::Network,
    plan::{ByteSize, Purchase, StorePlan},
    progress::{Event, Listener, Phase},
};

/// How a blob shall be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Epochs from the current one.
    pub epochs: u32,
    /// Whether the owner may delete it.
    pub deletable: bool,
    /// The source is a spooled copy that goes away when the blob is certified.
    pub spooled: bool,
}

impl StoreOptions {
    /// Whether a store that was begun was to be kept like this.
    fn are_of(&self, started: &Started) -> bool {
        (self.epochs, self.deletable) == (started.epochs, started.deletable)
    }
}

/// A certified blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// Its id: all that is needed to read it.
    pub blob: BlobId,
    /// The `Blob` object on chain, which its owner extends and deletes.
    pub object: ObjectId,
    /// Bytes of the blob.
    pub size: ByteSize,
    /// Bytes the nodes keep.
    pub encoded: ByteSize,
    /// First epoch in which it is gone.
    pub end: Epoch,
    /// When that is expected to begin.
    pub expires: ChainTime,
    /// WAL paid by this store; zero if an earlier attempt had paid.
    pub paid: Wal,
    /// It had been certified before; nothing was done.
    pub already: bool,
}

/// Everything one store needs once its blob is registered.
struct Run {
    network: Arc<Network>,
    encoder: encode::Encoder,
    registration: Registration,
    journal: Journal,
    listener: Listener,
    wallet: Arc<dyn ChainWrite>,
    /// The nodes hold something already; ask them before sending.
    resumed: bool,
}

impl Client {
    /// What storing `length` bytes is going to do, without their id.
    ///
    /// # Errors
    /// The chain does not answer, or the blob does not fit the network.
    pub async fn plan_store(
        &self,
        source: &Source,
        options: &StoreOptions,
    ) -> Result<StorePlan, StoreError> {
        let state = self.moment().await?;
        let (mut known, mut registered) = (None, None);
        if let Some(kept) = self.known_source(source, &state)? {
            let blob = kept.started.blob;
            registered = self.found(&kept, options, false, &state).await?;
            known = Some(blob);
        }
        let question = self
            .question(source.len(), known, options, &state, registered)
            .await?;
        Ok(StorePlan::new(&question)?)
    }

    /// What storing so many bytes, none of which are known, is going to cost.
    ///
    /// # Errors
    /// The chain does not answer, or so many bytes do not fit the network.
    pub async fn plan_size(
        &self,
        length: u64,
        options: &StoreOptions,
    ) -> Result<StorePlan, StoreError> {
        let state = self.moment().await?;
        let question = self.question(length, None, options, &state, None).await?;
        Ok(StorePlan::new(&question)?)
    }

    /// The id these bytes have, or would have, on this network.
    ///
    /// # Errors
    /// The source cannot be read, or does not fit the network.
    pub async fn identify(&self, source: Source, listener: Listener) -> Result<BlobId, StoreError> {
        let shards = self.chain.system().await?.shards;
        let layout =
            BlobLayout::for_shards(shards, source.len()).map_err(crate::plan::PlanError::from)?;
        Ok(*self
            .commit(&Arc::new(source), layout, &listener)
            .await?
            .id())
    }

    /// Stores the source. Returns when the blob is certified; the tail that is still on its way to
    /// slow nodes goes on in [`Tail`], which may be dropped.
    ///
    /// # Errors
    /// The journal is kept whenever money was spent: storing the same source again goes on.
    pub async fn store(
        &self,
        source: Source,
        options: StoreOptions,
        listener: Listener,
    ) -> Result<(Stored, Option<Tail>), StoreError> {
        self.go(source, options, listener, false).await
    }

    /// Stores the source. What is resumed goes on with the registration in its journal, whatever is
    /// left of its time.
    async fn go(
        &self,
        source: Source,
        options: StoreOptions,
        listener: Listener,
        resumed: bool,
    ) -> Result<(Stored, Option<Tail>), StoreError> {
        let wallet = self.wallet.clone().ok_or(StoreError::NoWallet)?;
        let state = self.moment().await?;
        self.remove_expired(&state)?;
        let layout = BlobLayout::for_shards(state.system.shards, source.len())
            .map_err(crate::plan::PlanError::from)?;
        let source = Arc::new(source);
        let known = self.known_source(&source, &state)?;
        let known = known.and_then(|known| BlobCommitment::new(layout, &known.started.roots).ok());
        let commitment = match known {
            Some(commitment) => commitment,
            None => self.commit(&source, layout, &listener).await?,
        };
        let blob = *commitment.id();
        let started = begun(&source, &commitment, &options, &state);
        let mut journal = Journal::begin(&self.journals(), started.clone())?;
        if journal.started.source.is_some() {
            listener.on(Event::Resumable {
                blob: blob.to_string(),
            });
        }

        let purchase = || {
            self.purchase(
                &*wallet,
                &commitment,
                &journal,
                &options,
                resumed,
                &listener,
            )
        };
        let (plan, registration) = match purchase().await {
            Err(StoreError::Chain(error)) if is_late(&error) => purchase().await?,
            result => result?,
        };
        if journal
            .registered
            .as_ref()
            .is_none_or(|known| known.object != registration.object)
        {
            // What is resumed later is what is wanted now.
            if !options.are_of(&journal.started) {
                journal = journal.restart(started)?;
            }
            journal.registered(Registered {
                object: registration.object,
                period: registration.period.clone(),
            })?;
        }
        if plan.is_done() {
            journal.certified(Certified {
                end: plan.period.end,
                expires: plan.expires,
            })?;
            journal.drop_spool();
            return Ok((Stored::new(blob, registration.object, &plan, true), None));
        }
        let resumed = matches!(plan.payment.purchase, Purchase::Paid(_));
        let run = Run {
            network: self.network().await?,
            encoder: encode::Encoder::new(
                self.codec.clone(),
                Arc::clone(&source),
                Arc::new(commitment),
            ),
            registration,
            journal,
            listener,
            wallet,
            resumed,
        };
        let stored = Stored::new(blob, run.registration.object, &plan, false);
        let (mut journal, tail) = run.until_certified(self).await?;
        journal.certified(Certified {
            end: stored.end,
            expires: stored.expires,
        })?;
        // The encoder of the tail has the file open: it stays readable.
        journal.drop_spool();
        Ok((stored, Some(tail)))
    }

    async fn commit(
        &self,
        source: &Arc<Source>,
        layout: BlobLayout,
        listener: &Listener,
    ) -> Result<BlobCommitment, StoreError> {
        listener.on(Event::Phase {
            phase: Phase::Encode,
        });
        let (codec, source, listener) =
            (self.codec.clone(), Arc::clone(source), Arc::clone(listener));
        let pass = move || encode::commit(&codec, &source, layout, &listener);
        let committed = tokio::task::spawn_blocking(pass).await;
        Ok(committed.map_err(|panicked| EncodeError::Task(panicked.to_string()))??)
    }

    /// What the journal of exactly this unchanged file on this network says.
    fn known_source(&self, source: &Source, state: &Moment) -> Result<Option<Kept>, StoreError> {
        let Some((path, stamp)) = source.identity() else {
            return Ok(None);
        };
        let same = |kept: &Kept| {
            let known = kept.started.source.as_ref();
            known.is_some_and(|known| *known.path == *path && known.stamp == stamp)
                && kept.started.network == state.system.network.into()
        };
        let files = Journal::files(&self.journals())?;
        // A journal that cannot be read is reported when its own blob is stored again.
        let mut journals = files.iter().filter_map(|file| Kept::read(file).ok()?);
        Ok(journals.find(same))
    }

    /// Removes the journals of what was certified and has expired.
    fn remove_expired(&self, state: &Moment) -> Result<(), StoreError> {
        let expired = |kept: &Kept| {
            let certified = kept.certified.as_ref();
            certified.is_some_and(|it| it.end <= state.epoch())
                && kept.started.network == state.system.network.into()
        };
        for file in Journal::files(&self.journals())? {
            // One that somebody works on, or that is unreadable, stays.
            if Kept::read(&file).is_ok_and(|kept| kept.as_ref().is_some_and(expired))
                && let Ok(Some(journal)) = Journal::open(&file)
                && expired(&journal)
            {
                journal.forget()?;
            }
        }
        Ok(())
    }
}

/// What a store that begins now keeps in its journal.
fn begun(
    source: &Source,
    commitment: &BlobCommitment,
    options: &StoreOptions,
    state: &Moment,
) -> Started {
    let file = source.identity().map(|(path, stamp)| FileSource {
        path: FilePath(path.to_owned()),
        stamp,
        spooled: options.spooled,
    });
    let roots: Vec<SegmentRoot> = commitment.segment_roots().collect();
    Started::new(
        state.system.network,
        *commitment.id(),
        *commitment.layout(),
        roots,
        file,
        options.epochs,
        options.deletable,
    )
}

impl Stored {
    fn new(blob: BlobId, object: ObjectId, plan: &StorePlan, already: bool) -> Self {
        Self {
            blob,
            object,
            size: plan.size,
            encoded: plan.encoded,
            end: plan.period.end,
            expires: plan.expires,
            paid: plan.payment.total,
            already,
        }
    }
}
