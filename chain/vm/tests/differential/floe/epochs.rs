//! The change of epochs, and views.

use sui_sdk_types::Address;

use super::{
    EPOCH_MS, Phase, State, anyones, id, object, owned, perform, pure, result, u8_, u16_, u32_,
};
use crate::{
    ledger::{Arg, Done, Owner},
    scenario::{Run, set_clock},
};

impl State {
    /// Mostly what is due.
    pub(super) fn conduct(&mut self, run: &mut Run) {
        if self.dormant {
            return;
        }
        if run.dice.one_in(8) {
            match run.dice.below(3) {
                0 => self.select(run),
                1 => self.advance(run),
                _ => self.sync(run),
            }
            return;
        }
        match self.phase {
            Phase::Open | Phase::Selected => {
                if !run.dice.one_in(5) {
                    self.now_ms += EPOCH_MS;
                    set_clock(run, self.clock, self.now_ms);
                }
                if self.phase == Phase::Selected {
                    return self.advance(run);
                }
                if !run.dice.one_in(5) {
                    self.settle(run);
                }
                self.select(run);
            }
            Phase::Sync => self.sync(run),
        }
    }

    fn change(&self, run: &mut Run, function: &str) -> Option<Done> {
        let arguments = vec![
            object(self.staking),
            object(self.system),
            object(self.clock),
        ];
        perform(run, super::ADMIN, "epoch", function, arguments)
    }

    fn select(&mut self, run: &mut Run) {
        if self.change(run, "select").is_some() {
            self.phase = Phase::Selected;
        }
    }

    fn advance(&mut self, run: &mut Run) {
        if self.change(run, "advance").is_some() {
            self.phase = Phase::Sync;
            self.epoch += 1;
        }
    }

    pub(super) fn settle(&self, run: &mut Run) {
        let pools = run.dice.pick(&[0_u64, 1, 2, 1_000, 1_000, 1_000]).unwrap();
        let arguments = vec![object(self.staking), object(self.currency), pure(pools)];
        perform(run, super::ADMIN, "epoch", "settle", arguments);
    }

    fn sync(&mut self, run: &mut Run) {
        let Some((owner, cap)) = anyones(run, "staking", "NodeCap") else {
            return;
        };
        let epoch = self.epoch + u32::from(run.dice.one_in(12));
        let arguments = vec![
            object(self.staking),
            object(cap),
            u32_(epoch),
            object(self.clock),
        ];
        let done = perform(run, owner, "epoch", "sync_done", arguments);
        let opened = |done: Done| {
            let mut tags = done.events.iter().map(|event| event.tag.to_string());
            tags.any(|tag| tag.ends_with("::EpochOpened"))
        };
        if done.is_some_and(opened) {
            self.phase = Phase::Open;
        }
    }

    fn look_at(run: &mut Run, module: &str, functions: &[&'static str], at: Arg) {
        let function = run.dice.pick(functions).unwrap();
        perform(run, super::ADMIN, module, function, vec![at]);
    }

    /// Asks for something that changes nothing.
    pub(super) fn look(&self, run: &mut Run, who: Address) {
        let staking = |function| result("staking", function, vec![object(self.staking)]);
        match run.dice.below(19) {
            0 => Self::look_at(
                run,
                "system",
                &["epoch", "shards", "terms"],
                object(self.system),
            ),
            1 => {
                let terms = result("system", "terms", vec![object(self.system)]);
                let functions = ["storage_price", "write_price", "capacity"];
                Self::look_at(run, "terms", &functions, terms);
            }
            2 => {
                let functions = ["schedule", "params", "rank", "committee"];
                Self::look_at(run, "staking", &functions, object(self.staking));
            }
            3 => {
                let functions = ["target_epoch", "epoch", "ends_ms"];
                Self::look_at(run, "schedule", &functions, staking("schedule"));
            }
            4 => {
                let functions = [
                    "epoch_ms",
                    "select_bps",
                    "burn_bps",
                    "cap_bps",
                    "max_nodes",
                    "min_stake",
                ];
                Self::look_at(run, "params", &functions, staking("params"));
            }
            5 => Self::look_at(run, "rank", &["nodes", "weights"], staking("rank")),
            6 => {
                let functions = ["epoch", "nodes", "weights", "owners"];
                Self::look_at(run, "committee", &functions, staking("committee"));
            }
            7 => {
                let node = self.node(run);
                let arguments = vec![staking("committee"), id(node)];
                perform(run, who, "committee", "weight_of", arguments);
            }
            8..11 => self.look_at_node(run),
            11 => {
                let function = run.dice.pick(&["quorum", "validity"]).unwrap();
                let shards = run.dice.pick(&[4, 10, 1_000, u16::MAX]).unwrap();
                perform(run, who, "bls", function, vec![u16_(shards)]);
            }
            12 => {
                let size = run.dice.next() >> run.dice.below(64);
                let arguments = vec![u16_(self.shards), pure(size)];
                perform(run, who, "encoding", "encoded_size", arguments);
            }
            13 => {
                let code = u8::try_from(run.dice.below(3)).unwrap();
                let root = super::bytes(&[9; 32]);
                let arguments = vec![u8_(code), u16_(self.shards), pure(7_u64), root];
                perform(run, who, "encoding", "blob_id", arguments);
            }
            14 => {
                if let Some(cap) = owned(run, who, "staking", "NodeCap") {
                    perform(run, who, "staking", "node", vec![object(cap)]);
                }
            }
            _ => {
                let shared = run.ledger.owned(Owner::Shared, "shared_blob", "SharedBlob");
                if let Some(shared) = run.dice.pick(&shared) {
                    perform(run, who, "shared_blob", "blob", vec![object(shared)]);
                }
            }
        }
        self.look_at_owned(run, who);
    }

    fn look_at_node(&self, run: &mut Run) {
        let node = self.node(run);
        let pool = || result("staking", "pool", vec![object(self.staking), id(node)]);
        match run.dice.below(3) {
            0 => {
                let functions = ["weight", "epoch", "keys", "vote", "governance"];
                Self::look_at(run, "pool", &functions, pool());
            }
            1 => {
                let keys = result("pool", "keys", vec![pool()]);
                Self::look_at(run, "keys", &["bls", "ed25519"], keys);
            }
            _ => {
                let arguments = vec![object(self.staking), id(node)];
                perform(run, super::ADMIN, "staking", "pool", arguments);
            }
        }
    }

    fn look_at_owned(&self, run: &mut Run, who: Address) {
        let (module, name, functions): (_, _, &[&'static str]) = match run.dice.below(4) {
            0 | 1 => (
                "blob",
                "Blob",
                &[
                    "blob_id",
                    "size",
                    "encoding",
                    "is_deletable",
                    "is_certified",
                    "end_epoch",
                    "storage",
                ],
            ),
            2 => (
                "resource",
                "Storage",
                &["start_epoch", "end_epoch", "bytes"],
            ),
            _ => (
                "stake",
                "Stake",
                &["node", "amount", "pending_from", "exiting_at"],
            ),
        };
        if let Some(found) = owned(run, who, module, name) {
            Self::look_at(run, module, functions, object(found));
        }
    }
}
