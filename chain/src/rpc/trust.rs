//! The light client's hands: fetches what the proofs of [`crate::light`] need, from any endpoint.

use std::sync::{Arc, Mutex, MutexGuard};

use sui_sdk_types::{Address, Digest, SignedCheckpointSummary};

use super::endpoints::{Endpoints, Fault, Source};
use super::error::ChainError;
use super::fetch;
use crate::light::{
    CertifiedSummary, Executed, LightError, ProvenObject, Ratchet, TrustAnchor, TrustLimits,
};

/// Verifies what endpoints say.
pub(crate) struct Trust {
    endpoints: Arc<Endpoints>,
    ratchet: Mutex<Option<Ratchet>>,
    /// Without an anchor, the first committee served is believed.
    anchored: bool,
    limits: TrustLimits,
}

impl Trust {
    pub(crate) fn new(
        endpoints: Arc<Endpoints>,
        anchor: Option<TrustAnchor>,
    ) -> Result<Self, ChainError> {
        let limits = TrustLimits::default();
        let anchored = anchor.is_some();
        let ratchet = anchor
            .map(|anchor| Ratchet::new(anchor, limits))
            .transpose()?;
        if !anchored {
            tracing::warn!(
                "no trust anchor is configured: the validators that an endpoint names are believed"
            );
        }
        Ok(Self {
            endpoints,
            ratchet: Mutex::new(ratchet),
            anchored,
            limits,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Ratchet>> {
        self.ratchet
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Verifies a summary, following the validators to its epoch first.
    pub(crate) async fn certify(
        &self,
        source: &Source,
        signed: SignedCheckpointSummary,
    ) -> Result<CertifiedSummary, Fault> {
        self.reach(source, signed.checkpoint.epoch).await?;
        let mut ratchet = self.lock();
        let ratchet = ratchet.as_mut().ok_or_else(unanchored)?;
        let summary = &signed.checkpoint;
        // The last checkpoint of the newest epoch is also the next step.
        let ends = summary.epoch == ratchet.epoch() && summary.end_of_epoch_data.is_some();
        Ok(if ends {
            ratchet.advance(signed)?
        } else {
            ratchet.verify(signed)?
        })
    }

    async fn reach(&self, source: &Source, epoch: u64) -> Result<(), Fault> {
        let known = self.lock().as_ref().map(Ratchet::epoch);
        if !self.anchored && known.is_none_or(|known| epoch < known) {
            let committee = fetch::validators(source, epoch).await?;
            if committee.epoch != epoch {
                return Err(Fault::Corrupt("validators of another epoch".to_owned()));
            }
            *self.lock() = Some(Ratchet::new(TrustAnchor(committee), self.limits)?);
        }
        loop {
            let known = self
                .lock()
                .as_ref()
                .map(Ratchet::epoch)
                .ok_or_else(unanchored)?;
            if known >= epoch {
                return Ok(());
            }
            let end = fetch::epoch_end(source, known).await?;
            let summary = fetch::checkpoint_summary(source, end)
                .await?
                .ok_or_else(|| Fault::Unavailable(format!("checkpoint {end} is gone")))?;
            let mut ratchet = self.lock();
            let ratchet = ratchet.as_mut().ok_or_else(unanchored)?;
            // Somebody else may have taken the step meanwhile.
            if ratchet.epoch() == known {
                ratchet.advance(summary)?;
            }
        }
    }

    /// What a transaction did, proved; `None` while it is in no checkpoint.
    pub(crate) async fn transaction(&self, digest: Digest) -> Result<Option<Executed>, ChainError> {
        let ask = |source| self.prove(source, digest);
        self.endpoints.ask("a proof of a transaction", ask).await
    }

    async fn prove(&self, source: Source, digest: Digest) -> Result<Option<Executed>, Fault> {
        let Some(raw) = fetch::transaction(&source, digest).await? else {
            return Ok(None);
        };
        let Some(sequence) = raw.checkpoint else {
            return Ok(None);
        };
        let (summary, contents) = fetch::summary_and_contents(&source, sequence)
            .await?
            .ok_or_else(|| Fault::Unavailable(format!("checkpoint {sequence} is gone")))?;
        let contents = self.certify(&source, summary).await?.contents(contents)?;
        let position = contents
            .transactions()
            .iter()
            .position(|t| *t.transaction() == digest);
        let position = position
            .and_then(|position| u32::try_from(position).ok())
            .ok_or_else(|| {
                Fault::Corrupt(format!("checkpoint {sequence} lacks transaction {digest}"))
            })?;
        Ok(Some(contents.executed(
            position,
            raw.effects,
            raw.events,
        )?))
    }

    /// An object as its last transaction (or the one that made this version) left it, proved.
    pub(crate) async fn object(
        &self,
        id: Address,
        version: Option<u64>,
    ) -> Result<Option<(ProvenObject, Executed)>, ChainError> {
        let ask = |source: Source| async move {
            let Some(object) = fetch::object(&source, id, version).await? else {
                return Ok(None);
            };
            let Some(executed) = self.prove(source, object.previous_transaction()).await? else {
                return Ok(None);
            };
            Ok(Some((executed.wrote(object)?, executed)))
        };
        self.endpoints.ask("a proof of an object", ask).await
    }
}

fn unanchored() -> Fault {
    Fault::from(LightError::Committee {
        epoch: 0,
        reason: "none is trusted yet".to_owned(),
    })
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Trust(epoch {:?})",
            self.lock().as_ref().map(Ratchet::epoch)
        )
    }
}
