//! The verbs, one file each, and the loop around them: runtime, Ctrl-C, exit code.

mod completions;
mod config;
mod cost;
mod devnet;
mod extend;
mod gateway;
mod health;
mod info;
mod key;
mod ls;
mod node;
mod operate;
mod peers;
mod read;
mod resume;
mod rm;
mod stake;
mod status;
mod store;
mod testnet;
mod verify;
mod wallet;

use clap::Subcommand;

use crate::{
    args::Floe,
    context::{Context, Stage},
    exit::Exit,
    fault::Fault,
    output::Output,
    service,
};

/// What `floe` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Store a file; prints the blob's id once it is certified
    Store(store::Args),
    /// Read a blob, verified
    Read(read::Args),
    /// List the wallet's blobs
    Ls(ls::Args),
    /// What the network says about a blob
    Status(status::Args),
    /// Pay for more epochs
    Extend(extend::Args),
    /// Give deletable blobs up
    Rm(rm::Args),
    /// What storing costs
    Cost(cost::Args),
    /// Check that a blob is readable, or that a file is the blob
    Verify(verify::Args),
    /// List interrupted stores, or go on with one
    Resume(resume::Args),
    /// The network: epoch, committee, prices
    Info(info::Args),
    /// How the nodes are
    Health(health::Args),
    /// The account that pays
    Wallet(wallet::Args),
    /// Stake with nodes, and what it earns
    Stake(stake::Args),
    /// Key files of a storage node
    Key(key::Args),
    /// Settings and where they come from
    Config(config::Args),
    /// Run a local chain for development
    Devnet(floe_devnet::Args),
    /// Run a storage node, register it, change what it tells the network
    Node(node::Args),
    /// Serve verified reads over HTTP
    Gateway(gateway::Args),
    /// Lay out a local network
    Testnet(testnet::Args),
    /// Completions for a shell, on stdout
    Completions(completions::Args),
}

impl Verb {
    fn is_service(&self) -> bool {
        match self {
            Self::Devnet(_) | Self::Gateway(_) => true,
            Self::Node(args) => args.is_service(),
            _ => false,
        }
    }
}

/// Runs one verb to its end or to Ctrl-C.
pub(crate) fn run(arguments: Floe, output: &Output) -> Result<Exit, Fault> {
    let mut context = Context::new(arguments.common, output.clone());
    let runtime = tokio::runtime::Runtime::new().map_err(Fault::runtime)?;
    let service = arguments.verb.is_service();
    let interrupted = async move {
        // Services end themselves on a signal, in their own time.
        if service {
            std::future::pending().await
        } else {
            service::interrupted().await
        }
    };
    let result = runtime.block_on(async {
        tokio::pin!(interrupted);
        tokio::select! {
            result = go(arguments.verb, &mut context) => result,
            () = interrupted => Err(Fault::Interrupted(Stage::Nothing)),
        }
    });
    // A read from a terminal cannot be cancelled and must not hold the process.
    runtime.shutdown_background();
    match (result, context.end()) {
        (Err(Fault::Interrupted(_)), Stage::Done) => Ok(Exit::Ok),
        (Err(Fault::Interrupted(_)), stage) => Err(Fault::Interrupted(stage)),
        (other, _) => other,
    }
}

async fn go(verb: Verb, context: &mut Context) -> Result<Exit, Fault> {
    match verb {
        Verb::Store(args) => args.run(context).await,
        Verb::Read(args) => args.run(context).await,
        Verb::Ls(args) => args.run(context).await,
        Verb::Status(args) => args.run(context).await,
        Verb::Extend(args) => args.run(context).await,
        Verb::Rm(args) => args.run(context).await,
        Verb::Cost(args) => args.run(context).await,
        Verb::Verify(args) => args.run(context).await,
        Verb::Resume(args) => args.run(context).await,
        Verb::Info(args) => args.run(context).await,
        Verb::Health(args) => args.run(context).await,
        Verb::Wallet(args) => args.run(context).await,
        Verb::Stake(args) => args.run(context).await,
        Verb::Key(args) => args.run(context),
        Verb::Config(args) => args.run(context),
        Verb::Devnet(args) => devnet::run(args).await,
        Verb::Node(args) => args.run(context).await,
        Verb::Gateway(args) => args.run(context).await,
        Verb::Testnet(args) => args.run().await,
        Verb::Completions(args) => args.run(),
    }
}
