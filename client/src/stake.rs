//! What a delegator does: staking with a node, asking it back, taking it out, and what it has earned.
//! Each step is a plan first. Nodes' operators are [`operate`](crate::operate)'s.

use floe_chain::{
    amount::Wal,
    epoch::{ChainTime, Epoch},
    id::{Address, NodeId, ObjectId},
    rpc::{ChainError, EpochState, Operation, Receipt, Stake, StakeWorth, state::StakeState},
};
use serde::Serialize;

use crate::{
    Client,
    advice::{Advice, ErrorKind},
    owned::OwnedError,
};

/// The least that can be staked: one WAL.
pub const LEAST_STAKE: Wal = Wal::from_units(1_000_000_000);

/// Where a stake stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Begins to earn in an epoch. Can be taken back while that epoch's committee is open.
    Pending,
    /// Earns.
    Active,
    /// Earns until an epoch begins.
    Exiting,
    /// Can be withdrawn.
    Withdrawable,
}

/// A stake of the wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldStake {
    /// The `Stake` object.
    pub object: ObjectId,
    /// The node.
    pub node: NodeId,
    /// What the node calls itself.
    pub name: String,
    /// Where it stands.
    pub standing: Standing,
    /// The epoch from which it earns, or up to which while it exits; unknown for some that earn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// What it is worth.
    pub worth: Wal,
    /// What was put in; unknown for some on their way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Wal>,
    /// What it has earned; unknown where what was put in is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewards: Option<Wal>,
    /// The epoch at whose start this was so: later epochs are not paid yet.
    pub settled: Epoch,
}

/// Staking with a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DelegatePlan {
    /// The node.
    pub node: NodeId,
    /// What it calls itself.
    pub name: String,
    /// How much.
    pub amount: Wal,
    /// The operator's part of the pay, in hundredths of a percent.
    pub commission_bps: u16,
    /// A changed commission and the epoch from which it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_commission: Option<(u16, Epoch)>,
    /// The epoch from which it earns.
    pub from: Epoch,
    /// When that is expected to begin.
    pub at: ChainTime,
}

/// Asking a stake back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExitPlan {
    /// The stake.
    pub stake: HeldStake,
    /// The epoch from which it can be withdrawn; it earns until then.
    pub from: Epoch,
    /// When that is expected to begin.
    pub at: ChainTime,
}

/// Taking a stake out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WithdrawPlan {
    /// The stake.
    pub stake: HeldStake,
    /// What it pays.
    pub pays: Wal,
}

/// Why a delegator cannot do this.
#[derive(Debug, thiserror::Error)]
pub enum StakeError {
    /// The chain did not answer, or refused.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// There is no key.
    #[error("no wallet is set up")]
    NoWallet,
    /// No node has this id.
    #[error("there is no node {node}")]
    NoNode {
        /// The id.
        node: NodeId,
    },
    /// The wallet has no such stake.
    #[error("{wallet} owns no stake {stake}")]
    NotOwned {
        /// The account.
        wallet: Address,
        /// What was named.
        stake: ObjectId,
    },
    /// Less than the contract accepts.
    #[error("{asked} is less than the smallest stake, {LEAST_STAKE}")]
    TooLittle {
        /// What was asked for.
        asked: Wal,
    },
    /// The wallet holds less.
    #[error("{asked} is more than the {held} that {wallet} holds")]
    Funds {
        /// The account.
        wallet: Address,
        /// What was asked for.
        asked: Wal,
        /// What there is.
        held: Wal,
    },
    /// Its exit was asked for before, or it has not begun to earn.
    #[error("stake {stake} is {standing}: only stake that earns can be asked back")]
    NotActive {
        /// The stake.
        stake: ObjectId,
        /// Where it stands.
        standing: &'static str,
    },
    /// It cannot be taken out now.
    #[error("stake {stake} is {standing} and cannot be withdrawn now")]
    NotWithdrawable {
        /// The stake.
        stake: ObjectId,
        /// Where it stands.
        standing: &'static str,
        /// The epoch from which it can be, if it is on its way out.
        from: Option<Epoch>,
    },
}

impl From<OwnedError> for StakeError {
    fn from(error: OwnedError) -> Self {
        match error {
            OwnedError::Chain(error) => error.into(),
            _ => Self::NoWallet,
        }
    }
}

impl Advice for StakeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Chain(error) => Advice::kind(error),
            Self::NoWallet => ErrorKind::Unauthorized,
            Self::NoNode { .. } | Self::NotOwned { .. } => ErrorKind::NotFound,
            Self::Funds { .. } => ErrorKind::Funds,
            Self::TooLittle { .. } | Self::NotActive { .. } | Self::NotWithdrawable { .. } => {
                ErrorKind::FixInput
            }
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.code(),
            Self::NoWallet => "wallet.missing",
            Self::NoNode { .. } => "stake.no_node",
            Self::NotOwned { .. } => "stake.not_found",
            Self::TooLittle { .. } => "stake.too_little",
            Self::Funds { .. } => "stake.funds",
            Self::NotActive { .. } => "stake.not_active",
            Self::NotWithdrawable { .. } => "stake.not_withdrawable",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Chain(error) => return error.hint(),
            Self::NoWallet => return OwnedError::NoWallet.hint(),
            Self::NoNode { .. } => "`floe info` lists the nodes of the committee".to_owned(),
            Self::NotOwned { .. } => "`floe stake list` lists what the wallet holds".to_owned(),
            Self::TooLittle { .. } => return None,
            Self::Funds { .. } => "`floe wallet show` prints the account to fund".to_owned(),
            Self::NotActive { .. } => {
                "stake that does not earn yet can be taken back with `floe stake withdraw`"
                    .to_owned()
            }
            Self::NotWithdrawable {
                from: Some(from), ..
            } => {
                format!("try again in epoch {from}")
            }
            Self::NotWithdrawable { from: None, .. } => {
                "ask it back with `floe stake exit` first".to_owned()
            }
        })
    }
}

impl Standing {
    fn of(stake: &Stake, now: Epoch) -> (Self, Option<Epoch>) {
        match stake.state {
            StakeState::Pending { from } if from > now => (Self::Pending, Some(from)),
            StakeState::Pending { from } => (Self::Active, Some(from)),
            StakeState::Active => (Self::Active, None),
            StakeState::Exiting { at } if at > now => (Self::Exiting, Some(at)),
            StakeState::Exiting { at } => (Self::Withdrawable, Some(at)),
        }
    }

    /// As people read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Exiting => "exiting",
            Self::Withdrawable => "withdrawable",
        }
    }
}

impl Client {
    /// Every stake of the wallet, by node.
    ///
    /// # Errors
    /// There is no wallet, or the chain does not answer.
    pub async fn stakes(&self) -> Result<Vec<HeldStake>, StakeError> {
        let wallet = self.signer()?.address();
        let stakes = self.chain.owned_stakes(wallet).await?;
        let ids: Vec<_> = stakes.iter().map(|stake| stake.node).collect();
        let (state, nodes, worth) = futures::try_join!(
            self.chain.epoch_state(),
            self.chain.nodes(&ids),
            self.chain.worth(&stakes)
        )?;
        let now = state.schedule.epoch;
        let names = nodes
            .into_iter()
            .map(|node| node.map_or_else(String::new, |n| n.name));
        let held = stakes.iter().zip(names).zip(worth);
        let mut held: Vec<_> = held
            .map(|((stake, name), worth)| held_stake(stake, name, worth, now))
            .collect();
        held.sort_by_key(|stake| (stake.node, stake.epoch, stake.object));
        Ok(held)
    }

    async fn held(&self, stake: ObjectId) -> Result<HeldStake, StakeError> {
        let wallet = self.signer()?.address();
        let mut held = self.stakes().await?.into_iter();
        held.find(|held| held.object == stake)
            .ok_or(StakeError::NotOwned { wallet, stake })
    }

    /// What staking with a node would mean.
    ///
    /// # Errors
    /// There is no such node, or the wallet cannot pay.
    pub async fn plan_delegate(
        &self,
        node: NodeId,
        amount: Wal,
    ) -> Result<DelegatePlan, StakeError> {
        let wallet = self.signer()?.address();
        if amount < LEAST_STAKE {
            return Err(StakeError::TooLittle { asked: amount });
        }
        let (ids, state) = ([node], self.chain.epoch_state());
        let (state, found, balance) =
            futures::try_join!(state, self.chain.nodes(&ids), self.chain.balance(wallet))?;
        let found = found.into_iter().next().flatten();
        let found = found.ok_or(StakeError::NoNode { node })?;
        if balance.wal < amount {
            let (asked, held) = (amount, balance.wal);
            return Err(StakeError::Funds {
                wallet,
                asked,
                held,
            });
        }
        let (from, at) = target(&state);
        Ok(DelegatePlan {
            node,
            name: found.name,
            amount,
            commission_bps: found.commission_bps,
            next_commission: found.next_commission,
            from,
            at,
        })
    }

    /// Stakes as planned.
    ///
    /// # Errors
    /// The chain refuses.
    pub async fn delegate(&self, plan: &DelegatePlan) -> Result<Receipt, StakeError> {
        let DelegatePlan { node, amount, .. } = *plan;
        self.sign(Operation::Stake { node, amount }).await
    }

    /// When a stake asked back now could be withdrawn.
    ///
    /// # Errors
    /// The wallet has no such stake, or it does not earn.
    pub async fn plan_exit(&self, stake: ObjectId) -> Result<ExitPlan, StakeError> {
        let stake = self.held(stake).await?;
        if stake.standing != Standing::Active {
            let (stake, standing) = (stake.object, stake.standing.name());
            return Err(StakeError::NotActive { stake, standing });
        }
        let (from, at) = target(&self.chain.epoch_state().await?);
        Ok(ExitPlan { stake, from, at })
    }

    /// Asks a stake back as planned.
    ///
    /// # Errors
    /// The chain refuses.
    pub async fn exit(&self, plan: &ExitPlan) -> Result<Receipt, StakeError> {
        let stake = plan.stake.object;
        self.sign(Operation::RequestExit { stake }).await
    }

    /// What taking a stake out now would pay.
    ///
    /// # Errors
    /// The wallet has no such stake, or it cannot be withdrawn now.
    pub async fn plan_withdraw(&self, stake: ObjectId) -> Result<WithdrawPlan, StakeError> {
        let stake = self.held(stake).await?;
        let (open, _) = target(&self.chain.epoch_state().await?);
        let due = match stake.standing {
            Standing::Withdrawable => true,
            // No committee counts on it yet.
            Standing::Pending => stake.epoch == Some(open),
            Standing::Active | Standing::Exiting => false,
        };
        if !due {
            return Err(StakeError::NotWithdrawable {
                stake: stake.object,
                standing: stake.standing.name(),
                from: stake.epoch.filter(|_| stake.standing == Standing::Exiting),
            });
        }
        let pays = stake.worth;
        Ok(WithdrawPlan { stake, pays })
    }

    /// Takes a stake out as planned.
    ///
    /// # Errors
    /// The chain refuses.
    pub async fn withdraw(&self, plan: &WithdrawPlan) -> Result<Receipt, StakeError> {
        let stake = plan.stake.object;
        self.sign(Operation::Withdraw { stake }).await
    }

    async fn sign(&self, operation: Operation) -> Result<Receipt, StakeError> {
        Ok(self.signer()?.execute(vec![operation]).await?)
    }
}

fn held_stake(stake: &Stake, name: String, worth: StakeWorth, now: Epoch) -> HeldStake {
    let (standing, epoch) = Standing::of(stake, now);
    HeldStake {
        object: stake.object,
        node: stake.node,
        name,
        standing,
        epoch,
        worth: worth.worth,
        principal: worth.principal,
        rewards: worth.rewards(),
        settled: worth.settled,
    }
}

/// The first epoch whose committee is open, where moves of stake take effect, and when it begins.
fn target(state: &EpochState) -> (Epoch, ChainTime) {
    let schedule = &state.schedule;
    let epoch = schedule.target().unwrap_or(schedule.epoch);
    let epochs = u64::from(floe_chain::epoch::epoch_count(&(schedule.epoch..epoch)));
    let later = epochs
        .saturating_sub(1)
        .saturating_mul(state.params.epoch_ms);
    (epoch, schedule.ends().plus_ms(later))
}
