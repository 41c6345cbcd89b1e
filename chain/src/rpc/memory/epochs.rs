//! Nodes, stake and the epoch machine of a chain in memory.

use floe_codec::Weight;

use super::ledger::{Ledger, Thing};
use crate::amount::Wal;
use crate::committee::{Candidate, Committee, MemberIndex};
use crate::epoch::{Epoch, EpochPhase};
use crate::event::{
    CommitteeSelected, EpochOpened, EpochStarted, NodeRegistered, NodeSynced, Staked,
};
use crate::id::{Address, NodeId, ObjectId};
use crate::light::epoch_committee_id;
use crate::quorum::Threshold;
use crate::rpc::abort::Refusal;
use crate::rpc::error::ChainError;
use crate::rpc::operation::{NodeRegistration, ObjectKind};
use crate::rpc::state::{Node, NodeCap, Stake, StakeState};

/// One WAL, as in the contract.
const SMALLEST_STAKE: Wal = Wal::from_units(1_000_000_000);

impl Ledger {
    pub(super) fn register_node(
        &mut self,
        sender: Address,
        registration: NodeRegistration,
    ) -> Result<(), ChainError> {
        let NodeRegistration {
            name,
            addresses,
            possession,
            proof,
            vote,
            stake,
            ..
        } = registration;
        if possession.sender != sender || possession.verify(self.network, &proof).is_err() {
            return Err(Refusal::KeysBlsProof.into());
        }
        let epoch = self.schedule.epoch;
        let id = NodeId::from_bytes(*self.id(ObjectKind::Other).as_bytes());
        let node = Node {
            id,
            name,
            addresses,
            bls_key: possession.bls_key,
            identity: possession.identity,
            governance: sender,
            vote,
            commission_bps: registration.commission_bps,
            next_commission: None,
            settled: epoch,
            active: Wal::ZERO,
            shares: 0,
            commission: Wal::ZERO,
        };
        self.nodes.insert(id, node);
        self.emit(NodeRegistered { epoch, node: id });
        let object = self.id(ObjectKind::NodeCap);
        let cap = NodeCap {
            object,
            node: id,
            synced: Epoch::ZERO,
        };
        self.own(sender, object, Thing::NodeCap(cap));
        if stake > Wal::ZERO {
            self.stake(sender, id, stake)
        } else {
            Ok(())
        }
    }

    pub(super) fn stake(
        &mut self,
        sender: Address,
        id: NodeId,
        amount: Wal,
    ) -> Result<(), ChainError> {
        if amount < SMALLEST_STAKE {
            return Err(Refusal::StakingAmount.into());
        }
        self.pay(sender, amount)?;
        let node = self.nodes.get_mut(&id).ok_or(Refusal::StakingNoNode)?;
        node.active = node
            .active
            .checked_add(amount)
            .ok_or(Refusal::StakingAmount)?;
        node.shares += u128::from(amount.units());
        let object = self.id(ObjectKind::Stake);
        let epoch = self.schedule.epoch;
        let from = self.schedule.target().unwrap_or(epoch);
        let state = StakeState::Pending { from };
        let stake = Stake {
            object,
            node: id,
            state,
            amount: amount.units().into(),
        };
        self.own(sender, object, Thing::Stake(stake));
        self.emit(Staked {
            epoch,
            node: id,
            stake: object,
            amount,
            from,
        });
        Ok(())
    }

    pub(super) fn select(&mut self) -> Result<(), ChainError> {
        if self.schedule.phase != EpochPhase::Open {
            return Err(Refusal::SchedulePhase.into());
        }
        if self.now < self.schedule.select_due(self.settings.params.select_bps) {
            return Err(Refusal::ScheduleTooEarly.into());
        }
        let candidates = self.epoch_state().candidates;
        if candidates.is_empty() {
            return Err(Refusal::EpochNoCandidates.into());
        }
        let epoch = self.schedule.epoch;
        let next = epoch.next().ok_or(Refusal::EpochWrongEpoch)?;
        let quotas = quotas(&candidates, self.settings.shards.get());
        let members: Vec<_> = candidates
            .into_iter()
            .zip(quotas)
            .filter(|(_, quota)| *quota > 0)
            .map(|((node, _), quota)| (node, quota))
            .collect();
        let committee = self.committee(next, &members)?;
        let id = epoch_committee_id(self.network.system.into(), next);
        self.note(ObjectKind::EpochCommittee, id);
        self.committees.insert(next, committee);
        self.schedule.phase = EpochPhase::Selected;
        self.emit(CommitteeSelected {
            epoch,
            next,
            committee: id,
        });
        Ok(())
    }

    /// Shards stay where they are as far as the new quotas allow; the others fill what is free.
    fn committee(&self, epoch: Epoch, members: &[(NodeId, u16)]) -> Result<Committee, ChainError> {
        let mut free: Vec<u16> = members.iter().map(|(_, quota)| *quota).collect();
        let before = self.committees.get(&self.schedule.epoch);
        let mut owners: Vec<Option<usize>> = vec![None; usize::from(self.settings.shards.get())];
        for (shard, owner) in owners.iter_mut().enumerate() {
            let last = before
                .and_then(|c| c.member(*c.owners().get(shard)?))
                .map(|m| m.node());
            let stays = members.iter().position(|(node, _)| Some(*node) == last);
            if let Some(member) = stays.filter(|member| free[*member] > 0) {
                free[member] -= 1;
                *owner = Some(member);
            }
        }
        let mut rest = free
            .iter()
            .enumerate()
            .flat_map(|(member, left)| std::iter::repeat_n(member, usize::from(*left)));
        let owners = owners.into_iter().map(|owner| {
            let member = owner.or_else(|| rest.next()).unwrap_or_default();
            MemberIndex::new(u16::try_from(member).unwrap_or(u16::MAX))
        });
        let candidates = members.iter().filter_map(|(id, _)| self.nodes.get(id));
        Committee::new(
            epoch,
            self.schedule.ends(),
            self.settings.params.epoch_ms,
            candidates
                .map(|node| Candidate {
                    node: node.id,
                    bls_key: node.bls_key,
                    identity: node.identity,
                })
                .collect(),
            owners.collect(),
        )
        .map_err(|error| ChainError::Failed {
            reason: error.to_string(),
        })
    }

    pub(super) fn advance(&mut self) -> Result<(), ChainError> {
        if self.schedule.phase != EpochPhase::Selected {
            return Err(Refusal::SchedulePhase.into());
        }
        if self.now < self.schedule.ends() {
            return Err(Refusal::ScheduleTooEarly.into());
        }
        let epoch = self.schedule.epoch.next().ok_or(Refusal::EpochWrongEpoch)?;
        self.schedule.epoch = epoch;
        self.schedule.phase = EpochPhase::Sync { weight: 0 };
        self.schedule.started = self.now;
        self.schedule.opened = crate::epoch::ChainTime::default();
        self.schedule.duration_ms = self.settings.params.epoch_ms;
        self.used = self.used.split_off(&epoch);
        self.emit(EpochStarted {
            epoch,
            at: self.now,
            prices: self.settings.prices,
            capacity: self.settings.capacity,
            burned: Wal::ZERO,
        });
        Ok(())
    }

    pub(super) fn sync_done(
        &mut self,
        sender: Address,
        cap: ObjectId,
        epoch: Epoch,
    ) -> Result<(), ChainError> {
        if epoch != self.schedule.epoch {
            return Err(Refusal::EpochWrongEpoch.into());
        }
        let Thing::NodeCap(mut held) = self.take(sender, cap)? else {
            return Err(ChainError::NotFound {
                what: "NodeCap",
                id: cap.to_string(),
            });
        };
        let member = self
            .committees
            .get(&epoch)
            .and_then(|c| c.member(c.index_of(held.node)?))
            .ok_or(Refusal::EpochNotMember)?;
        let weight = member.weight();
        let first = held.synced < epoch;
        held.synced = epoch;
        self.own(sender, cap, Thing::NodeCap(held));
        if !first {
            return Ok(());
        }
        let count = u16::try_from(weight.0).unwrap_or(u16::MAX);
        self.emit(NodeSynced {
            epoch,
            node: held.node,
            weight: count,
        });
        if let EpochPhase::Sync { weight: synced } = &mut self.schedule.phase {
            *synced += u64::from(weight.0);
            let total = Weight(u32::try_from(*synced).unwrap_or(u32::MAX));
            if Threshold::Quorum.is_met(total, self.settings.shards) {
                self.schedule.phase = EpochPhase::Open;
                self.schedule.opened = self.now;
                self.emit(EpochOpened {
                    epoch,
                    at: self.now,
                });
            }
        }
        Ok(())
    }
}

/// Seats by highest averages: each goes to the node with the most stake per seat it would then have.
fn quotas(candidates: &[(NodeId, Wal)], seats: u16) -> Vec<u16> {
    let mut quotas = vec![0u16; candidates.len()];
    for _ in 0..seats {
        let average = |i: usize| {
            let stake = candidates.get(i).map_or(0, |(_, stake)| stake.units());
            // Scaled so that equal stakes compare exactly.
            (u128::from(stake) << 32) / (u128::from(quotas[i]) + 1)
        };
        // Ties go to the first, so the outcome is the same everywhere.
        let best = (0..quotas.len()).rev().max_by_key(|i| average(*i));
        if let Some(best) = best {
            quotas[best] += 1;
        }
    }
    quotas
}
