//! `floe info`: the network as the chain has it, and how its prices came about.

use std::fmt;

use floe_chain::{
    amount::Wal,
    committee::Committee,
    epoch::ChainTime,
    id::{NetworkId, NodeId},
    quorum::Threshold,
    rpc::{
        ChainError, ChainRead,
        state::Vote,
        terms::{Ballot, Decided, tally, whole_capacity},
    },
};
use floe_client::{
    chain::Moment,
    plan::{ByteSize, Date},
};
use floe_codec::{ShardCount, Weight};
use serde::Serialize;

use crate::{context::Context, exit::Exit, fault::Fault, output::Record};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// The network.
#[derive(Debug, Serialize)]
struct Info {
    chain: String,
    system: String,
    epoch: u32,
    epoch_ends: ChainTime,
    epoch_ms: u64,
    nodes: usize,
    shards: u16,
    can_fail: u16,
    capacity: ByteSize,
    used: ByteSize,
    storage_price: Wal,
    write_price: Wal,
    max_epochs: u32,
    /// Shards whose nodes must accept a price, or be able to carry a capacity.
    quorum: Weight,
    /// By the price of storage.
    votes: Vec<VoteLine>,
    /// What the votes of now would decide with the shards of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<Decided>,
}

/// One member's vote, as it stands now.
#[derive(Debug, Serialize)]
struct VoteLine {
    node: NodeId,
    name: String,
    shards: Weight,
    storage_price: Wal,
    write_price: Wal,
    /// Encoded bytes on its own disks.
    capacity: ByteSize,
    /// What all nodes hold when these disks are full.
    whole_capacity: ByteSize,
}

impl Record for Info {
    const TYPE: &'static str = "info";
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "chain       {}", self.chain)?;
        writeln!(f, "system      {}", self.system)?;
        let minutes = self.epoch_ms / 60_000;
        let seconds = self.epoch_ms % 60_000 / 1000;
        writeln!(
            f,
            "epoch       {}, of {minutes} min {seconds} s, ends {}",
            self.epoch,
            Date(self.epoch_ends)
        )?;
        writeln!(
            f,
            "committee   {} nodes, {} shards, any {} of them may fail",
            self.nodes, self.shards, self.can_fail
        )?;
        writeln!(f, "capacity    {}, sold {}", self.capacity, self.used)?;
        writeln!(
            f,
            "price       {} per encoded MiB and epoch",
            self.storage_price
        )?;
        writeln!(
            f,
            "            {} per encoded MiB written",
            self.write_price
        )?;
        writeln!(
            f,
            "on sale     {} epochs, this one included",
            self.max_epochs
        )?;
        writeln!(
            f,
            "votes       a price is the lowest that nodes with {} of {} shards accept, the capacity \
             the largest that as many can carry",
            self.quorum, self.shards
        )?;
        for vote in &self.votes {
            writeln!(
                f,
                "  {} shards: {} stored, {} written, holds {} ({} in all)  {}  {}",
                vote.shards,
                vote.storage_price,
                vote.write_price,
                vote.capacity,
                vote.whole_capacity,
                vote.node,
                vote.name
            )?;
        }
        match &self.decided {
            Some(decided) if self.holds(decided) => write!(
                f,
                "decided by  {} (storage), {} (writing), {} (capacity)",
                decided.storage_by, decided.write_by, decided.capacity_by
            ),
            Some(Decided {
                prices, capacity, ..
            }) => write!(
                f,
                "next        {} stored, {} written, {} in all, if votes and shards stay as they \
                 are: they have changed since this epoch's prices were decided",
                prices.storage,
                prices.write,
                ByteSize(*capacity)
            ),
            None => f.write_str("next        undecided: members without a vote"),
        }
    }
}

impl Info {
    /// Whether the terms of now are what the votes of now decide.
    fn holds(&self, decided: &Decided) -> bool {
        decided.prices.storage == self.storage_price
            && decided.prices.write == self.write_price
            && decided.capacity == self.capacity.0
    }
}

/// The votes of a committee's members as they stand now, with the nodes' names.
async fn ballots(
    chain: &dyn ChainRead,
    committee: &Committee,
) -> Result<Vec<(String, Ballot)>, ChainError> {
    let members = committee.members();
    let ids: Vec<_> = members.iter().map(|member| member.node()).collect();
    let nodes = chain.nodes(&ids).await?;
    let ballots = members.iter().zip(nodes).filter_map(|(member, node)| {
        let node = node?;
        let ballot = Ballot {
            node: node.id,
            weight: member.weight(),
            vote: node.vote,
        };
        Some((node.name, ballot))
    });
    Ok(ballots.collect())
}

impl VoteLine {
    fn new(name: String, ballot: &Ballot, shards: ShardCount) -> Self {
        let Ballot { node, weight, vote } = *ballot;
        let Vote { prices, capacity } = vote;
        Self {
            node,
            name,
            shards: weight,
            storage_price: prices.storage,
            write_price: prices.write,
            capacity: ByteSize(capacity),
            whole_capacity: ByteSize(whole_capacity(ballot, shards)),
        }
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let client = context.client().await?;
        let moment = Moment::read(&**client.chain()).await?;
        let network = client.network().await?;
        let NetworkId { chain, system } = moment.system.network;
        let shards = moment.system.shards;
        let named = ballots(&**client.chain(), &network.committee).await?;
        let votes: Vec<_> = named.iter().map(|(_, ballot)| *ballot).collect();
        let mut lines: Vec<_> = named
            .into_iter()
            .map(|(name, ballot)| VoteLine::new(name, &ballot, shards))
            .collect();
        lines.sort_by_key(|line| (line.storage_price, line.node));
        context.output.print(&Info {
            chain: chain.to_string(),
            system: system.to_string(),
            epoch: moment.epoch().get(),
            epoch_ends: moment.schedule.started.plus_ms(moment.schedule.duration_ms),
            epoch_ms: moment.schedule.duration_ms,
            nodes: network.committee.members().len(),
            shards: moment.system.shards.get(),
            can_fail: moment.system.shards.max_faulty(),
            capacity: ByteSize(moment.system.capacity),
            used: ByteSize(moment.system.used.first().copied().unwrap_or(0)),
            storage_price: moment.system.prices.storage,
            write_price: moment.system.prices.write,
            max_epochs: moment.max_epochs(),
            quorum: Threshold::Quorum.required(shards),
            votes: lines,
            decided: tally(&votes, shards),
        })?;
        Ok(Exit::Ok)
    }
}
