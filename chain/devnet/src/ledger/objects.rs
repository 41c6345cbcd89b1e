//! Objects: the live set, every past version, and the indexes by owner. Knows nothing of transactions or of what an object means.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use sui_sdk_types::{Address, Identifier, Object, Owner, StructTag, Version};

use crate::coin;

/// Place of an object among those of its owner: by type, coins of one type by falling balance, then by id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) struct OwnedKey {
    type_: StructTag,
    /// `u64::MAX` less the balance of a coin, so that the richest comes first; 0 for everything else.
    poverty: u64,
    id: Address,
}

impl OwnedKey {
    /// Id of the object.
    pub(crate) fn id(&self) -> Address {
        self.id
    }

    /// Type of the object.
    pub(crate) fn type_(&self) -> &StructTag {
        &self.type_
    }

    fn of(object: &Object) -> Option<Self> {
        let body = object.as_struct()?;
        let poverty = coin::balance(body).map_or(0, |balance| u64::MAX - balance);
        Some(Self {
            type_: body.object_type().clone(),
            poverty,
            id: object.object_id(),
        })
    }
}

/// All objects this chain has ever had.
#[derive(Default)]
pub(crate) struct Objects {
    live: HashMap<Address, Arc<Object>>,
    versions: BTreeMap<(Address, Version), Arc<Object>>,
    owned: HashMap<Address, BTreeSet<OwnedKey>>,
    children: HashMap<Address, BTreeSet<Address>>,
    /// What describes a currency, by type.
    currencies: HashMap<StructTag, BTreeSet<Address>>,
}

impl Objects {
    /// The live version of an object.
    pub(crate) fn get(&self, id: &Address) -> Option<&Arc<Object>> {
        self.live.get(id)
    }

    /// An object at an exact version, live or past.
    pub(crate) fn at(&self, id: &Address, version: Version) -> Option<&Arc<Object>> {
        self.versions.get(&(*id, version))
    }

    /// Every live object, in no order.
    #[cfg(test)]
    pub(super) fn live(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.live.values()
    }

    /// Makes `object` the live version.
    pub(crate) fn write(&mut self, object: Arc<Object>) {
        let id = object.object_id();
        self.remove(&id);
        if let Some(owner) = holder(object.owner())
            && let Some(key) = OwnedKey::of(&object)
        {
            self.owned.entry(owner).or_default().insert(key);
        }
        if let Owner::Object(parent) = object.owner() {
            self.children.entry(*parent).or_default().insert(id);
        }
        if let Some(type_) = describes_currency(&object) {
            let ids = self.currencies.entry(type_.clone()).or_default();
            ids.insert(id);
        }
        self.versions.insert((id, object.version()), object.clone());
        self.live.insert(id, object);
    }

    /// Ends the life of an object (deleted or wrapped); its past versions stay readable.
    pub(crate) fn remove(&mut self, id: &Address) {
        let Some(object) = self.live.remove(id) else {
            return;
        };
        if let Some(owner) = holder(object.owner())
            && let Some(key) = OwnedKey::of(&object)
            && let Some(keys) = self.owned.get_mut(&owner)
        {
            keys.remove(&key);
            if keys.is_empty() {
                self.owned.remove(&owner);
            }
        }
        if let Owner::Object(parent) = object.owner()
            && let Some(ids) = self.children.get_mut(parent)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.children.remove(parent);
            }
        }
        if let Some(type_) = describes_currency(&object)
            && let Some(ids) = self.currencies.get_mut(type_)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.currencies.remove(type_);
            }
        }
    }

    /// What an address owns, in order, beginning after `after`.
    pub(crate) fn owned_by(
        &self,
        owner: &Address,
        after: Option<&OwnedKey>,
    ) -> impl Iterator<Item = &OwnedKey> {
        let start = after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.clone()));
        self.owned
            .get(owner)
            .into_iter()
            .flat_map(move |keys| keys.range((start.clone(), Bound::Unbounded)))
    }

    /// The coins of one type that an address owns, richest first.
    pub(crate) fn coins<'a>(
        &'a self,
        owner: &Address,
        type_: &StructTag,
    ) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        let coin = coin::coin_type(type_.clone().into());
        let start = OwnedKey {
            type_: coin.clone(),
            poverty: 0,
            id: Address::ZERO,
        };
        let keys = self
            .owned
            .get(owner)
            .into_iter()
            .flat_map(move |keys| keys.range(start.clone()..));
        keys.take_while(move |key| key.type_ == coin)
            .filter_map(|key| self.live.get(&key.id))
    }

    /// The dynamic fields of an object, by id, beginning after `after`.
    pub(crate) fn children_of(
        &self,
        parent: &Address,
        after: Option<Address>,
    ) -> impl Iterator<Item = &Arc<Object>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = self
            .children
            .get(parent)
            .into_iter()
            .flat_map(move |ids| ids.range((start, Bound::Unbounded)));
        ids.filter_map(|id| self.live.get(id))
    }

    /// A live object of one of the types in [`CURRENCY_TYPES`].
    pub(crate) fn of_currency(
        &self,
        module: &'static str,
        name: &'static str,
        currency: &StructTag,
    ) -> Option<&Arc<Object>> {
        let (module, name) = (
            Identifier::from_static(module),
            Identifier::from_static(name),
        );
        let type_ = StructTag::new(Address::TWO, module, name, vec![currency.clone().into()]);
        self.live.get(self.currencies.get(&type_)?.first()?)
    }
}

/// Types of the framework, each with a currency as its argument, whose objects describe that currency.
const CURRENCY_TYPES: [(&str, &str); 3] = [
    ("coin_registry", "Currency"),
    ("coin", "CoinMetadata"),
    ("coin", "TreasuryCap"),
];

fn describes_currency(object: &Object) -> Option<&StructTag> {
    let type_ = object.as_struct()?.object_type();
    let name = (type_.module().as_str(), type_.name().as_str());
    (*type_.address() == Address::TWO && CURRENCY_TYPES.contains(&name)).then_some(type_)
}

/// The address under which an owned object is listed.
fn holder(owner: &Owner) -> Option<Address> {
    match owner {
        Owner::Address(address) | Owner::ConsensusAddress { owner: address, .. } => Some(*address),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use sui_sdk_types::{Digest, MoveStruct, ObjectData};

    use super::*;

    fn coin(id: u8, version: Version, balance: u64, owner: Owner) -> Arc<Object> {
        let mut contents = vec![id; 32];
        contents.extend(balance.to_le_bytes());
        let body = MoveStruct::new(StructTag::gas_coin(), true, version, contents).unwrap();
        Arc::new(Object::new(
            ObjectData::Struct(body),
            owner,
            Digest::ZERO,
            0,
        ))
    }

    #[test]
    fn coins_come_richest_first_and_follow_their_owner() {
        let (alice, bob) = (Address::new([1; 32]), Address::new([2; 32]));
        let mut objects = Objects::default();
        objects.write(coin(7, 1, 10, Owner::Address(alice)));
        objects.write(coin(8, 1, 30, Owner::Address(alice)));
        objects.write(coin(9, 1, 20, Owner::Address(alice)));
        let balances = |objects: &Objects, owner| -> Vec<_> {
            objects
                .coins(&owner, &StructTag::sui())
                .map(|coin| coin::balance(coin.as_struct().unwrap()).unwrap())
                .collect()
        };
        assert_eq!(balances(&objects, alice), [30, 20, 10]);

        objects.write(coin(8, 2, 31, Owner::Address(bob)));
        objects.remove(&Address::new([9; 32]));
        assert_eq!(balances(&objects, alice), [10]);
        assert_eq!(balances(&objects, bob), [31]);
        assert_eq!(objects.at(&Address::new([8; 32]), 1).unwrap().version(), 1);
        assert!(objects.get(&Address::new([9; 32])).is_none());
    }

    #[test]
    fn children_leave_with_their_parent_link() {
        let parent = Address::new([5; 32]);
        let mut objects = Objects::default();
        objects.write(coin(7, 1, 10, Owner::Object(parent)));
        objects.write(coin(8, 1, 10, Owner::Object(parent)));
        assert_eq!(objects.children_of(&parent, None).count(), 2);
        assert_eq!(
            objects
                .children_of(&parent, Some(Address::new([7; 32])))
                .count(),
            1
        );
        objects.write(coin(7, 2, 10, Owner::Immutable));
        assert_eq!(objects.children_of(&parent, None).count(), 1);
    }
}
