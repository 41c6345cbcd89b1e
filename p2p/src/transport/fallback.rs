//! Two ways to the same peers: the second is tried when the first fails, or does not succeed soon.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::timeout;

use super::{Connection, DataTransport, DialError};
use crate::{address::PeerAddress, identity::PeerId, wire::CloseCode};

/// How long the first way is tried alone.
const HEAD_START: Duration = Duration::from_secs(1);

/// A transport for whoever asks; connections from outside come only by the first way.
pub struct Fallback {
    first: Arc<dyn DataTransport>,
    second: Arc<dyn DataTransport>,
}

impl Fallback {
    /// Tries `first`, then `second`. Both prove the same identity.
    #[must_use]
    pub fn new(first: Arc<dyn DataTransport>, second: Arc<dyn DataTransport>) -> Self {
        Self { first, second }
    }

    /// What went wrong the first way says more than the second.
    async fn dial_both(&self, to: &PeerAddress) -> Result<Arc<dyn Connection>, DialError> {
        let mut first = pin!(self.first.dial(to));
        let mut second = pin!(self.second.dial(to));
        match timeout(HEAD_START, &mut first).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(DialError::Closed)) => return Err(DialError::Closed),
            Ok(Err(error)) => return second.await.map_err(|_| error),
            Err(_) => {}
        }
        tokio::select! {
            biased;
            connected = &mut first => match connected {
                Err(error) => second.await.map_err(|_| error),
                connected => connected,
            },
            connected = &mut second => match connected {
                Err(_) => first.await,
                connected => connected,
            },
        }
    }
}

impl DataTransport for Fallback {
    fn local_peer(&self) -> PeerId {
        self.first.local_peer()
    }

    fn dial<'a>(
        &'a self,
        to: &'a PeerAddress,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>, DialError>> {
        Box::pin(self.dial_both(to))
    }

    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>> {
        self.first.accept()
    }

    fn close(&self, code: CloseCode) {
        self.first.close(code);
        self.second.close(code);
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.first.closed().await;
            self.second.closed().await;
        })
    }
}
