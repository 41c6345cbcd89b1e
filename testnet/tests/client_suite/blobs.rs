//! Storage and blobs through all their states, one transaction after another and many at once.

use floe_chain::amount::Wal;
use floe_chain::blob::BlobState;
use floe_chain::epoch::Epoch;
use floe_chain::rpc::abort::Refusal;
use floe_chain::rpc::{
    ChainError, ChainRead, ChainWrite, ObjectKind, Operation, SuiAccount, SuiChain,
};
use floe_testnet::deploy::Plan;

use super::{MIB, certificate, refused, register};

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
