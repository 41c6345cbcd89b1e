//! What the log holds: inputs of the deterministic ledger, plus the digests that a replay must reproduce.

use serde::{Deserialize, Serialize};
use sui_sdk_types::{Address, Digest, SignedTransaction};

/// Everything the first checkpoint is computed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Genesis {
    /// Root of every key and random value of this chain.
    pub secret: [u8; 32],
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// System packages in publishing order.
    pub packages: Vec<SystemPackage>,
}

/// One package that exists from genesis on, under its fixed address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SystemPackage {
    /// Address of the package, for example `0x2`.
    pub id: Address,
    /// Compiled modules.
    pub modules: Vec<Vec<u8>>,
    /// Packages these modules link to.
    pub dependencies: Vec<Address>,
}

/// One entry of the log.
///
/// # Layout
///
/// BCS of this enum; variant numbers are frozen:
///
/// ```text
/// record      = %x00 genesis / %x01 window / %x02 transaction / %x03 checkpoint / %x04 shift
/// genesis     = secret 32 | timestamp u64 | packages
/// window      = timestamp u64
/// transaction = signed transaction (BCS) | effects digest 32
/// checkpoint  = end of epoch bool | summary digest 32
/// shift       = milliseconds u64
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "records are moved once, from the ledger to the writer"
)]
pub(crate) enum Record {
    /// First record of every log.
    Genesis(Genesis),
    /// A checkpoint's window opened: the clock was set to this time.
    Window {
        /// Milliseconds since the Unix epoch.
        timestamp_ms: u64,
    },
    /// A user transaction was executed.
    Transaction {
        /// The transaction as it was received.
        signed: SignedTransaction,
        /// Digest of the effects it had.
        effects: Digest,
    },
    /// The open window was sealed into a checkpoint.
    Checkpoint {
        /// Whether this checkpoint is the last of its epoch.
        end_of_epoch: bool,
        /// Digest of the certified summary.
        digest: Digest,
    },
    /// The operator moved the chain's clock ahead of the machine's.
    Shift {
        /// Total distance from now on, in milliseconds.
        milliseconds: u64,
    },
}
