//! Operators and delegators through several epochs: stake, exits, pay, commission, votes, keys.

use floe_chain::amount::Wal;
use floe_chain::committee::Committee;
use floe_chain::cost::Prices;
use floe_chain::epoch::Epoch;
use floe_chain::event::ChainEvent;
use floe_chain::id::{NodeId, ObjectId};
use floe_chain::keys::{BlsSecretKey, IdentitySecretKey};
use floe_chain::rpc::abort::Refusal;
use floe_chain::rpc::state::{Stake, StakeState, Vote};
use floe_chain::rpc::terms::{Ballot, Decided, tally};
use floe_chain::rpc::{ChainRead, ChainWrite, Node, Operation, StakeWorth, SuiAccount, SuiChain};
use floe_chain::statement::Possession;
use floe_testnet::deploy::{Deployment, Plan, drive_to};

use crate::support::{COIN, Chain, HOUR, network, plan, refused, user};

struct World {
    chain: Chain,
    deployment: Deployment,
    network: SuiChain,
    plan: Plan,
}

impl World {
    /// Four nodes with ten shards in epoch 1.
    async fn new() -> Self {
        let chain = Chain::start().await;
        let plan = plan(4, 10, HOUR);
        let (deployment, network) = network(&chain, &plan).await;
        Self {
            chain,
            deployment,
            network,
            plan,
        }
    }

    async fn next_epoch(&self) -> Epoch {
        let next = self.epoch().await.next().unwrap();
        self.chain.pass(HOUR + 1_000).await;
        drive_to(&self.deployment, &self.plan, next).await.unwrap();
        next
    }

    async fn epoch(&self) -> Epoch {
        self.network.system().await.unwrap().epoch
    }

    async fn committee(&self) -> Committee {
        let epoch = self.epoch().await;
        self.network.committee(epoch).await.unwrap().unwrap()
    }

    fn operator(&self, k: usize) -> SuiAccount {
        self.network.account(self.plan.nodes[k].wallet.clone())
    }

    fn id(&self, k: usize) -> NodeId {
        self.deployment.nodes[k].id
    }

    fn cap(&self, k: usize) -> ObjectId {
        self.deployment.nodes[k].cap
    }

    async fn node(&self, k: usize) -> Node {
        let found = self.network.nodes(&[self.id(k)]).await.unwrap();
        found.into_iter().next().flatten().unwrap()
    }

    /// The one stake of an account that it holds with node `k`.
    async fn stake_of(&self, account: &SuiAccount, k: usize) -> Stake {
        let owned = self.network.owned_stakes(account.address()).await.unwrap();
        let with: Vec<_> = owned.into_iter().filter(|s| s.node == self.id(k)).collect();
        assert_eq!(with.len(), 1, "{with:?}");
        with[0]
    }

    async fn worth(&self, stake: Stake) -> StakeWorth {
        self.network.worth(&[stake]).await.unwrap()[0]
    }

    async fn wal(&self, account: &SuiAccount) -> Wal {
        self.network.balance(account.address()).await.unwrap().wal
    }
}

fn wal(whole: u64) -> Wal {
    Wal::from_units(whole * COIN)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stake_enters_earns_and_leaves() {
    let world = World::new().await;
    let delegator = user(&world.network);
    let one = async |operation| delegator.execute(vec![operation]).await;
    let node = world.id(0);

    // Stake that no committee counts on yet comes back to the unit.
    let before = world.wal(&delegator).await;
    let stake = Operation::Stake {
        node,
        amount: wal(50),
    };
    one(stake).await.unwrap();
    let pending = world.stake_of(&delegator, 0).await;
    assert_eq!(
        pending.state,
        StakeState::Pending {
            from: Epoch::new(2)
        }
    );
    let exit = Operation::RequestExit {
        stake: pending.object,
    };
    assert_eq!(refused(one(exit).await), Refusal::StakingNotActive);
    let withdraw = Operation::Withdraw {
        stake: pending.object,
    };
    one(withdraw).await.unwrap();
    assert_eq!(world.wal(&delegator).await, before);
    let dust = Operation::Stake {
        node,
        amount: Wal::from_units(COIN - 1),
    };
    assert_eq!(refused(one(dust).await), Refusal::StakingAmount);

    let stake = Operation::Stake {
        node,
        amount: wal(200),
    };
    one(stake).await.unwrap();
    let held = world.stake_of(&delegator, 0).await;
    assert_eq!(world.worth(held).await.worth, wal(200));
    world.next_epoch().await;
    assert_eq!(world.worth(held).await.rewards(), Some(Wal::ZERO));
    let early = Operation::Withdraw { stake: held.object };
    assert_eq!(refused(one(early).await), Refusal::StakingNotWithdrawable);

    // What epoch 2 earns is paid once it is over, to shares after the operator's part.
    let gift = Operation::AddFunds {
        epoch: Epoch::new(2),
        funds: wal(1_000),
    };
    one(gift).await.unwrap();
    world.next_epoch().await;
    let worth = world.worth(held).await;
    assert_eq!(
        (worth.principal, worth.settled),
        (Some(wal(200)), Epoch::new(3))
    );
    // 3 % burned, the rest by weight; two thirds of this pool's part are the delegator's.
    let weight = u64::from(world.committee_weight(0, 2).await);
    let pay = (wal(1_000).units() - wal(30).units()) / 10 * weight;
    let expected = (pay - pay / 20) / 3 * 2;
    let rewards = worth.rewards().unwrap().units();
    assert!(expected.abs_diff(rewards) <= 3, "{rewards} and {expected}");

    // A part leaves. It earns until its epoch; what it is then worth is what it pays.
    let split = Operation::SplitStake {
        stake: held.object,
        amount: wal(80).units().into(),
    };
    let rest = one(split).await.unwrap();
    let rest = rest.created[0].1;
    let exit = Operation::RequestExit { stake: held.object };
    let receipt = one(exit.clone()).await.unwrap();
    let asked = |e: &ChainEvent| matches!(e, ChainEvent::ExitRequested(e) if e.at == Epoch::new(4));
    assert!(receipt.events.iter().any(asked), "{:?}", receipt.events);
    assert_eq!(refused(one(exit).await), Refusal::StakingNotActive);
    let join = Operation::JoinStake {
        stake: rest,
        other: held.object,
    };
    assert_eq!(refused(one(join).await), Refusal::StakeJoin);
    let withdraw = Operation::Withdraw { stake: held.object };
    let early = refused(one(withdraw.clone()).await);
    assert_eq!(early, Refusal::StakingNotWithdrawable);
    world.next_epoch().await;
    let settle = Operation::SettlePool { node };
    one(settle).await.unwrap();
    let stakes = world
        .network
        .owned_stakes(delegator.address())
        .await
        .unwrap();
    let leaving = stakes.iter().find(|s| s.object == held.object).unwrap();
    assert_eq!(leaving.state, StakeState::Exiting { at: Epoch::new(4) });
    let worth = world.worth(*leaving).await;
    assert!(worth.worth > wal(80), "{worth:?}");
    assert_eq!(
        (worth.principal, worth.settled),
        (Some(wal(80)), Epoch::new(4))
    );
    let before = world.wal(&delegator).await;
    one(withdraw).await.unwrap();
    let paid = world.wal(&delegator).await.checked_sub(before).unwrap();
    assert_eq!(paid, worth.worth);
    let left = world.stake_of(&delegator, 0).await;
    assert_eq!((left.object, left.amount), (rest, wal(120).units().into()));
}

impl World {
    /// The shards of node `k` in an epoch.
    async fn committee_weight(&self, k: usize, epoch: u32) -> u32 {
        let committee = self.network.committee(Epoch::new(epoch)).await.unwrap();
        let committee = committee.unwrap();
        let index = committee.index_of(self.id(k)).unwrap();
        committee.member(index).unwrap().weight().0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_vote_rotate_keys_and_take_commission() {
    let world = World::new().await;
    let operator = world.operator(0);
    let one = async |operation| operator.execute(vec![operation]).await;
    let (node, cap) = (world.id(0), world.cap(0));

    let describe = Operation::DescribeNode {
        cap,
        name: "renamed".to_owned(),
        addresses: vec!["127.0.0.1:1".to_owned(), "[::1]:2".to_owned()],
    };
    one(describe).await.unwrap();
    for (k, price) in [(0, 5_000), (1, 3_000), (2, 4_000)] {
        let prices = Prices {
            storage: Wal::from_units(price),
            write: Wal::from_units(2 * price),
        };
        let vote = Vote {
            prices,
            capacity: price << 30,
        };
        let vote = Operation::SetVote {
            cap: world.cap(k),
            vote,
        };
        world.operator(k).execute(vec![vote]).await.unwrap();
    }
    let commission = Operation::SetCommission { cap, bps: 2_500 };
    one(commission).await.unwrap();
    let too_much = Operation::SetCommission { cap, bps: 10_001 };
    assert_eq!(refused(one(too_much).await), Refusal::PoolCommission);

    // Keys are proved for the account that rotates them; the running committee keeps the old ones.
    let (bls, identity) = (
        BlsSecretKey::from_seed(&[0xa1; 32]),
        IdentitySecretKey::from_seed(&[0xa2; 32]),
    );
    let rotate = |account| {
        let network = world.network.network();
        let (possession, proof) = Possession::prove(network, account, &bls, &identity);
        Operation::RotateKeys {
            cap,
            possession: Box::new(possession),
            proof: Box::new(proof),
        }
    };
    let stranger = user(&world.network).address();
    assert_eq!(refused(one(rotate(stranger)).await), Refusal::KeysBlsProof);
    one(rotate(operator.address())).await.unwrap();
    let described = world.node(0).await;
    assert_eq!(
        (described.name.as_str(), described.addresses.len()),
        ("renamed", 2)
    );
    assert_eq!(
        (described.bls_key, described.identity),
        (bls.public(), identity.public())
    );
    assert_eq!(described.commission_bps, 500);
    assert_eq!(described.next_commission, Some((2_500, Epoch::new(3))));
    let key_in = |committee: &Committee| {
        let index = committee.index_of(node).unwrap();
        *committee.member(index).unwrap().bls_key()
    };
    assert_ne!(key_in(&world.committee().await), bls.public());

    // The votes become the prices of the next epoch, as the tally here explains them.
    world.next_epoch().await;
    let committee = world.committee().await;
    assert_eq!(key_in(&committee), bls.public());
    let ids: Vec<_> = committee.members().iter().map(|m| m.node()).collect();
    let nodes = world.network.nodes(&ids).await.unwrap();
    let ballots = committee
        .members()
        .iter()
        .zip(nodes)
        .map(|(member, node)| Ballot {
            node: member.node(),
            weight: member.weight(),
            vote: node.unwrap().vote,
        });
    let system = world.network.system().await.unwrap();
    let Decided {
        prices, capacity, ..
    } = tally(&ballots.collect::<Vec<_>>(), system.shards).unwrap();
    assert_eq!((system.prices, system.capacity), (prices, capacity));
    assert!(prices.storage > Wal::from_units(1_000));

    // The new commission holds from epoch 3 on; what it brought can be collected an epoch later.
    for epoch in [2, 3] {
        let gift = Operation::AddFunds {
            epoch: Epoch::new(epoch),
            funds: wal(100),
        };
        user(&world.network).execute(vec![gift]).await.unwrap();
        world.next_epoch().await;
        let held = world.node(0).await;
        assert_eq!((held.commission_bps, held.next_commission), (2_500, None));
    }
    world.next_epoch().await;
    one(Operation::SettlePool { node }).await.unwrap();
    let earned = world.node(0).await.commission;
    let part = |epoch: u32, bps: u64| {
        let weight = world.committee_weight(0, epoch);
        async move { u64::from(weight.await) * wal(97).units() / 10 * bps / 10_000 }
    };
    let expected = part(2, 500).await + part(3, 2_500).await;
    assert!(
        earned.units().abs_diff(expected) <= 4,
        "{earned} and {expected}"
    );
    let collect = Operation::CollectCommission { node };
    let thief = user(&world.network).execute(vec![collect.clone()]).await;
    assert_eq!(refused(thief), Refusal::StakingGovernance);
    let before = world.wal(&operator).await;
    one(collect.clone()).await.unwrap();
    let got = world.wal(&operator).await.checked_sub(before).unwrap();
    assert_eq!(got, earned);

    let hand_over = Operation::SetGovernance { node, to: stranger };
    one(hand_over).await.unwrap();
    assert_eq!(refused(one(collect).await), Refusal::StakingGovernance);
    assert_eq!(world.node(0).await.governance, stranger);
}
