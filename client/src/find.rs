//! Finds nodes that are not where the chain says: by their signed records, over a control plane that is
//! started when the first of them does not answer.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use floe_chain::committee::Committee;
use floe_p2p::{
    Resolve,
    address::PeerAddress,
    control::{
        book::{AddressBook, Origin},
        plane::{ControlPlane, StartError},
        respond::NoRespond,
        settings::ControlSettings,
    },
    identity::Identity,
};
use futures::future::BoxFuture;
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep},
};

use crate::light::TrustAnchor;

/// How long a record is waited for.
const PATIENCE: Duration = Duration::from_secs(4);
/// Between two looks at what is known.
const LOOK: Duration = Duration::from_millis(20);

/// Where nodes are, for a client that knows the chain.
pub(crate) struct Finder {
    identity: Identity,
    settings: ControlSettings,
    book: Arc<AddressBook>,
    committee: Mutex<Option<Arc<Committee>>>,
    plane: OnceCell<Option<ControlPlane>>,
}

impl Finder {
    /// Begins with the bootstraps of `anchor`, and trusts nothing else of it.
    pub(crate) fn new(identity: Identity, anchor: &TrustAnchor) -> Self {
        Self {
            identity,
            settings: control_settings(anchor),
            book: book_of(anchor),
            committee: Mutex::default(),
            plane: OnceCell::new(),
        }
    }

    /// The committee whose members are looked for, as the chain says.
    pub(crate) async fn learn(&self, committee: &Committee) {
        let committee = Arc::new(committee.clone());
        *self.lock() = Some(Arc::clone(&committee));
        if let Some(Some(plane)) = self.plane.get() {
            plane.set_committees(vec![committee]).await;
        }
    }

    async fn start(&self) -> Option<ControlPlane> {
        let plane = start(&self.identity, &self.settings, &self.book)
            .inspect_err(|error| tracing::warn!(%error, "moved nodes cannot be looked for"))
            .ok()?;
        let committee = self.lock().clone();
        plane.set_committees(committee.into_iter().collect()).await;
        Some(plane)
    }

    /// The peer's record says where it is, within some seconds.
    async fn find(&self, tried: &PeerAddress) -> Option<PeerAddress> {
        self.plane.get_or_init(|| self.start()).await.as_ref()?;
        let until = Instant::now() + PATIENCE;
        while self.book.data(&tried.peer).0 != Origin::Record && Instant::now() < until {
            sleep(LOOK).await;
        }
        let found = self.book.resolve(tried);
        (found != *tried).then_some(found)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Committee>>> {
        self.committee
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolve for Finder {
    fn resolve(&self, to: &PeerAddress) -> PeerAddress {
        self.book.resolve(to)
    }

    fn search<'a>(&'a self, tried: &'a PeerAddress) -> BoxFuture<'a, Option<PeerAddress>> {
        Box::pin(self.find(tried))
    }
}

/// A client's control plane, whose news nobody needs: gossip only tells what is asked for anyway.
pub(crate) fn start(
    identity: &Identity,
    settings: &ControlSettings,
    book: &Arc<AddressBook>,
) -> Result<ControlPlane, StartError> {
    let respond = Arc::new(NoRespond);
    let (plane, mut news) =
        ControlPlane::start(identity, settings, Arc::clone(book), respond, None)?;
    tokio::spawn(async move { while news.recv().await.is_some() {} });
    Ok(plane)
}

/// A book with the bootstraps of an anchor.
pub(crate) fn book_of(anchor: &TrustAnchor) -> Arc<AddressBook> {
    let book = AddressBook::new(anchor.network);
    for bootstrap in &anchor.bootstrap {
        book.add_bootstrap(bootstrap.clone());
    }
    Arc::new(book)
}

/// How a client's control plane starts.
pub(crate) fn control_settings(anchor: &TrustAnchor) -> ControlSettings {
    ControlSettings {
        local_network: anchor.is_local(),
        ..ControlSettings::client()
    }
}
