//! What a node's operator tells the contract: registration, commission, vote, keys. Each step is a
//! plan first. Running the node is `floe-node`'s.

use floe_chain::{
    amount::Wal,
    epoch::Epoch,
    id::{Address, NodeId, ObjectId},
    keys::{BlsPublicKey, BlsSecretKey, IdentityPublicKey, IdentitySecretKey},
    rpc::{ChainError, NodeRegistration, ObjectKind, Operation, Receipt, state::Vote},
    statement::Possession,
};
use serde::Serialize;

use crate::{
    Client,
    advice::{Advice, ErrorKind},
    owned::OwnedError,
};

/// The whole, in hundredths of a percent.
const WHOLE_BPS: u16 = 10_000;
/// Epochs from a change of commission until it holds.
const COMMISSION_DELAY: u32 = 2;

/// The two keys of a node.
pub struct NodeKeys {
    /// Proves who it is to its peers.
    pub identity: IdentitySecretKey,
    /// Signs its statements.
    pub protocol: BlsSecretKey,
}

/// A node to be registered for the wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegisterPlan {
    /// What it calls itself.
    pub name: String,
    /// Where it can be reached.
    pub addresses: Vec<String>,
    /// The operator's part of the pay, in hundredths of a percent.
    pub commission_bps: u16,
    /// Its first vote.
    pub vote: Vote,
    /// Staked with it at once; zero for none.
    pub stake: Wal,
    /// Below this stake it does not compete for shards.
    pub least_to_compete: Wal,
    /// Its protocol key.
    pub protocol: BlsPublicKey,
    /// Its identity key.
    pub identity: IdentityPublicKey,
    #[serde(skip)]
    operation: Operation,
}

/// A node that was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Registered {
    /// Its id.
    pub node: NodeId,
    /// The `NodeCap` that operates it.
    pub cap: ObjectId,
}

/// A change of a node of the wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangePlan {
    /// The node.
    pub node: NodeId,
    /// What it calls itself.
    pub name: String,
    /// Its `NodeCap`.
    pub cap: ObjectId,
    /// The first epoch it is meant for.
    pub from: Epoch,
    /// What changes.
    pub change: Change,
    #[serde(skip)]
    operation: Operation,
}

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Change {
    /// The operator's part of the pay, in hundredths of a percent.
    Commission {
        /// Now.
        before: u16,
        /// Then.
        after: u16,
    },
    /// The vote.
    Vote {
        /// Now.
        before: Vote,
        /// Then.
        after: Vote,
    },
    /// Both keys, to these.
    Keys(Box<PublicKeys>),
}

/// The public sides of a node's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicKeys {
    /// Of the protocol key.
    pub protocol: BlsPublicKey,
    /// Of the identity key.
    pub identity: IdentityPublicKey,
}

/// What an operator wants to change.
pub enum Wish<'k> {
    /// The operator's part of the pay, in hundredths of a percent.
    Commission(u16),
    /// Parts of the vote; what is `None` stays.
    Vote {
        /// Least price per MiB and epoch.
        storage: Option<Wal>,
        /// Least price per MiB written.
        write: Option<Wal>,
        /// Encoded bytes on the node's disks.
        capacity: Option<u64>,
    },
    /// Other keys.
    Keys(&'k NodeKeys),
}

/// Why an operator cannot do this.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The chain did not answer, or refused.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// There is no key.
    #[error("no wallet is set up")]
    NoWallet,
    /// The wallet operates no node, or not this one.
    #[error("{wallet} operates no {}", node.map_or("node".to_owned(), |node| format!("node {node}")))]
    NotOperated {
        /// The account.
        wallet: Address,
        /// What was named, if anything.
        node: Option<NodeId>,
    },
    /// The wallet operates several nodes and none was named.
    #[error("{wallet} operates {} nodes: {}", nodes.len(), list(nodes))]
    Ambiguous {
        /// The account.
        wallet: Address,
        /// Its nodes.
        nodes: Vec<NodeId>,
    },
    /// More than everything.
    #[error("a commission of {bps} hundredths of a percent is more than {WHOLE_BPS}")]
    Commission {
        /// What was asked for.
        bps: u16,
    },
}

fn list(nodes: &[NodeId]) -> String {
    let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
    nodes.join(", ")
}

impl From<OwnedError> for OperateError {
    fn from(error: OwnedError) -> Self {
        match error {
            OwnedError::Chain(error) => error.into(),
            _ => Self::NoWallet,
        }
    }
}

impl Advice for OperateError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Chain(error) => Advice::kind(error),
            Self::NoWallet | Self::NotOperated { .. } => ErrorKind::Unauthorized,
            Self::Ambiguous { .. } | Self::Commission { .. } => ErrorKind::FixInput,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.code(),
            Self::NoWallet => "wallet.missing",
            Self::NotOperated { .. } => "node.not_operated",
            Self::Ambiguous { .. } => "node.ambiguous",
            Self::Commission { .. } => "node.commission",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Chain(error) => return error.hint(),
            Self::NoWallet => return OwnedError::NoWallet.hint(),
            Self::NotOperated { .. } => {
                "use the wallet that registered the node; `floe node register` makes one".to_owned()
            }
            Self::Ambiguous { .. } => "name one with `--node`".to_owned(),
            Self::Commission { .. } => "10000 is everything, 500 is 5 %".to_owned(),
        })
    }
}

impl Client {
    /// What registering a node for the wallet would mean.
    ///
    /// # Errors
    /// There is no wallet, or the chain does not answer.
    pub async fn plan_register(
        &self,
        name: String,
        addresses: Vec<String>,
        commission_bps: u16,
        vote: Vote,
        stake: Wal,
        keys: &NodeKeys,
    ) -> Result<RegisterPlan, OperateError> {
        check_commission(commission_bps)?;
        let (possession, proof) = self.prove(self.signer()?.address(), keys);
        let registration = NodeRegistration {
            name: name.clone(),
            addresses: addresses.clone(),
            possession,
            proof,
            commission_bps,
            vote,
            stake,
        };
        let state = self.chain.epoch_state().await?;
        Ok(RegisterPlan {
            operation: Operation::RegisterNode(Box::new(registration)),
            name,
            addresses,
            commission_bps,
            vote,
            stake,
            least_to_compete: state.params.min_stake,
            protocol: keys.protocol.public(),
            identity: keys.identity.public(),
        })
    }

    /// Registers a node as planned.
    ///
    /// # Errors
    /// The chain refuses.
    pub async fn register_node(&self, plan: &RegisterPlan) -> Result<Registered, OperateError> {
        let operation = plan.operation.clone();
        let receipt = self.signer()?.execute(vec![operation]).await?;
        let missing = |what| ChainError::NotFound {
            what,
            id: plan.name.clone(),
        };
        Ok(Registered {
            node: receipt.node().ok_or_else(|| missing("node"))?,
            cap: receipt
                .created(ObjectKind::NodeCap)
                .next()
                .ok_or_else(|| missing("NodeCap"))?,
        })
    }

    /// What a change of a node would mean. Without a name it is the wallet's only node.
    ///
    /// # Errors
    /// The wallet does not operate it, or the change is out of bounds.
    pub async fn plan_change(
        &self,
        node: Option<NodeId>,
        wish: Wish<'_>,
    ) -> Result<ChangePlan, OperateError> {
        let wallet = self.signer()?.address();
        let caps = self.chain.owned_node_caps(wallet).await?;
        let mut named = caps
            .iter()
            .filter(|cap| node.is_none_or(|node| cap.node == node));
        let cap = match (named.next(), named.next()) {
            (Some(cap), None) => *cap,
            (None, _) => return Err(OperateError::NotOperated { wallet, node }),
            (Some(_), Some(_)) => {
                let nodes = caps.iter().map(|cap| cap.node).collect();
                return Err(OperateError::Ambiguous { wallet, nodes });
            }
        };
        let ids = [cap.node];
        let (state, found) = futures::try_join!(self.chain.epoch_state(), self.chain.nodes(&ids))?;
        let found = found.into_iter().next().flatten();
        let found = found.ok_or(OperateError::NotOperated {
            wallet,
            node: Some(cap.node),
        })?;
        let schedule = &state.schedule;
        let open = schedule.target().unwrap_or(schedule.epoch);
        let cap_id = cap.object;
        let (from, change, operation) = match wish {
            Wish::Commission(after) => {
                check_commission(after)?;
                let from = schedule.epoch.after(COMMISSION_DELAY).unwrap_or(open);
                let before = found.commission_bps;
                let set = Operation::SetCommission {
                    cap: cap_id,
                    bps: after,
                };
                (from, Change::Commission { before, after }, set)
            }
            Wish::Vote {
                storage,
                write,
                capacity,
            } => {
                let before = found.vote;
                let mut after = before;
                after.prices.storage = storage.unwrap_or(before.prices.storage);
                after.prices.write = write.unwrap_or(before.prices.write);
                after.capacity = capacity.unwrap_or(before.capacity);
                let set = Operation::SetVote {
                    cap: cap_id,
                    vote: after,
                };
                (open, Change::Vote { before, after }, set)
            }
            Wish::Keys(keys) => {
                let (possession, proof) = self.prove(wallet, keys);
                let public = PublicKeys {
                    protocol: possession.bls_key,
                    identity: possession.identity,
                };
                let rotate = Operation::RotateKeys {
                    cap: cap_id,
                    possession: Box::new(possession),
                    proof: Box::new(proof),
                };
                (open, Change::Keys(Box::new(public)), rotate)
            }
        };
        Ok(ChangePlan {
            node: cap.node,
            name: found.name,
            cap: cap.object,
            from,
            change,
            operation,
        })
    }

    /// Changes a node as planned.
    ///
    /// # Errors
    /// The chain refuses.
    pub async fn change(&self, plan: &ChangePlan) -> Result<Receipt, OperateError> {
        let operation = plan.operation.clone();
        Ok(self.signer()?.execute(vec![operation]).await?)
    }

    fn prove(
        &self,
        sender: Address,
        keys: &NodeKeys,
    ) -> (Possession, floe_chain::statement::PossessionProof) {
        let network = self.chain.network();
        Possession::prove(network, sender, &keys.protocol, &keys.identity)
    }
}

fn check_commission(bps: u16) -> Result<(), OperateError> {
    if bps > WHOLE_BPS {
        return Err(OperateError::Commission { bps });
    }
    Ok(())
}
