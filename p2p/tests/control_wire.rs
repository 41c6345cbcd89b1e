//! Every message of the control plane: golden bytes that never change, codecs that are total and
//! canonical, a judge that takes any bytes.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod codecs;
mod gossip;

use std::fmt::Write;

use codecs::all_codecs;
use floe_chain::{
    certificate::{Collector, Confirmation},
    committee::{Candidate, Committee, MemberIndex},
    epoch::{ChainTime, Epoch},
    event::EventCursor,
    id::NodeId,
    keys::BlsSecretKey,
    statement::{Handover, Statement},
};
use floe_codec::{BlobId, ByAxis, SegmentIndex, ShardIndex};
use floe_p2p::control::{
    inventory::{Held, InventorySummary, ShardSummary, VerifiedInventory},
    news::{CommitteeNews, InconsistencyNotice},
    record::{NodeRecord, VerifiedRecord},
    request::{ControlAnswer, ControlRequest, MAX_ANSWER, MAX_REQUEST, NamedCommittee, PeerKey},
    topic::Topic,
};
use floe_p2p::identity::Identity;
use gossip::{NETWORK, NOW, bls, committee, identity, judge_anything, node};
use proptest::prelude::*;
use serde::Serialize;

fn record() -> VerifiedRecord {
    let value = NodeRecord {
        network: NETWORK,
        node: node(1),
        identity: identity(1).public_key(),
        written: NOW,
        data: vec![
            "198.51.100.7:9600".parse().unwrap(),
            "[2001:db8::7]:9600".parse().unwrap(),
        ]
        .try_into()
        .unwrap(),
        control: vec!["/ip4/198.51.100.7/udp/9602/quic-v1".parse().unwrap()]
            .try_into()
            .unwrap(),
    };
    VerifiedRecord::sign(value, &identity(1))
}

fn inventory() -> VerifiedInventory {
    let held = |complete_up_to, missing| Held {
        complete_up_to,
        missing,
    };
    let shard = ShardSummary {
        shard: ShardIndex(7),
        held: ByAxis {
            primary: held(1_000, 0),
            secondary: held(900, 3),
        },
    };
    let value = InventorySummary {
        network: NETWORK,
        identity: identity(1).public_key(),
        written: NOW,
        epoch: Epoch::new(7),
        cursor: EventCursor::end_of(5),
        shards: vec![shard].try_into().unwrap(),
    };
    VerifiedInventory::sign(value, &identity(1))
}

/// The golden lines: a name and the bytes.
fn golden() -> String {
    let (by, next) = (committee(7), committee(8));
    let body = Handover::to(&next);
    let signature = |member| {
        let statement = Statement {
            network: NETWORK,
            epoch: Epoch::new(7),
            body,
        };
        Confirmation::sign(node(member), statement, &bls(member))
    };
    let mut collector = Collector::new(NETWORK, &by, body);
    for member in 1..=4 {
        collector.add(&signature(member)).unwrap();
    }
    let certificate = collector.certificate().unwrap().into_unverified();
    let notice = InconsistencyNotice {
        blob: BlobId::from_bytes([0xb1; 32]),
        segment: SegmentIndex(2),
        digest: [0xdd; 32],
        size: 4_000,
    };
    let keys = || {
        vec![PeerKey::of(&identity(1).peer_id()).unwrap()]
            .try_into()
            .unwrap()
    };
    let named = NamedCommittee {
        committee: next,
        handover: Some(certificate.clone()),
    };

    let mut lines = String::new();
    let mut line = |name: &str, bytes: Vec<u8>| {
        let hex = data_encoding::HEXLOWER.encode(&bytes);
        writeln!(lines, "{name} {hex}").unwrap();
    };
    fn bcs(value: &impl Serialize) -> Vec<u8> {
        bcs::to_bytes(value).unwrap()
    }
    line("record", bcs(record().signed()));
    line("inventory", bcs(inventory().signed()));
    line(
        "committee/signature",
        bcs(&CommitteeNews::Signature(signature(1))),
    );
    line(
        "committee/certificate",
        bcs(&CommitteeNews::Certificate(certificate)),
    );
    line("inconsistency", bcs(&notice));
    line(
        "Records/own",
        bcs(&ControlRequest::Records(Vec::new().try_into().unwrap())),
    );
    line("Records", bcs(&ControlRequest::Records(keys())));
    line("Committee", bcs(&ControlRequest::Committee(Epoch::new(8))));
    line(
        "Signatures",
        bcs(&ControlRequest::Signatures(Epoch::new(8))),
    );
    line("answer/Unknown", bcs(&ControlAnswer::Unknown));
    line("answer/Busy", bcs(&ControlAnswer::Busy));
    let records = vec![record().signed().clone()].try_into().unwrap();
    line("answer/Records", bcs(&ControlAnswer::Records(records)));
    line(
        "answer/Committee",
        bcs(&ControlAnswer::Committee(Box::new(named))),
    );
    let signatures = vec![signature(1)].try_into().unwrap();
    line(
        "answer/Signatures",
        bcs(&ControlAnswer::Signatures(signatures)),
    );
    lines
}

#[test]
fn golden_bytes() {
    let (found, expected) = (golden(), include_str!("golden_control.txt"));
    for (line, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(found, expected, "\n{found}");
}

#[test]
fn what_is_signed_verifies_as_it_travels() {
    let record = record();
    let bytes = bcs::to_bytes(record.signed()).unwrap();
    let again: floe_p2p::control::record::SignedRecord = bcs::from_bytes(&bytes).unwrap();
    let later = ChainTime::from_ms(NOW.as_ms() + 1);
    assert_eq!(again.verify(NETWORK, later), Ok(record));
}

/// A thousand members, each with one shard of a thousand.
fn thousand(epoch: u32) -> Committee {
    let candidates = (0..1_000_u16).map(|n| Candidate {
        node: thousandth(n),
        bls_key: BlsSecretKey::from_seed(thousandth(n).as_bytes()).public(),
        identity: Identity::from_seed(*thousandth(n).as_bytes()).public_key(),
    });
    let owners = (0..1_000).map(MemberIndex::new).collect();
    Committee::new(
        Epoch::new(epoch),
        NOW,
        3_600_000,
        candidates.collect(),
        owners,
    )
    .unwrap()
}

fn thousandth(n: u16) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    NodeId::from_bytes(bytes)
}

#[test]
fn every_message_of_a_network_of_a_thousand_fits() {
    fn size(value: &impl Serialize) -> usize {
        bcs::to_bytes(value).unwrap().len()
    }
    let (by, next) = (thousand(7), thousand(8));
    let body = Handover::to(&next);
    let statement = Statement {
        network: NETWORK,
        epoch: Epoch::new(7),
        body,
    };
    let sign = |n| {
        let key = BlsSecretKey::from_seed(thousandth(n).as_bytes());
        Confirmation::sign(thousandth(n), statement.clone(), &key)
    };
    let mut collector = Collector::new(NETWORK, &by, body);
    let signatures: Vec<_> = (0..1_000).map(sign).collect();
    // The last ones, so that the bitmap is as long as it gets.
    for signature in &signatures[333..] {
        collector.add(signature).unwrap();
    }
    let certificate = collector.certificate().unwrap().into_unverified();

    // One node that holds all shards and has as many and as long addresses as it may.
    let held = Held {
        complete_up_to: u64::MAX,
        missing: u64::MAX,
    };
    let shards = (0..1_000).map(|shard| ShardSummary {
        shard: ShardIndex(shard),
        held: ByAxis {
            primary: held,
            secondary: held,
        },
    });
    let mut summary = (*inventory()).clone();
    summary.shards = shards.collect::<Vec<_>>().try_into().unwrap();
    let name = format!("{}.example", "a".repeat(60));
    let mut place = (*record()).clone();
    place.data = vec![format!("{name}:65535").parse().unwrap(); 8]
        .try_into()
        .unwrap();
    let control = format!("/dns6/{name}/udp/65535/quic-v1");
    place.control = vec![control.parse().unwrap(); 8].try_into().unwrap();
    let place = VerifiedRecord::sign(place, &identity(1));

    let gossip = [
        ("record", size(place.signed())),
        (
            "inventory",
            size(VerifiedInventory::sign(summary, &identity(1)).signed()),
        ),
        (
            "signature",
            size(&CommitteeNews::Signature(signatures[999].clone())),
        ),
        (
            "certificate",
            size(&CommitteeNews::Certificate(certificate.clone())),
        ),
    ];
    for (what, bytes) in gossip {
        assert!(bytes <= Topic::MAX_SIZE, "{what}: {bytes} bytes");
    }
    let later = ChainTime::from_ms(NOW.as_ms() + 1);
    assert!(place.signed().clone().verify(NETWORK, later).is_ok());
    let named = NamedCommittee {
        committee: next,
        handover: Some(certificate),
    };
    let answers = [
        ("committee", ControlAnswer::Committee(Box::new(named))),
        (
            "signatures",
            ControlAnswer::Signatures(signatures.try_into().unwrap()),
        ),
    ];
    for (what, answer) in answers {
        let bytes = size(&answer);
        assert!(bytes <= MAX_ANSWER, "{what}: {bytes} bytes");
    }
    let keys = vec![PeerKey::of(&identity(1).peer_id()).unwrap(); 256];
    assert!(size(&ControlRequest::Records(keys.try_into().unwrap())) <= MAX_REQUEST);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn codecs_and_judge_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        all_codecs(&bytes);
        judge_anything(&bytes);
    }

    #[test]
    fn codecs_and_judge_take_damaged_messages(
        which in any::<prop::sample::Index>(),
        topic: u8,
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let lines: Vec<_> = include_str!("golden_control.txt").lines().collect();
        let (_, hex) = lines[which.index(lines.len())].rsplit_once(' ').unwrap();
        let mut bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        all_codecs(&bytes);
        judge_anything(&[&[topic], bytes.as_slice()].concat());
    }
}
