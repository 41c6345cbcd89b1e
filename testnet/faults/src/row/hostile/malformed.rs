//! Bytes that break the grammar of requests.

use std::time::Duration;

use floe_chain::{epoch::Epoch, id::ObjectId};
use floe_codec::{BlobId, SegmentIndex};
use floe_p2p::{
    address::PeerAddress,
    wire::{Head, Kind, Request, RequestHead, TrafficClass, message::PutSliver},
};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::raw::{End, connect, speak};
use crate::Attempt;

/// Cases of one connection: nobody is banned for so few.
const CASES: usize = 16;

/// Bytes that break the grammar, one stream each, under several identities.
pub(crate) async fn malformed(target: &PeerAddress, seed: u64) -> Attempt<Vec<String>> {
    let mut wrong = Vec::new();
    for cases in corpus(seed).chunks(CASES) {
        let (connection, _transport) = connect(target).await?;
        for (what, bytes, may_hang) in cases {
            let end = speak(&*connection, bytes, Duration::from_secs(20)).await;
            let refused = matches!(end, End::Refused(_) | End::Cut);
            let served = *may_hang && end == End::Served;
            if !(refused || served) {
                wrong.push(format!("{what}: {end:?}"));
            }
            if let Some(reason) = connection.close_reason() {
                // Being cut off altogether is an answer, too, but then the rest says nothing.
                wrong.push(format!("{what}: the connection ended: {reason}"));
                return Ok(wrong);
            }
        }
    }
    Ok(wrong)
}

/// What is sent, and whether it may be served after all.
fn corpus(seed: u64) -> Vec<(String, Vec<u8>, bool)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let head = |kind: Kind, payload: u32, body: Vec<u8>| RequestHead {
        kind: kind.0,
        epoch: Epoch::FIRST,
        deadline_ms: 5_000,
        class: TrafficClass::Control,
        payload,
        body,
    };
    let frame = |head: &RequestHead| head.to_frame().unwrap_or_default();
    let put = PutSliver {
        blob: BlobId::from_bytes([7; 32]),
        object: ObjectId::from_bytes([7; 32]),
        segment: SegmentIndex(u32::MAX),
        metadata: true,
        slivers: Vec::new().try_into().unwrap_or_default(),
        confirm: true,
    };
    let body = put.to_body().unwrap_or_default();
    let mut cases = Vec::new();
    for size in [0, 1, 7, 100, 4096, 1 << 20] {
        let mut bytes = vec![0; size];
        rng.fill_bytes(&mut bytes);
        cases.push((format!("{size} random bytes"), bytes, false));
    }
    // Lengths of heads: every form of the varint, up to more than memory holds.
    for length in [
        &[0xFF_u8; 8][..],
        &[0x7F, 0xFF],
        &[0xBF, 0xFF, 0xFF, 0xFF],
        &[0x80, 0x01, 0x00, 0x01],
        &[0xC0, 0, 0, 0, 0x40, 0, 0, 0],
        &[0x00],
    ] {
        let mut bytes = length.to_vec();
        bytes.extend_from_slice(&[0; 64]);
        cases.push((
            format!("a head of declared length {length:02x?}"),
            bytes,
            false,
        ));
    }
    // A vector that declares more entries than there are bytes in the world.
    let mut bomb = body.clone();
    let at = bomb.len() - 2;
    bomb.splice(at..=at, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
    cases.push((
        "a list of 4 billion slivers".to_owned(),
        frame(&head(Kind::PUT_SLIVER, 0, bomb)),
        false,
    ));
    for payload in [1, u32::MAX, 64 << 20] {
        let bytes = frame(&head(Kind::PUT_SLIVER, payload, body.clone()));
        cases.push((
            format!("a payload of {payload} bytes that never comes"),
            bytes,
            false,
        ));
    }
    for kind in [0_u16, 99, u16::MAX] {
        let bytes = frame(&head(Kind(kind), 0, Vec::new()));
        cases.push((format!("kind {kind}"), bytes, false));
    }
    let mut expired = head(Kind::HEALTH, 0, Vec::new());
    expired.deadline_ms = 0;
    cases.push(("an expired deadline".to_owned(), frame(&expired), false));
    let whole = frame(&head(Kind::PUT_SLIVER, 0, body));
    for _ in 0..8 {
        let cut = rng.random_range(1..whole.len());
        cases.push((
            format!("a head cut after {cut} bytes"),
            whole[..cut].to_vec(),
            false,
        ));
    }
    for _ in 0..16 {
        let mut bytes = whole.clone();
        let at = rng.random_range(0..bytes.len());
        bytes[at] ^= 1 << rng.random_range(0..8);
        cases.push((format!("a flipped bit at {at}"), bytes, true));
    }
    cases
}
