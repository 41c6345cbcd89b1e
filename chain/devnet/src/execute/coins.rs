//! The commands on coins and objects that need no call: split, merge, transfer, make a vector.

use floe_move_vm::{Abilities, Recipient, Slot, Type, Value};
use sui_sdk_types::{
    Address, Argument, CommandArgumentError, ExecutionError, MergeCoins, SplitCoins,
    TransferObjects, TypeArgumentError, TypeTag,
};

use super::{
    Access,
    arguments::argument_error,
    cells::{Content, Origin, Use},
    commands::{Machine, Step},
    failure,
};
use crate::coin;

impl Machine<'_, '_, '_> {
    /// A coin that a command changes in place: its type, id, balance and where to put it back.
    fn coin(&mut self, argument: Argument) -> Step<(Type, Slot, Address, u64)> {
        let wrong = |kind| argument_error(0, kind);
        let key = self.cells.locate(argument).map_err(wrong)?;
        self.cells.note(key, Use::Write).map_err(wrong)?;
        let cell = self.cells.get(key);
        if matches!(
            cell.origin,
            Origin::Object(Access::Immutable | Access::SharedReadOnly)
        ) {
            return Err(wrong(CommandArgumentError::InvalidObjectByMutRef));
        }
        let (type_, slot) = match &cell.content {
            Content::Held { type_, slot } if type_.is(Address::TWO, "coin", "Coin") => {
                (type_.clone(), *slot)
            }
            Content::Taken => return Err(wrong(CommandArgumentError::InvalidValueUsage)),
            _ => return Err(wrong(CommandArgumentError::TypeMismatch)),
        };
        let (id, balance) = self.decode_coin(slot)?;
        Ok((type_, slot, id, balance))
    }

    fn decode_coin(&mut self, slot: Slot) -> Step<(Address, u64)> {
        let bytes = self
            .session
            .encode(self.session.value(slot))
            .map_err(failure::error)?;
        coin::decode(&bytes).ok_or(ExecutionError::InvariantViolation)
    }

    fn read_coin(&mut self, value: &Value) -> Step<(Address, u64)> {
        let bytes = self.session.encode(value).map_err(failure::error)?;
        coin::decode(&bytes).ok_or(ExecutionError::InvariantViolation)
    }

    fn make_coin(&mut self, type_: &Type, id: Address, balance: u64) -> Step<Value> {
        self.session
            .decode(type_, &coin::encode(id, balance))
            .map_err(failure::error)
    }

    pub(super) fn split(&mut self, split: &SplitCoins) -> Step<Vec<(Type, Value)>> {
        let (type_, slot, id, mut balance) = self.coin(split.coin)?;
        let mut parts = Vec::with_capacity(split.amounts.len());
        for (index, amount) in split.amounts.iter().enumerate() {
            let value = self.by_value(index + 1, *amount, &Type::U64)?;
            let bytes = self.session.encode(&value).map_err(failure::error)?;
            let amount = u64::from_le_bytes(
                bytes
                    .try_into()
                    .map_err(|_| ExecutionError::InvariantViolation)?,
            );
            balance = balance
                .checked_sub(amount)
                .ok_or(ExecutionError::InsufficientCoinBalance)?;
            let fresh = self.session.fresh_id().map_err(failure::error)?;
            parts.push((type_.clone(), self.make_coin(&type_, fresh, amount)?));
        }
        let rest = self.make_coin(&type_, id, balance)?;
        self.session.replace(slot, rest);
        Ok(parts)
    }

    pub(super) fn merge(&mut self, merge: &MergeCoins) -> Step<Vec<(Type, Value)>> {
        let (type_, slot, id, mut balance) = self.coin(merge.coin)?;
        for (index, argument) in merge.coins_to_merge.iter().enumerate() {
            let value = self.by_value(index + 1, *argument, &type_)?;
            let (merged, amount) = self.read_coin(&value)?;
            self.session.delete_id(merged).map_err(failure::error)?;
            balance = balance
                .checked_add(amount)
                .ok_or(ExecutionError::CoinBalanceOverflow)?;
        }
        let sum = self.make_coin(&type_, id, balance)?;
        self.session.replace(slot, sum);
        Ok(Vec::new())
    }

    pub(super) fn transfer(&mut self, transfer: &TransferObjects) -> Step<Vec<(Type, Value)>> {
        let mut objects = Vec::with_capacity(transfer.objects.len());
        for (index, argument) in transfer.objects.iter().enumerate() {
            let wrong = |kind| argument_error(index, kind);
            let key = self.cells.locate(*argument).map_err(wrong)?;
            let type_ = match &self.cells.get(key).content {
                Content::Held { type_, .. } => type_.clone(),
                Content::Taken => return Err(wrong(CommandArgumentError::InvalidValueUsage)),
                _ => return Err(wrong(CommandArgumentError::TypeMismatch)),
            };
            let transferable = self
                .abilities(&type_)?
                .contains(Abilities::KEY.union(Abilities::STORE));
            if !transferable {
                return Err(ExecutionError::InvalidTransferObject);
            }
            let shared = self.cells.get(key).origin == Origin::Object(Access::Shared);
            if shared {
                return Err(ExecutionError::ConsensusObjectOperationNotAllowed);
            }
            objects.push((self.take(index, key, &type_)?, type_));
        }
        let address = self.by_value(transfer.objects.len(), transfer.address, &Type::Address)?;
        let bytes = self.session.encode(&address).map_err(failure::error)?;
        let to = Address::from_bytes(bytes).map_err(|_| ExecutionError::InvariantViolation)?;
        for (value, type_) in objects {
            self.session
                .transfer(type_, value, Recipient::Address(to))
                .map_err(failure::error)?;
        }
        Ok(Vec::new())
    }

    pub(super) fn make_vector(
        &mut self,
        tag: Option<&TypeTag>,
        elements: &[Argument],
    ) -> Step<Vec<(Type, Value)>> {
        let element = match tag {
            Some(tag) => {
                self.session
                    .type_of(tag)
                    .map_err(|_| ExecutionError::TypeArgumentError {
                        type_argument: 0,
                        kind: TypeArgumentError::TypeNotFound,
                    })?
            }
            None => self.type_of_first(elements)?,
        };
        // In BCS a vector is its length and its elements one after the other.
        let mut bytes = bcs::to_bytes(&Length(elements.len()))
            .map_err(|_| ExecutionError::InvariantViolation)?;
        for (index, argument) in elements.iter().enumerate() {
            let value = self.by_value(index, *argument, &element)?;
            bytes.extend(self.session.encode(&value).map_err(failure::error)?);
        }
        let type_ = Type::vector(element).map_err(|_| ExecutionError::VmInvariantViolation)?;
        let value = self
            .session
            .decode(&type_, &bytes)
            .map_err(failure::error)?;
        Ok(vec![(type_, value)])
    }

    fn type_of_first(&mut self, elements: &[Argument]) -> Step<Type> {
        let wrong = |kind| argument_error(0, kind);
        let first = elements.first().ok_or(ExecutionError::ArityMismatch)?;
        let key = self.cells.locate(*first).map_err(wrong)?;
        let type_ = match &self.cells.get(key).content {
            Content::Held { type_, .. } => type_.clone(),
            Content::Taken => return Err(wrong(CommandArgumentError::InvalidValueUsage)),
            _ => {
                return Err(wrong(
                    CommandArgumentError::InvalidMakeMoveVecNonObjectArgument,
                ));
            }
        };
        if self.abilities(&type_)?.contains(Abilities::KEY) {
            Ok(type_)
        } else {
            Err(wrong(
                CommandArgumentError::InvalidMakeMoveVecNonObjectArgument,
            ))
        }
    }
}

/// A BCS length prefix on its own.
struct Length(usize);

impl serde::Serialize for Length {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde::ser::SerializeSeq::end(serializer.serialize_seq(Some(self.0))?)
    }
}
