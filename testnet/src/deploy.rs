//! From nothing to a working epoch: packages, system, nodes, committee.
//!
//! Decides nothing about the network; a [`Plan`] says what there will be. One account pays for
//! everything and holds no right over the network afterwards.

use std::time::Duration;

use floe_chain::amount::{Sui, Wal};
use floe_chain::epoch::{Epoch, EpochPhase};
use floe_chain::id::{Address, ChainId, NetworkId, NodeId, ObjectId};
use floe_chain::keys::{BlsSecretKey, IdentitySecretKey};
use floe_chain::rpc::drive::{Step, next_step};
use floe_chain::rpc::genesis::{GenesisSettings, Publisher};
use floe_chain::rpc::state::Vote;
use floe_chain::rpc::{
    ChainError, ChainRead, ChainWrite, NetworkConfig, NodeRegistration, ObjectKind, Operation,
    SuiAccount, SuiChain, Wallet,
};
use floe_chain::statement::Possession;
use futures::future::try_join_all;

use crate::packages::Packages;

/// The chain to deploy on.
#[derive(Debug, Clone)]
pub struct Target {
    /// Endpoints that speak Sui's gRPC.
    pub urls: Vec<String>,
    /// The chain.
    pub chain: ChainId,
    /// Its validators, if they are to be trusted from the start.
    pub anchor: Option<String>,
}

/// A node to be registered.
pub struct NodePlan {
    /// What it calls itself.
    pub name: String,
    /// Where it can be reached.
    pub addresses: Vec<String>,
    /// Its identity key.
    pub identity: IdentitySecretKey,
    /// Its protocol key.
    pub protocol: BlsSecretKey,
    /// Its account.
    pub wallet: Wallet,
    /// What is staked with it.
    pub stake: Wal,
    /// Its first vote.
    pub vote: Vote,
    /// Its part of the pay, in hundredths of a percent.
    pub commission_bps: u16,
}

/// What there will be.
pub struct Plan {
    /// How the system is created.
    pub settings: GenesisSettings,
    /// Its nodes.
    pub nodes: Vec<NodePlan>,
    /// SUI that each node's account receives.
    pub sui_for_node: Sui,
    /// WAL that each node's account keeps after staking.
    pub wal_for_node: Wal,
}

/// A network that stands on its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// How to reach it.
    pub config: NetworkConfig,
    /// Its nodes, in the order of the plan.
    pub nodes: Vec<DeployedNode>,
}

/// A registered node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeployedNode {
    /// Its id.
    pub id: NodeId,
    /// The object that operates it.
    pub cap: ObjectId,
    /// Its account.
    pub address: Address,
}

/// Pause between looks at a phase that others have to end.
const POLL: Duration = Duration::from_millis(50);

/// Deploys and registers everything in the plan. The network is in epoch 0 then.
///
/// # Errors
/// The account cannot pay, or the chain refuses.
pub async fn deploy(
    target: &Target,
    deployer: &Wallet,
    packages: &Packages,
    plan: &Plan,
) -> Result<Deployment, ChainError> {
    let Target {
        urls,
        chain,
        anchor,
    } = target;
    let publisher = Publisher::new(urls, *chain, anchor.as_deref(), deployer.clone())?;
    let wal = publisher.publish(&packages.wal).await?;
    publisher.register_currency(&wal).await?;
    let mut floe = packages.floe.clone();
    floe.link("wal", wal.package)?;
    let floe = publisher.publish(&floe).await?;
    let system_object = publisher.initialize(&floe, &plan.settings).await?;
    tracing::info!(system = %system_object, "system created");

    let config = NetworkConfig {
        urls: urls.clone(),
        chain_id: *chain,
        system_object,
        trust_anchor: anchor.clone(),
    };
    let network = SuiChain::connect(&config).await?;
    fund(&network.account(deployer.clone()), plan).await?;
    let nodes = try_join_all(plan.nodes.iter().map(|node| register(&network, node))).await?;
    Ok(Deployment { config, nodes })
}

/// Gives every node's account what the plan says, in one transaction.
async fn fund(deployer: &SuiAccount, plan: &Plan) -> Result<(), ChainError> {
    let operations = plan.nodes.iter().flat_map(|node| {
        let to = node.wallet.address();
        let wal = node
            .stake
            .checked_add(plan.wal_for_node)
            .unwrap_or(node.stake);
        [
            Operation::SendSui {
                to,
                amount: plan.sui_for_node,
            },
            Operation::SendWal { to, amount: wal },
        ]
    });
    deployer.execute(operations.collect()).await.map(drop)
}

async fn register(network: &SuiChain, node: &NodePlan) -> Result<DeployedNode, ChainError> {
    let account = network.account(node.wallet.clone());
    let address = account.address();
    let id: NetworkId = network.network();
    let (possession, proof) = Possession::prove(id, address, &node.protocol, &node.identity);
    let registration = NodeRegistration {
        name: node.name.clone(),
        addresses: node.addresses.clone(),
        possession,
        proof,
        commission_bps: node.commission_bps,
        vote: node.vote,
        stake: node.stake,
    };
    let receipt = account
        .execute(vec![Operation::RegisterNode(Box::new(registration))])
        .await?;
    let missing = |what| ChainError::NotFound {
        what,
        id: node.name.clone(),
    };
    let id = receipt.node().ok_or_else(|| missing("node"))?;
    let cap = receipt
        .created(ObjectKind::NodeCap)
        .next()
        .ok_or_else(|| missing("NodeCap"))?;
    Ok(DeployedNode { id, cap, address })
}

/// Drives the epoch machine until `epoch` is open, attesting for all nodes of the plan. Networks
/// whose nodes run do this by themselves.
///
/// # Errors
/// The chain refuses a step for another reason than that somebody else took it.
pub async fn drive_to(
    deployment: &Deployment,
    plan: &Plan,
    epoch: Epoch,
) -> Result<(), ChainError> {
    let network = SuiChain::connect(&deployment.config).await?;
    let accounts: Vec<_> = plan
        .nodes
        .iter()
        .map(|node| network.account(node.wallet.clone()))
        .collect();
    let Some(driver) = accounts.first() else {
        return Err(ChainError::NotFound {
            what: "node",
            id: "to drive epochs".to_owned(),
        });
    };
    loop {
        let state = network.epoch_state().await?;
        let running = state.schedule.epoch;
        if running >= epoch && state.schedule.phase == EpochPhase::Open {
            return Ok(());
        }
        // The chain's clock decides; asking too early is refused and asked again.
        match next_step(&state, floe_chain::epoch::ChainTime::from_ms(u64::MAX)) {
            Step::Sync => {
                let committee = network.committee(running).await?;
                let members = deployment.nodes.iter().zip(&accounts).filter(|(node, _)| {
                    committee
                        .as_ref()
                        .is_some_and(|c| c.index_of(node.id).is_some())
                });
                try_join_all(members.map(|(node, account)| async move {
                    let done = Operation::SyncDone {
                        cap: node.cap,
                        epoch: running,
                    };
                    tolerate(account.execute(vec![done]).await)
                }))
                .await?;
            }
            step => {
                if let Some(operation) = step.operation() {
                    tolerate(driver.execute(vec![operation]).await)?;
                }
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A step that is not due yet or was taken by somebody else is no error.
fn tolerate<T>(outcome: Result<T, ChainError>) -> Result<(), ChainError> {
    use floe_chain::rpc::abort::Refusal as R;
    match outcome {
        Ok(_) => Ok(()),
        Err(ChainError::Refused(
            R::SchedulePhase | R::ScheduleTooEarly | R::EpochUnsettled | R::EpochWrongEpoch,
        )) => Ok(()),
        Err(error) => Err(error),
    }
}
