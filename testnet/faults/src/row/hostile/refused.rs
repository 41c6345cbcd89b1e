//! Requests that follow the grammar and ask for what they must not get.

use bytes::Bytes;
use floe_chain::{epoch::Epoch, id::ObjectId};
use floe_codec::{Axis, BlobId, SegmentIndex, ShardIndex};
use floe_p2p::{
    address::PeerAddress,
    client::{CallError, CallOptions, DataClient},
    wire::message::{Confirm, GetSliver, PutSliver, SegmentRange, SliverKey},
};
use std::time::Duration;

use super::VICTIM;
use crate::{load::Acked, report::Findings, row::Stage, world::options};

/// Requests that follow the grammar and ask for what they must not get: each has its refusal.
pub(super) async fn well_formed(stage: &Stage, known: &Acked, findings: &mut Findings) {
    let world = &stage.world;
    let (peers, to) = (&world.peers, world.address(VICTIM));
    let member = world.member(VICTIM);
    let normal = options(&world.network, Duration::from_secs(10));
    let mine: Vec<ShardIndex> = world.network.committee.shards_of(member).collect();
    let foreign = (0..world.network.committee.shards().get())
        .map(ShardIndex)
        .find(|shard| !mine.contains(shard));
    let (Some(&shard), Some(foreign)) = (mine.first(), foreign) else {
        findings
            .broken
            .push("the node has no shard, or all".to_owned());
        return;
    };
    let content = stage.book.content(known.number, known.size);
    let size = crate::audit::commitment(world, &content)
        .and_then(|it| it.layout().segment(SegmentIndex(0)).ok())
        .map_or(0, |segment| segment.sliver_size(Axis::Primary));
    let put = |blob: BlobId, object: ObjectId, shard: ShardIndex, count: usize| PutSliver {
        blob,
        object,
        segment: SegmentIndex(0),
        metadata: false,
        slivers: vec![
            SliverKey {
                shard,
                axis: Axis::Primary
            };
            count
        ]
        .try_into()
        .unwrap_or_default(),
        confirm: true,
    };
    let unknown = BlobId::from_bytes([7; 32]);
    let nobody = ObjectId::from_bytes([7; 32]);
    let garbage = |len: usize| vec![Bytes::from(vec![0xA5; len])];
    let (blob, object) = (known.blob, known.object);
    let late = CallOptions {
        epoch: Epoch::new(999),
        ..normal
    };
    let cases: Vec<(&str, &[&str], Result<(), CallError>)> = vec![
        (
            "an unregistered blob",
            &["not_registered"],
            peers
                .put_sliver(to, &put(unknown, nobody, shard, 1), &garbage(size), &normal)
                .await
                .map(drop),
        ),
        (
            "another's registration",
            &["not_registered"],
            peers
                .put_sliver(to, &put(blob, nobody, shard, 1), &garbage(size), &normal)
                .await
                .map(drop),
        ),
        (
            "another node's shard",
            &["wrong_shard"],
            peers
                .put_sliver(to, &put(blob, object, foreign, 1), &garbage(size), &normal)
                .await
                .map(drop),
        ),
        (
            "bytes that are not the sliver",
            &["bad_request"],
            peers
                .put_sliver(to, &put(blob, object, shard, 1), &garbage(size), &normal)
                .await
                .map(drop),
        ),
        (
            "a sliver of the wrong length",
            &["bad_request"],
            peers
                .put_sliver(
                    to,
                    &put(blob, object, shard, 1),
                    &garbage(size + 1),
                    &normal,
                )
                .await
                .map(drop),
        ),
        (
            "the same sliver twice",
            &["bad_request"],
            peers
                .put_sliver(
                    to,
                    &put(blob, object, shard, 2),
                    &[garbage(size), garbage(size)].concat(),
                    &normal,
                )
                .await
                .map(drop),
        ),
        (
            "a confirmation for another epoch",
            &["wrong_epoch"],
            peers
                .confirm(to, &Confirm { blob, object }, &late)
                .await
                .map(drop),
        ),
        (
            "slivers for another epoch",
            &["wrong_epoch"],
            peers
                .put_sliver(to, &put(blob, object, shard, 1), &garbage(size), &late)
                .await
                .map(drop),
        ),
        (
            "a segment that does not exist",
            &["bad_request"],
            get(
                peers,
                to,
                known,
                SegmentRange {
                    first: SegmentIndex(1 << 20),
                    count: 1,
                },
                &normal,
            )
            .await,
        ),
    ];
    for (what, expected, got) in cases {
        let status = match &got {
            Ok(()) => "ok",
            Err(CallError::Refused(refusal)) => refusal.status.name(),
            Err(error) => {
                findings
                    .broken
                    .push(format!("{what}: {error}, not a refusal"));
                continue;
            }
        };
        findings.bar(expected.contains(&status), format!("{what}: {status}"));
    }
}

async fn get(
    peers: &DataClient,
    to: &PeerAddress,
    known: &Acked,
    segments: SegmentRange,
    options: &CallOptions,
) -> Result<(), CallError> {
    let request = GetSliver {
        blob: known.blob,
        axis: Axis::Primary,
        shards: vec![ShardIndex(0)].try_into().unwrap_or_default(),
        segments,
    };
    peers.get_sliver(to, &request, options).await.map(drop)
}
