//! What a delegator's claim is worth: shares of a pool, by the contract's integers.
//!
//! A claim stays in WAL until its exit is asked for, so its rewards can be told; afterwards it says
//! shares only, and an earlier version of it tells what was put in. Nothing here is paid before the
//! pool settles; see [`StakeWorth::settled`].

use serde::{Deserialize, Serialize};

use super::state::{Node, Stake, StakeState};
use crate::amount::Wal;
use crate::epoch::Epoch;

/// Stake that earns, and the shares that it is divided into.
///
/// # Layout
/// BCS of the Move struct `pool::Rate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareRate {
    /// Stake in the pool.
    pub active: Wal,
    /// All shares of it.
    pub shares: u128,
}

/// What a claim is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakeWorth {
    /// What a withdrawal would pay if its exit came now; what it pays once the exit has come.
    pub worth: Wal,
    /// What was put in, if the claim or an earlier version of it says so.
    pub principal: Option<Wal>,
    /// The epoch at whose start this was so: pay of later epochs is not in it.
    pub settled: Epoch,
}

impl StakeWorth {
    /// What has been earned, where that can be told.
    #[must_use]
    pub fn rewards(&self) -> Option<Wal> {
        // Rounding may leave a unit less than was put in.
        let earned = self.worth.units().saturating_sub(self.principal?.units());
        Some(Wal::from_units(earned))
    }

    /// Works out a claim. `then` is the rate at the start of the [`rate_epoch`] of the claim.
    #[must_use]
    pub(crate) fn of(stake: &Stake, node: &Node, then: Option<ShareRate>) -> Self {
        let now = ShareRate {
            active: node.active,
            shares: node.shares,
        };
        let in_wal = Wal::from_units(u64::try_from(stake.amount).unwrap_or(u64::MAX));
        let (worth, principal, settled) = match (stake.state, then) {
            (StakeState::Pending { .. }, None) => (in_wal, Some(in_wal), node.settled),
            (StakeState::Pending { .. }, Some(then)) => {
                let worth = now.value_of(then.shares_for(in_wal));
                (worth, Some(in_wal), node.settled)
            }
            (StakeState::Exiting { at }, Some(then)) => (then.value_of(stake.amount), None, at),
            (StakeState::Active | StakeState::Exiting { .. }, _) => {
                (now.value_of(stake.amount), None, node.settled)
            }
        };
        Self {
            worth,
            principal,
            settled,
        }
    }

    /// Adds what was put in as an earlier version of the claim tells it, with the rate when that began
    /// to earn. A version of another amount, from before a split, makes other shares and adds nothing.
    #[must_use]
    pub(crate) fn entered(self, stake: &Stake, entry: &Stake, since: ShareRate) -> Self {
        let put_in = Wal::from_units(u64::try_from(entry.amount).unwrap_or(u64::MAX));
        let same = since.shares_for(put_in) == stake.amount;
        Self {
            principal: self.principal.or(same.then_some(put_in)),
            ..self
        }
    }
}

/// The epoch whose rate decides what the claim is worth; `None` while it is not one of the pool's
/// past.
pub(crate) fn rate_epoch(stake: &Stake, node: &Node) -> Option<Epoch> {
    let epoch = match stake.state {
        StakeState::Pending { from } => from,
        StakeState::Active => return None,
        StakeState::Exiting { at } => at,
    };
    (epoch <= node.settled).then_some(epoch)
}

impl ShareRate {
    /// What so many shares pay, rounded down.
    fn value_of(&self, shares: u128) -> Wal {
        let value = mul_div(shares, self.active.units().into(), self.shares);
        Wal::from_units(u64::try_from(value).unwrap_or(u64::MAX))
    }

    /// The shares that an amount buys, rounded down; one a unit in an empty pool.
    fn shares_for(&self, amount: Wal) -> u128 {
        let amount = u128::from(amount.units());
        match self.shares {
            0 => amount,
            _ => mul_div(amount, self.shares, self.active.units().into()),
        }
    }
}

/// `a * b / divisor`. Shares cost a unit or more each, so both factors stay below 2^64.
fn mul_div(a: u128, b: u128, divisor: u128) -> u128 {
    a.saturating_mul(b).checked_div(divisor).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Prices;
    use crate::id::{Address, NodeId, ObjectId};
    use crate::keys::{BlsSecretKey, IdentitySecretKey};
    use crate::rpc::state::Vote;

    fn node(active: u64, shares: u128, settled: u32) -> Node {
        let prices = Prices {
            storage: Wal::ZERO,
            write: Wal::ZERO,
        };
        Node {
            id: NodeId::from_bytes([1; 32]),
            name: String::new(),
            addresses: vec![],
            bls_key: BlsSecretKey::from_seed(&[1; 32]).public(),
            identity: IdentitySecretKey::from_seed(&[1; 32]).public(),
            governance: Address::from_bytes([1; 32]),
            vote: Vote {
                prices,
                capacity: 0,
            },
            commission_bps: 0,
            next_commission: None,
            settled: Epoch::new(settled),
            active: Wal::from_units(active),
            shares,
            commission: Wal::ZERO,
        }
    }

    fn stake(state: StakeState, amount: u128) -> Stake {
        let id = [2; 32];
        Stake {
            object: ObjectId::from_bytes(id),
            node: NodeId::from_bytes(id),
            state,
            amount,
        }
    }

    #[test]
    fn a_claim_is_worth_its_shares_and_tells_its_rewards_while_it_can() {
        // 100 shares were worth 100 when 50 came in; now a share is worth 1.2.
        let pool = node(180, 150, 5);
        let then = ShareRate {
            active: Wal::from_units(100),
            shares: 100,
        };
        let pending = |from| {
            stake(
                StakeState::Pending {
                    from: Epoch::new(from),
                },
                50,
            )
        };
        assert_eq!(rate_epoch(&pending(3), &pool), Some(Epoch::new(3)));
        assert_eq!(rate_epoch(&pending(6), &pool), None);
        let worth = StakeWorth::of(&pending(3), &pool, Some(then));
        assert_eq!(worth.worth, Wal::from_units(60));
        assert_eq!(worth.rewards(), Some(Wal::from_units(10)));
        let worth = StakeWorth::of(&pending(6), &pool, None);
        assert_eq!(
            (worth.worth.units(), worth.rewards()),
            (50, Some(Wal::ZERO))
        );

        let leaving = |at| stake(StakeState::Exiting { at: Epoch::new(at) }, 50);
        let worth = StakeWorth::of(&leaving(6), &pool, None);
        assert_eq!((worth.worth.units(), worth.rewards()), (60, None));
        assert_eq!(worth.settled, Epoch::new(5));
        let gone = StakeWorth::of(&leaving(4), &pool, Some(then));
        assert_eq!((gone.worth.units(), gone.settled), (50, Epoch::new(4)));
        // What was put in comes from the claim as it was, unless a part was split off since.
        let told = worth.entered(&leaving(6), &pending(3), then);
        assert_eq!(told.rewards(), Some(Wal::from_units(10)));
        let whole = stake(pending(3).state, 80);
        assert_eq!(worth.entered(&leaving(6), &whole, then).rewards(), None);
        // An empty pool divides by nothing.
        let empty = node(0, 0, 5);
        assert_eq!(StakeWorth::of(&leaving(6), &empty, None).worth, Wal::ZERO);
    }
}
