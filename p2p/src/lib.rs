//! How two peers *talk*: identity, wire messages, the QUIC data plane, limits.
//!
//! A [`plane::DataPlane`] is one peer's end: it answers with a [`server::Service`] and asks through
//! a [`client::DataClient`], both over a [`transport::DataTransport`]. Nothing here decides what is
//! stored or believed; it carries bytes between proven peers and keeps every side within limits.

pub mod address;
pub mod class;
pub mod client;
pub mod control;
pub mod fetch;
mod framing;
pub mod guard;
pub mod identity;
pub mod metrics;
pub mod peers;
pub mod plane;
mod pool;
pub mod server;
pub mod transport;
pub mod wire;

pub use framing::{Item, ItemSize};
pub use pool::Resolve;
