//! Operations into the commands of a transaction: what it needs, then command by command.
//!
//! [`Sheet`] knows how arguments are written; one file each for storage and for nodes and stake says
//! which functions of the contract an operation calls.

use sui_sdk_types::{Identifier, TypeTag};
use sui_transaction_builder::TransactionBuilder;

use super::contract::{self, sui_address};
use super::error::ChainError;
use super::operation::Operation;
use super::state::SystemState;
use super::submit::{Parts, Recipe};
use crate::amount::{Sui, Wal};
use crate::id::ObjectId;

mod needs;
mod sheet;
mod stake;
mod storage;

use sheet::Sheet;

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
            needs::objects(operation, &mut ids);
            if matches!(operation, Operation::Settle { .. }) {
                ids.push(currency_id(&self.wal));
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn coin(&self) -> Option<&TypeTag> {
        self.list.iter().any(needs::wal).then_some(&self.wal)
    }

    fn sui(&self) -> Sui {
        let amounts = self.list.iter().map(needs::sui_amount);
        amounts.fold(Sui::ZERO, |sum, amount| {
            sum.checked_add(amount).unwrap_or(Sui::from_units(u64::MAX))
        })
    }

    fn amount(&self) -> Wal {
        let amounts = self.list.iter().map(needs::wal_amount);
        amounts.fold(Wal::ZERO, |sum, amount| {
            sum.checked_add(amount).unwrap_or(Wal::from_units(u64::MAX))
        })
    }

    fn write(&self, parts: &Parts, tx: &mut TransactionBuilder) -> Result<(), ChainError> {
        // The system may have been upgraded since it was read.
        let system = contract::system(parts.get(self.system.network.system.into())?)?;
        let mut sheet = Sheet::new(tx, parts, &system);
        for operation in self.list {
            sheet.write(operation)?;
        }
        Ok(())
    }
}
