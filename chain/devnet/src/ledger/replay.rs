//! Rebuilds a ledger from its log and checks that it comes out the same.

use sui_sdk_types::{Digest, TransactionEffects};

use super::Ledger;
use crate::{
    execute::{Authorized, Refusal},
    genesis::GenesisError,
    store::Record,
};

/// Why a log does not lead to the ledger it was written by.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log does not begin with a genesis.
    #[error("the log does not begin with a genesis")]
    NoGenesis,
    /// A second genesis.
    #[error("record {0} is a second genesis")]
    SecondGenesis(usize),
    /// Genesis cannot be executed.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// A transaction that was executed is now refused.
    #[error("transaction {digest} was executed but is now refused: {refusal}")]
    Refused {
        /// The transaction.
        digest: Digest,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// A transaction has other effects than it had.
    #[error(
        "transaction {digest} had effects {logged}, now it has {replayed}: this program executes differently from the one that wrote the log"
    )]
    Effects {
        /// The transaction.
        digest: Digest,
        /// Digest in the log.
        logged: Digest,
        /// Digest now.
        replayed: Digest,
    },
    /// A checkpoint has another digest than it had.
    #[error(
        "checkpoint {sequence} had digest {logged}, now it has {replayed}: this program executes differently from the one that wrote the log"
    )]
    Checkpoint {
        /// Sequence number.
        sequence: u64,
        /// Digest in the log.
        logged: Digest,
        /// Digest now.
        replayed: Digest,
    },
}

impl Ledger {
    /// Rebuilds the ledger that wrote `records`.
    pub(crate) fn replay(records: Vec<Record>) -> Result<Self, ReplayError> {
        let mut records = records.into_iter().enumerate();
        let Some((_, Record::Genesis(genesis))) = records.next() else {
            return Err(ReplayError::NoGenesis);
        };
        let mut ledger = Self::create(genesis)?;
        for (index, record) in records {
            ledger.apply(index, record)?;
        }
        ledger.take_records();
        Ok(ledger)
    }

    fn apply(&mut self, index: usize, record: Record) -> Result<(), ReplayError> {
        self.take_records();
        match record {
            Record::Genesis(_) => return Err(ReplayError::SecondGenesis(index)),
            Record::Window { timestamp_ms } => self.open_window_at(timestamp_ms),
            Record::Shift { milliseconds } => self.shift_ms = milliseconds,
            Record::Transaction { signed, effects } => {
                let digest = signed.transaction.digest();
                let executed = self
                    .submit(Authorized::from_log(signed), 0)
                    .map_err(|refusal| ReplayError::Refused {
                        digest,
                        refusal: Box::new(refusal),
                    })?;
                let replayed = TransactionEffects::digest(&executed.effects);
                if replayed != effects {
                    return Err(ReplayError::Effects {
                        digest,
                        logged: effects,
                        replayed,
                    });
                }
            }
            Record::Checkpoint {
                end_of_epoch,
                digest,
            } => {
                let checkpoint = self.seal(0, end_of_epoch);
                if checkpoint.digest != digest {
                    let sequence = checkpoint.summary.sequence_number;
                    return Err(ReplayError::Checkpoint {
                        sequence,
                        logged: digest,
                        replayed: checkpoint.digest,
                    });
                }
            }
        }
        Ok(())
    }
}
