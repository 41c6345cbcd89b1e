//! `floe gateway`: serves verified reads over HTTP until a signal ends it.

use std::{fmt, net::SocketAddr, path::PathBuf};

use floe_client::disk::path::FilePath;
use floe_gateway::{CacheSettings, Gateway, Settings};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{context::Context, exit::Exit, fault::Fault, light::Light, output::Record, service};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where readers connect; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:31415")]
    listen: SocketAddr,
    /// Keep what was read in this folder; it is verified again whenever it is used
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Most MiB kept there
    #[arg(long, value_name = "MIB", default_value_t = 10_240, requires = "cache")]
    cache_size: u64,
    /// MiB that segments may take in memory at once
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    memory: u64,
    /// Blobs sent at once; further readers are asked to come again
    #[arg(long, value_name = "COUNT", default_value_t = 512)]
    requests: usize,
    #[command(flatten)]
    light: Light,
}

/// The gateway answers.
#[derive(Debug, Serialize)]
struct Serving {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<FilePath>,
}

impl Record for Serving {
    const TYPE: &'static str = "gateway";
}

impl fmt::Display for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blobs are at {}/v1/blobs/ID", self.url)?;
        match &self.cache {
            Some(dir) => write!(f, ", cached in {dir}"),
            None => write!(f, ", not cached (see --cache)"),
        }
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        service::log();
        let upstream = self.light.upstream(context).await?;
        let settings = Settings {
            listen: self.listen,
            cache: self.cache.clone().map(|dir| CacheSettings {
                dir,
                size: self.cache_size.saturating_mul(1 << 20),
            }),
            memory: self.memory.saturating_mul(1 << 20),
            requests: self.requests,
        };
        let gateway = Gateway::bind(&settings, upstream).await?;
        context.output.print(&Serving {
            url: format!("http://{}", gateway.address()),
            cache: self.cache.map(FilePath),
        })?;
        let shutdown = CancellationToken::new();
        let signal = shutdown.clone();
        tokio::spawn(async move {
            service::interrupted().await;
            signal.cancel();
        });
        gateway.serve(shutdown).await;
        Ok(Exit::Ok)
    }
}
