//! What the codec promises, checked against independent implementations and hostile input.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod decode;
mod definition;
mod field16;
mod forge;
mod golden;
mod hostile;
mod oracle;
mod readme;
mod recover;
mod stream;
mod support;
mod tamper;
mod tiers;

fn new_codec() -> floe_codec::Codec {
    floe_codec::Codec::new(2).unwrap()
}
