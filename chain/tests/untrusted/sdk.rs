//! Our ratchet against the SDK's own: the same committees from the same servers, and the same refusals.

use floe_chain::light::{Ratchet, TrustAnchor, TrustLimits};
use sui_rpc::Client;
use sui_rpc::light_client::{EpochCache, LightClientError, ratchet_to_checkpoint};
use sui_sdk_types::ValidatorCommittee;

use crate::lying::history;
use crate::server::{Lie, serve};
use crate::support::SyntheticChain;

/// The committees of Sui epochs 0 to 2 as far as the SDK follows them.
async fn by_the_sdk(
    lie: Lie,
    anchor: ValidatorCommittee,
) -> Result<Vec<ValidatorCommittee>, LightClientError> {
    let url = serve(lie, &history()).await;
    let mut client = Client::new(url.as_str()).unwrap();
    let mut cache = EpochCache::new(anchor);
    ratchet_to_checkpoint(&mut client, &mut cache, 6).await?;
    let committees = (0..3).map(|epoch| cache.committee_for_epoch(epoch).unwrap());
    Ok(committees.map(|committee| (*committee).clone()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ratchets_come_to_the_same_committees() {
    let anchor = SyntheticChain::anchor(1);
    let theirs = by_the_sdk(Lie::None, anchor.clone()).await.unwrap();
    let mut ratchet = Ratchet::new(TrustAnchor(anchor), TrustLimits::default()).unwrap();
    let mut ours = vec![ratchet.to_anchor().0];
    for made in &history().lock().unwrap().checkpoints {
        if made.summary.checkpoint.end_of_epoch_data.is_some() {
            ratchet.advance(made.summary.clone()).unwrap();
            ours.push(ratchet.to_anchor().0);
        }
    }
    assert_eq!(ours, theirs);
}

/// As ours does, see `light::epochs_cannot_be_skipped_forged_or_followed_for_ever`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sdk_refuses_forged_and_foreign_validators_too() {
    for (lie, salt) in [(Lie::Forges, 1), (Lie::None, 2)] {
        let outcome = by_the_sdk(lie, SyntheticChain::anchor(salt)).await;
        assert!(
            matches!(outcome, Err(LightClientError::InvalidSignature(_))),
            "{outcome:?}"
        );
    }
}
