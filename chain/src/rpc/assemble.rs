//! Operations into the commands of a transaction.

use serde::Serialize;
use sui_sdk_types::{Identifier, Object, Owner, TypeTag};
use sui_transaction_builder::{Argument, Function, ObjectInput, TransactionBuilder};

use super::contract::{self, sui_address};
use super::error::ChainError;
use super::operation::{NodeRegistration, Operation, Room};
use super::state::{SystemState, Vote};
use super::submit::{Parts, Recipe};
use crate::amount::{Sui, Wal};
use crate::certificate::Certificate;
use crate::id::ObjectId;
use crate::statement::{Assertion, Possession, PossessionProof};

/// The shared clock.
pub(crate) const CLOCK: ObjectId = small_id(6);
/// Where currencies are registered.
pub(crate) const COIN_REGISTRY: ObjectId = small_id(0xc);

const fn small_id(last: u8) -> ObjectId {
    let mut bytes = [0; 32];
    bytes[31] = last;
    ObjectId::from_bytes(bytes)
}

/// Id of the shared `Currency` of a coin, derived from the registry's.
///
/// Source: `sui::coin_registry`, key type `CurrencyKey<T>`.
pub(crate) fn currency_id(coin: &TypeTag) -> ObjectId {
    let key = sui_sdk_types::StructTag::new(
        sui_sdk_types::Address::TWO,
        Identifier::from_static("coin_registry"),
        Identifier::from_static("CurrencyKey"),
        vec![coin.clone()],
    );
    let registry = sui_address(COIN_REGISTRY);
    contract::object_id(registry.derive_object_id(&TypeTag::Struct(Box::new(key)), &[0]))
}

/// Operations of one transaction on a deployment.
pub(crate) struct Operations<'a> {
    pub(crate) list: &'a [Operation],
    pub(crate) system: &'a SystemState,
    pub(crate) wal: TypeTag,
}

impl Recipe for Operations<'_> {
    fn objects(&self) -> Vec<ObjectId> {
        let mut ids = vec![
            self.system.network.system.into(),
            self.system.staking,
            CLOCK,
        ];
        for operation in self.list {
            named(operation, &mut ids);
            if matches!(operation, Operation::Settle { .. }) {
                ids.push(currency_id(&self.wal));
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn coin(&self) -> Option<&TypeTag> {
        self.list.iter().any(spends).then_some(&self.wal)
    }

    fn sui(&self) -> Sui {
        let amounts = self.list.iter().map(|operation| match operation {
            Operation::SendSui { amount, .. } => *amount,
            _ => Sui::ZERO,
        });
        amounts.fold(Sui::ZERO, |sum, amount| {
            sum.checked_add(amount).unwrap_or(Sui::from_units(u64::MAX))
        })
    }

    fn amount(&self) -> Wal {
        let amounts = self.list.iter().map(|operation| match operation {
            Operation::SendWal { amount, .. } | Operation::Stake { amount, .. } => *amount,
            Operation::Share { funds, .. }
            | Operation::Fund { funds, .. }
            | Operation::AddFunds { funds, .. } => *funds,
            Operation::RegisterNode(registration) => registration.stake,
            _ => Wal::ZERO,
        });
        amounts.fold(Wal::ZERO, |sum, amount| {
            sum.checked_add(amount).unwrap_or(Wal::from_units(u64::MAX))
        })
    }

    fn write(&self, parts: &Parts, tx: &mut TransactionBuilder) -> Result<(), ChainError> {
        // The system may have been upgraded since it was read.
        let system = contract::system(parts.get(self.system.network.system.into())?)?;
        let mut sheet = Sheet {
            tx,
            parts,
            system: &system,
            purse: None,
        };
        for operation in self.list {
            sheet.write(operation)?;
        }
        Ok(())
    }
}

/// Whether the operation takes WAL from the account.
fn spends(operation: &Operation) -> bool {
    use Operation as O;
    match operation {
        O::Reserve { .. }
        | O::Register { .. }
        | O::Extend { .. }
        | O::Stake { .. }
        | O::Share { .. }
        | O::Fund { .. }
        | O::AddFunds { .. }
        | O::SendWal { .. } => true,
        O::RegisterNode(registration) => registration.stake > Wal::ZERO,
        _ => false,
    }
}

/// The objects that an operation names.
fn named(operation: &Operation, ids: &mut Vec<ObjectId>) {
    use Operation as O;
    match operation {
        O::Register {
            room: Room::Owned(storage),
            ..
        }
        | O::SplitStorageByEpoch { storage, .. }
        | O::SplitStorageBySize { storage, .. }
        | O::DestroyStorage { storage } => ids.push(*storage),
        O::FuseStorage { storage, other } => ids.extend([*storage, *other]),
        O::ExtendWith { blob, storage } => ids.extend([*blob, *storage]),
        O::Certify { blob, .. }
        | O::Extend { blob, .. }
        | O::Delete { blob }
        | O::Burn { blob }
        | O::SetAttribute { blob, .. }
        | O::RemoveAttribute { blob, .. }
        | O::Share { blob, .. } => ids.push(*blob),
        O::Fund { shared, .. } | O::ExtendShared { shared, .. } => ids.push(*shared),
        O::DescribeNode { cap, .. }
        | O::RotateKeys { cap, .. }
        | O::SetVote { cap, .. }
        | O::SetCommission { cap, .. }
        | O::SyncDone { cap, .. } => ids.push(*cap),
        O::RequestExit { stake } | O::Withdraw { stake } | O::SplitStake { stake, .. } => {
            ids.push(*stake);
        }
        O::JoinStake { stake, other } => ids.extend([*stake, *other]),
        O::Send { object, .. } => ids.push(*object),
        _ => {}
    }
}

/// A transaction being written.
struct Sheet<'a> {
    tx: &'a mut TransactionBuilder,
    parts: &'a Parts,
    system: &'a SystemState,
    /// The account's WAL as one coin, once an operation needed it.
    purse: Option<Argument>,
}

impl Sheet<'_> {
    fn write(&mut self, operation: &Operation) -> Result<(), ChainError> {
        use Operation as O;
        match operation {
            O::Reserve { bytes, period } => {
                let storage = self.reserve(*bytes, period)?;
                self.keep(storage);
            }
            O::SplitStorageByEpoch { storage, at } => {
                let args = vec![self.write_ref(*storage)?, self.pure(at)];
                let rest = self.call("resource", "split_by_epoch", args);
                self.keep(rest);
            }
            O::SplitStorageBySize { storage, bytes } => {
                let args = vec![self.write_ref(*storage)?, self.pure(bytes)];
                let rest = self.call("resource", "split_by_size", args);
                self.keep(rest);
            }
            O::FuseStorage { storage, other } => {
                let args = vec![self.write_ref(*storage)?, self.write_ref(*other)?];
                self.call("resource", "fuse", args);
            }
            O::DestroyStorage { storage } => {
                let args = vec![self.write_ref(*storage)?];
                self.call("resource", "destroy", args);
            }
            O::Register {
                room,
                root,
                size,
                encoding,
                deletable,
            } => {
                let storage = match room {
                    Room::Reserve { bytes, period } => self.reserve(*bytes, period)?,
                    Room::Owned(storage) => self.write_ref(*storage)?,
                };
                let args = vec![
                    self.system(true)?,
                    storage,
                    self.pure(&root.as_bytes().to_vec()),
                    self.pure(size),
                    self.pure(&encoding.code()),
                    self.pure(deletable),
                    self.purse()?,
                ];
                let blob = self.call("system", "register", args);
                self.keep(blob);
            }
            O::Certify { blob, certificate } => {
                let mut args = vec![self.system(false)?, self.write_ref(*blob)?];
                args.extend(self.certificate(certificate));
                self.call("system", "certify", args);
            }
            O::Extend { blob, epochs } => {
                let args = vec![
                    self.system(true)?,
                    self.write_ref(*blob)?,
                    self.pure(epochs),
                    self.purse()?,
                ];
                self.call("system", "extend", args);
            }
            O::ExtendWith { blob, storage } => {
                let (blob, storage) = (self.write_ref(*blob)?, self.write_ref(*storage)?);
                let args = vec![self.system(false)?, blob, storage];
                self.call("system", "extend_with", args);
            }
            O::Delete { blob } => {
                let args = vec![self.system(false)?, self.write_ref(*blob)?];
                let storage = self.call("system", "delete", args);
                self.keep(storage);
            }
            O::Burn { blob } => {
                let args = vec![self.write_ref(*blob)?];
                self.call("blob", "burn", args);
            }
            O::SetAttribute { blob, key, value } => {
                let args = vec![self.write_ref(*blob)?, self.pure(key), self.pure(value)];
                self.call("blob", "set_attribute", args);
            }
            O::RemoveAttribute { blob, key } => {
                let args = vec![self.write_ref(*blob)?, self.pure(key)];
                self.call("blob", "remove_attribute", args);
            }
            O::Share { blob, funds } => {
                let args = vec![self.write_ref(*blob)?, self.split(*funds)?];
                self.call("shared_blob", "share", args);
            }
            O::Fund { shared, funds } => {
                let args = vec![self.write_ref(*shared)?, self.split(*funds)?];
                self.call("shared_blob", "fund", args);
            }
            O::ExtendShared { shared, epochs } => {
                let args = vec![
                    self.write_ref(*shared)?,
                    self.system(true)?,
                    self.pure(epochs),
                ];
                self.call("shared_blob", "extend_shared", args);
            }
            O::MarkInconsistent { certificate } => {
                let blob = certificate.statement().body.blob;
                let mut args = vec![self.system(false)?, self.pure(&blob.as_bytes().to_vec())];
                args.extend(self.certificate(certificate));
                self.call("system", "mark_inconsistent", args);
            }
            O::AddFunds { epoch, funds } => {
                let args = vec![self.system(true)?, self.pure(epoch), self.split(*funds)?];
                self.call("system", "add_funds", args);
            }
            O::SendWal { to, amount } => {
                let coin = self.split(*amount)?;
                let to = self.pure(to);
                self.tx.transfer_objects(vec![coin], to);
            }
            O::SendSui { to, amount } => {
                let amount = self.pure(&amount.units());
                let gas = self.tx.gas();
                let coins = self.tx.split_coins(gas, vec![amount]);
                let to = self.pure(to);
                self.tx.transfer_objects(coins, to);
            }
            O::Send { object, to } => {
                let (object, to) = (self.write_ref(*object)?, self.pure(to));
                self.tx.transfer_objects(vec![object], to);
            }
            O::Select | O::Advance => {
                let name = if *operation == O::Select {
                    "select"
                } else {
                    "advance"
                };
                let args = vec![self.staking()?, self.system(true)?, self.read_ref(CLOCK)?];
                self.call("epoch", name, args);
            }
            O::Settle { pools } => {
                let wal = self.wal_type()?;
                let args = vec![
                    self.staking()?,
                    self.write_ref(currency_id(&wal))?,
                    self.pure(pools),
                ];
                self.call("epoch", "settle", args);
            }
            O::SyncDone { cap, epoch } => {
                let cap = self.write_ref(*cap)?;
                let args = vec![
                    self.staking()?,
                    cap,
                    self.pure(epoch),
                    self.read_ref(CLOCK)?,
                ];
                self.call("epoch", "sync_done", args);
            }
            other => self.stake(other)?,
        }
        Ok(())
    }

    /// Operations of operators and delegators.
    fn stake(&mut self, operation: &Operation) -> Result<(), ChainError> {
        use Operation as O;
        let staking = self.staking()?;
        match operation {
            O::RegisterNode(registration) => self.register_node(registration)?,
            O::DescribeNode {
                cap,
                name,
                addresses,
            } => {
                let cap = self.write_ref(*cap)?;
                let args = vec![staking, cap, self.pure(name), self.pure(addresses)];
                self.call("staking", "describe_node", args);
            }
            O::RotateKeys {
                cap,
                possession,
                proof,
            } => {
                let mut args = vec![staking, self.write_ref(*cap)?];
                args.extend(self.keys(possession, proof));
                self.call("staking", "rotate_keys", args);
            }
            O::SetVote { cap, vote } => {
                let args = vec![staking, self.write_ref(*cap)?, self.vote(vote)];
                self.call("staking", "set_vote", args);
            }
            O::SetCommission { cap, bps } => {
                let args = vec![staking, self.write_ref(*cap)?, self.pure(bps)];
                self.call("staking", "set_commission", args);
            }
            O::SetGovernance { node, to } => {
                let args = vec![staking, self.pure(node), self.pure(to)];
                self.call("staking", "set_governance", args);
            }
            O::CollectCommission { node } => {
                let args = vec![staking, self.pure(node)];
                let coin = self.call("staking", "collect_commission", args);
                self.keep(coin);
            }
            O::Stake { node, amount } => {
                let args = vec![staking, self.pure(node), self.split(*amount)?];
                let stake = self.call("staking", "stake", args);
                self.keep(stake);
            }
            O::RequestExit { stake } => {
                let args = vec![staking, self.write_ref(*stake)?];
                self.call("staking", "request_exit", args);
            }
            O::Withdraw { stake } => {
                let args = vec![staking, self.write_ref(*stake)?];
                let coin = self.call("staking", "withdraw", args);
                self.keep(coin);
            }
            O::SplitStake { stake, amount } => {
                let args = vec![self.write_ref(*stake)?, self.pure(amount)];
                let rest = self.call("stake", "split", args);
                self.keep(rest);
            }
            O::JoinStake { stake, other } => {
                let args = vec![self.write_ref(*stake)?, self.write_ref(*other)?];
                self.call("stake", "join", args);
            }
            O::SettlePool { node } => {
                let args = vec![staking, self.pure(node)];
                self.call("staking", "settle_pool", args);
            }
            other => {
                return Err(ChainError::Build {
                    reason: format!("{other:?}"),
                });
            }
        }
        Ok(())
    }

    fn register_node(&mut self, registration: &NodeRegistration) -> Result<(), ChainError> {
        let mut args = vec![
            self.staking()?,
            self.pure(&registration.name),
            self.pure(&registration.addresses),
        ];
        args.extend(self.keys(&registration.possession, &registration.proof));
        args.push(self.pure(&registration.commission_bps));
        args.push(self.vote(&registration.vote));
        let cap = self.call("staking", "register_node", args);
        if registration.stake > Wal::ZERO {
            let node = self.call("staking", "node", vec![cap]);
            let args = vec![self.staking()?, node, self.split(registration.stake)?];
            let stake = self.call("staking", "stake", args);
            self.keep(stake);
        }
        self.keep(cap);
        Ok(())
    }

    fn reserve(
        &mut self,
        bytes: u64,
        period: &std::ops::Range<crate::epoch::Epoch>,
    ) -> Result<Argument, ChainError> {
        let args = vec![
            self.system(true)?,
            self.pure(&bytes),
            self.pure(&period.start),
            self.pure(&period.end),
            self.purse()?,
        ];
        Ok(self.call("system", "reserve", args))
    }

    fn certificate<B: Assertion>(&mut self, certificate: &Certificate<B>) -> [Argument; 3] {
        let signature = certificate.signature().to_bytes().to_vec();
        [
            self.pure(&certificate.statement().epoch),
            self.pure(&certificate.signers().as_bytes().to_vec()),
            self.pure(&signature),
        ]
    }

    fn keys(&mut self, possession: &Possession, proof: &PossessionProof) -> [Argument; 4] {
        [
            self.pure(&possession.bls_key.to_bytes().to_vec()),
            self.pure(&possession.identity.to_bytes().to_vec()),
            self.pure(&proof.bls.to_bytes().to_vec()),
            self.pure(&proof.identity.to_bytes().to_vec()),
        ]
    }

    fn vote(&mut self, vote: &Vote) -> Argument {
        let args = vec![
            self.pure(&vote.prices.storage),
            self.pure(&vote.prices.write),
            self.pure(&vote.capacity),
        ];
        self.call("terms", "vote", args)
    }

    fn call(
        &mut self,
        module: &'static str,
        function: &'static str,
        args: Vec<Argument>,
    ) -> Argument {
        let package = sui_address(self.system.package);
        let (module, function) = (
            Identifier::from_static(module),
            Identifier::from_static(function),
        );
        self.tx
            .move_call(Function::new(package, module, function), args)
    }

    fn pure<T: Serialize>(&mut self, value: &T) -> Argument {
        self.tx.pure(value)
    }

    /// Sends a result to the account.
    fn keep(&mut self, value: Argument) {
        let to = self.pure(&self.parts.sender());
        self.tx.transfer_objects(vec![value], to);
    }

    fn system(&mut self, mutable: bool) -> Result<Argument, ChainError> {
        let id = self.system.network.system.into();
        if mutable {
            self.write_ref(id)
        } else {
            self.read_ref(id)
        }
    }

    fn staking(&mut self) -> Result<Argument, ChainError> {
        self.write_ref(self.system.staking)
    }

    fn read_ref(&mut self, id: ObjectId) -> Result<Argument, ChainError> {
        Ok(self.tx.object(input(self.parts.get(id)?, false)))
    }

    fn write_ref(&mut self, id: ObjectId) -> Result<Argument, ChainError> {
        Ok(self.tx.object(input(self.parts.get(id)?, true)))
    }

    fn wal_type(&self) -> Result<TypeTag, ChainError> {
        self.system
            .wal_type
            .parse()
            .map_err(|error| ChainError::malformed("type of WAL", error))
    }

    /// All of the account's WAL in one coin.
    fn purse(&mut self) -> Result<Argument, ChainError> {
        if let Some(purse) = self.purse {
            return Ok(purse);
        }
        let coins: Vec<_> = self
            .parts
            .coins()
            .iter()
            .map(|coin| input(coin, true))
            .collect();
        let mut coins = coins
            .into_iter()
            .map(|coin| self.tx.object(coin))
            .collect::<Vec<_>>();
        let Some(purse) = coins.pop() else {
            let needed = Wal::from_units(1);
            return Err(ChainError::Funds {
                needed,
                available: Wal::ZERO,
            });
        };
        if !coins.is_empty() {
            self.tx.merge_coins(purse, coins);
        }
        self.purse = Some(purse);
        Ok(purse)
    }

    fn split(&mut self, amount: Wal) -> Result<Argument, ChainError> {
        let purse = self.purse()?;
        let amount = self.pure(&amount);
        let coins = self.tx.split_coins(purse, vec![amount]);
        coins.into_iter().next().ok_or_else(|| ChainError::Build {
            reason: "no coin".to_owned(),
        })
    }
}

fn input(object: &Object, mutable: bool) -> ObjectInput {
    let input = ObjectInput::from(object);
    match object.owner() {
        Owner::Shared(_) | Owner::ConsensusAddress { .. } => input.with_mutable(mutable),
        _ => input,
    }
}
