//! First packets of strangers become connections of proven peers, where the door lets them in.

use std::{sync::Arc, time::Duration};

use quinn::{Endpoint, Incoming};
use tokio::{sync::mpsc, time::timeout};
use tracing::debug;

use crate::{
    guard::door::{Caller, Knock},
    transport::handshake::Handshakes,
};

/// How long a handshake may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Makes of a connection whose handshake is done what its plane knows it by; nothing if its peer has
/// proven no identity.
pub(crate) type Prove<C> = fn(quinn::Connection) -> Option<C>;

/// Begins to answer every first packet, until the endpoint is closed; then nothing is `ready` any more.
pub(crate) fn serve<C: Send + 'static>(
    door: &Arc<Handshakes>,
    endpoint: Endpoint,
    prove: Prove<C>,
    ready: mpsc::Sender<C>,
) {
    door.spawn(answer(Arc::clone(door), endpoint, prove, ready));
}

async fn answer<C: Send + 'static>(
    door: Arc<Handshakes>,
    endpoint: Endpoint,
    prove: Prove<C>,
    ready: mpsc::Sender<C>,
) {
    while let Some(incoming) = endpoint.accept().await {
        let caller = Caller {
            site: incoming.remote_address().ip().into(),
            proven: incoming.remote_address_validated(),
            lingers: true,
        };
        match door.ask(caller) {
            Knock::Enter { ticket, .. } => {
                let handshake = async move {
                    let established = timeout(TIMEOUT, establish(incoming, prove)).await;
                    established.ok().flatten()
                };
                door.begin(caller.site, ticket, handshake, ready.clone());
            }
            // Fails only for an address that is proven.
            Knock::Prove => drop(incoming.retry()),
            Knock::Ignore(_) => incoming.ignore(),
        }
    }
}

async fn establish<C>(incoming: Incoming, prove: Prove<C>) -> Option<C> {
    let remote = incoming.remote_address();
    let connection = match incoming.accept() {
        Ok(connecting) => connecting.await,
        Err(error) => Err(error),
    };
    match connection {
        Ok(connection) => {
            let proven = prove(connection);
            if proven.is_none() {
                debug!(%remote, "a peer proved no identity");
            }
            proven
        }
        Err(error) => {
            debug!(%remote, %error, "a handshake failed");
            None
        }
    }
}
