//! The Floe client: plans, stores, certifies, reads, verifies and resumes blobs. Owns whole journeys;
//! refuses to print, to parse arguments, and to trust a byte it has not verified.

pub mod advice;
pub mod chain;
pub mod config;
mod connect;
pub mod disk;
mod find;
pub mod light;
mod link;
pub mod network;
pub mod operate;
pub mod owned;
pub mod plan;
pub mod progress;
pub mod read;
pub mod stake;
pub mod status;
pub mod store;
mod verdict;

pub use connect::{ConnectError, open_wallet};

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use floe_chain::{
    blob::Registration,
    epoch::Epoch,
    id::{Address, ObjectId},
    rpc::{ChainError, ChainRead, ChainWrite, abort::Refusal},
};
use floe_codec::{BlobId, Codec};
use floe_p2p::{address::PeerAddress, client::DataClient, fetch::HedgeBudget};

use crate::{chain::Moment, link::Link, network::Network};

/// One network, as one wallet (or none) uses it. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    chain: Arc<dyn ChainRead>,
    wallet: Option<Arc<dyn ChainWrite>>,
    peers: DataClient,
    codec: Codec,
    state_dir: PathBuf,
    patience: Patience,
    /// Finds nodes that moved, if there is somebody to ask.
    finder: Option<Arc<find::Finder>>,
    network: Arc<Mutex<Option<Arc<Network>>>>,
    hedges: Arc<Mutex<HedgeBudget>>,
    uplink: Arc<Link>,
    bench: Arc<read::Workbench>,
    listing: Arc<tokio::sync::Mutex<Option<Listing>>>,
}

/// What the wallet had registered when it was last asked, and what this client registered since.
struct Listing {
    at: tokio::time::Instant,
    objects: BTreeMap<BlobId, Vec<ObjectId>>,
}

/// What a client is made of.
pub struct Parts {
    /// Reads the chain.
    pub chain: Arc<dyn ChainRead>,
    /// Signs and pays; reading needs none.
    pub wallet: Option<Arc<dyn ChainWrite>>,
    /// Asks the nodes.
    pub peers: DataClient,
    /// Codes.
    pub codec: Codec,
    /// Where journals live.
    pub state_dir: PathBuf,
    /// How long to wait for others.
    pub patience: Patience,
}

/// How long a journey waits before it fails. The defaults keep every failure within 30 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For one node to succeed at anything while a store needs it.
    pub node: Duration,
    /// For a segment to be readable.
    pub read: Duration,
    /// For the chain to know an epoch that nodes speak of.
    pub epoch: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            node: Duration::from_secs(10),
            read: Duration::from_secs(20),
            epoch: Duration::from_secs(20),
        }
    }
}

/// How long a listing of the wallet is good enough to find what was registered elsewhere.
const LISTING_TIME: Duration = Duration::from_secs(60);
/// Between two looks at the chain.
const EPOCH_PAUSE: Duration = Duration::from_millis(250);

impl Client {
    /// Puts a client together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts {
            chain,
            wallet,
            peers,
            codec,
            state_dir,
            patience,
        } = parts;
        let uplink = Link::of(&peers);
        Self {
            chain,
            wallet,
            peers,
            codec,
            state_dir,
            patience,
            finder: None,
            network: Arc::default(),
            hedges: Arc::default(),
            uplink: Arc::new(uplink),
            bench: Arc::default(),
            listing: Arc::default(),
        }
    }

    /// The chain this client reads.
    #[must_use]
    pub fn chain(&self) -> &Arc<dyn ChainRead> {
        &self.chain
    }

    /// The key that signs and pays.
    #[must_use]
    pub fn wallet(&self) -> Option<&Arc<dyn ChainWrite>> {
        self.wallet.as_ref()
    }

    fn journals(&self) -> PathBuf {
        self.state_dir.join("stores")
    }

    /// The committee as last read; reads it first if need be.
    ///
    /// # Errors
    /// The chain does not answer, or has no committee yet.
    pub async fn network(&self) -> Result<Arc<Network>, ChainError> {
        let known = self.lock().clone();
        match known {
            Some(network) => Ok(network),
            None => self.refresh().await,
        }
    }

    /// The wallet's registrations of a blob, as they are now. A wallet may own many: it is listed once
    /// in a while, not for each of them.
    async fn registrations(
        &self,
        owner: Address,
        blob: BlobId,
    ) -> Result<Vec<Registration>, ChainError> {
        let mut listing = self.listing.lock().await;
        listing.take_if(|it| it.at.elapsed() >= LISTING_TIME);
        if listing.is_none() {
            let mut objects: BTreeMap<BlobId, Vec<ObjectId>> = BTreeMap::new();
            for owned in self.chain.owned_blobs(owner).await? {
                objects.entry(owned.blob).or_default().push(owned.object);
            }
            let at = tokio::time::Instant::now();
            *listing = Some(Listing { at, objects });
        }
        let found = listing.as_ref().and_then(|it| it.objects.get(&blob));
        let objects = found.cloned().unwrap_or_default();
        drop(listing);
        let found = objects.iter().map(|object| self.chain.blob(*object));
        let found = futures::future::try_join_all(found).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// This client has registered a blob.
    async fn registered(&self, blob: BlobId, object: ObjectId) {
        if let Some(listing) = self.listing.lock().await.as_mut() {
            listing.objects.entry(blob).or_default().push(object);
        }
    }

    /// Waits until the chain knows a later epoch than `old`.
    async fn network_after(&self, old: Epoch) -> Result<Arc<Network>, ChainError> {
        let begun = tokio::time::Instant::now();
        loop {
            let network = self.refresh().await?;
            if network.epoch() > old {
                return Ok(network);
            }
            if begun.elapsed() > self.patience.epoch {
                return Err(ChainError::Refused(Refusal::SystemStaleEpoch));
            }
            tokio::time::sleep(EPOCH_PAUSE).await;
        }
    }

    /// Reads the current committee and where its members answer.
    ///
    /// # Errors
    /// The chain does not answer, or has no committee yet.
    pub async fn refresh(&self) -> Result<Arc<Network>, ChainError> {
        let system = self.chain.system().await?;
        let committee = self.chain.committee(system.epoch).await?;
        let committee = committee.ok_or(ChainError::Refused(Refusal::SystemNotStarted))?;
        if let Some(finder) = &self.finder {
            finder.learn(&committee).await;
        }
        let ids: Vec<_> = committee
            .members()
            .iter()
            .map(|member| member.node())
            .collect();
        let nodes = self.chain.nodes(&ids).await?;
        let hints = nodes
            .into_iter()
            .map(|node| node.map_or(Vec::new(), |node| node.addresses));
        let addresses =
            Network::peers_of(&committee)
                .into_iter()
                .zip(hints)
                .map(|(peer, hints)| {
                    // Whatever does not parse is as useless as a wrong address.
                    let addresses = hints.iter().filter_map(|hint| hint.parse().ok()).collect();
                    PeerAddress { peer, addresses }
                });
        let addresses = addresses.collect();
        let network = Arc::new(Network {
            id: system.network,
            committee,
            addresses,
        });
        *self.lock() = Some(Arc::clone(&network));
        Ok(network)
    }

    async fn moment(&self) -> Result<Moment, ChainError> {
        Moment::read(&*self.chain).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Network>>> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
