//! From a recipe to an executed transaction: inputs, gas, signature, submission, proof.
//!
//! The transaction is built here, byte by byte, from objects that endpoints name; an endpoint can
//! make it fail but cannot change what is signed. Submitting again is safe because a transaction is
//! known by its digest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{
    Digest, ExecutionError, ExecutionStatus, Object, ObjectChange, ObjectReference, StructTag,
    Transaction, TransactionEffects, TransactionExpiration, TypeTag, UserSignature,
};
use sui_transaction_builder::{ObjectInput, TransactionBuilder};
use tonic::Code;

use super::abort::Refusal;
use super::contract::{self, sui_address};
use super::endpoints::{Endpoints, Fault, Source};
use super::error::ChainError;
use super::fetch;
use super::gas::{GasCoin, GasPool, Lease};
use super::packages::Packages;
use super::trust::Trust;
use super::wallet::Wallet;
use crate::amount::{Sui, Wal};
use crate::id::{Address, ObjectId, TransactionDigest};
use crate::light::Executed;

/// How often a transaction is built anew after it was rejected: its inputs had moved on.
const ATTEMPTS: u32 = 4;
/// First pause before building anew; doubles.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest wait until an executed transaction is in a checkpoint.
const CHECKPOINT: Duration = Duration::from_secs(60);
/// Longest wait for a gas coin that another transaction uses.
const COIN: Duration = Duration::from_secs(60);
/// A coin with less pays for nothing.
const LEAST_GAS: u64 = 2_000_000;
/// No transaction of ours may cost more.
const MOST_GAS: u64 = 10_000_000_000;
/// No gas price above this is believed, in smallest units.
const MOST_PRICE: u64 = 100_000;
/// Computation units added to an estimate, as Sui's own tools do.
const OVERHEAD: u64 = 1_000;
/// Coins of one kind used in one transaction.
const MAX_COINS: usize = 200;

/// What a transaction is made of.
pub(crate) trait Recipe: Sync {
    /// Objects to look up first.
    fn objects(&self) -> Vec<ObjectId>;

    /// A coin other than SUI that it spends: one such transaction of an account at a time.
    fn coin(&self) -> Option<&TypeTag> {
        None
    }

    /// How much SUI it takes out of the gas coin.
    fn sui(&self) -> Sui {
        Sui::ZERO
    }

    /// How much of the coin it takes, as far as it knows itself.
    fn amount(&self) -> Wal {
        Wal::ZERO
    }

    /// Writes its commands.
    fn write(&self, parts: &Parts, tx: &mut TransactionBuilder) -> Result<(), ChainError>;
}

/// What a recipe asked for.
pub(crate) struct Parts {
    sender: Address,
    objects: BTreeMap<sui_sdk_types::Address, Object>,
    coins: Vec<Object>,
}

impl Parts {
    /// The account.
    pub(crate) fn sender(&self) -> Address {
        self.sender
    }

    /// An object that was looked up.
    pub(crate) fn get(&self, id: ObjectId) -> Result<&Object, ChainError> {
        let missing = || ChainError::NotFound {
            what: "object",
            id: id.to_string(),
        };
        self.objects.get(&sui_address(id)).ok_or_else(missing)
    }

    /// The account's coins of the recipe's kind.
    pub(crate) fn coins(&self) -> &[Object] {
        &self.coins
    }

    fn held(&self) -> Wal {
        let units = self.coins.iter().filter_map(|c| contract::coin(c).ok());
        Wal::from_units(units.fold(0, u64::saturating_add))
    }
}

/// Executes transactions of one account.
pub(crate) struct Submitter {
    endpoints: Arc<Endpoints>,
    trust: Arc<Trust>,
    wallet: Wallet,
    gas: GasPool,
    /// Held by the one transaction that uses coins other than SUI.
    purse: tokio::sync::Mutex<()>,
    /// Their aborts have names; there are none before the contract is published.
    packages: Option<Arc<Packages>>,
}

impl Submitter {
    pub(crate) fn new(
        endpoints: Arc<Endpoints>,
        trust: Arc<Trust>,
        wallet: Wallet,
        packages: Option<Arc<Packages>>,
    ) -> Self {
        let purse = tokio::sync::Mutex::new(());
        Self {
            endpoints,
            trust,
            wallet,
            gas: GasPool::default(),
            purse,
            packages,
        }
    }

    pub(crate) fn address(&self) -> Address {
        self.wallet.address()
    }

    /// Executes a recipe and proves what it did.
    pub(crate) async fn submit(&self, recipe: &dyn Recipe) -> Result<Executed, ChainError> {
        let _turn = match recipe.coin() {
            Some(_) => Some(self.purse.lock().await),
            None => None,
        };
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.attempt(recipe).await {
                Err(ChainError::Rejected { reason }) => {
                    tracing::debug!(reason, "transaction rejected; building it anew");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                outcome => return outcome,
            }
        }
        self.attempt(recipe).await
    }

    async fn attempt(&self, recipe: &dyn Recipe) -> Result<Executed, ChainError> {
        let parts = self.gather(recipe).await?;
        let ask = |source| async move { fetch::gas_price(&source).await };
        let (epoch, price) = self.endpoints.ask("the gas price", ask).await?;
        if price > MOST_PRICE {
            let (asked, limit) = (Sui::from_units(price), Sui::from_units(MOST_PRICE));
            return Err(ChainError::GasLimit { asked, limit });
        }
        let lease = self.lease(epoch, recipe.sui()).await?;
        let last_epoch = epoch.saturating_add(1);
        let build = |budget: u64| {
            let mut tx = TransactionBuilder::new();
            tx.set_sender(sui_sdk_types::Address::new(*self.address().as_bytes()));
            tx.set_gas_price(price);
            tx.set_gas_budget(budget);
            let (id, version, digest) = lease.coin().reference.clone().into_parts();
            tx.add_gas_objects([ObjectInput::owned(id, version, digest)]);
            // After the next epoch the gas coin is free again whatever happened.
            tx.set_expiration(TransactionExpiration::Epoch(last_epoch));
            recipe.write(&parts, &mut tx)?;
            tx.try_build().map_err(|error| ChainError::Build {
                reason: error.to_string(),
            })
        };

        // What is left for gas after what is sent.
        let most = lease
            .coin()
            .units
            .saturating_sub(recipe.sui().units())
            .min(MOST_GAS);
        let estimate = match self.simulate(build(most)?).await {
            Err(error @ ChainError::Rejected { .. }) => {
                lease.forget();
                return Err(error);
            }
            estimate => estimate?,
        };
        self.check(estimate.status(), recipe, &parts, &lease)?;
        let used = estimate.gas_summary();
        let gross = used.computation_cost.saturating_add(used.storage_cost);
        let net = gross.saturating_sub(used.storage_rebate);
        let needed = net
            .max(used.computation_cost)
            .saturating_add(OVERHEAD * price);
        // A fifth more: between now and then another transaction may have made it dearer.
        let budget = needed.saturating_add(needed / 5).min(most);

        let tx = build(budget)?;
        let signature = self.wallet.sign(&tx)?;
        let digest = tx.digest();
        match self.execute(tx, signature).await {
            Ok(()) => {}
            // Nothing happened, unless that endpoint lies and it did.
            Err(ChainError::Rejected { reason }) => match self.trust.transaction(digest).await {
                Ok(Some(_)) => {}
                Ok(None) => {
                    lease.forget();
                    return Err(ChainError::Rejected { reason });
                }
                Err(_) => {
                    lease.limbo(last_epoch);
                    return Err(unknown(digest, reason));
                }
            },
            Err(error) => {
                lease.limbo(last_epoch);
                return Err(unknown(digest, error.to_string()));
            }
        }
        let executed = match self.proof(digest).await {
            Ok(executed) => executed,
            Err(error) => {
                lease.limbo(last_epoch);
                return Err(unknown(digest, error.to_string()));
            }
        };
        let outcome = self.check(executed.effects().status(), recipe, &parts, &lease);
        let now = change_of(&lease, executed.effects(), recipe.sui() > Sui::ZERO);
        lease.paid(now);
        outcome.map(|()| executed)
    }

    async fn gather(&self, recipe: &dyn Recipe) -> Result<Parts, ChainError> {
        let ids: Vec<_> = recipe.objects().into_iter().map(sui_address).collect();
        let ask = |source| {
            let ids = ids.clone();
            async move { fetch::objects(&source, ids).await }
        };
        let objects = self.endpoints.ask("objects", ask).await?;
        let coins = match recipe.coin() {
            Some(coin) => self.coins(coin).await?,
            None => Vec::new(),
        };
        Ok(Parts {
            sender: self.address(),
            objects,
            coins,
        })
    }

    /// The account's largest coins of a kind.
    async fn coins(&self, of: &TypeTag) -> Result<Vec<Object>, ChainError> {
        let owner = sui_sdk_types::Address::new(*self.address().as_bytes());
        let of = StructTag::coin(of.clone()).to_string();
        let ask = |source| {
            let of = of.clone();
            async move { fetch::owned(&source, owner, of).await }
        };
        let mut coins = self.endpoints.ask("coins", ask).await?;
        coins.sort_by_key(|coin| std::cmp::Reverse(contract::coin(coin).unwrap_or(0)));
        coins.truncate(MAX_COINS);
        Ok(coins)
    }

    async fn lease(&self, epoch: u64, spent: Sui) -> Result<Lease<'_>, ChainError> {
        let least = spent.units().saturating_add(LEAST_GAS);
        let mut refreshed = false;
        loop {
            let returned = self.gas.returned();
            match self.gas.lend(least) {
                Ok(Some(lease)) => return Ok(lease),
                Ok(None) => {
                    let waited = tokio::time::timeout(COIN, returned).await;
                    if waited.is_err() {
                        let reason = "all gas coins are in use".to_owned();
                        return Err(ChainError::Rejected { reason });
                    }
                }
                Err(none) if refreshed => {
                    let (needed, available) =
                        (Sui::from_units(least), Sui::from_units(none.largest));
                    return Err(ChainError::Gas { needed, available });
                }
                Err(_) => {
                    refreshed = true;
                    let sui = TypeTag::Struct(Box::new(StructTag::sui()));
                    let owned = self.coins(&sui).await?;
                    let owned = owned.iter().map(|object| {
                        let reference = ObjectReference::new(
                            object.object_id(),
                            object.version(),
                            object.digest(),
                        );
                        Ok(GasCoin {
                            reference,
                            units: contract::coin(object)?,
                        })
                    });
                    self.gas
                        .refresh(owned.collect::<Result<_, ChainError>>()?, epoch);
                }
            }
        }
    }

    async fn simulate(&self, tx: Transaction) -> Result<TransactionEffects, ChainError> {
        let ask = |source: Source| {
            let mut request = proto::SimulateTransactionRequest::default();
            request.transaction = Some(tx.clone().into());
            request.read_mask = Some(FieldMask::from_str("transaction.effects.bcs"));
            async move {
                let mut client = source.client.clone();
                let mut execution = client.execution_client();
                let answer = source
                    .within(execution.simulate_transaction(request))
                    .await?;
                let answer = answer.map_err(rejected)?.into_inner();
                let effects = answer.transaction.as_ref().and_then(|t| t.effects.as_ref());
                let bcs = effects.and_then(|effects| effects.bcs.as_ref());
                let bcs = bcs.ok_or_else(|| Fault::Corrupt("no effects".to_owned()))?;
                Ok(bcs.deserialize()?)
            }
        };
        self.endpoints.ask("an estimate", ask).await
    }

    /// Hands the transaction to endpoints until one has executed it.
    async fn execute(&self, tx: Transaction, signature: UserSignature) -> Result<(), ChainError> {
        let ask = |source: Source| {
            let mut request = proto::ExecuteTransactionRequest::default();
            request.transaction = Some(tx.clone().into());
            request.signatures = vec![signature.clone().into()];
            request.read_mask = Some(FieldMask::from_str("digest"));
            async move {
                let mut client = source.client.clone();
                let mut execution = client.execution_client();
                let answer = source
                    .within(execution.execute_transaction(request))
                    .await?;
                answer.map_err(rejected)?;
                Ok(())
            }
        };
        self.endpoints.ask("an execution", ask).await
    }

    /// Waits until the transaction is in a certified checkpoint.
    async fn proof(&self, digest: Digest) -> Result<Executed, ChainError> {
        let wait = async {
            let mut pause = Duration::from_millis(5);
            loop {
                match self.trust.transaction(digest).await {
                    Ok(Some(executed)) => return Ok(executed),
                    Ok(None) | Err(ChainError::Unreachable { .. }) => {}
                    Err(error) => return Err(error),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(500));
            }
        };
        tokio::time::timeout(CHECKPOINT, wait)
            .await
            .unwrap_or_else(|_| {
                Err(unknown(
                    digest,
                    format!("in no checkpoint after {} s", CHECKPOINT.as_secs()),
                ))
            })
    }

    fn check(
        &self,
        status: &ExecutionStatus,
        recipe: &dyn Recipe,
        parts: &Parts,
        lease: &Lease<'_>,
    ) -> Result<(), ChainError> {
        let ExecutionStatus::Failure { error, .. } = status else {
            return Ok(());
        };
        Err(match error {
            ExecutionError::MoveAbort { location, code } => {
                let module = location.module.as_str();
                let ours = |packages: &Arc<Packages>| packages.contain(&location.package);
                let named =
                    Refusal::of(module, *code).filter(|_| self.packages.as_ref().is_some_and(ours));
                let refusal = named.unwrap_or_else(|| Refusal::Unknown {
                    package: location.package.to_string(),
                    module: module.to_owned(),
                    code: *code,
                });
                refusal.into()
            }
            ExecutionError::InsufficientCoinBalance if recipe.coin().is_some() => {
                ChainError::Funds {
                    needed: recipe.amount(),
                    available: parts.held(),
                }
            }
            ExecutionError::InsufficientGas | ExecutionError::InsufficientCoinBalance => {
                let available = Sui::from_units(lease.coin().units);
                ChainError::Gas {
                    needed: Sui::from_units(MOST_GAS),
                    available,
                }
            }
            ExecutionError::ExecutionCanceledDueToConsensusObjectCongestion { .. }
            | ExecutionError::ExecutionCanceledDueToRandomnessUnavailable => ChainError::Rejected {
                reason: format!("{error:?}"),
            },
            other => ChainError::Failed {
                reason: format!("{other:?}"),
            },
        })
    }
}

/// The gas coin after the transaction, where that can be told without asking.
fn change_of(lease: &Lease<'_>, effects: &TransactionEffects, spent: bool) -> Option<GasCoin> {
    let id = *lease.coin().reference.object_id();
    let cost = effects.gas_summary().net_gas_usage();
    let units = lease.coin().units.checked_add_signed(cost.checked_neg()?)?;
    let changed = effects
        .object_changes()
        .find(|change| *change.object_id() == id)?;
    match changed {
        ObjectChange::Mutated {
            output_version,
            output_digest,
            ..
        } if !spent => Some(GasCoin {
            reference: ObjectReference::new(id, output_version, *output_digest),
            units,
        }),
        _ => None,
    }
}

/// What validators refuse they refuse everywhere; what an endpoint cannot do another may.
fn rejected(status: tonic::Status) -> Fault {
    match status.code() {
        Code::InvalidArgument | Code::FailedPrecondition | Code::Aborted | Code::NotFound => {
            let reason = status.message().to_owned();
            Fault::Final(ChainError::Rejected { reason })
        }
        _ => status.into(),
    }
}

fn unknown(digest: Digest, reason: String) -> ChainError {
    ChainError::OutcomeUnknown {
        digest: TransactionDigest::from_bytes(digest.into_inner()),
        reason,
    }
}
