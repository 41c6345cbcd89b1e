//! What other peers are answered on the control plane: committees and signatures.

use std::sync::{Arc, Mutex};

use floe_p2p::control::{
    request::{ControlAnswer, ControlRequest},
    respond::Respond,
};
use futures::future::BoxFuture;

use super::{Archive, HandoverSignatures, lock};

/// Answers from the archive and from the signatures being collected.
pub(super) struct Answers {
    pub(super) archive: Archive,
    pub(super) signatures: Arc<Mutex<Option<HandoverSignatures>>>,
}

impl Respond for Answers {
    fn respond(&self, request: ControlRequest) -> BoxFuture<'_, ControlAnswer> {
        Box::pin(async move {
            match request {
                ControlRequest::Committee(epoch) => {
                    let archive = self.archive.clone();
                    let read = tokio::task::spawn_blocking(move || archive.committee(epoch));
                    match read.await {
                        Ok(Some(named)) => ControlAnswer::Committee(Box::new(named)),
                        _ => ControlAnswer::Unknown,
                    }
                }
                ControlRequest::Signatures(epoch) => {
                    let signatures = lock(&self.signatures);
                    let known = signatures
                        .as_ref()
                        .filter(|known| known.by().epoch().next() == Some(epoch));
                    let all: Vec<_> = known
                        .into_iter()
                        .flat_map(|known| known.all().cloned())
                        .collect();
                    all.try_into()
                        .map_or(ControlAnswer::Unknown, ControlAnswer::Signatures)
                }
                ControlRequest::Records(_) => ControlAnswer::Unknown,
            }
        })
    }
}
