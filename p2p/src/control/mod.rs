//! The control plane: how peers find each other and hear news, over libp2p.
//!
//! What decides is pure: who is where ([`book`]), what news is worth ([`judge`]), who is trusted how
//! far ([`score`]), whom to dial ([`mesh`]). One task owns the swarm and only routes ([`plane`]).
//! No blob travels here: bulk is the data plane's.

mod behaviour;
pub mod book;
mod check;
mod codec;
mod crowd;
mod discover;
mod events;
mod gossip;
pub mod inventory;
pub mod judge;
pub mod mesh;
mod meter;
pub mod metrics;
pub mod news;
mod place;
pub mod plane;
mod protect;
mod quic;
mod quota;
pub mod record;
pub mod request;
pub mod respond;
pub mod score;
pub mod settings;
pub mod signed;
mod store;
pub(crate) mod streams;
mod swarm;
mod table;
mod tcp;
#[cfg(test)]
mod testing;
pub mod topic;
mod transport;
#[cfg(test)]
mod volume;
mod yamux;

pub use libp2p::{Multiaddr, multiaddr::Protocol};
