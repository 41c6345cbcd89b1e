//! What has happened: executed transactions, sealed checkpoints, finished epochs. Append-only.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use sui_sdk_types::{
    Address, CheckpointContents, CheckpointSummary, Digest, Object, ObjectOut, ObjectReference,
    Transaction, TransactionEffects, TransactionEffectsV2, TransactionEvents, UserSignature,
    ValidatorAggregatedSignature, ValidatorCommittee,
};

/// A transaction and everything it did.
#[derive(Debug)]
pub(crate) struct Executed {
    /// Digest of the transaction.
    pub digest: Digest,
    /// The transaction.
    pub transaction: Transaction,
    /// Who authorised it; empty for system transactions.
    pub signatures: Vec<UserSignature>,
    /// What changed.
    pub effects: TransactionEffects,
    /// Events in order of emission, if there were any.
    pub events: Option<TransactionEvents>,
    /// Objects as the transaction found them.
    pub inputs: Vec<Arc<Object>>,
    /// Objects as it left them.
    pub outputs: Vec<Arc<Object>>,
}

impl Executed {
    /// The effects, which this chain only writes in their second version.
    pub(crate) fn effects_v2(&self) -> &TransactionEffectsV2 {
        match &self.effects {
            TransactionEffects::V2(effects) => effects,
            TransactionEffects::V1(_) => {
                unreachable!("this ledger builds only effects of version 2")
            }
        }
    }
}

/// Where a transaction stands in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Sequence number of the checkpoint.
    pub checkpoint: u64,
    /// Position within the checkpoint.
    pub index: u64,
}

/// A certified checkpoint with its transactions.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    /// The summary the validators signed.
    pub summary: CheckpointSummary,
    /// Digest of the summary.
    pub digest: Digest,
    /// Signatures of a quorum of the epoch's validators, once somebody asked for them.
    pub(super) certificate: OnceLock<ValidatorAggregatedSignature>,
    /// Digests of transactions and effects.
    pub contents: CheckpointContents,
    /// The transactions, in order.
    pub transactions: Vec<Arc<Executed>>,
}

impl Checkpoint {
    /// The last write of every object this checkpoint touched, in ascending id: the leaves of its artifacts commitment.
    pub(crate) fn written(&self) -> Vec<ObjectReference> {
        written(&self.transactions)
    }
}

/// The last write of every object that `transactions` touched, in ascending id.
pub(super) fn written(transactions: &[Arc<Executed>]) -> Vec<ObjectReference> {
    let mut last = std::collections::BTreeMap::<Address, ObjectReference>::new();
    for effects in transactions.iter().map(|executed| executed.effects_v2()) {
        for change in &effects.changed_objects {
            let (version, digest) = match &change.output_state {
                ObjectOut::ObjectWrite { digest, .. } => (effects.lamport_version, *digest),
                ObjectOut::PackageWrite { version, digest } => (*version, *digest),
                _ if change.id_operation == sui_sdk_types::IdOperation::Deleted => {
                    (effects.lamport_version, DELETED)
                }
                _ => (effects.lamport_version, WRAPPED),
            };
            last.insert(
                change.object_id,
                ObjectReference::new(change.object_id, version, digest),
            );
        }
    }
    last.into_values().collect()
}

/// Digest that stands for a deleted object, as on Sui.
const DELETED: Digest = Digest::new([99; 32]);
/// Digest that stands for a wrapped object, as on Sui.
const WRAPPED: Digest = Digest::new([88; 32]);

/// One epoch of the chain.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    /// Its validators.
    pub committee: ValidatorCommittee,
    /// First checkpoint.
    pub first: u64,
    /// Last checkpoint, once the epoch has ended.
    pub last: Option<u64>,
    /// When it began, in milliseconds since the Unix epoch.
    pub start_ms: u64,
}

/// Everything that was executed, certified or ended so far.
#[derive(Default)]
pub(crate) struct History {
    transactions: HashMap<Digest, (Arc<Executed>, Option<Place>)>,
    checkpoints: Vec<Arc<Checkpoint>>,
    by_digest: HashMap<Digest, u64>,
    epochs: Vec<Epoch>,
}

impl History {
    /// A transaction by digest, with its place once it is part of a checkpoint.
    pub(crate) fn transaction(&self, digest: &Digest) -> Option<(&Arc<Executed>, Option<Place>)> {
        self.transactions
            .get(digest)
            .map(|(executed, place)| (executed, *place))
    }

    /// A checkpoint by sequence number.
    pub(crate) fn checkpoint(&self, sequence: u64) -> Option<&Arc<Checkpoint>> {
        self.checkpoints.get(usize::try_from(sequence).ok()?)
    }

    /// A checkpoint by digest of its summary.
    pub(crate) fn checkpoint_by_digest(&self, digest: &Digest) -> Option<&Arc<Checkpoint>> {
        self.checkpoint(*self.by_digest.get(digest)?)
    }

    /// The newest checkpoint; `None` only before genesis is sealed.
    pub(crate) fn newest(&self) -> Option<&Arc<Checkpoint>> {
        self.checkpoints.last()
    }

    /// Number of checkpoints, which is the sequence number of the next one.
    pub(crate) fn height(&self) -> u64 {
        u64::try_from(self.checkpoints.len()).expect("checkpoints in memory number fewer than 2^64")
    }

    /// An epoch by number.
    pub(crate) fn epoch(&self, epoch: u64) -> Option<&Epoch> {
        self.epochs.get(usize::try_from(epoch).ok()?)
    }

    pub(super) fn executed(&mut self, executed: Arc<Executed>) {
        self.transactions.insert(executed.digest, (executed, None));
    }

    pub(super) fn sealed(&mut self, checkpoint: Arc<Checkpoint>) {
        let sequence = checkpoint.summary.sequence_number;
        for (index, executed) in (0..).zip(&checkpoint.transactions) {
            if let Some((_, place)) = self.transactions.get_mut(&executed.digest) {
                *place = Some(Place {
                    checkpoint: sequence,
                    index,
                });
            }
        }
        self.by_digest.insert(checkpoint.digest, sequence);
        self.checkpoints.push(checkpoint);
    }

    pub(super) fn epoch_began(&mut self, epoch: Epoch) {
        if let Some(previous) = self.epochs.last_mut() {
            previous.last = Some(epoch.first.saturating_sub(1));
        }
        self.epochs.push(epoch);
    }
}
