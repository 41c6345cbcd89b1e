//! Plans: what a journey is going to do, as plain values that print. Nothing here acts.

mod read;
mod size;
mod store;

pub use read::{ByteRange, ParseRangeError, Part, RangeError, ReadPlan, SegmentRead};
pub use size::ByteSize;
pub(crate) use store::upload_bytes;
pub use store::{Date, Payment, PlanError, Purchase, Standing, StorePlan, StoreQuestion};
