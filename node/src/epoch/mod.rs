//! Moving the epoch machine: every node does what is due, whoever is first.

mod drive;
mod plan;

pub(crate) use drive::drive;
pub use plan::{EpochPlan, Standing, plan};
