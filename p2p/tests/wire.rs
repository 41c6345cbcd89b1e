//! Every message: golden bytes that never change, and codecs that are total and canonical.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod codecs;

use std::fmt::Write;

use codecs::all_codecs;
use floe_chain::{
    blob::BlobState,
    certificate::{Confirmation, UnverifiedCertificate},
    committee::CommitteeDigest,
    epoch::{ChainTime, Epoch},
    event::EventCursor,
    id::{ChainId, NetworkId, NodeId, ObjectId, SystemId},
    keys::BlsSecretKey,
    statement::{Available, Handover, Persistence, Statement},
};
use floe_codec::{Axis, BlobId, Encoding, SegmentIndex, ShardIndex};
use floe_p2p::wire::{
    Head, ItemHead, ItemStatus, Kind, Refusal, Request, RequestHead, ResponseHead, RetryAfter,
    Status, TrafficClass,
    message::{
        BlobStatus, CommitteeReply, Confirm, ConfirmReply, GetBlobStatus, GetCommittee,
        GetInconsistency, GetMetadata, GetNodeInfo, GetNodeRecord, GetSliver, GetSymbols, Health,
        HealthReply, MissingSlivers, NodeInfo, NotReady, PutInconsistency, PutMetadata, PutSliver,
        PutSliverReply, SegmentRange, SliverKey, SymbolRange,
    },
};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

const BLOB: BlobId = BlobId::from_bytes([0xb1; 32]);
const OBJECT: ObjectId = ObjectId::from_bytes([0x0b; 32]);
const NETWORK: NetworkId = NetworkId {
    chain: ChainId::from_bytes([0xc0; 32]),
    system: SystemId::from_bytes([0x50; 32]),
};

fn range(first: u32, count: u32) -> SegmentRange {
    SegmentRange {
        first: SegmentIndex(first),
        count,
    }
}

fn missing() -> MissingSlivers {
    MissingSlivers {
        metadata: vec![range(0, 2)].try_into().unwrap(),
        slivers: vec![(ShardIndex(7), Axis::Secondary, range(1, 3))]
            .try_into()
            .unwrap(),
        truncated: true,
    }
}

fn key() -> BlsSecretKey {
    BlsSecretKey::from_seed(&[3; 32])
}

fn confirmation() -> Confirmation {
    let body = Available {
        blob: BLOB,
        size: 1_000_000,
        encoding: Encoding::RedStuff16,
        persistence: Persistence::Deletable(OBJECT),
    };
    let statement = Statement {
        network: NETWORK,
        epoch: Epoch::new(9),
        body,
    };
    Confirmation::sign(NodeId::from_bytes([1; 32]), statement, &key())
}

/// The bytes of one of everything, in lines of name and hexadecimal.
#[derive(Default)]
struct Book(String);

impl Book {
    fn add(&mut self, name: &str, bytes: &[u8]) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.0, "{name} {hex}").unwrap();
    }

    fn request<R: Request + PartialEq + std::fmt::Debug>(&mut self, request: &R) {
        let body = request.to_body().unwrap();
        assert_eq!(&R::from_body(&body).unwrap(), request);
        self.add(&format!("{} {}", R::KIND.0, R::KIND), &body);
    }

    fn value<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
        &mut self,
        name: &str,
        value: &T,
    ) {
        let bytes = bcs::to_bytes(value).unwrap();
        assert_eq!(&bcs::from_bytes::<T>(&bytes).unwrap(), value);
        self.add(name, &bytes);
    }

    fn requests(&mut self) {
        self.request(&PutMetadata {
            blob: BLOB,
            object: OBJECT,
            segments: range(5, 3),
        });
        let slivers = [
            (2, Axis::Primary),
            (2, Axis::Secondary),
            (258, Axis::Primary),
        ]
        .map(|(shard, axis)| SliverKey {
            shard: ShardIndex(shard),
            axis,
        });
        self.request(&PutSliver {
            blob: BLOB,
            object: OBJECT,
            segment: SegmentIndex(5),
            metadata: true,
            slivers: slivers.to_vec().try_into().unwrap(),
            confirm: true,
        });
        self.request(&GetMetadata {
            blob: BLOB,
            segments: range(5, 3),
        });
        self.request(&GetSliver {
            blob: BLOB,
            axis: Axis::Secondary,
            shards: vec![ShardIndex(1), ShardIndex(300)].try_into().unwrap(),
            segments: range(0, 2),
        });
        self.request(&GetSymbols {
            target: ShardIndex(4),
            axis: Axis::Primary,
            sources: vec![ShardIndex(1), ShardIndex(2)].try_into().unwrap(),
            blobs: vec![SymbolRange {
                blob: BLOB,
                segments: range(0, 1),
            }]
            .try_into()
            .unwrap(),
            proven: true,
        });
        self.request(&GetBlobStatus {
            blob: BLOB,
            object: Some(OBJECT),
        });
        self.request(&Confirm {
            blob: BLOB,
            object: OBJECT,
        });
        self.request(&PutInconsistency {
            blob: BLOB,
            segment: SegmentIndex(5),
        });
        self.request(&GetInconsistency { blob: BLOB });
        self.request(&GetCommittee {
            epoch: Some(Epoch::new(9)),
        });
        self.request(&GetNodeRecord {
            peers: vec![bcs::from_bytes(&[7; 32]).unwrap()].try_into().unwrap(),
        });
        self.request(&GetNodeInfo);
        self.request(&Health);
    }

    fn replies(&mut self) {
        let confirmation = confirmation();
        self.value("PutSliverReply", &PutSliverReply { confirmation: None });
        let confirmed = PutSliverReply {
            confirmation: Some(confirmation.clone()),
        };
        self.value("PutSliverReply/confirmed", &confirmed);
        let status = BlobStatus {
            state: BlobState::Registered,
            missing: missing(),
        };
        self.value("BlobStatus", &status);
        self.value(
            "ConfirmReply/confirmed",
            &ConfirmReply::Confirmed(confirmation),
        );
        self.value("ConfirmReply/missing", &ConfirmReply::Missing(missing()));
        let body = Handover {
            next: Epoch::new(10),
            digest: CommitteeDigest::from_bytes([0xdd; 32]),
        };
        let statement = Statement {
            network: NETWORK,
            epoch: Epoch::new(9),
            body,
        };
        let signature = key().sign(&statement.to_bytes());
        let signers = bcs::from_bytes(&[1, 0b101]).unwrap();
        let handover = UnverifiedCertificate {
            statement,
            signers,
            signature,
        };
        self.value(
            "CommitteeReply",
            &CommitteeReply {
                handover: Some(handover),
            },
        );
        self.value(
            "NodeInfo",
            &NodeInfo {
                node: NodeId::from_bytes([1; 32]),
                network: NETWORK,
                epoch: Epoch::new(9),
                cursor: EventCursor {
                    checkpoint: 1,
                    transaction: 2,
                    event: 3,
                },
                software: "floe/0.1.0".to_owned(),
            },
        );
        let not_ready = [
            NotReady::ChainBehind,
            NotReady::ChainUnreachable,
            NotReady::NotAMember,
            NotReady::Syncing,
            NotReady::DiskFull,
            NotReady::DiskFailed,
            NotReady::ShuttingDown,
        ];
        let not_ready = not_ready.to_vec().try_into().unwrap();
        self.value(
            "HealthReply",
            &HealthReply {
                epoch: Epoch::new(9),
                not_ready,
            },
        );
    }

    fn frames(&mut self) {
        for status in statuses() {
            self.value(&format!("Status/{}", status.name()), &status);
        }
        for class in TrafficClass::ALL {
            self.value(&format!("TrafficClass/{}", class.name()), &class);
        }
        let head = RequestHead {
            kind: Kind::GET_BLOB_STATUS.0,
            epoch: Epoch::new(9),
            deadline_ms: 5000,
            class: TrafficClass::Write,
            payload: 258,
            body: vec![1, 2, 3],
        };
        self.add("request frame", &head.to_frame().unwrap());
        let refusal = Refusal::new(Status::Full, "no room");
        self.add(
            "response frame",
            &ResponseHead::refused(&refusal).to_frame().unwrap(),
        );
        let item = ItemHead {
            index: 1,
            status: ItemStatus::Present,
            length: 258,
        };
        self.add("item head", &item.to_bytes());
        let absent = ItemHead {
            index: 2,
            status: ItemStatus::NotHeld,
            length: 0,
        };
        self.add("item head/not held", &absent.to_bytes());
    }
}

fn statuses() -> Vec<Status> {
    let epoch = Epoch::new(9);
    vec![
        Status::Ok,
        Status::NotHeld,
        Status::NotRegistered {
            cursor: EventCursor {
                checkpoint: 1,
                transaction: 2,
                event: 3,
            },
        },
        Status::WrongShard { epoch },
        Status::WrongEpoch { epoch },
        Status::Inconsistent,
        Status::Expired,
        Status::Full,
        Status::Busy {
            retry_after: RetryAfter(250),
        },
        Status::NotAuthorized,
        Status::Frozen {
            until: ChainTime::from_ms(1_700_000_000_000),
        },
        Status::BadRequest,
        Status::Unsupported {
            versions: vec![1, 2].try_into().unwrap(),
        },
        Status::Deadline,
        Status::ShuttingDown,
        Status::Internal,
    ]
}

/// The file is for other implementations too. If this fails, the protocol changed: that needs new
/// numbers, not new bytes.
#[test]
fn golden_bytes() {
    let mut book = Book::default();
    book.requests();
    book.replies();
    book.frames();
    let expected = include_str!("golden.txt");
    for (line, expected) in book.0.lines().zip(expected.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(book.0, expected, "\n{}", book.0);
}

#[test]
fn statuses_are_numbered_in_order() {
    for (number, status) in statuses().iter().enumerate() {
        assert_eq!(usize::from(bcs::to_bytes(status).unwrap()[0]), number);
    }
}

#[test]
fn refusals_keep_their_words_short_and_harmless() {
    let refusal = Refusal::new(Status::Internal, format!("{}é\u{1b}[2J", "a".repeat(254)));
    let head = ResponseHead::refused(&refusal);
    assert_eq!(head.body.len(), 256);
    let received = head.into_reply::<()>().unwrap().unwrap_err();
    assert_eq!(received.detail, format!("{}é", "a".repeat(254)));

    let body = b"a\x1b[2Jb\nc\xff".to_vec();
    let received = ResponseHead {
        status: Status::Full,
        body,
    }
    .into_reply::<()>()
    .unwrap();
    assert_eq!(received.unwrap_err().detail, "a [2Jb c\u{fffd}");

    let body = vec![b'a'; 257];
    assert!(
        ResponseHead {
            status: Status::Full,
            body
        }
        .into_reply::<()>()
        .is_err()
    );
}

#[test]
fn item_indexes_name_segments_and_shards() {
    let request = GetSliver {
        blob: BLOB,
        axis: Axis::Primary,
        shards: vec![ShardIndex(4), ShardIndex(9)].try_into().unwrap(),
        segments: range(7, 2),
    };
    let named: Vec<_> = (0..4).map(|index| request.item(index).unwrap()).collect();
    let expected = [(7, 4), (7, 9), (8, 4), (8, 9)];
    assert_eq!(
        named,
        expected.map(|(g, s)| (SegmentIndex(g), ShardIndex(s)))
    );
    assert_eq!((request.items(), request.item(4)), (4, None));
    let nothing = GetSliver {
        shards: vec![].try_into().unwrap(),
        ..request
    };
    assert_eq!((nothing.items(), nothing.item(0)), (0, None));
}

#[test]
fn too_many_items_are_refused_on_both_sides() {
    let shards: Vec<_> = (0..1024).map(ShardIndex).collect();
    let request = GetSliver {
        blob: BLOB,
        axis: Axis::Primary,
        shards: shards.try_into().unwrap(),
        segments: range(0, 65),
    };
    assert!(request.to_body().is_err());
    assert!(GetSliver::from_body(&bcs::to_bytes(&request).unwrap()).is_err());
    let most = GetSliver {
        segments: range(u32::MAX, 64),
        ..request
    };
    assert!(most.to_body().is_ok());
    assert_eq!(
        most.item(1024),
        None,
        "segments past the last number do not exist"
    );
}

/// The bytes after each name of the golden file.
fn golden_values() -> Vec<Vec<u8>> {
    let bytes = |hex: &str| {
        (0..hex.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
            .collect()
    };
    let lines = include_str!("golden.txt").lines();
    lines
        .map(|line| bytes(line.rsplit_once(' ').unwrap().1))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn codecs_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        all_codecs(&bytes);
    }

    #[test]
    fn codecs_take_damaged_messages(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte: u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let values = golden_values();
        let mut bytes = values[which.index(values.len())].clone();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        all_codecs(&bytes);
        bytes.truncate(cut.index(bytes.len() + 1));
        all_codecs(&bytes);
    }
}
