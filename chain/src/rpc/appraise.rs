//! What claims on pools are worth, as endpoints say it: pools, rates, and for claims on their way out
//! what was put in, which only an earlier version of the claim tells. Counts nothing itself: the
//! arithmetic is [`worth`](super::worth)'s.

use futures::stream::{self, StreamExt, TryStreamExt};

use super::contract::{self, sui_address};
use super::error::ChainError;
use super::fetch;
use super::state::{Stake, StakeState};
use super::sui::SuiChain;
use super::worth::{ShareRate, StakeWorth, rate_epoch};
use crate::id::ObjectId;

/// Claims whose past is read at a time.
const AT_ONCE: usize = 8;
/// Versions of a claim that are looked at: one before its exit, and a few changes of hands after.
const MOST_VERSIONS: usize = 4;

impl SuiChain {
    pub(super) async fn appraise(&self, stakes: &[Stake]) -> Result<Vec<StakeWorth>, ChainError> {
        let pools: Vec<ObjectId> = stakes.iter().map(|stake| stake.node.into()).collect();
        let pools = self.objects(&pools).await?;
        let pools = pools.iter().zip(stakes).map(|(pool, stake)| {
            let missing = || ChainError::NotFound {
                what: "node",
                id: stake.node.to_string(),
            };
            contract::pool(pool.as_ref().ok_or_else(missing)?)
        });
        let pools = pools.collect::<Result<Vec<_>, _>>()?;
        let entries = stream::iter(stakes.to_vec()).map(|stake| self.entry(stake));
        let entries: Vec<_> = entries.buffered(AT_ONCE).try_collect().await?;

        let rate = |stake: &Stake, (node, rates): &(_, ObjectId)| {
            rate_epoch(stake, node).map(|epoch| contract::rate_id(*rates, epoch))
        };
        let claims = stakes.iter().zip(&pools);
        let then = claims.clone().map(|(stake, pool)| rate(stake, pool));
        let then = self.rates(then.collect()).await?;
        let since = entries.iter().zip(&pools);
        let since = since.map(|(entry, pool)| rate(entry.as_ref()?, pool));
        let since = self.rates(since.collect()).await?;
        let worth = claims.zip(then).zip(entries.iter().zip(since));
        let worth = worth.map(|(((stake, (node, _)), then), (entry, since))| {
            let worth = StakeWorth::of(stake, node, then);
            match (entry, since) {
                (Some(entry), Some(since)) => worth.entered(stake, entry, since),
                _ => worth,
            }
        });
        Ok(worth.collect())
    }

    /// A claim on its way out as it was before; `None` if it is not, or no endpoint tells.
    async fn entry(&self, stake: Stake) -> Result<Option<Stake>, ChainError> {
        let id = sui_address(stake.object);
        let (mut state, mut version) = (stake.state, None);
        for _ in 0..MOST_VERSIONS {
            let StakeState::Exiting { .. } = state else {
                break;
            };
            let ask = |source| async move { fetch::earlier(&source, id, version).await };
            let Some(earlier) = self.endpoints().ask("an earlier claim", ask).await? else {
                break;
            };
            let found = contract::stake(&earlier)?;
            if let StakeState::Pending { .. } = found.state {
                return Ok(Some(found));
            }
            (state, version) = (found.state, Some(earlier.version()));
        }
        Ok(None)
    }

    /// Rates by the ids of their fields, in the same order.
    async fn rates(
        &self,
        ids: Vec<Option<ObjectId>>,
    ) -> Result<Vec<Option<ShareRate>>, ChainError> {
        let wanted: Vec<_> = ids.iter().flatten().copied().collect();
        let mut found = self.objects(&wanted).await?.into_iter();
        let rate = |id: Option<ObjectId>| {
            let field = id.and_then(|_| found.next().flatten());
            field.as_ref().map(contract::rate).transpose()
        };
        ids.into_iter().map(rate).collect()
    }
}
