//! What a light client needs of the control plane. Whatever it answers is checked.

use async_trait::async_trait;
use floe_chain::{
    certificate::UnverifiedCertificate, committee::Committee, epoch::Epoch, statement::Handover,
};
use floe_p2p::{address::DataAddress, identity::PeerId};
use futures::stream::BoxStream;

/// A committee as a peer tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The committee.
    pub committee: Committee,
    /// The certificate by which the committee before names it, if the peer has it.
    pub handover: Option<UnverifiedCertificate<Handover>>,
}

/// Peers, and how they are asked.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Peers that can be asked, best first of those known at each moment. Ends when everybody of whom
    /// this side knew to begin with was reached or found out of reach, within some seconds.
    fn peers(&self) -> BoxStream<'_, PeerId>;

    /// What `peer` says is the committee of `epoch`; `None` if it knows none or does not answer.
    async fn committee(&self, peer: PeerId, epoch: Epoch) -> Option<Answer>;

    /// Where the data plane of each member answers, in member order; empty where nothing is known.
    async fn addresses(&self, committee: &Committee) -> Vec<Vec<DataAddress>>;
}
