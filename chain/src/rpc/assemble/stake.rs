//! Commands of operators, delegators and whoever drives the epochs.

use sui_transaction_builder::Argument;

use super::super::error::ChainError;
use super::super::operation::{NodeRegistration, Operation};
use super::super::state::Vote;
use super::sheet::Sheet;
use super::{CLOCK, currency_id};
use crate::amount::Wal;
use crate::statement::{Possession, PossessionProof};

impl Sheet<'_> {
    /// Writes an operation of an operator or a delegator.
    pub(super) fn operate(&mut self, operation: &Operation) -> Result<(), ChainError> {
        use Operation as O;
        match operation {
            O::RegisterNode(registration) => self.register_node(registration)?,
            O::DescribeNode {
                cap,
                name,
                addresses,
            } => {
                let cap = self.write_ref(*cap)?;
                let args = vec![self.staking()?, cap, self.pure(name), self.pure(addresses)];
                self.call("staking", "describe_node", args);
            }
            O::RotateKeys {
                cap,
                possession,
                proof,
            } => {
                let mut args = vec![self.staking()?, self.write_ref(*cap)?];
                args.extend(self.keys(possession, proof));
                self.call("staking", "rotate_keys", args);
            }
            O::SetVote { cap, vote } => {
                let args = vec![self.staking()?, self.write_ref(*cap)?, self.vote(vote)];
                self.call("staking", "set_vote", args);
            }
            O::SetCommission { cap, bps } => {
                let args = vec![self.staking()?, self.write_ref(*cap)?, self.pure(bps)];
                self.call("staking", "set_commission", args);
            }
            O::SetGovernance { node, to } => {
                let args = vec![self.staking()?, self.pure(node), self.pure(to)];
                self.call("staking", "set_governance", args);
            }
            O::CollectCommission { node } => {
                let args = vec![self.staking()?, self.pure(node)];
                let coin = self.call("staking", "collect_commission", args);
                self.keep(coin);
            }
            O::Stake { node, amount } => {
                let args = vec![self.staking()?, self.pure(node), self.split(*amount)?];
                let stake = self.call("staking", "stake", args);
                self.keep(stake);
            }
            O::RequestExit { stake } => {
                let args = vec![self.staking()?, self.write_ref(*stake)?];
                self.call("staking", "request_exit", args);
            }
            O::Withdraw { stake } => {
                let args = vec![self.staking()?, self.write_ref(*stake)?];
                let coin = self.call("staking", "withdraw", args);
                self.keep(coin);
            }
            O::SplitStake { stake, amount } => {
                let args = vec![self.write_ref(*stake)?, self.pure(amount)];
                let rest = self.call("stake", "split", args);
                self.keep(rest);
            }
            O::JoinStake { stake, other } => {
                let args = vec![self.write_ref(*stake)?, self.write_ref(*other)?];
                self.call("stake", "join", args);
            }
            O::SettlePool { node } => {
                let args = vec![self.staking()?, self.pure(node)];
                self.call("staking", "settle_pool", args);
            }
            other => self.conduct(other)?,
        }
        Ok(())
    }

    /// Writes a step of the epoch machine.
    fn conduct(&mut self, operation: &Operation) -> Result<(), ChainError> {
        use Operation as O;
        match operation {
            O::Select | O::Advance => {
                let name = if *operation == O::Select {
                    "select"
                } else {
                    "advance"
                };
                let args = vec![self.staking()?, self.system(true)?, self.read_ref(CLOCK)?];
                self.call("epoch", name, args);
            }
            O::Settle { pools } => {
                let wal = self.wal_type()?;
                let args = vec![
                    self.staking()?,
                    self.write_ref(currency_id(&wal))?,
                    self.pure(pools),
                ];
                self.call("epoch", "settle", args);
            }
            O::SyncDone { cap, epoch } => {
                let cap = self.write_ref(*cap)?;
                let args = vec![
                    self.staking()?,
                    cap,
                    self.pure(epoch),
                    self.read_ref(CLOCK)?,
                ];
                self.call("epoch", "sync_done", args);
            }
            other => self.send(other)?,
        }
        Ok(())
    }

    fn register_node(&mut self, registration: &NodeRegistration) -> Result<(), ChainError> {
        let mut args = vec![
            self.staking()?,
            self.pure(&registration.name),
            self.pure(&registration.addresses),
        ];
        args.extend(self.keys(&registration.possession, &registration.proof));
        args.push(self.pure(&registration.commission_bps));
        args.push(self.vote(&registration.vote));
        let cap = self.call("staking", "register_node", args);
        if registration.stake > Wal::ZERO {
            let node = self.call("staking", "node", vec![cap]);
            let args = vec![self.staking()?, node, self.split(registration.stake)?];
            let stake = self.call("staking", "stake", args);
            self.keep(stake);
        }
        self.keep(cap);
        Ok(())
    }

    fn keys(&mut self, possession: &Possession, proof: &PossessionProof) -> [Argument; 4] {
        [
            self.pure(&possession.bls_key.to_bytes().to_vec()),
            self.pure(&possession.identity.to_bytes().to_vec()),
            self.pure(&proof.bls.to_bytes().to_vec()),
            self.pure(&proof.identity.to_bytes().to_vec()),
        ]
    }

    fn vote(&mut self, vote: &Vote) -> Argument {
        let args = vec![
            self.pure(&vote.prices.storage),
            self.pure(&vote.prices.write),
            self.pure(&vote.capacity),
        ];
        self.call("terms", "vote", args)
    }
}
