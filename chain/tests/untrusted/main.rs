//! Nothing is believed that was not proved: the light client, and the client among lying endpoints.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; a failure is a failed test"
)]

mod drip;
mod light;
mod lying;
mod sdk;
mod server;
mod support;
