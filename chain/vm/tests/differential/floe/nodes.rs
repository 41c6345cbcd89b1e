//! Nodes and the stake behind them.

use floe_move_vm::Value;
use sui_sdk_types::Address;

use super::{
    ONE_WAL, State, anyones, bytes, id, object, owned, perform, pure, result, split, text,
    text_value, u16_,
};
use crate::{
    ledger::{Arg, Owner},
    scenario::Run,
};

impl State {
    /// The id of a node, or of something else.
    pub(super) fn node(&self, run: &mut Run) -> Address {
        match anyones(run, "staking", "NodeCap") {
            Some((_, cap)) if !run.dice.one_in(15) => {
                let contents = &run.ledger.objects()[&cap].contents;
                Address::from_bytes(&contents[32..64]).unwrap()
            }
            _ => self.system,
        }
    }

    /// Keys and proofs for `sender`, now and then wrong unless they are to be good.
    fn keys(&self, run: &mut Run, sender: Address, good: bool) -> [Arg; 4] {
        let position = usize::try_from(run.dice.below(6)).unwrap();
        let keys = &self.keys[position];
        let (mut bls, mut identity) = (keys.bls_key(), keys.identity_key());
        let (mut bls_proof, mut identity_proof) = keys.prove(self, sender);
        if !good {
            match run.dice.below(12) {
                0 => drop(bls.pop()),
                1 => identity.push(0),
                2 => bls_proof = keys.prove(self, self.system).0,
                3 => identity_proof = keys.prove(self, self.system).1,
                _ => {}
            }
        }
        [&bls, &identity, &bls_proof, &identity_proof].map(|part| bytes(part))
    }

    fn description(run: &mut Run) -> [Arg; 2] {
        let name = "n".repeat(if run.dice.one_in(12) { 65 } else { 5 });
        let count = if run.dice.one_in(12) {
            9
        } else {
            run.dice.below(4)
        };
        let length = if run.dice.one_in(12) { 129 } else { 20 };
        let addresses = (0..count).map(|_| text_value(&"a".repeat(length)));
        let addresses = Value::vector(addresses.collect()).unwrap();
        [text(&name), Arg::Pure(addresses)]
    }

    fn commission(run: &mut Run) -> Arg {
        let bps = run.dice.pick(&[0, 1_000, 10_000, 10_000, 10_001]).unwrap();
        u16_(bps)
    }

    fn vote(run: &mut Run) -> Arg {
        let arguments = vec![
            pure(run.dice.pick(&[0_u64, 1_000, 2_000]).unwrap()),
            pure(run.dice.pick(&[0_u64, 500]).unwrap()),
            pure(run.dice.pick(&[1_u64 << 30, 1 << 42, u64::MAX]).unwrap()),
        ];
        result("terms", "vote", arguments)
    }

    pub(super) fn register_node(&self, run: &mut Run, who: Address, good: bool) {
        let mut arguments = vec![object(self.staking)];
        if good {
            let addresses = Value::vector(vec![text_value("/ip4/10.0.0.1")]).unwrap();
            arguments.extend([text("good"), Arg::Pure(addresses)]);
        } else {
            arguments.extend(Self::description(run));
        }
        arguments.extend(self.keys(run, who, good));
        let commission = if good {
            u16_(1_000)
        } else {
            Self::commission(run)
        };
        arguments.extend([commission, Self::vote(run), Arg::Context]);
        perform(run, who, "staking", "register_node", arguments);
    }

    /// What operators do.
    pub(super) fn operate(&self, run: &mut Run, who: Address) {
        let choice = run.dice.below(10);
        if choice == 0 {
            return self.register_node(run, who, false);
        }
        if choice == 1 {
            perform(
                run,
                who,
                "terms",
                "vote",
                vec![pure(1_u64), pure(2_u64), pure(3_u64)],
            );
            return;
        }
        if choice < 5 {
            let node = self.node(run);
            let staking = object(self.staking);
            let (function, arguments) = match choice {
                2 => {
                    let to = run.dice.pick(&super::USERS).unwrap();
                    (
                        "set_governance",
                        vec![staking, id(node), pure(to), Arg::Context],
                    )
                }
                3 => ("collect_commission", vec![staking, id(node), Arg::Context]),
                _ => ("settle_pool", vec![staking, id(node)]),
            };
            // Mostly by whom the pool obeys, if its operator kept that.
            let owner = run.ledger.objects().iter().find_map(|(_, object)| {
                let ours = object.tag.name().as_str() == "NodeCap"
                    && object.contents[32..64] == *node.as_bytes();
                match object.owner {
                    Owner::Address(owner) if ours => Some(owner),
                    _ => None,
                }
            });
            let sender = owner.filter(|_| !run.dice.one_in(4)).unwrap_or(who);
            perform(run, sender, "staking", function, arguments);
            return;
        }
        let Some((owner, cap)) = anyones(run, "staking", "NodeCap") else {
            return;
        };
        let mut arguments = vec![object(self.staking), object(cap)];
        let function = match choice {
            5 => {
                arguments.extend(Self::description(run));
                "describe_node"
            }
            6 => {
                arguments.extend(self.keys(run, owner, false));
                arguments.push(Arg::Context);
                "rotate_keys"
            }
            7 => {
                arguments.push(Self::vote(run));
                "set_vote"
            }
            _ => {
                arguments.push(Self::commission(run));
                "set_commission"
            }
        };
        perform(run, owner, "staking", function, arguments);
    }

    pub(super) fn stake(&self, run: &mut Run, who: Address) {
        let node = self.node(run);
        let Some(purse) = self.purse(run, who) else {
            return;
        };
        let amount = match run.dice.below(6) {
            0 => ONE_WAL - run.dice.below(2),
            1 => 3 * ONE_WAL + run.dice.below(ONE_WAL),
            _ => (10 + run.dice.below(900)) * ONE_WAL + run.dice.below(7),
        };
        let arguments = vec![
            object(self.staking),
            id(node),
            split(purse, amount),
            Arg::Context,
        ];
        perform(run, who, "staking", "stake", arguments);
    }

    /// What delegators do.
    pub(super) fn delegate(&self, run: &mut Run, who: Address) {
        let choice = run.dice.below(10);
        if choice < 3 {
            return self.stake(run, who);
        }
        let Some((owner, stake)) = anyones(run, "stake", "Stake") else {
            return;
        };
        let staking = object(self.staking);
        match choice {
            3..6 => {
                let arguments = vec![staking, object(stake)];
                perform(run, owner, "staking", "request_exit", arguments);
            }
            6 | 7 => {
                let arguments = vec![staking, object(stake), Arg::Context];
                perform(run, owner, "staking", "withdraw", arguments);
            }
            8 => {
                let amount = u128::from(run.dice.below(3) * ONE_WAL);
                let arguments = vec![object(stake), pure(amount), Arg::Context];
                perform(run, owner, "stake", "split", arguments);
            }
            _ => {
                let other = owned(run, owner, "stake", "Stake").filter(|other| *other != stake);
                if let Some(other) = other {
                    let arguments = vec![object(stake), object(other)];
                    perform(run, owner, "stake", "join", arguments);
                }
            }
        }
    }
}
