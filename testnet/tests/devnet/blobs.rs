//! Storage and blobs through all their states, one transaction after another and many at once.

use floe_chain::amount::{Sui, Wal};
use floe_chain::blob::BlobState;
use floe_chain::epoch::Epoch;
use floe_chain::rpc::abort::Refusal;
use floe_chain::rpc::{
    ChainError, ChainRead, ChainWrite, ObjectKind, Operation, Room, SuiAccount, SuiChain, Wallet,
};
use floe_codec::{BlobLayout, BlobRoot};
use floe_testnet::deploy::Plan;

use crate::support::{MIB, certificate, refused, register};

/// Storage and blobs through all their states.
pub(crate) async fn live(chain: &SuiChain, account: &SuiAccount, plan: &Plan) {
    let system = chain.system().await.unwrap();
    let committee = chain.committee(system.epoch).await.unwrap().unwrap();
    let before = chain.balance(account.address()).await.unwrap();

    let blob = register(chain, account, 1, 1_000, true, 3).await;
    let spent = before
        .wal
        .checked_sub(chain.balance(account.address()).await.unwrap().wal);
    let cost = system.prices.reserve(MIB, &blob.period).unwrap();
    assert_eq!(
        spent,
        cost.checked_add(system.prices.register(MIB).unwrap())
    );

    let available = blob.available();
    let proof = certificate(chain.network(), &committee, plan, available, 0..7);
    let certify = Operation::Certify {
        blob: blob.object,
        certificate: proof,
    };
    account.execute(vec![certify.clone()]).await.unwrap();
    let certified = chain.blob(blob.object).await.unwrap().unwrap();
    assert_eq!(certified.state(system.epoch), BlobState::Certified);
    assert_eq!(
        refused(account.execute(vec![certify]).await),
        Refusal::BlobAlreadyCertified
    );

    let set = |key: &str, value: &str| Operation::SetAttribute {
        blob: blob.object,
        key: key.to_owned(),
        value: value.to_owned(),
    };
    account
        .execute(vec![set("type", "text"), set("owner", "me")])
        .await
        .unwrap();
    let gone = Operation::RemoveAttribute {
        blob: blob.object,
        key: "owner".to_owned(),
    };
    account
        .execute(vec![gone, set("type", "image")])
        .await
        .unwrap();
    let attributes = chain.attributes(blob.object).await.unwrap();
    assert_eq!(
        attributes.into_iter().collect::<Vec<_>>(),
        [("type".into(), "image".into())]
    );

    account
        .execute(vec![Operation::Extend {
            blob: blob.object,
            epochs: 2,
        }])
        .await
        .unwrap();
    let extended = chain.blob(blob.object).await.unwrap().unwrap();
    assert_eq!(extended.period.end, blob.period.end.after(2).unwrap());
    let listed = chain.owned_blobs(account.address()).await.unwrap();
    assert!(listed.contains(&extended));

    account
        .execute(vec![Operation::Delete { blob: blob.object }])
        .await
        .unwrap();
    assert_eq!(chain.blob(blob.object).await.unwrap(), None);
    let storage = chain.owned_storage(account.address()).await.unwrap();
    let back = storage
        .iter()
        .find(|s| s.period.end == extended.period.end)
        .unwrap();
    assert_eq!(
        (back.bytes, back.period.start),
        (MIB, system.epoch.next().unwrap())
    );

    // Room is split, joined and thrown away; a shared blob lives from its jar.
    let at = back.period.start.next().unwrap();
    let split = Operation::SplitStorageByEpoch {
        storage: back.object,
        at,
    };
    let rest = account.execute(vec![split]).await.unwrap();
    let rest = rest.created(ObjectKind::Storage).next().unwrap();
    let fuse = Operation::FuseStorage {
        storage: back.object,
        other: rest,
    };
    account.execute(vec![fuse]).await.unwrap();
    account
        .execute(vec![Operation::DestroyStorage {
            storage: back.object,
        }])
        .await
        .unwrap();

    let permanent = register(chain, account, 2, 1_000, false, 2).await;
    let delete = Operation::Delete {
        blob: permanent.object,
    };
    assert_eq!(
        refused(account.execute(vec![delete]).await),
        Refusal::BlobPermanent
    );
    let proof = certificate(
        chain.network(),
        &committee,
        plan,
        permanent.available(),
        2..9,
    );
    let certify = Operation::Certify {
        blob: permanent.object,
        certificate: proof,
    };
    let funds = Wal::from_units(1_000_000);
    let share = Operation::Share {
        blob: permanent.object,
        funds,
    };
    let shared = account.execute(vec![certify, share]).await.unwrap();
    let shared = shared.created(ObjectKind::SharedBlob).next().unwrap();
    account
        .execute(vec![Operation::ExtendShared { shared, epochs: 1 }])
        .await
        .unwrap();
    let inside = chain.blob(shared).await.unwrap().unwrap();
    assert_eq!(inside.object, permanent.object);
    assert_eq!(inside.period.end, permanent.period.end.next().unwrap());

    let fund = Operation::Fund {
        shared,
        funds: Wal::from_units(500_000),
    };
    let again = Operation::ExtendShared { shared, epochs: 1 };
    account.execute(vec![fund, again]).await.unwrap();
    let inside = chain.blob(shared).await.unwrap().unwrap();
    assert_eq!(inside.period.end, permanent.period.end.after(2).unwrap());
    let beyond = Operation::ExtendShared { shared, epochs: 40 };
    let dear = Operation::Fund {
        shared,
        funds: Wal::ZERO,
    };
    assert!(account.execute(vec![beyond, dear]).await.is_ok());

    let far = Operation::Reserve {
        bytes: 1,
        period: system.epoch..Epoch::new(10_000),
    };
    assert_eq!(
        refused(account.execute(vec![far]).await),
        Refusal::LedgerPeriod
    );
    let huge = Operation::Reserve {
        bytes: u64::MAX,
        period: blob.period.clone(),
    };
    assert_eq!(
        refused(account.execute(vec![huge]).await),
        Refusal::LedgerCapacity
    );
    let none = Operation::SendWal {
        to: account.address(),
        amount: Wal::from_units(u64::MAX),
    };
    let error = account.execute(vec![none]).await.unwrap_err();
    assert!(matches!(error, ChainError::Funds { .. }), "{error}");
}

/// Many transactions of one account at a time: gas coins are not shared, nothing is lost.
pub(crate) async fn many_at_once(chain: &SuiChain, account: &SuiAccount) {
    let before = chain.owned_storage(account.address()).await.unwrap().len();
    let epoch = chain.system().await.unwrap().epoch;
    let writes = (1..=8u64).map(|bytes| {
        let period = epoch..epoch.next().unwrap();
        account.execute(vec![Operation::Reserve { bytes, period }])
    });
    for receipt in futures::future::join_all(writes).await {
        receipt.unwrap();
    }
    let after = chain.owned_storage(account.address()).await.unwrap().len();
    assert_eq!(after, before + 8);
}

/// Room that is bought ahead, divided and joined, used for a blob and to extend it; what is left of
/// everything.
pub(crate) async fn room_is_divided(chain: &SuiChain, account: &SuiAccount, plan: &Plan) {
    let system = chain.system().await.unwrap();
    let committee = chain.committee(system.epoch).await.unwrap().unwrap();
    let one = async |operation| account.execute(vec![operation]).await;
    let storage = async |operation| {
        let receipt = one(operation).await.unwrap();
        receipt.created(ObjectKind::Storage).next().unwrap()
    };
    let room = async |object| {
        let owned = chain.owned_storage(account.address()).await.unwrap();
        owned.into_iter().find(|s| s.object == object)
    };
    let (now, soon) = (system.epoch, system.epoch.after(2).unwrap());
    let later = system.epoch.after(4).unwrap();
    let bytes = 3 * MIB;
    let whole = storage(Operation::Reserve {
        bytes,
        period: now..soon,
    });
    let whole = whole.await;
    let rest = storage(Operation::SplitStorageBySize {
        storage: whole,
        bytes: MIB,
    });
    let rest = rest.await;
    let sizes = (
        room(whole).await.unwrap().bytes,
        room(rest).await.unwrap().bytes,
    );
    assert_eq!(sizes, (MIB, 2 * MIB));
    let nothing = Operation::SplitStorageBySize {
        storage: rest,
        bytes: 0,
    };
    assert_eq!(refused(one(nothing).await), Refusal::ResourceSplitSize);
    let outside = Operation::SplitStorageByEpoch {
        storage: rest,
        at: later,
    };
    assert_eq!(refused(one(outside).await), Refusal::ResourceSplitEpoch);
    let fuse = Operation::FuseStorage {
        storage: rest,
        other: whole,
    };
    one(fuse).await.unwrap();
    assert_eq!(room(rest).await.unwrap().bytes, bytes);
    let small = storage(Operation::SplitStorageBySize {
        storage: rest,
        bytes: 2 * MIB,
    });
    let small = small.await;

    // A blob in room of its own; other room behind it extends it if it has the same size.
    let layout = BlobLayout::for_shards(system.shards, 500).unwrap();
    let registered = one(Operation::Register {
        room: Room::Owned(small),
        root: BlobRoot::from_bytes([0x60; 32]),
        size: 500,
        encoding: layout.encoding(),
        deletable: false,
    });
    let blob = registered
        .await
        .unwrap()
        .registered()
        .next()
        .unwrap()
        .object;
    assert_eq!(room(small).await, None);
    let behind = |bytes| Operation::Reserve {
        bytes,
        period: soon..later,
    };
    let (fits, larger) = (storage(behind(MIB)).await, storage(behind(MIB + 1)).await);
    let extend = |storage| Operation::ExtendWith { blob, storage };
    assert_eq!(refused(one(extend(fits)).await), Refusal::BlobNotCertified);
    let registration = chain.blob(blob).await.unwrap().unwrap();
    let proof = certificate(
        chain.network(),
        &committee,
        plan,
        registration.available(),
        0..7,
    );
    let certify = Operation::Certify {
        blob,
        certificate: proof,
    };
    one(certify).await.unwrap();
    assert_eq!(refused(one(extend(larger)).await), Refusal::SystemExtension);
    one(extend(fits)).await.unwrap();
    let extended = chain.blob(blob).await.unwrap().unwrap();
    assert_eq!(extended.period, now..later);

    // The object goes to somebody else and back; burned it is gone, though it was permanent.
    let other = Wallet::from_seed([0x0b; 32]);
    let gas = Operation::SendSui {
        to: other.address(),
        amount: Sui::from_units(100_000_000),
    };
    let send = |to| Operation::Send { object: blob, to };
    account
        .execute(vec![gas, send(other.address())])
        .await
        .unwrap();
    let burn = Operation::Burn { blob };
    assert!(one(burn.clone()).await.is_err());
    let back = send(account.address());
    chain.account(other).execute(vec![back]).await.unwrap();
    one(burn).await.unwrap();
    assert_eq!(chain.blob(blob).await.unwrap(), None);
}
