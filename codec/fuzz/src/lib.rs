//! What must hold for every input, one function for each fuzz target.
//!
//! `cargo fuzz run TARGET fuzz/corpus/TARGET fuzz/seeds/TARGET` in `codec/`, on stable with
//! `RUSTC_BOOTSTRAP=1`.

#[path = "../../tests/it/definition.rs"]
mod definition;
#[path = "../../tests/it/hostile.rs"]
mod hostile;
#[path = "../../tests/it/support.rs"]
#[expect(
    dead_code,
    reason = "shared with the integration tests, which use all of it"
)]
mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

use floe_codec::{
    Axis, Codec, DecodeBuffers, DecodeError, HelperSymbols, InconsistencyProof, SegmentMetadata,
    SliverIndex, SymbolProof, Tier, Unverified, VerifiedSliver,
};

use hostile::Hostile;
use support::{CODEC, Choices, OneSegment, area};

/// A codec that works on the calling thread: handing the work over would take most of the time.
fn new_codec() -> Codec {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .use_current_thread();
    let pool = pool.build().expect("this thread is in no other pool");
    Codec::with(
        Arc::new(pool),
        Tier::select().expect("the kernel named is there"),
    )
}

/// The blobs that the seeds are about.
static GOOD: LazyLock<Vec<OneSegment>> =
    LazyLock::new(|| [4, 10, 65].map(|n| OneSegment::new(n, 1000)).into());

/// Metadata that verifies is the good one.
pub fn metadata(data: &[u8]) {
    let Ok(received) = bcs::from_bytes::<SegmentMetadata<Unverified>>(data) else {
        return;
    };
    for blob in GOOD.iter() {
        if let Ok(verified) = received.clone().verify(blob.commitment.id()) {
            assert_eq!(verified, blob.metadata);
        }
    }
}

/// A symbol that verifies is the good one.
pub fn symbol(data: &[u8]) {
    let Ok(proof) = bcs::from_bytes::<SymbolProof>(data) else {
        return;
    };
    for blob in GOOD.iter() {
        if let Ok(proven) = proof.verify(&blob.metadata) {
            let sliver = blob.sliver(Axis::Primary, proven.at.row.get());
            let extended = CODEC.extend_sliver(&sliver);
            assert_eq!(extended.symbol(proven.at.column).unwrap(), proven.bytes);
        }
    }
}

/// No proof convicts a good blob, and any verdict on a tampered one is reached without a panic.
pub fn inconsistency(data: &[u8]) {
    static TAMPERED: LazyLock<Vec<Hostile>> = LazyLock::new(|| {
        let tampered = |n: u16| {
            hostile::WAYS
                .map(|way| Hostile::new(n, area(n) * 2 - 5, way, &mut Choices::new(n.into())))
        };
        [4, 10, 65].map(tampered).into_iter().flatten().collect()
    });
    let Ok(proof) = bcs::from_bytes::<InconsistencyProof>(data) else {
        return;
    };
    for blob in GOOD.iter() {
        assert!(proof.verify(&CODEC, &blob.metadata).is_err());
    }
    for blob in TAMPERED.iter() {
        let _ = proof.verify(&CODEC, &blob.metadata);
    }
}

/// Whatever slivers a writer commits to, all readers agree; whatever helpers send, recovery gives the
/// committed sliver or none.
pub fn slivers(data: &[u8]) {
    let [shape, length, changes @ ..] = data else {
        return;
    };
    // The FFT code takes a hundred times as long, so it gets few of the inputs: mutations keep the first
    // byte of a seed, and seldom its length.
    let n = match *shape {
        u8::MAX if changes.len() == 8 => 65,
        shape => [4, 5, 7, 10][usize::from(shape) % 4],
    };
    let mut blob = honest(n, *length);
    for change in changes.chunks_exact(4) {
        let axis = Axis::BOTH[usize::from(change[0] & 1)];
        let slivers = blob.slivers.get_mut(axis);
        let index = usize::from(change[1]) % slivers.len();
        let bytes = slivers[index]
            .as_mut()
            .expect("an honest blob has all slivers");
        let at = usize::from(change[2]) % bytes.len();
        bytes[at] ^= change[3];
    }
    blob.commit_again();

    let mut outcomes = Vec::new();
    for axis in Axis::BOTH {
        let k = usize::from(*blob.metadata.layout().shards().source_slivers().get(axis));
        let slivers = blob.available(axis);
        for chosen in [&slivers[..k], &slivers[slivers.len() - k..]] {
            outcomes.push(decode(&blob, chosen));
        }
    }
    assert!(
        outcomes.windows(2).all(|pair| pair[0] == pair[1]),
        "readers disagree"
    );
    recover(&blob, changes);
}

/// Making these takes longer than everything that is tried on them.
fn honest(n: u16, length: u8) -> Hostile {
    static MADE: Mutex<BTreeMap<(u16, u8), Hostile>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().expect("a panic ends the process");
    let make = || Hostile::new(n, usize::from(length), "honestly", &mut Choices::new(0));
    made.entry((n, length)).or_insert_with(make).clone()
}

fn decode(blob: &Hostile, slivers: &[VerifiedSliver<&[u8]>]) -> Option<Vec<u8>> {
    match CODEC.decode_segment(&blob.metadata, slivers, &mut DecodeBuffers::default()) {
        Ok(bytes) => Some(bytes.to_vec()),
        Err(DecodeError::Inconsistent { proof, .. }) => {
            proof
                .verify(&CODEC, &blob.metadata)
                .expect("the proof holds");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

fn recover(blob: &Hostile, sent: &[u8]) {
    let layout = blob.metadata.layout();
    let size = layout.symbol_size();
    let helpers: Vec<_> = sent
        .chunks(size)
        .zip(0..)
        .map(|(symbols, index)| HelperSymbols {
            sliver: SliverIndex(index),
            symbols,
        })
        .collect();
    for axis in Axis::BOTH {
        let target = SliverIndex(u16::from(sent.first().copied().unwrap_or(0)));
        if let Ok(recovered) = CODEC.recover_slivers(&blob.metadata, axis, &[target], &helpers) {
            for sliver in recovered.into_iter().flatten() {
                let committed = &blob.slivers.get(axis)[usize::from(target.get())];
                assert_eq!(Some(sliver.bytes()), committed.as_deref());
            }
        }
    }
}
