//! A transaction being written: calls of the contract, their arguments, the account's purse.

use serde::Serialize;
use sui_sdk_types::{Identifier, Object, Owner, TypeTag};
use sui_transaction_builder::{Argument, Function, ObjectInput, TransactionBuilder};

use super::super::contract::sui_address;
use super::super::error::ChainError;
use super::super::operation::Operation;
use super::super::state::SystemState;
use super::super::submit::Parts;
use crate::amount::Wal;
use crate::id::ObjectId;

/// A transaction being written.
pub(super) struct Sheet<'a> {
    tx: &'a mut TransactionBuilder,
    parts: &'a Parts,
    system: &'a SystemState,
    /// The account's WAL as one coin, once an operation needed it.
    purse: Option<Argument>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(
        tx: &'a mut TransactionBuilder,
        parts: &'a Parts,
        system: &'a SystemState,
    ) -> Self {
        Self {
            tx,
            parts,
            system,
            purse: None,
        }
    }

    /// Writes an operation that only moves what the account owns.
    pub(super) fn send(&mut self, operation: &Operation) -> Result<(), ChainError> {
        use Operation as O;
        match operation {
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
            other => {
                return Err(ChainError::Build {
                    reason: format!("{other:?}"),
                });
            }
        }
        Ok(())
    }

    pub(super) fn call(
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

    pub(super) fn pure<T: Serialize>(&mut self, value: &T) -> Argument {
        self.tx.pure(value)
    }

    /// Sends a result to the account.
    pub(super) fn keep(&mut self, value: Argument) {
        let to = self.pure(&self.parts.sender());
        self.tx.transfer_objects(vec![value], to);
    }

    pub(super) fn system(&mut self, mutable: bool) -> Result<Argument, ChainError> {
        let id = self.system.network.system.into();
        if mutable {
            self.write_ref(id)
        } else {
            self.read_ref(id)
        }
    }

    pub(super) fn staking(&mut self) -> Result<Argument, ChainError> {
        self.write_ref(self.system.staking)
    }

    pub(super) fn read_ref(&mut self, id: ObjectId) -> Result<Argument, ChainError> {
        Ok(self.tx.object(input(self.parts.get(id)?, false)))
    }

    pub(super) fn write_ref(&mut self, id: ObjectId) -> Result<Argument, ChainError> {
        Ok(self.tx.object(input(self.parts.get(id)?, true)))
    }

    pub(super) fn wal_type(&self) -> Result<TypeTag, ChainError> {
        self.system
            .wal_type
            .parse()
            .map_err(|error| ChainError::malformed("type of WAL", error))
    }

    /// All of the account's WAL in one coin.
    pub(super) fn purse(&mut self) -> Result<Argument, ChainError> {
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

    pub(super) fn split(&mut self, amount: Wal) -> Result<Argument, ChainError> {
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
