//! A small committee with known keys and a judge that knows it. Shared with the fuzz targets.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "shared by tests, which stop at the first surprise"
)]

use std::sync::Arc;

use floe_chain::{
    committee::{Candidate, Committee, MemberIndex},
    epoch::{ChainTime, Epoch},
    id::{ChainId, NetworkId, NodeId, SystemId},
    keys::BlsSecretKey,
};
use floe_p2p::{
    control::{
        judge::{Judge, Verdict},
        news::News,
        topic::Topic,
    },
    identity::Identity,
};

pub const NETWORK: NetworkId = NetworkId {
    chain: ChainId::from_bytes([0xc0; 32]),
    system: SystemId::from_bytes([0x50; 32]),
};

pub const NOW: ChainTime = ChainTime::from_ms(1_700_000_000_000);

pub fn identity(n: u8) -> Identity {
    Identity::from_seed([n; 32])
}

pub fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 32])
}

pub fn bls(n: u8) -> BlsSecretKey {
    BlsSecretKey::from_seed(&[n; 32])
}

/// Nodes 1 to 4, ten shards.
pub fn committee(epoch: u32) -> Committee {
    let candidates = (1..=4).map(|n| Candidate {
        node: node(n),
        bls_key: bls(n).public(),
        identity: identity(n).public_key(),
    });
    let owners = (0..10).map(|shard| MemberIndex::new(shard % 4));
    let (candidates, owners) = (candidates.collect(), owners.collect());
    Committee::new(Epoch::new(epoch), NOW, 3_600_000, candidates, owners).unwrap()
}

/// Judges the bytes after the first, which chooses the topic: nothing panics, and what nobody signed
/// is not believed. A stranger's messages are accepted for their author's sake only.
pub fn judge_anything(bytes: &[u8]) {
    let Some((topic, data)) = bytes.split_first() else {
        return;
    };
    let topic = Topic::ALL[usize::from(*topic) % Topic::ALL.len()];
    let mut judge = Judge::new(NETWORK);
    judge.set_committees(&[Arc::new(committee(7)), Arc::new(committee(8))]);
    let stranger = identity(99).peer_id();
    let first = judge.judge(topic, stranger, data, NOW);
    if let Verdict::Accept(news) = &first {
        assert!(!matches!(**news, News::Inconsistency(..)));
        // Heard again, the same is no news.
        assert!(matches!(
            judge.judge(topic, stranger, data, NOW),
            Verdict::Ignore(_)
        ));
    }
}
