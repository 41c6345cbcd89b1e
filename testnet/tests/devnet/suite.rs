//! What every client does with the chain, run against a devnet, and against a real Sui endpoint by
//! whoever has a funded key (see `chain/README.md`).

use floe_chain::epoch::Epoch;
use floe_chain::event::{ChainEvent, EventCursor};
use floe_chain::rpc::abort::Refusal;
use floe_chain::rpc::{
    ChainError, ChainEvents, ChainRead, ChainWrite, Operation, SuiAccount, SuiChain, Wallet,
};
use floe_testnet::deploy::{Plan, Target, drive_to};
use futures::StreamExt;

use crate::support::{self, Chain, certificate, network, plan, refused, register, user};
use crate::{blobs, forgeries};

async fn suite(chain: &SuiChain, account: &SuiAccount, plan: &Plan) {
    blobs::live(chain, account, plan).await;
    blobs::room_is_divided(chain, account, plan).await;
    forgeries::certificates_fail(chain, account, plan).await;
    forgeries::keys_fail(chain, account, plan).await;
    blobs::many_at_once(chain, account).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_devnet() {
    let chain = Chain::start().await;
    let plan = plan(10, 10, 3_600_000);
    let (_, network) = network(&chain, &plan).await;
    let account = user(&network);
    suite(&network, &account, &plan).await;

    // The light stream for tools tells the same story.
    let start = network.start().await.unwrap();
    let mut proved = Vec::new();
    let mut stream = network.follow(start);
    while let Some(Ok(batch)) = stream.next().await {
        proved.extend(batch.events);
        let deleted = |e: &ChainEvent| matches!(e, ChainEvent::BlobInconsistent(_));
        if proved.iter().any(|(_, event)| deleted(event)) {
            break;
        }
    }
    let told: Vec<(EventCursor, ChainEvent)> = network
        .tail(0)
        .take(proved.len())
        .map(Result::unwrap)
        .collect()
        .await;
    assert_eq!(told, proved);
    chain.devnet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twins_share_nothing() {
    let (one, two) = (Chain::start().await, Chain::start().await);
    assert_ne!(one.target.chain, two.target.chain);
    let plan = plan(4, 4, 3_600_000);
    let (first, _) = network(&one, &plan).await;
    let (second, network) = network(&two, &plan).await;
    assert_ne!(first.config.system_object, second.config.system_object);
    assert!(
        first
            .nodes
            .iter()
            .zip(&second.nodes)
            .all(|(a, b)| a.id != b.id)
    );

    // The same keys, the same blob: what one network certifies the other refuses.
    let account = user(&network);
    let committee = network.committee(Epoch::FIRST).await.unwrap().unwrap();
    let blob = register(&network, &account, 1, 100, false, 2).await;
    let foreign = certificate(
        first.config.network(),
        &committee,
        &plan,
        blob.available(),
        0..4,
    );
    let certify = Operation::Certify {
        blob: blob.object,
        certificate: foreign,
    };
    assert_eq!(
        refused(account.execute(vec![certify]).await),
        Refusal::BlsSignature
    );

    // A configuration that mixes them is named.
    let mut mixed = second.config.clone();
    mixed.urls = first.config.urls.clone();
    let error = SuiChain::connect(&mixed).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongChain { .. }), "{error}");
    let mut mixed = second.config;
    mixed.system_object = first.config.system_object;
    let error = SuiChain::connect(&mixed).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongSystem { .. }), "{error}");
}

/// Deploys a fresh network on a real Sui chain and runs the suite there. It costs a few SUI.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a funded account on a real chain; chain/README.md has the command"]
async fn on_a_real_sui_chain() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let target = Target {
        urls: vec![variable("FLOE_SUI_URL")],
        chain: variable("FLOE_SUI_CHAIN_ID").parse().unwrap(),
        anchor: std::env::var("FLOE_SUI_ANCHOR").ok(),
    };
    let wallet = Wallet::from_line(&variable("FLOE_SUI_KEY")).unwrap();
    let packages = floe_testnet::packages::Packages::read(&support::packages()).unwrap();
    let mut plan = plan(10, 10, 3_600_000);
    plan.sui_for_node = floe_chain::amount::Sui::from_units(100_000_000);
    let deployment = floe_testnet::deploy::deploy(&target, &wallet, &packages, &plan)
        .await
        .unwrap();
    drive_to(&deployment, &plan, Epoch::FIRST).await.unwrap();
    let network = SuiChain::connect(&deployment.config).await.unwrap();
    let account = network.account(wallet);
    suite(&network, &account, &plan).await;
}
