//! Floe for everyone who speaks HTTP: the aggregator, which reads. Owns the routes, a disk cache of
//! verified segments, and the limits towards its readers; refuses to sign, to pay, and to pass on a
//! byte that was not verified.
//!
//! | module | owns |
//! |---|---|
//! | `upstream` | the client that reads: with the chain, or from a trust anchor |
//! | `blobs` | finding and fetching, each thing once for everybody who asks at the same time |
//! | `cache` | segments on disk, verified again whenever they are used |
//! | `http` | routes, ranges, conditions, headers, problems |
//! | `server` | connections: accepting, limits, draining |

mod answers;
mod blobs;
mod budget;
mod cache;
mod error;
mod flights;
mod http;
mod metrics;
mod pace;
mod server;
mod settings;
mod upstream;

pub use cache::CacheError;
pub use server::{Gateway, StartError};
pub use settings::{CacheSettings, Settings};
pub use upstream::Upstream;
