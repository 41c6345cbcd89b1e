//! The state machine of the chain: executes, seals, ends epochs. Deterministic: time is an argument, randomness derives from genesis.
//!
//! Work happens in *windows*. The first transaction after a checkpoint opens a window: the clock is set. Sealing closes it into a
//! certified checkpoint. Everything that cannot be recomputed is handed out as [`Record`]s, in order, for the log.

mod history;
mod objects;
#[cfg(test)]
mod properties;
mod replay;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
    time::Duration,
};

use sui_sdk_types::{
    Address, CheckpointCommitment, CheckpointContents, CheckpointSummary,
    CheckpointTransactionInfo, Digest, EndOfEpochData, ExecutionError, GasCostSummary, Owner,
    Transaction, TransactionEffects, UserSignature, ValidatorAggregatedSignature, Version,
    hash::Hasher, merkle::MerkleTree,
};

pub(crate) use self::{
    history::{Checkpoint, Epoch, Executed, History, Place},
    objects::{Objects, OwnedKey},
    replay::ReplayError,
};
use crate::{
    execute::{
        self, Authorized, Checks, Inputs, Outcome, Refusal, Terms, View, check, gas, system,
    },
    genesis::{self, GenesisError},
    packages::Packages,
    store::{Genesis, Record},
    validators::{Secret, Validators},
};

/// The whole state of a chain.
pub(crate) struct Ledger {
    secret: Secret,
    objects: Objects,
    packages: Packages,
    history: History,
    locks: HashMap<(Address, Version), Digest>,
    validators: Validators,
    /// Transactions of the open window; empty if no window is open.
    window: Vec<Arc<Executed>>,
    terms: Terms,
    /// What the transactions of this epoch paid.
    spent: GasCostSummary,
    /// Number of the next random bytes of this epoch.
    random_round: u64,
    /// Whether this window already has its random bytes.
    random_fresh: bool,
    /// How far the operator moved the clock ahead.
    shift_ms: u64,
    outbox: Vec<Record>,
}

impl Ledger {
    /// Begins a chain.
    pub(crate) fn create(genesis: Genesis) -> Result<Self, GenesisError> {
        let secret = Secret::new(genesis.secret);
        let system_packages = genesis::packages(&genesis)?;
        let validators = Validators::of_epoch(&secret, 0);
        let mut ledger = Self {
            packages: genesis::install(&system_packages)?,
            objects: Objects::default(),
            history: History::default(),
            locks: HashMap::new(),
            window: Vec::new(),
            terms: Terms {
                chain: Digest::ZERO,
                epoch: 0,
                epoch_start_ms: genesis.timestamp_ms,
                now_ms: genesis.timestamp_ms,
                reference_gas_price: gas::REFERENCE_PRICE,
            },
            spent: GasCostSummary::default(),
            random_round: 0,
            random_fresh: false,
            shift_ms: 0,
            outbox: Vec::new(),
            validators,
            secret,
        };
        ledger.history.epoch_began(Epoch {
            committee: ledger.validators.committee().clone(),
            first: 0,
            last: None,
            start_ms: genesis.timestamp_ms,
        });
        let (transaction, outcome) =
            genesis::execute(&ledger.view(), &ledger.secret, &system_packages)?;
        ledger.commit(transaction, Vec::new(), outcome);
        ledger.close_window(None);
        ledger.terms.chain = ledger
            .history
            .newest()
            .map_or(Digest::ZERO, |checkpoint| checkpoint.digest);
        ledger.outbox.push(Record::Genesis(genesis));
        Ok(ledger)
    }

    /// Id of the chain: digest of its first checkpoint.
    pub(crate) fn chain(&self) -> Digest {
        self.terms.chain
    }

    /// Terms of the current epoch and window.
    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Objects.
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Packages.
    pub(crate) fn packages(&self) -> &Packages {
        &self.packages
    }

    /// Transactions, checkpoints, epochs.
    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// The signatures of a quorum on a checkpoint. Made when they are first asked for: keys and signatures are deterministic.
    pub(crate) fn certificate<'a>(
        &self,
        checkpoint: &'a Checkpoint,
    ) -> &'a ValidatorAggregatedSignature {
        let summary = &checkpoint.summary;
        checkpoint.certificate.get_or_init(|| {
            if summary.epoch == self.terms.epoch {
                self.validators.certify(summary)
            } else {
                Validators::of_epoch(&self.secret, summary.epoch).certify(summary)
            }
        })
    }

    /// Key of the faucet.
    pub(crate) fn faucet_key(&self) -> sui_crypto::ed25519::Ed25519PrivateKey {
        genesis::faucet_key(&self.secret)
    }

    /// A view of the current state.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            objects: &self.objects,
            packages: &self.packages,
            locks: &self.locks,
            terms: self.terms,
            overlay: BTreeMap::new(),
        }
    }

    /// A view as a transaction at `now_ms` would find it: with the clock set.
    pub(crate) fn view_at(&self, now_ms: u64) -> View<'_> {
        let mut view = self.view();
        if self.window.is_empty() {
            view.terms = self.terms_at(now_ms);
            let prologue =
                system::prologue(view.terms.epoch, self.history.height(), view.terms.now_ms);
            if let Ok(outcome) = system::execute(&view, &prologue) {
                view.overlay = outcome
                    .outputs
                    .into_iter()
                    .map(|object| (object.object_id(), object))
                    .collect();
            }
        }
        view
    }

    /// Whether a checkpoint would contain more than the clock.
    pub(crate) fn has_work(&self) -> bool {
        !self.window.is_empty()
    }

    /// Whether the epoch has lasted for `duration` at `now_ms`.
    pub(crate) fn epoch_lasts(&self, duration: Duration, now_ms: u64) -> bool {
        u128::from(self.time(now_ms) - self.terms.epoch_start_ms) >= duration.as_millis()
    }

    /// Executes a user's transaction. Submitting it again returns what it did the first time.
    pub(crate) fn submit(
        &mut self,
        authorized: Authorized,
        now_ms: u64,
    ) -> Result<Arc<Executed>, Refusal> {
        let signed = authorized.into_signed();
        if let Some((executed, _)) = self.history.transaction(&signed.transaction.digest()) {
            return Ok(executed.clone());
        }
        check::transaction(&signed.transaction, &self.terms_at(now_ms))?;
        // Nothing is opened, and so nothing is written to the log, for a transaction that is refused.
        Inputs::load(&self.view(), &signed.transaction, Checks::Commit)?;
        self.open_window(now_ms);
        if uses_randomness(&signed.transaction) {
            self.refresh_randomness();
        }
        let view = self.view();
        let inputs = Inputs::load(&view, &signed.transaction, Checks::Commit)?;
        let locks: Vec<_> = inputs.locks().collect();
        let outcome = execute::execute(&view, &signed.transaction, &inputs, Checks::Commit)?;
        let executed = self.commit(
            signed.transaction.clone(),
            signed.signatures.clone(),
            outcome,
        );
        self.locks
            .extend(locks.into_iter().map(|lock| (lock, executed.digest)));
        self.outbox.push(Record::Transaction {
            effects: executed.effects.digest(),
            signed,
        });
        Ok(executed)
    }

    /// Seals the open window into a certified checkpoint, opening one at `now_ms` if there is none.
    pub(crate) fn seal(&mut self, now_ms: u64, end_of_epoch: bool) -> Arc<Checkpoint> {
        self.open_window(now_ms);
        let next = end_of_epoch.then(|| self.change_epoch());
        let checkpoint = self.close_window(next.as_ref());
        if let Some(next) = next {
            self.begin_epoch(next, checkpoint.summary.sequence_number + 1);
        }
        self.outbox.push(Record::Checkpoint {
            end_of_epoch,
            digest: checkpoint.digest,
        });
        checkpoint
    }

    /// Moves the chain's clock further ahead of the machine's.
    pub(crate) fn shift(&mut self, by_ms: u64) {
        self.shift_ms = self.shift_ms.saturating_add(by_ms);
        self.outbox.push(Record::Shift {
            milliseconds: self.shift_ms,
        });
    }

    /// Takes the records that have accumulated for the log.
    pub(crate) fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.outbox)
    }

    /// Time never runs backwards.
    fn time(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add(self.shift_ms).max(self.terms.now_ms)
    }

    /// The terms a transaction that arrives at `now_ms` is executed under.
    fn terms_at(&self, now_ms: u64) -> Terms {
        let mut terms = self.terms;
        if self.window.is_empty() {
            terms.now_ms = self.time(now_ms);
        }
        terms
    }

    fn open_window(&mut self, now_ms: u64) {
        if self.window.is_empty() {
            let timestamp_ms = self.time(now_ms);
            self.open_window_at(timestamp_ms);
        }
    }

    fn open_window_at(&mut self, timestamp_ms: u64) {
        self.terms.now_ms = timestamp_ms;
        self.random_fresh = false;
        let prologue = system::prologue(self.terms.epoch, self.history.height(), timestamp_ms);
        self.execute_system(prologue);
        self.outbox.push(Record::Window { timestamp_ms });
    }

    /// Gives the window new random bytes, once.
    fn refresh_randomness(&mut self) {
        let shared = self
            .objects
            .get(&system::RANDOM)
            .map(|object| *object.owner());
        let Some(Owner::Shared(version)) = shared.filter(|_| !self.random_fresh) else {
            return;
        };
        self.random_fresh = true;
        let bytes = self.secret.derive("randomness", self.history.height());
        let update =
            system::randomness(self.terms.epoch, self.random_round, bytes.to_vec(), version);
        self.random_round += 1;
        self.execute_system(update);
    }

    fn execute_system(&mut self, transaction: Transaction) {
        let outcome = system::execute(&self.view(), &transaction);
        let outcome = outcome.unwrap_or_else(|error: ExecutionError| {
            unreachable!("genesis ran the same framework functions, yet now: {error:?}")
        });
        self.commit(transaction, Vec::new(), outcome);
    }

    /// Applies an outcome to the state.
    fn commit(
        &mut self,
        transaction: Transaction,
        signatures: Vec<UserSignature>,
        outcome: Outcome,
    ) -> Arc<Executed> {
        for id in &outcome.removed {
            self.objects.remove(id);
        }
        for package in outcome.packages {
            self.packages.insert(package);
        }
        for object in &outcome.outputs {
            self.objects.write(object.clone());
        }
        add(&mut self.spent, &outcome.effects.gas_used);
        let executed = Arc::new(Executed {
            digest: transaction.digest(),
            transaction,
            signatures,
            effects: TransactionEffects::V2(Box::new(outcome.effects)),
            events: outcome.events,
            inputs: outcome.inputs,
            outputs: outcome.outputs,
        });
        self.history.executed(executed.clone());
        self.window.push(executed.clone());
        executed
    }

    /// Executes the epoch's last transaction and returns the validators of the next.
    fn change_epoch(&mut self) -> Validators {
        let next = self.terms.epoch + 1;
        let change = system::change_epoch(next, self.terms.now_ms, &self.spent);
        self.execute_system(change);
        Validators::of_epoch(&self.secret, next)
    }

    fn begin_epoch(&mut self, validators: Validators, first: u64) {
        self.terms.epoch += 1;
        self.terms.epoch_start_ms = self.terms.now_ms;
        self.spent = GasCostSummary::default();
        self.random_round = 0;
        self.locks.clear();
        let committee = validators.committee().clone();
        self.validators = validators;
        self.history.epoch_began(Epoch {
            committee,
            first,
            last: None,
            start_ms: self.terms.epoch_start_ms,
        });
    }

    fn close_window(&mut self, next: Option<&Validators>) -> Arc<Checkpoint> {
        let transactions = std::mem::take(&mut self.window);
        let infos = transactions.iter().map(|executed| {
            CheckpointTransactionInfo::new(
                executed.digest,
                executed.effects.digest(),
                executed.signatures.clone(),
            )
        });
        let contents = CheckpointContents::new_v1(infos.collect());
        let previous = self.history.newest();
        let count =
            u64::try_from(transactions.len()).expect("a window holds fewer than 2^64 transactions");
        let summary = CheckpointSummary {
            epoch: self.terms.epoch,
            sequence_number: self.history.height(),
            network_total_transactions: previous.map_or(0, |checkpoint| {
                checkpoint.summary.network_total_transactions
            }) + count,
            content_digest: contents.digest(),
            previous_digest: previous.map(|checkpoint| checkpoint.digest),
            epoch_rolling_gas_cost_summary: self.spent.clone(),
            timestamp_ms: self.terms.now_ms,
            checkpoint_commitments: vec![CheckpointCommitment::CheckpointArtifacts {
                digest: artifacts(&transactions),
            }],
            end_of_epoch_data: next.map(|validators| EndOfEpochData {
                next_epoch_committee: validators.committee().members.clone(),
                next_epoch_protocol_version: system::PROTOCOL_VERSION,
                epoch_commitments: Vec::new(),
            }),
            version_specific_data: Vec::new(),
        };
        let checkpoint = Arc::new(Checkpoint {
            digest: summary.digest(),
            summary,
            certificate: OnceLock::new(),
            contents,
            transactions,
        });
        self.history.sealed(checkpoint.clone());
        checkpoint
    }
}

/// Commitment to the last write of every object of a checkpoint: BLAKE2b-256 over the BCS of a list with one Merkle root.
fn artifacts(transactions: &[Arc<Executed>]) -> Digest {
    let written = history::written(transactions);
    let tree = MerkleTree::build_from_unserialized(written.iter())
        .expect("object references are always serializable");
    let roots = vec![Digest::new(tree.root().bytes())];
    Hasher::digest(bcs::to_bytes(&roots).expect("digests are always serializable"))
}

fn add(sum: &mut GasCostSummary, cost: &GasCostSummary) {
    sum.computation_cost = sum.computation_cost.saturating_add(cost.computation_cost);
    sum.storage_cost = sum.storage_cost.saturating_add(cost.storage_cost);
    sum.storage_rebate = sum.storage_rebate.saturating_add(cost.storage_rebate);
    sum.non_refundable_storage_fee = sum
        .non_refundable_storage_fee
        .saturating_add(cost.non_refundable_storage_fee);
}

fn uses_randomness(transaction: &Transaction) -> bool {
    check::programmable(transaction).is_ok_and(|programmable| {
        programmable.inputs.iter().any(|input| matches!(input, sui_sdk_types::Input::Shared(shared) if shared.object_id() == system::RANDOM))
    })
}
