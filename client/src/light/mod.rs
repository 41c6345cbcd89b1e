//! The light client: reads and verifies with a trust anchor and a few addresses; no full node, no
//! wallet.
//!
//! ```text
//! TrustAnchor -- committee of the anchor's epoch, by digest
//!   -> each next committee, by the certificate of the one before -> who serves now -> a read
//! ```
//! What it believes is kept in a state directory that only moves forward. A node can withhold and
//! so keep it in the past; it cannot make it believe another committee, nor another byte: a blob
//! verifies against its own id.

mod anchor;
mod bundle;
mod control;
mod directory;
mod error;
mod follow;
#[cfg(test)]
pub(crate) mod testing;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use floe_chain::{
    committee::Committee,
    epoch::{ChainTime, Epoch},
};
use floe_codec::{BlobId, Codec};
use floe_p2p::{
    Resolve,
    address::PeerAddress,
    client::DataClient,
    control::plane::{ControlPlane, wall_clock},
    identity::Identity,
    plane::DataPlane,
    transport::{
        DataTransport,
        fallback::Fallback,
        quic::{BindError, QuicSettings, QuicTransport},
    },
};

pub use anchor::{AnchorError, TrustAnchor};
pub use bundle::{Bundle, BundleError, Evidence, MAX_BUNDLE};
pub use control::ControlDirectory;
pub use directory::{Answer, Directory};
pub use error::LightError;

use self::follow::Follower;
use crate::{
    Patience,
    disk::trust::TrustFile,
    network::Network,
    progress::Listener,
    read::{FoundBlob, NetworkSource, ReadError, Retrieval},
};

/// Reads blobs of one network from a trust anchor on. Cheap to clone.
#[derive(Clone)]
pub struct LightClient {
    follower: Arc<Follower>,
    tools: Retrieval,
}

/// What a light client is made of.
pub struct LightParts {
    /// What is trusted to begin with.
    pub anchor: TrustAnchor,
    /// Who can be asked, and where they are.
    pub directory: Arc<dyn Directory>,
    /// Asks the nodes for slivers.
    pub peers: DataClient,
    /// Decodes.
    pub codec: Codec,
    /// How long to wait for others.
    pub patience: Patience,
    /// The time, in milliseconds since the Unix epoch.
    pub clock: fn() -> ChainTime,
}

/// How far a light client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The newest committee's epoch.
    pub epoch: Epoch,
    /// Committees verified on the way there, this time.
    pub steps: u32,
    /// The epoch should be over by its schedule, but nobody knows a later committee: either the
    /// network stands still, or those who were asked keep this client in the past.
    pub overdue: bool,
}

impl LightParts {
    /// The parts for a running control plane and the real clock. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// No UDP port can be had.
    pub fn over(
        plane: &ControlPlane,
        identity: &Identity,
        anchor: TrustAnchor,
        codec: Codec,
    ) -> Result<Self, BindError> {
        // Where UDP does not pass, the control plane's connections carry the data too.
        let quic = Arc::new(QuicTransport::bind(identity, QuicSettings::client())?);
        let streams = Arc::clone(plane.data_transport()) as Arc<dyn DataTransport>;
        let transport = Arc::new(Fallback::new(quic, streams));
        // A record that comes during a read counts for its next dial.
        let book = Arc::clone(plane.book()) as Arc<dyn Resolve>;
        Ok(Self {
            anchor,
            directory: Arc::new(ControlDirectory::new(plane.clone())),
            peers: DataPlane::client_resolving(transport, Some(book))
                .client()
                .clone(),
            codec,
            patience: Patience::default(),
            clock: wall_clock,
        })
    }
}

impl LightClient {
    /// Takes up what `state_dir` remembers of the anchor's network, or begins at the anchor, and
    /// follows the committees to the newest.
    ///
    /// # Errors
    /// The state contradicts the anchor or is damaged, nobody has the anchor's committee, two
    /// committees of one epoch were certified, or what is trusted is too old.
    pub async fn open(parts: LightParts, state_dir: &Path) -> Result<(Self, Standing), LightError> {
        let LightParts {
            anchor,
            directory,
            peers,
            codec,
            patience,
            clock,
        } = parts;
        let file = TrustFile::new(state_dir, anchor.network)?;
        let follower = Follower::start(anchor, file, directory, clock).await?;
        let follower = Arc::new(follower);
        let standing = follower.advance().await?;
        let source = Arc::new(Source {
            follower: Arc::clone(&follower),
            network: Mutex::default(),
        });
        let tools = Retrieval {
            source,
            peers,
            codec,
            patience,
            hedges: Arc::default(),
            bench: Arc::default(),
        };
        Ok((Self { follower, tools }, standing))
    }

    /// The committee that serves now, going by its schedule.
    #[must_use]
    pub fn committee(&self) -> Committee {
        self.follower.serving()
    }

    /// Looks for newer committees.
    ///
    /// # Errors
    /// See [`LightClient::open`].
    pub async fn advance(&self) -> Result<Standing, LightError> {
        self.follower.advance().await
    }

    /// Learns who serves now and where they are.
    ///
    /// # Errors
    /// See [`LightClient::open`].
    pub async fn refresh(&self) -> Result<Arc<Network>, ReadError> {
        self.tools.source.refresh().await
    }

    /// Finds a blob, as [`Client::find`](crate::Client::find) does.
    ///
    /// # Errors
    /// No such blob, or too few nodes answer.
    pub async fn find(&self, blob: BlobId, listener: Listener) -> Result<FoundBlob, ReadError> {
        self.tools.clone().find(blob, listener).await
    }
}

/// The network of the serving committee, with the addresses that the directory knows.
struct Source {
    follower: Arc<Follower>,
    network: Mutex<Option<Arc<Network>>>,
}

impl Source {
    async fn learn(&self) -> Arc<Network> {
        let committee = self.follower.serving();
        let addresses = self.follower.directory().addresses(&committee).await;
        let addresses = Network::peers_of(&committee)
            .into_iter()
            .zip(addresses)
            .map(|(peer, addresses)| PeerAddress { peer, addresses })
            .collect();
        let network = Arc::new(Network {
            id: self.follower.network(),
            committee,
            addresses,
        });
        *self.network.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&network));
        network
    }
}

#[async_trait]
impl NetworkSource for Source {
    async fn network(&self) -> Result<Arc<Network>, ReadError> {
        let known = self
            .network
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match known {
            Some(network) => Ok(network),
            None => Ok(self.learn().await),
        }
    }

    async fn refresh(&self) -> Result<Arc<Network>, ReadError> {
        self.follower.advance().await?;
        Ok(self.learn().await)
    }
}
