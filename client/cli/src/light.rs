//! The flags of a light client, and what it does for every verb that can do without the chain.

use std::path::PathBuf;

use floe_client::{
    light::{Bundle, Evidence, LightClient, TrustAnchor},
    plan::ByteRange,
    read::{ReadError, Reader},
};
use floe_codec::BlobId;
use floe_gateway::Upstream;
use floe_p2p::control::plane::wall_clock;

use crate::{context::Context, fault::Fault};

#[derive(Debug, clap::Args)]
pub(crate) struct Light {
    /// Ask no chain: follow the committees from a trust anchor instead
    #[arg(long)]
    light: bool,
    /// The trust anchor
    #[arg(long, value_name = "FILE", requires = "light")]
    anchor: Option<PathBuf>,
}

impl Light {
    /// Begins to read, with or without the chain.
    pub(crate) async fn read(
        &self,
        blob: BlobId,
        range: ByteRange,
        context: &mut Context,
    ) -> Result<Reader, Fault> {
        let upstream = self.upstream(context).await?;
        let found = upstream.find(blob, context.listener()).await?;
        Ok(found.read(range).map_err(ReadError::from)?)
    }

    /// A client that reads, with or without the chain.
    pub(crate) async fn upstream(&self, context: &mut Context) -> Result<Upstream, Fault> {
        Ok(if self.light {
            Upstream::Light(self.connect(context).await?)
        } else {
            Upstream::Chain(context.client().await?)
        })
    }

    /// A light client that has followed the committees. What it could not make sure is said.
    pub(crate) async fn connect(&self, context: &mut Context) -> Result<LightClient, Fault> {
        self.name_anchor(context);
        let (client, standing) = LightClient::connect(&context.config()?).await?;
        if standing.overdue {
            context.output.say(format!(
                "epoch {} should be over, but no later committee is known: the network stands still, \
                 or this client is kept from hearing of it",
                standing.epoch
            ));
        }
        Ok(client)
    }

    /// Checks a proof against the anchor.
    pub(crate) fn check(&self, bundle: &Bundle, context: &mut Context) -> Result<Evidence, Fault> {
        self.name_anchor(context);
        let anchor = TrustAnchor::read(&context.config()?.light_anchor()?)?;
        Ok(bundle.check(&anchor, wall_clock())?)
    }

    fn name_anchor(&self, context: &mut Context) {
        let anchor = self.anchor.as_ref().map(|anchor| anchor.display());
        context.flag("light.anchor", anchor);
    }
}
