//! From a certified checkpoint summary down to each transaction's effects and events.

use sui_crypto::bls12381::ValidatorCommitteeSignatureVerifier;
use sui_sdk_types::{
    CheckpointContents, CheckpointSummary, CheckpointTransactionInfo, Digest, Event,
    SignedCheckpointSummary, TransactionEffects, TransactionEvents,
};

use super::{LightError, same_digest};
use crate::epoch::ChainTime;

/// A checkpoint summary that more than two thirds of the stake of its epoch signed.
#[derive(Debug, Clone, PartialEq)]
pub struct CertifiedSummary {
    signed: SignedCheckpointSummary,
    digest: Digest,
}

impl CertifiedSummary {
    pub(crate) fn verify(
        signed: SignedCheckpointSummary,
        committee: &ValidatorCommitteeSignatureVerifier,
    ) -> Result<Self, LightError> {
        let checkpoint = signed.checkpoint.sequence_number;
        committee
            .verify_checkpoint_summary(&signed.checkpoint, &signed.signature)
            .map_err(|error| LightError::Signature {
                checkpoint,
                reason: error.to_string(),
            })?;
        Ok(Self {
            digest: signed.checkpoint.digest(),
            signed,
        })
    }

    /// The summary.
    #[must_use]
    pub fn summary(&self) -> &CheckpointSummary {
        &self.signed.checkpoint
    }

    /// The summary with its signature, to show to others.
    #[must_use]
    pub fn signed(&self) -> &SignedCheckpointSummary {
        &self.signed
    }

    /// Digest of the summary.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its sequence number.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.signed.checkpoint.sequence_number
    }

    /// When validators agreed on it.
    #[must_use]
    pub fn at(&self) -> ChainTime {
        ChainTime::from_ms(self.signed.checkpoint.timestamp_ms)
    }

    /// Checks the list of transactions.
    ///
    /// # Errors
    /// It is not the certified one.
    pub fn contents(&self, contents: CheckpointContents) -> Result<Contents, LightError> {
        let certified = self.summary().content_digest;
        same_digest("contents", self.sequence(), contents.digest(), certified)?;
        Ok(Contents {
            checkpoint: self.sequence(),
            at: self.at(),
            contents,
        })
    }
}

/// The certified list of a checkpoint's transactions.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    checkpoint: u64,
    at: ChainTime,
    contents: CheckpointContents,
}

impl Contents {
    /// The checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> u64 {
        self.checkpoint
    }

    /// Digests of the transactions, in order.
    #[must_use]
    pub fn transactions(&self) -> &[CheckpointTransactionInfo] {
        self.contents.transactions()
    }

    /// Checks the effects and events of the transaction at `position`. A transaction that emitted
    /// nothing has no events digest and needs no events.
    ///
    /// # Errors
    /// There is no such transaction, or effects or events are not the certified ones.
    pub fn executed(
        &self,
        position: u32,
        effects: TransactionEffects,
        events: Option<TransactionEvents>,
    ) -> Result<Executed, LightError> {
        let (checkpoint, list) = (self.checkpoint, self.transactions());
        let info = usize::try_from(position)
            .ok()
            .and_then(|p| list.get(p))
            .ok_or_else(|| {
                let (found, certified) = (list.len().saturating_add(1), list.len());
                LightError::Count {
                    what: "transactions",
                    checkpoint,
                    found,
                    certified,
                }
            })?;
        same_digest("effects", checkpoint, effects.digest(), *info.effects())?;
        same_digest(
            "transaction",
            checkpoint,
            *effects.transaction_digest(),
            *info.transaction(),
        )?;
        let events = match (effects.events_digest(), events) {
            (None, None) => Vec::new(),
            (None, Some(TransactionEvents(events))) if events.is_empty() => events,
            (Some(certified), Some(events)) => {
                same_digest("events", checkpoint, events.digest(), *certified)?;
                events.0
            }
            (certified, events) => {
                return Err(LightError::Count {
                    what: "events",
                    checkpoint,
                    found: events.map_or(0, |e| e.0.len()),
                    certified: usize::from(certified.is_some()),
                });
            }
        };
        Ok(Executed {
            checkpoint,
            at: self.at,
            position,
            effects,
            events,
        })
    }
}

/// What one certified transaction did.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    checkpoint: u64,
    at: ChainTime,
    position: u32,
    effects: TransactionEffects,
    events: Vec<Event>,
}

impl Executed {
    /// The checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> u64 {
        self.checkpoint
    }

    /// When the checkpoint was agreed on.
    #[must_use]
    pub fn at(&self) -> ChainTime {
        self.at
    }

    /// Its position in the checkpoint.
    #[must_use]
    pub fn position(&self) -> u32 {
        self.position
    }

    /// Its effects.
    #[must_use]
    pub fn effects(&self) -> &TransactionEffects {
        &self.effects
    }

    /// Its events, all of them, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}

/// A whole checkpoint, nothing missing: every transaction with its effects and events.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedCheckpoint {
    summary: CertifiedSummary,
    transactions: Vec<Executed>,
}

impl VerifiedCheckpoint {
    /// Checks a checkpoint and everything in it.
    ///
    /// # Errors
    /// Contents, effects or events are not the certified ones, or one of them is missing.
    pub fn verify(
        summary: CertifiedSummary,
        contents: CheckpointContents,
        executed: Vec<(TransactionEffects, Option<TransactionEvents>)>,
    ) -> Result<Self, LightError> {
        let contents = summary.contents(contents)?;
        let (found, certified) = (executed.len(), contents.transactions().len());
        if found != certified {
            let checkpoint = summary.sequence();
            return Err(LightError::Count {
                what: "transactions",
                checkpoint,
                found,
                certified,
            });
        }
        let transactions = (0..)
            .zip(executed)
            .map(|(position, (effects, events))| contents.executed(position, effects, events))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            summary,
            transactions,
        })
    }

    /// The certified summary.
    #[must_use]
    pub fn summary(&self) -> &CertifiedSummary {
        &self.summary
    }

    /// All its transactions, in order.
    #[must_use]
    pub fn transactions(&self) -> &[Executed] {
        &self.transactions
    }
}
