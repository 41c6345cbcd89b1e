//! What the network says about a blob and about itself. Answers of single nodes are claims; what is
//! reported is what enough shards agree on.

use std::{collections::BTreeMap, time::Duration};

use floe_chain::{
    blob::BlobState,
    epoch::Epoch,
    id::NodeId,
    quorum::{Tally, Threshold},
    rpc::ChainError,
};
use floe_codec::BlobId;
use floe_p2p::wire::{
    Status, TrafficClass,
    message::{GetBlobStatus, NotReady},
};
use futures::future::join_all;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::{Client, network::Network, store::options};

/// How long a node has to answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// What nodes say about a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlobReport {
    /// The blob.
    pub blob: BlobId,
    /// The current epoch.
    pub epoch: Epoch,
    /// The state that enough shards for one honest node agree on; none if too few answer.
    pub state: Option<BlobState>,
    /// Shards whose owners do not know the blob.
    pub unknown: u32,
    /// Shards whose owners answered anything.
    pub answered: u32,
    /// Shards that must agree.
    pub needed: u32,
    /// All shards.
    pub shards: u32,
    /// Shards whose owners name each state.
    pub said: BTreeMap<&'static str, u32>,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// The node.
    pub node: NodeId,
    /// Its shards.
    pub shards: u32,
    /// Where it answers.
    pub addresses: Vec<String>,
    /// It serves fully.
    pub healthy: bool,
    /// The epoch it believes current.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// Round trip of the question in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub millis: Option<u64>,
    /// What keeps it from serving fully.
    pub problems: Vec<String>,
}

impl Client {
    /// Asks every node about a blob.
    ///
    /// # Errors
    /// The chain does not say who the nodes are.
    pub async fn status(&self, blob: BlobId) -> Result<BlobReport, ChainError> {
        let network = self.network().await?;
        let request = GetBlobStatus { blob, object: None };
        let options = options(&network, TrafficClass::Control, 0);
        let asks = network.addresses.iter().map(|address| {
            timeout(
                ANSWER_TIME,
                self.peers.get_blob_status(address, &request, &options),
            )
        });
        let answers = join_all(asks).await;
        let mut states: Vec<(BlobState, Tally)> = Vec::new();
        let mut unknown = Tally::new(&network.committee);
        let mut answered = Tally::new(&network.committee);
        for ((member, _), answer) in network.committee.iter().zip(answers) {
            let state = match answer {
                Ok(Ok(status)) => status.state,
                Ok(Err(floe_p2p::client::CallError::Refused(refusal))) => match refusal.status {
                    Status::NotRegistered { .. } | Status::NotHeld => {
                        unknown.insert(member);
                        answered.insert(member);
                        continue;
                    }
                    Status::Expired => BlobState::Expired,
                    Status::Inconsistent => BlobState::Invalid,
                    _ => continue,
                },
                Ok(Err(_)) | Err(_) => continue,
            };
            answered.insert(member);
            if !states.iter().any(|(known, _)| *known == state) {
                states.push((state, Tally::new(&network.committee)));
            }
            for (_, tally) in states.iter_mut().filter(|(known, _)| *known == state) {
                tally.insert(member);
            }
        }
        let shards = network.committee.shards();
        // Nodes follow the chain at their own pace; the furthest state that holds is the newest.
        let agreed = states
            .iter()
            .filter(|(_, tally)| tally.meets(Threshold::Validity))
            .max_by_key(|(state, _)| progress(*state));
        Ok(BlobReport {
            blob,
            epoch: network.epoch(),
            state: agreed.map(|(state, _)| *state),
            unknown: unknown.weight().0,
            answered: answered.weight().0,
            needed: Threshold::Validity.required(shards).0,
            shards: shards.get().into(),
            said: states
                .iter()
                .map(|(state, tally)| (name(*state), tally.weight().0))
                .collect(),
        })
    }

    /// Asks every node how it is.
    ///
    /// # Errors
    /// The chain does not say who the nodes are.
    pub async fn health(&self) -> Result<Vec<NodeReport>, ChainError> {
        let network = self.network().await?;
        let members = network.committee.iter().map(|(member, _)| member);
        let reports = members.map(|member| self.node_health(&network, member));
        Ok(join_all(reports).await)
    }

    async fn node_health(
        &self,
        network: &Network,
        member: floe_chain::committee::MemberIndex,
    ) -> NodeReport {
        let address = network.address(member);
        let options = options(network, TrafficClass::Control, 0);
        let begun = Instant::now();
        let answer = timeout(ANSWER_TIME, self.peers.health(address, &options)).await;
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (epoch, problems) = match answer {
            Ok(Ok(reply)) => {
                let mut problems: Vec<String> = reply
                    .not_ready
                    .iter()
                    .map(|why| problem(*why).to_owned())
                    .collect();
                if reply.epoch != network.epoch() {
                    problems.push(format!("it is in epoch {}", reply.epoch));
                }
                (Some(reply.epoch), problems)
            }
            Ok(Err(error)) => (None, vec![error.to_string()]),
            Err(_) => (
                None,
                vec![format!("no answer within {} s", ANSWER_TIME.as_secs())],
            ),
        };
        let known = network.member(member);
        NodeReport {
            node: known.node(),
            shards: known.weight().0,
            addresses: address.addresses.iter().map(ToString::to_string).collect(),
            healthy: problems.is_empty(),
            millis: epoch.map(|_| millis),
            epoch,
            problems,
        }
    }
}

/// States in the order in which a blob goes through them.
fn progress(state: BlobState) -> u8 {
    match state {
        BlobState::Registered => 0,
        BlobState::Certified => 1,
        BlobState::Expired => 2,
        BlobState::Deleted => 3,
        BlobState::Invalid => 4,
    }
}

/// A state as people read it.
#[must_use]
pub fn name(state: BlobState) -> &'static str {
    match state {
        BlobState::Registered => "registered",
        BlobState::Certified => "certified",
        BlobState::Expired => "expired",
        BlobState::Deleted => "deleted",
        BlobState::Invalid => "invalid",
    }
}

fn problem(why: NotReady) -> &'static str {
    match why {
        NotReady::ChainBehind => "it has not caught up with the chain",
        NotReady::ChainUnreachable => "it cannot reach the chain",
        NotReady::NotAMember => "it is not in the committee",
        NotReady::Syncing => "it is still receiving shards",
        NotReady::DiskFull => "its disk is full",
        NotReady::DiskFailed => "its disk failed",
        NotReady::ShuttingDown => "it is shutting down",
    }
}
