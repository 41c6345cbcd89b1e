//! The client that a gateway reads with: one that asks the chain who serves, or one that follows the
//! committees from a trust anchor.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use floe_chain::{
    blob::BlobState,
    id::ObjectId,
    rpc::{ChainError, ChainRead},
};
use floe_client::{
    Client,
    chain::Moment,
    light::LightClient,
    network::Network,
    progress::Listener,
    read::{FoundBlob, ReadError},
};
use floe_codec::BlobId;

use crate::error::ServeError;

/// A client of either kind. Cheap to clone.
#[derive(Clone)]
pub enum Upstream {
    /// Knows from the chain who serves, and what objects stand for.
    Chain(Client),
    /// Needs no chain.
    Light(LightClient),
}

/// What is known of how long a blob lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Nodes do not say, so it may end at any time.
    Unknown,
    /// Its owner may delete it at any time.
    Deletable,
    /// Nobody can end it before.
    Until(SystemTime),
}

/// What a `Blob` object stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub(crate) blob: BlobId,
    pub(crate) lifetime: Lifetime,
}

impl Upstream {
    /// Finds a blob.
    ///
    /// # Errors
    /// No such blob, or too few nodes answer.
    pub async fn find(&self, blob: BlobId, listener: Listener) -> Result<FoundBlob, ReadError> {
        match self {
            Self::Chain(client) => client.find(blob, listener).await,
            Self::Light(client) => client.find(blob, listener).await,
        }
    }

    /// Learns who serves now.
    pub(crate) async fn refresh(&self) -> Result<Arc<Network>, ReadError> {
        match self {
            Self::Chain(client) => Ok(client.refresh().await?),
            Self::Light(client) => client.refresh().await,
        }
    }

    /// The blob of a `Blob` object, if it is stored now.
    pub(crate) async fn resolve(&self, object: ObjectId) -> Result<Named, ServeError> {
        let Self::Chain(client) = self else {
            return Err(ServeError::NoChain);
        };
        let chain: &dyn ChainRead = &**client.chain();
        let (found, moment) = futures::join!(chain.blob(object), Moment::read(chain));
        let found = match found {
            // An object of another type.
            Err(ChainError::Malformed { .. }) => None,
            found => found?,
        };
        let (found, moment) = (found.ok_or(ServeError::NoObject(object))?, moment?);
        let state = found.state(moment.epoch());
        if state != BlobState::Certified {
            let blob = found.blob;
            return Err(ServeError::NotStored {
                object,
                blob,
                state,
            });
        }
        let end = moment.expected_start(found.period.end);
        let lifetime = if found.deletable {
            Lifetime::Deletable
        } else {
            Lifetime::Until(UNIX_EPOCH + Duration::from_millis(end.as_ms()))
        };
        Ok(Named {
            blob: found.blob,
            lifetime,
        })
    }
}
