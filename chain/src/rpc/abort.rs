//! Refusals of the contract: every abort code of the Move package under its own name.
//!
//! The table follows the `E...` constants of `chain/move/floe/sources`; a test compares the two.

use super::error::ErrorKind;

macro_rules! refusals {
    ($($module:literal { $($code:literal $constant:ident => $name:ident, $kind:ident, $text:literal;)+ })+) => {
        /// Why the contract refused a transaction; it changed nothing.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Refusal {
            $($(
                #[doc = concat!("`", $module, "::", stringify!($constant), "`: ", $text, ".")]
                #[error($text)]
                $name,
            )+)+
            /// An abort of a package that this version does not know: the framework, WAL, or a
            /// later version of the contract.
            #[error("{package}::{module} aborted with code {code}")]
            Unknown {
                /// Address of the package.
                package: String,
                /// Its module.
                module: String,
                /// The abort code.
                code: u64,
            },
        }

        impl Refusal {
            /// The refusal of an abort code of the contract's own modules.
            #[must_use]
            pub fn of(module: &str, code: u64) -> Option<Self> {
                match (module, code) {
                    $($(($module, $code) => Some(Self::$name),)+)+
                    _ => None,
                }
            }

            /// What to do about it.
            #[must_use]
            pub fn kind(&self) -> ErrorKind {
                match self {
                    $($(Self::$name => ErrorKind::$kind,)+)+
                    Self::Unknown { .. } => ErrorKind::FixInput,
                }
            }
        }

        /// Module, code and Move constant of every refusal.
        #[cfg(test)]
        const TABLE: &[(&str, u64, &str)] =
            &[$($(($module, $code, stringify!($constant)),)+)+];
    };
}

refusals! {
    "blob" {
        1 EAlreadyCertified => BlobAlreadyCertified, FixInput, "the blob is already certified";
        2 ENotCertified => BlobNotCertified, FixInput, "the blob is not certified yet";
        3 EExpired => BlobExpired, FixInput, "the blob's last epoch is over";
        4 EPermanent => BlobPermanent, FixInput, "the blob is permanent: it cannot be deleted";
        5 EAttribute => BlobAttribute, FixInput, "too many attributes, or one that is too long";
    }
    "bls" {
        1 EBitmap => BlsBitmap, FixInput, "the signers bitmap has the wrong length or names members that do not exist";
        2 EWeight => BlsWeight, FixInput, "the signers weigh less than the statement needs";
        3 ESignature => BlsSignature, FixInput, "the aggregated signature is not the signers' signature over the statement";
    }
    "encoding" {
        1 EEncoding => EncodingEncoding, FixInput, "the encoding is unknown or not the one for this number of shards";
        2 ESize => EncodingSize, FixInput, "the blob is larger than an encoding can hold";
        3 ERoot => EncodingRoot, FixInput, "a blob root has 32 bytes";
    }
    "epoch" {
        1 EUpgradeCap => EpochUpgradeCap, FixInput, "the upgrade capability belongs to another package";
        2 EShards => EpochShards, FixInput, "the codec knows 4 to 1024 shards";
        3 EHorizon => EpochHorizon, FixInput, "the horizon is 2 to 1024 epochs";
        4 ENoCandidates => EpochNoCandidates, Retry, "no node competes for shards yet";
        5 EUnsettled => EpochUnsettled, Retry, "pools of the last epoch must be settled first";
        6 EWrongEpoch => EpochWrongEpoch, Retry, "meant for another epoch than the running one";
        7 ENotMember => EpochNotMember, Unauthorized, "the node is no member of the running committee";
    }
    "keys" {
        1 ELength => KeysLength, FixInput, "a BLS key has 48 bytes, an Ed25519 key 32";
        2 EBlsProof => KeysBlsProof, FixInput, "the BLS key did not sign the statement of possession";
        3 EEd25519Proof => KeysEd25519Proof, FixInput, "the Ed25519 key did not sign the statement of possession";
    }
    "ledger" {
        1 EPeriod => LedgerPeriod, FixInput, "the span is empty, in the past, or beyond the horizon";
        2 ECapacity => LedgerCapacity, FixInput, "one of the epochs has no room for that many bytes";
        3 EPayment => LedgerPayment, Funds, "the coin holds less than the price";
    }
    "params" {
        1 EBounds => ParamsBounds, FixInput, "a parameter lies outside its bounds";
    }
    "pool" {
        1 EDescription => PoolDescription, FixInput, "name or addresses are too long or too many";
        2 ECommission => PoolCommission, FixInput, "a commission is at most 10,000 basis points";
    }
    "resource" {
        1 ESplitEpoch => ResourceSplitEpoch, FixInput, "the epoch to split at lies outside the span, or nothing would be left on one side";
        2 ESplitSize => ResourceSplitSize, FixInput, "nothing would be left on one side of the split";
        3 EFuse => ResourceFuse, FixInput, "only equal spans, or adjacent spans of equal size, make one resource";
    }
    "schedule" {
        1 EPhase => SchedulePhase, Retry, "not in this phase";
        2 ETooEarly => ScheduleTooEarly, Retry, "not due yet";
    }
    "shared_blob" {
        1 ENotCertified => SharedBlobNotCertified, FixInput, "only a certified blob can be shared";
    }
    "stake" {
        1 ESplit => StakeSplit, FixInput, "both parts of a split must hold something";
        2 EJoin => StakeJoin, FixInput, "only claims on one node in one state make one claim";
    }
    "staking" {
        1 EVersion => StakingVersion, FixConfig, "this package version is not the one staking runs on";
        2 ENoNode => StakingNoNode, NotFound, "no node has this id";
        3 EAmount => StakingAmount, FixInput, "less than the smallest stake";
        4 ENotActive => StakingNotActive, FixInput, "only stake that has become active can be asked back";
        5 ENotWithdrawable => StakingNotWithdrawable, FixInput, "this stake cannot be withdrawn now: it is active, on its way out, or counted on by a committee";
        6 EGovernance => StakingGovernance, Unauthorized, "only the pool's governance address may do this";
    }
    "statement" {
        1 EChainId => StatementChainId, FixInput, "a chain id has 32 bytes";
        2 EBlobId => StatementBlobId, FixInput, "a blob id has 32 bytes";
    }
    "system" {
        1 EVersion => SystemVersion, FixConfig, "this package version is not the one the system runs on";
        2 ENotStarted => SystemNotStarted, Retry, "there is no committee before epoch 1";
        3 EEmpty => SystemEmpty, FixInput, "a resource of zero bytes";
        4 EStorage => SystemStorage, FixInput, "the storage does not cover the running epoch or is too small for the blob";
        5 EStaleEpoch => SystemStaleEpoch, Retry, "the certificate is from another epoch: collect confirmations of the running one";
        6 EExtension => SystemExtension, FixInput, "storage can extend a blob only if it begins where the blob ends and has the same size";
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_that_of_the_move_sources() {
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/move/floe/sources");
        let mut constants = BTreeSet::new();
        for file in std::fs::read_dir(sources).unwrap() {
            let path = file.unwrap().path();
            let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let Some((name, code)) = line
                    .strip_prefix("const E")
                    .and_then(|rest| rest.strip_suffix(';'))
                    .and_then(|rest| rest.split_once(": u64 = "))
                else {
                    continue;
                };
                constants.insert((
                    module.clone(),
                    code.parse::<u64>().unwrap(),
                    format!("E{name}"),
                ));
            }
        }
        let table: BTreeSet<_> = TABLE
            .iter()
            .map(|(module, code, name)| ((*module).to_owned(), *code, (*name).to_owned()))
            .collect();
        assert_eq!(table, constants);
        for (module, code, _) in TABLE {
            assert!(Refusal::of(module, *code).is_some());
        }
    }
}
