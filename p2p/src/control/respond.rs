//! Answers the small requests of others: records from the book, the rest by whoever owns it.

use std::sync::Arc;

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use libp2p::request_response::ResponseChannel;
use tokio::sync::mpsc;

use super::{
    book::AddressBook,
    request::{ControlAnswer, ControlRequest},
    swarm::Command,
};
use crate::identity::PeerId;

/// Answers what the control plane cannot answer by itself: committees and signatures.
pub trait Respond: Send + Sync + 'static {
    /// The answer to `request`. Must not block.
    fn respond(&self, request: ControlRequest) -> BoxFuture<'_, ControlAnswer>;
}

/// Knows nothing: what a pure client answers with.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRespond;

impl Respond for NoRespond {
    fn respond(&self, _: ControlRequest) -> BoxFuture<'_, ControlAnswer> {
        Box::pin(std::future::ready(ControlAnswer::Unknown))
    }
}

/// A request and the way back.
pub(super) struct Asked {
    pub(super) request: ControlRequest,
    pub(super) channel: ResponseChannel<ControlAnswer>,
}

/// Requests answered at once.
const AT_ONCE: usize = 16;

/// Answers until the swarm is gone.
pub(super) async fn answer(
    local: PeerId,
    book: Arc<AddressBook>,
    respond: Arc<dyn Respond>,
    mut inbox: mpsc::Receiver<Asked>,
    swarm: mpsc::Sender<Command>,
) {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            asked = inbox.recv(), if open.len() < AT_ONCE => {
                let Some(Asked { request, channel }) = asked else { return };
                let (book, respond) = (Arc::clone(&book), Arc::clone(&respond));
                open.push(async move {
                    let answer = match request {
                        ControlRequest::Records(peers) => {
                            ControlAnswer::Records(book.answer(local, &peers))
                        }
                        other => respond.respond(other).await,
                    };
                    (channel, answer)
                });
            }
            Some((channel, answer)) = open.next() => {
                if swarm.send(Command::Answer { channel, answer }).await.is_err() {
                    return;
                }
            }
        }
    }
}
