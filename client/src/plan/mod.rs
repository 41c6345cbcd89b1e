//! Plans: what a journey is going to do, as plain values that print. Nothing here acts.

mod read;
mod size;
mod store;

pub use read::{ByteRange, ParseRangeError, Part, RangeError, ReadPlan, SegmentRead};
pub use size::ByteSize;
pub use store::{Date, Payment, PlanError, Purchase, Standing, StorePlan, StoreQuestion};
