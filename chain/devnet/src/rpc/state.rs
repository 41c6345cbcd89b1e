//! StateService: what addresses and objects own now, balances, coin metadata.

use std::collections::BTreeMap;

use serde::Deserialize;
use sui_rpc::{
    field::FieldMaskTree,
    proto::sui::rpc::v2::{
        Balance, Bcs, CoinMetadata, CoinTreasury, DynamicField, GetBalanceRequest,
        GetBalanceResponse, GetCoinInfoRequest, GetCoinInfoResponse, ListBalancesRequest,
        ListBalancesResponse, ListDynamicFieldsRequest, ListDynamicFieldsResponse,
        ListOwnedObjectsRequest, ListOwnedObjectsResponse, Object as ObjectMessage,
        RegulatedCoinMetadata, coin_metadata::MetadataCapState, coin_treasury::SupplyState,
        dynamic_field::DynamicFieldKind, regulated_coin_metadata::CoinRegulatedState,
        state_service_server::StateService,
    },
};
use sui_sdk_types::{Address, MoveStruct, Object, StructTag, TypeTag};
use tonic::{Request, Status};

use super::{Reply, Services, page, render, status};
use crate::{
    coin,
    ledger::{Ledger, OwnedKey},
};

#[tonic::async_trait]
impl StateService for Services {
    async fn list_owned_objects(
        &self,
        request: Request<ListOwnedObjectsRequest>,
    ) -> Reply<ListOwnedObjectsResponse> {
        let request = request.into_inner();
        let owner = status::address("owner", request.owner.as_deref())?;
        let mask = render::mask::<ObjectMessage>(
            request.read_mask.as_ref(),
            "object_id,version,object_type",
        )?;
        let wanted = request
            .object_type
            .as_deref()
            .map(|text| status::struct_type("object_type", text))
            .transpose()?;
        let after: Option<OwnedKey> = page::after(request.page_token.as_deref())?;
        let size = page::size(request.page_size);
        let response = self.node.read(|ledger| {
            let fits = |key: &&OwnedKey| {
                wanted
                    .as_ref()
                    .is_none_or(|wanted| is_instance(key.type_(), wanted))
            };
            let keys = ledger.objects().owned_by(&owner, after.as_ref());
            let objects = keys.filter(fits).filter_map(|key| {
                let object = ledger.objects().get(&key.id())?;
                Some((key, render::object(object, &mask)))
            });
            let mut response = ListOwnedObjectsResponse::default();
            (response.objects, response.next_page_token) = page::fill(objects, size);
            response
        });
        Ok(response.await?.into())
    }

    async fn list_dynamic_fields(
        &self,
        request: Request<ListDynamicFieldsRequest>,
    ) -> Reply<ListDynamicFieldsResponse> {
        let request = request.into_inner();
        let parent = status::address("parent", request.parent.as_deref())?;
        let mask = render::mask::<DynamicField>(request.read_mask.as_ref(), "parent,field_id")?;
        let after: Option<Address> = page::after(request.page_token.as_deref())?;
        let size = page::size(request.page_size);
        let response = self.node.read(|ledger| {
            let children = ledger.objects().children_of(&parent, after);
            let fields = children.filter_map(|object| {
                let field = dynamic_field(ledger, &parent, object, &mask)?;
                Some((object.object_id(), field))
            });
            let mut response = ListDynamicFieldsResponse::default();
            (response.dynamic_fields, response.next_page_token) = page::fill(fields, size);
            response
        });
        Ok(response.await?.into())
    }

    async fn get_balance(&self, request: Request<GetBalanceRequest>) -> Reply<GetBalanceResponse> {
        let request = request.into_inner();
        let owner = status::address("owner", request.owner.as_deref())?;
        let currency = status::struct_type(
            "coin_type",
            request
                .coin_type
                .as_deref()
                .ok_or_else(|| status::missing("coin_type"))?,
        )?;
        let sum = self.node.read(|ledger| {
            let coins = ledger.objects().coins(&owner, &currency);
            coins
                .filter_map(|object| coin::balance(object.as_struct()?))
                .fold(0, u64::saturating_add)
        });
        let mut response = GetBalanceResponse::default();
        let sum = sum.await?;
        response.balance = Some(balance(&currency.into(), sum));
        Ok(response.into())
    }

    async fn list_balances(
        &self,
        request: Request<ListBalancesRequest>,
    ) -> Reply<ListBalancesResponse> {
        let request = request.into_inner();
        let owner = status::address("owner", request.owner.as_deref())?;
        let after: Option<TypeTag> = page::after(request.page_token.as_deref())?;
        let size = page::size(request.page_size);
        let sums = self.node.read(|ledger| {
            let mut sums: BTreeMap<TypeTag, u64> = BTreeMap::new();
            for object in ledger
                .objects()
                .owned_by(&owner, None)
                .filter_map(|key| ledger.objects().get(&key.id()))
            {
                let coin = object.as_struct().and_then(|body| {
                    Some((body.object_type().is_coin()?.clone(), coin::balance(body)?))
                });
                if let Some((currency, amount)) = coin {
                    let sum = sums.entry(currency).or_default();
                    *sum = sum.saturating_add(amount);
                }
            }
            sums
        });
        let sums = sums.await?;
        let rest = sums
            .into_iter()
            .filter(|(currency, _)| after.as_ref().is_none_or(|after| currency > after));
        let balances = rest.map(|(currency, sum)| {
            let balance = balance(&currency, sum);
            (currency, balance)
        });
        let mut response = ListBalancesResponse::default();
        (response.balances, response.next_page_token) = page::fill(balances, size);
        Ok(response.into())
    }

    async fn get_coin_info(
        &self,
        request: Request<GetCoinInfoRequest>,
    ) -> Reply<GetCoinInfoResponse> {
        let request = request.into_inner();
        let currency = status::struct_type(
            "coin_type",
            request
                .coin_type
                .as_deref()
                .ok_or_else(|| status::missing("coin_type"))?,
        )?;
        let response = self
            .node
            .read(|ledger| coin_info(ledger, &currency))
            .await?;
        Ok(response
            .ok_or_else(|| Status::not_found(format!("Coin type {currency} not found")))?
            .into())
    }
}

/// Whether `type_` is `wanted`, or an instance of it if `wanted` has no type arguments.
fn is_instance(type_: &StructTag, wanted: &StructTag) -> bool {
    let same_name = type_.address() == wanted.address()
        && type_.module() == wanted.module()
        && type_.name() == wanted.name();
    same_name && (wanted.type_params().is_empty() || type_.type_params() == wanted.type_params())
}

fn balance(currency: &TypeTag, sum: u64) -> Balance {
    let mut balance = Balance::default();
    balance.coin_type = Some(currency.to_string());
    balance.balance = Some(sum);
    balance.coin_balance = Some(sum);
    balance.address_balance = Some(0);
    balance
}

/// A dynamic field from the object that stores it.
///
/// # Layout
///
/// `0x2::dynamic_field::Field<N, V>` is `id 32 | name N | value V`; the field of a dynamic object field has the name
/// `0x2::dynamic_object_field::Wrapper<N>` (which adds no bytes) and the child's id as its value.
fn dynamic_field(
    ledger: &Ledger,
    parent: &Address,
    object: &Object,
    mask: &FieldMaskTree,
) -> Option<DynamicField> {
    let body = object.as_struct()?;
    let [name_type, value_type] = body.object_type().type_params() else {
        return None;
    };
    let mut field = DynamicField::default();
    field.parent = mask.contains("parent").then(|| parent.to_string());
    field.field_id = mask
        .contains("field_id")
        .then(|| object.object_id().to_string());
    field.field_object = mask
        .subtree("field_object")
        .map(|mask| render::object(object, &mask));
    if !DECODED_FIELDS.iter().any(|name| mask.contains(name)) {
        return Some(field);
    }
    let (name, value) = split_field(parent, body, name_type)?;
    let wrapped = match name_type {
        TypeTag::Struct(tag) if is_wrapper(tag) => tag.type_params().first(),
        _ => None,
    };
    field.name = mask
        .contains("name")
        .then(|| bcs_value(wrapped.unwrap_or(name_type), name));
    field.value = mask.contains("value").then(|| bcs_value(value_type, value));
    let (kind, value_type) = if wrapped.is_some() {
        let child = Address::from_bytes(value).ok()?;
        let found = ledger.objects().get(&child);
        field.child_id = mask.contains("child_id").then(|| child.to_string());
        field.child_object = mask
            .subtree("child_object")
            .and_then(|mask| found.map(|object| render::object(object, &mask)));
        (
            DynamicFieldKind::Object,
            found.and_then(|object| Some(object.as_struct()?.object_type().to_string())),
        )
    } else {
        (DynamicFieldKind::Field, Some(value_type.to_string()))
    };
    field.kind = mask.contains("kind").then_some(kind.into());
    field.value_type = value_type.filter(|_| mask.contains("value_type"));
    Some(field)
}

/// Fields that need name and value told apart.
const DECODED_FIELDS: [&str; 6] = [
    "kind",
    "name",
    "value",
    "value_type",
    "child_id",
    "child_object",
];

/// Bytes of the name and of the value of a field object. Where one ends and the other begins follows from the object's id, which is the hash
/// of parent, name and type of the name.
fn split_field<'a>(
    parent: &Address,
    body: &'a MoveStruct,
    name_type: &TypeTag,
) -> Option<(&'a [u8], &'a [u8])> {
    let rest = body.contents().get(Address::LENGTH..)?;
    let is_name = |name: &[u8]| parent.derive_dynamic_child_id(name_type, name) == body.object_id();
    (0..=rest.len().min(NAME_BYTES))
        .map(|length| rest.split_at(length))
        .find(|(name, _)| is_name(name))
}

/// Longest name of a dynamic field that is looked for.
const NAME_BYTES: usize = 4 * 1024;

fn is_wrapper(tag: &StructTag) -> bool {
    *tag.address() == Address::TWO
        && tag.module().as_str() == "dynamic_object_field"
        && tag.name().as_str() == "Wrapper"
}

fn bcs_value(type_: &TypeTag, bytes: &[u8]) -> Bcs {
    let mut bcs = Bcs::default();
    bcs.name = Some(type_.to_string());
    bcs.value = Some(bytes.to_vec().into());
    bcs
}

/// What is known about a currency from its metadata and treasury objects.
fn coin_info(ledger: &Ledger, currency: &StructTag) -> Option<GetCoinInfoResponse> {
    let find = |module, name| ledger.objects().of_currency(module, name, currency);
    let mut response = GetCoinInfoResponse::default();
    response.coin_type = Some(currency.to_string());
    if let Some(object) = find("coin_registry", "Currency") {
        let currency: Currency = bcs::from_bytes(object.as_struct()?.contents()).ok()?;
        response.metadata = Some(currency.metadata());
        response.treasury = Some(currency.treasury());
        response.regulated_metadata = Some(currency.regulation());
    } else if let Some(object) = find("coin", "CoinMetadata") {
        response.metadata = Some(decode_metadata(object)?);
    }
    if let Some(object) = find("coin", "TreasuryCap") {
        let (_, supply): (Address, u64) = bcs::from_bytes(object.as_struct()?.contents()).ok()?;
        let treasury = response.treasury.get_or_insert_default();
        treasury.id = Some(object.object_id().to_string());
        treasury.total_supply = Some(supply);
    }
    (response.metadata.is_some() || response.treasury.is_some()).then_some(response)
}

/// # Layout
///
/// `0x2::coin::CoinMetadata<T>`: id 32 | decimals u8 | name | symbol | description (strings) | icon url (option of string).
fn decode_metadata(object: &Object) -> Option<CoinMetadata> {
    type Fields = (Address, u8, String, String, String, Option<String>);
    let (_, decimals, name, symbol, description, icon_url): Fields =
        bcs::from_bytes(object.as_struct()?.contents()).ok()?;
    let mut metadata = CoinMetadata::default();
    metadata.id = Some(object.object_id().to_string());
    metadata.decimals = Some(decimals.into());
    metadata.name = Some(name);
    metadata.symbol = Some(symbol);
    metadata.description = Some(description);
    metadata.icon_url = icon_url;
    Some(metadata)
}

/// `0x2::coin_registry::Currency<T>`
#[derive(Deserialize)]
struct Currency {
    id: Address,
    decimals: u8,
    name: String,
    symbol: String,
    description: String,
    icon_url: String,
    supply: Option<Supply>,
    regulated: Regulation,
    treasury_cap: Option<Address>,
    metadata_cap: MetadataCap,
    _extra_fields: Vec<(String, (String, Vec<u8>))>,
}

#[derive(Deserialize)]
enum Supply {
    Fixed(u64),
    BurnOnly(u64),
    Unknown,
}

#[derive(Deserialize)]
enum Regulation {
    Regulated {
        deny_cap: Address,
        allow_global_pause: Option<bool>,
        variant: u8,
    },
    Unregulated,
    Unknown,
}

#[derive(Deserialize)]
enum MetadataCap {
    Claimed(Address),
    Unclaimed,
    Deleted,
}

impl Currency {
    fn metadata(&self) -> CoinMetadata {
        let (state, cap) = match &self.metadata_cap {
            MetadataCap::Claimed(id) => (MetadataCapState::Claimed, Some(id.to_string())),
            MetadataCap::Unclaimed => (MetadataCapState::Unclaimed, None),
            MetadataCap::Deleted => (MetadataCapState::Deleted, None),
        };
        let mut metadata = CoinMetadata::default();
        metadata.id = Some(self.id.to_string());
        metadata.decimals = Some(self.decimals.into());
        metadata.name = Some(self.name.clone());
        metadata.symbol = Some(self.symbol.clone());
        metadata.description = Some(self.description.clone());
        metadata.icon_url = Some(self.icon_url.clone());
        metadata.metadata_cap_id = cap;
        metadata.metadata_cap_state = Some(state.into());
        metadata
    }

    fn treasury(&self) -> CoinTreasury {
        let (total, state) = match self.supply {
            Some(Supply::Fixed(total)) => (Some(total), SupplyState::Fixed),
            Some(Supply::BurnOnly(total)) => (Some(total), SupplyState::BurnOnly),
            Some(Supply::Unknown) | None => (None, SupplyState::Unknown),
        };
        let mut treasury = CoinTreasury::default();
        treasury.id = self.treasury_cap.map(|id| id.to_string());
        treasury.total_supply = total;
        treasury.supply_state = Some(state.into());
        treasury
    }

    fn regulation(&self) -> RegulatedCoinMetadata {
        let mut regulation = RegulatedCoinMetadata::default();
        let state = match &self.regulated {
            Regulation::Regulated {
                deny_cap,
                allow_global_pause,
                variant,
            } => {
                regulation.deny_cap_object = Some(deny_cap.to_string());
                regulation.allow_global_pause = *allow_global_pause;
                regulation.variant = Some((*variant).into());
                CoinRegulatedState::Regulated
            }
            Regulation::Unregulated => CoinRegulatedState::Unregulated,
            Regulation::Unknown => CoinRegulatedState::Unknown,
        };
        regulation.coin_regulated_state = Some(state.into());
        regulation
    }
}
