//! `floe info`: the network as the chain has it.

use std::fmt;

use floe_chain::{amount::Wal, epoch::ChainTime, id::NetworkId};
use floe_client::{
    chain::Moment,
    plan::{ByteSize, Date},
};
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
        write!(
            f,
            "on sale     {} epochs, this one included",
            self.max_epochs
        )
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let client = context.client().await?;
        let moment = Moment::read(&**client.chain()).await?;
        let network = client.network().await?;
        let NetworkId { chain, system } = moment.system.network;
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
        })?;
        Ok(Exit::Ok)
    }
}
