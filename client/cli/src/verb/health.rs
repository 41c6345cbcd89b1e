//! `floe health`: every node's own word, and whether reads and writes can work.

use std::fmt;

use floe_client::status::NodeReport;
use serde::Serialize;

use crate::{context::Context, exit::Exit, fault::Fault, output::Record};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
#[serde(transparent)]
struct Node(NodeReport);

impl Record for Node {
    const TYPE: &'static str = "node_health";
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NodeReport {
            node,
            shards,
            addresses,
            healthy,
            millis,
            problems,
            ..
        } = &self.0;
        write!(
            f,
            "{node}  {}",
            if *healthy { "healthy" } else { "not healthy" }
        )?;
        if let Some(millis) = millis {
            write!(f, ", {millis} ms")?;
        }
        write!(f, ", {shards} shards, {}", addresses.join(" "))?;
        problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// All nodes together.
#[derive(Debug, Serialize)]
struct Summary {
    nodes: usize,
    healthy: usize,
    healthy_shards: u32,
    shards: u32,
    needed_to_write: u32,
    needed_to_read: u32,
    writes: bool,
    reads: bool,
}

impl Record for Summary {
    const TYPE: &'static str = "health";
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            nodes,
            healthy,
            healthy_shards,
            shards,
            ..
        } = self;
        let able = |able: bool| if able { "work" } else { "do not work" };
        write!(
            f,
            "{healthy} of {nodes} nodes with {healthy_shards} of {shards} shards are healthy; \
             writes (from {} shards) {}, reads (from {}) {}",
            self.needed_to_write,
            able(self.writes),
            self.needed_to_read,
            able(self.reads),
        )
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let client = context.client().await?;
        let nodes = client.health().await?;
        let count = client.network().await?.committee.shards();
        let healthy: Vec<_> = nodes.iter().filter(|node| node.healthy).collect();
        let healthy_shards: u32 = healthy.iter().map(|node| node.shards).sum();
        let needed_to_read = u32::from(count.source_slivers().primary);
        let needed_to_write = u32::from(count.get() - count.max_faulty());
        let summary = Summary {
            nodes: nodes.len(),
            healthy: healthy.len(),
            healthy_shards,
            shards: count.get().into(),
            needed_to_write,
            needed_to_read,
            writes: count.is_quorum(floe_codec::Weight(healthy_shards)),
            reads: healthy_shards >= needed_to_read,
        };
        for node in nodes {
            context.output.print(&Node(node))?;
        }
        context.output.print(&summary)?;
        Ok(if summary.healthy == summary.nodes {
            Exit::Ok
        } else {
            Exit::Network
        })
    }
}
