//! Whole blobs over readers and writers: two passes in, slivers out, and back.

use std::io::{self, Read};

use floe_codec::{Axis, DecodeStreamError, EncodeError, SegmentIndex, SliverIndex, VerifiedSliver};

use crate::support::{CODEC, OneSegment, bytes, layout, shards};

/// A reader that gives a few bytes at a time, as pipes do.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let few = buffer.len().min(70_001).min(self.0.len());
        self.0.read(&mut buffer[..few])
    }
}

#[test]
fn blobs_of_several_segments_go_through_both_passes_and_back() {
    for n in [4, 10, 64, 65, 100] {
        let capacity = layout(n, 0).segment_capacity();
        for length in [
            0,
            1,
            capacity - 1,
            capacity,
            capacity + 1,
            4 * capacity + 777,
        ] {
            let (input, layout) = (bytes(length), layout(n, length));
            let commitment = CODEC.commit(&layout, Trickle(&input)).unwrap();
            let mut encoder = CODEC.encoder(commitment.clone(), Trickle(&input));
            let mut decoder = CODEC.decoder(*commitment.id(), layout, Vec::new());
            while let Some(ready) = encoder.next_segment().unwrap() {
                let received = ready.metadata.clone().into_unverified();
                assert_eq!(received.verify(commitment.id()).unwrap(), ready.metadata);
                let axis = Axis::BOTH[usize::from(ready.metadata.segment().get() % 2 == 1)];
                let k = *shards(n).source_slivers().get(axis);
                let slivers = (n - k..n).map(|index| {
                    let bytes = ready.encoded.sliver(axis, SliverIndex(index)).unwrap();
                    (axis, SliverIndex(index), bytes)
                });
                let slivers: Result<Vec<VerifiedSliver<_>>, _> = CODEC
                    .verify_slivers(&ready.metadata, slivers.collect())
                    .into_iter()
                    .collect();
                assert_eq!(decoder.next_segment(), Some(ready.metadata.segment()));
                decoder.push(&ready.metadata, &slivers.unwrap()).unwrap();
                encoder.recycle(ready.encoded);
            }
            assert_eq!(decoder.next_segment(), None);
            assert!(
                decoder.finish().unwrap() == input,
                "n = {n}, {length} bytes"
            );
        }
    }
}

#[test]
fn changed_input_is_found_at_its_segment() {
    let capacity = layout(10, 0).segment_capacity();
    let length = 3 * capacity + 5;
    let (mut input, layout) = (bytes(length), layout(10, length));
    let commitment = CODEC.commit(&layout, &input[..]).unwrap();
    input[2 * capacity] ^= 1;
    let mut encoder = CODEC.encoder(commitment, &input[..]);
    for _ in 0..2 {
        encoder.next_segment().unwrap().unwrap();
    }
    let error = encoder.next_segment().unwrap_err();
    assert!(matches!(error, EncodeError::InputChanged(e) if e.segment == SegmentIndex(2)));
}

#[test]
fn input_of_another_length_or_that_fails_is_refused() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let layout = layout(10, 1000);
    for length in [999, 1001] {
        let error = CODEC.commit(&layout, &bytes(length)[..]).unwrap_err();
        assert!(
            matches!(error, EncodeError::Length { length: 1000 }),
            "{error}"
        );
    }
    let error = CODEC.commit(&layout, bytes(500).chain(Broken)).unwrap_err();
    assert!(
        matches!(error, EncodeError::Read { offset: 0, .. }),
        "{error}"
    );
}

#[test]
fn segments_out_of_order_or_missing_are_refused() {
    let (one, other) = (OneSegment::new(4, 10), OneSegment::new(4, 11));
    let mut decoder = CODEC.decoder(*one.commitment.id(), *one.commitment.layout(), Vec::new());
    let slivers = [
        other.sliver(Axis::Primary, 0),
        other.sliver(Axis::Primary, 1),
    ];
    let error = decoder.push(&other.metadata, &slivers).unwrap_err();
    assert!(
        matches!(error, DecodeStreamError::OutOfOrder { .. }),
        "{error}"
    );
    let error = decoder.push(&one.metadata, &slivers).unwrap_err();
    assert!(error.to_string().contains("another segment"), "{error}");
    let error = decoder.finish().unwrap_err();
    assert!(matches!(
        error,
        DecodeStreamError::Incomplete {
            expected: 1,
            written: 0
        }
    ));
}
