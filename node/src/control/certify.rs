//! Certifying the next committee: signs it, collects signatures until they are a quorum's, and fetches
//! certificates that others have, also of epochs past.

use std::sync::Arc;

use floe_chain::{
    certificate::UnverifiedCertificate, committee::Committee, epoch::Epoch, statement::Handover,
};
use floe_p2p::{
    control::{
        news::CommitteeNews,
        request::{ControlAnswer, ControlRequest},
        score::Fault,
        topic::Topic,
    },
    identity::PeerId,
};

use super::{lock, task::Task};

/// Peers asked for a certificate in one look.
const ASKED: usize = 2;

impl Task {
    /// Signs the next committee and says so.
    pub(super) async fn sign(&self, next: &Committee) {
        let Ok(signature) = self.node.sign_handover(next) else {
            return;
        };
        if let Some(signatures) = lock(&self.control.signatures).as_mut() {
            signatures.add(signature.clone());
        }
        self.gossip(Topic::Committee, &CommitteeNews::Signature(signature))
            .await;
    }

    /// Keeps a verified certificate of the next or the current committee.
    pub(super) async fn adopt(&mut self, certificate: UnverifiedCertificate<Handover>) {
        for committee in [self.next.clone(), self.current.clone()]
            .into_iter()
            .flatten()
        {
            if certificate.statement.body == Handover::to(&committee) {
                let is_next = self.next.as_ref() == Some(&committee);
                self.keep(committee, Some(certificate.clone())).await;
                if is_next && !self.certified {
                    self.certified = true;
                    tracing::info!(epoch = %certificate.statement.body.next, "the next committee is certified");
                }
            }
        }
    }

    /// Makes the certificate of the next committee if the signatures suffice, and says so.
    pub(super) async fn try_certify(&mut self) {
        let Some(next) = self.next.clone().filter(|_| !self.certified) else {
            return;
        };
        let certificate = {
            let signatures = lock(&self.control.signatures);
            signatures
                .as_ref()
                .and_then(|known| known.certificate(&next))
        };
        if let Some(certificate) = certificate {
            self.adopt(certificate.clone()).await;
            self.gossip(Topic::Committee, &CommitteeNews::Certificate(certificate))
                .await;
        }
    }

    /// Asks members for the next committee's certificate, or for signatures.
    pub(super) async fn ask_for_certificate(&mut self) {
        let (Some(current), Some(next)) = (self.current.clone(), self.next.clone()) else {
            return;
        };
        for peer in self.some_members() {
            if let Some(certificate) = self.fetch_certificate(peer, &current, &next).await {
                return self.adopt(certificate).await;
            }
            let request = ControlRequest::Signatures(next.epoch());
            if let Ok(ControlAnswer::Signatures(all)) = self.plane().ask(peer, request).await {
                let signatures = Arc::clone(&self.control.signatures);
                let check = move || {
                    if let Some(known) = lock(&signatures).as_mut() {
                        for signature in all.into_inner() {
                            known.add_unverified(signature);
                        }
                    }
                };
                let _ = tokio::task::spawn_blocking(check).await;
                self.try_certify().await;
            }
            if self.certified {
                return;
            }
        }
    }

    /// The certificate of `next`, from a peer, verified by the committee before it.
    async fn fetch_certificate(
        &self,
        peer: PeerId,
        by: &Arc<Committee>,
        next: &Committee,
    ) -> Option<UnverifiedCertificate<Handover>> {
        let request = ControlRequest::Committee(next.epoch());
        let Ok(ControlAnswer::Committee(named)) = self.plane().ask(peer, request).await else {
            return None;
        };
        let certificate = named.handover?;
        if certificate.statement.body != Handover::to(next) {
            return None;
        }
        match certificate.verify(self.node.network(), by) {
            Ok(certificate) => Some(certificate.into_unverified()),
            Err(_) => {
                self.plane().report(peer, Fault::Forged).await;
                None
            }
        }
    }

    /// Fetches one missing certificate of the past, so that this node too can show the whole chain.
    pub(super) async fn fill_gap(&mut self) {
        let Some(epoch) = self.gap.filter(|_| self.seldom()) else {
            return;
        };
        let Some(before) = epoch.previous().filter(|before| *before > Epoch::ZERO) else {
            self.gap = None;
            return;
        };
        let named = self.archived(epoch).await;
        if named.as_ref().is_some_and(|named| named.handover.is_some()) {
            self.gap = Some(before);
            return;
        }
        let (Some(by), Some(next)) = (self.committee(before).await, self.committee(epoch).await)
        else {
            return;
        };
        let by = Arc::new(by);
        for peer in self.some_members() {
            if let Some(certificate) = self.fetch_certificate(peer, &by, &next).await {
                self.keep(Arc::new(next), Some(certificate)).await;
                self.keep(by, None).await;
                self.gap = Some(before);
                return;
            }
        }
    }

    /// Some connected members, others each time.
    fn some_members(&self) -> Vec<PeerId> {
        let connected = self.plane().connected().borrow().clone();
        let book = &self.control.directory.book;
        let mut members: Vec<_> = connected
            .into_iter()
            .filter(|peer| book.is_member(peer))
            .collect();
        let start = self.round.checked_rem(members.len()).unwrap_or(0);
        members.rotate_left(start);
        members.truncate(ASKED);
        members
    }
}
