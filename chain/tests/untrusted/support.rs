//! A synthetic Sui: validators with known keys that certify whatever a test wants to have happened.

use sui_crypto::bls12381::{Bls12381PrivateKey, ValidatorCommitteeSignatureAggregator};
use sui_sdk_types::*;

/// One transaction of the synthetic chain.
#[derive(Clone)]
pub(crate) struct Done {
    pub(crate) effects: TransactionEffects,
    pub(crate) events: Option<TransactionEvents>,
    pub(crate) objects: Vec<Object>,
}

/// One checkpoint with everything in it.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) summary: SignedCheckpointSummary,
    pub(crate) contents: CheckpointContents,
    pub(crate) transactions: Vec<Done>,
}

impl Made {
    pub(crate) fn executed(&self) -> Vec<(TransactionEffects, Option<TransactionEvents>)> {
        self.transactions
            .iter()
            .map(|t| (t.effects.clone(), t.events.clone()))
            .collect()
    }
}

pub(crate) struct Validators {
    pub(crate) keys: Vec<Bls12381PrivateKey>,
    pub(crate) committee: ValidatorCommittee,
}

impl Validators {
    pub(crate) fn new(epoch: u64, salt: u8) -> Self {
        let keys: Vec<_> = (1..=4)
            .map(|n| {
                let mut bytes = [salt; 32];
                bytes[0] = 0x10;
                bytes[31] = n;
                Bls12381PrivateKey::new(bytes).unwrap()
            })
            .collect();
        let members = keys
            .iter()
            .map(|key| ValidatorCommitteeMember {
                public_key: key.public_key(),
                stake: 2_500,
            })
            .collect();
        Self {
            keys,
            committee: ValidatorCommittee { epoch, members },
        }
    }

    /// The summary with the signatures of the first `signers` validators.
    pub(crate) fn sign(&self, summary: &CheckpointSummary) -> SignedCheckpointSummary {
        let mut aggregator = ValidatorCommitteeSignatureAggregator::new_checkpoint_summary(
            self.committee.clone(),
            summary,
        )
        .unwrap();
        for key in &self.keys[..3] {
            aggregator
                .add_signature(key.sign_checkpoint_summary(summary))
                .unwrap();
        }
        SignedCheckpointSummary {
            checkpoint: summary.clone(),
            signature: aggregator.finish().unwrap(),
        }
    }
}

/// Checkpoints from sequence 0 on.
pub(crate) struct SyntheticChain {
    pub(crate) validators: Validators,
    pub(crate) checkpoints: Vec<Made>,
    salt: u8,
}

impl SyntheticChain {
    pub(crate) fn new(salt: u8) -> Self {
        Self {
            validators: Validators::new(0, salt),
            checkpoints: Vec::new(),
            salt,
        }
    }

    pub(crate) fn anchor(salt: u8) -> ValidatorCommittee {
        Validators::new(0, salt).committee
    }

    /// Certifies one more checkpoint with these transactions.
    pub(crate) fn add(&mut self, transactions: Vec<Done>) -> &Made {
        let made = self.make(transactions, None);
        self.checkpoints.push(made);
        self.checkpoints.last().unwrap()
    }

    /// Certifies the last checkpoint of the epoch; other validators take over.
    pub(crate) fn end_epoch(&mut self) -> &Made {
        let epoch = self.validators.committee.epoch + 1;
        let salt = self.salt.wrapping_add(u8::try_from(epoch).unwrap());
        let next = Validators::new(epoch, salt);
        let end = EndOfEpochData {
            next_epoch_committee: next.committee.members.clone(),
            next_epoch_protocol_version: 1,
            epoch_commitments: Vec::new(),
        };
        let made = self.make(Vec::new(), Some(end));
        self.validators = next;
        self.checkpoints.push(made);
        self.checkpoints.last().unwrap()
    }

    pub(crate) fn make(&self, transactions: Vec<Done>, end: Option<EndOfEpochData>) -> Made {
        let contents = CheckpointContents::new_v1(
            transactions
                .iter()
                .map(|t| {
                    let transaction = *t.effects.transaction_digest();
                    CheckpointTransactionInfo::new(transaction, t.effects.digest(), Vec::new())
                })
                .collect(),
        );
        let sequence = self.checkpoints.len() as u64;
        let summary = CheckpointSummary {
            epoch: self.validators.committee.epoch,
            sequence_number: sequence,
            network_total_transactions: 0,
            content_digest: contents.digest(),
            previous_digest: self
                .checkpoints
                .last()
                .map(|c| c.summary.checkpoint.digest()),
            epoch_rolling_gas_cost_summary: GasCostSummary::default(),
            timestamp_ms: 1_000 * sequence,
            checkpoint_commitments: Vec::new(),
            end_of_epoch_data: end,
            version_specific_data: Vec::new(),
        };
        Made {
            summary: self.validators.sign(&summary),
            contents,
            transactions,
        }
    }
}

/// A transaction that emitted these events and wrote these objects.
pub(crate) fn done(seed: u8, events: Vec<Event>, objects: Vec<Object>) -> Done {
    let events = (!events.is_empty()).then_some(TransactionEvents(events));
    let changed_objects = objects
        .iter()
        .map(|object| ChangedObject {
            object_id: object.object_id(),
            input_state: ObjectIn::NotExist,
            output_state: match object.data() {
                ObjectData::Package(package) => ObjectOut::PackageWrite {
                    version: package.version,
                    digest: object.digest(),
                },
                ObjectData::Struct(_) => ObjectOut::ObjectWrite {
                    digest: object.digest(),
                    owner: *object.owner(),
                },
            },
            id_operation: IdOperation::Created,
        })
        .collect();
    let effects = TransactionEffectsV2 {
        status: ExecutionStatus::Success,
        epoch: 0,
        gas_used: GasCostSummary::default(),
        transaction_digest: Digest::new([seed; 32]),
        gas_object_index: None,
        events_digest: events.as_ref().map(TransactionEvents::digest),
        dependencies: Vec::new(),
        lamport_version: 7,
        changed_objects,
        unchanged_consensus_objects: Vec::new(),
        auxiliary_data_digest: None,
    };
    Done {
        effects: TransactionEffects::V2(Box::new(effects)),
        events,
        objects,
    }
}

/// An immutable Move object `0x9::thing::Thing` with these bytes after its id.
pub(crate) fn thing(id: u8, contents: &[u8]) -> Object {
    let bytes = [[id; 32].as_slice(), contents].concat();
    let data = MoveStruct::new(thing_type(), true, 7, bytes).unwrap();
    Object::new(
        ObjectData::Struct(data),
        Owner::Immutable,
        Digest::new([1; 32]),
        0,
    )
}

pub(crate) fn thing_type() -> StructTag {
    "0x9::thing::Thing".parse().unwrap()
}

pub(crate) fn event(name: &str, contents: &[u8]) -> Event {
    let package = Address::new([9; 32]);
    Event {
        package_id: package,
        module: Identifier::new("system").unwrap(),
        sender: Address::ZERO,
        type_: StructTag::new(
            package,
            Identifier::new("events").unwrap(),
            Identifier::new(name).unwrap(),
            Vec::new(),
        ),
        contents: contents.to_vec(),
    }
}

/// Version 2 of the package `origin`, at `id`.
pub(crate) fn upgrade(id: Address, origin: Address) -> Object {
    let defined = |module: &str, name: &str, package| TypeOrigin {
        module_name: Identifier::new(module).unwrap(),
        struct_name: Identifier::new(name).unwrap(),
        package,
    };
    let package = MovePackage {
        id,
        version: 2,
        modules: Default::default(),
        type_origin_table: vec![
            defined("system", "System", origin),
            defined("events", "Later", id),
        ],
        linkage_table: Default::default(),
    };
    Object::new(
        ObjectData::Package(package),
        Owner::Immutable,
        Digest::new([1; 32]),
        0,
    )
}
