//! What the codec promises, checked against independent implementations and hostile input.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod decode;
mod oracle;
mod support;
