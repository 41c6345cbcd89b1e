//! The recovery queue: slivers this machine lost, and slivers that could not be recovered yet.

use crate::{
    engine::StoreFailed,
    key::SliverKey,
    store::Storage,
    table::{IndexError, recovery::RecoveryTask},
    writer::{Busy, Pending},
};

impl Storage {
    /// What is remembered of a sliver to be recovered; `None` if it was never held and never tried.
    pub fn recovery_task(&self, key: &SliverKey) -> Result<Option<RecoveryTask>, IndexError> {
        self.snapshot()?.recovery()?.get(key)
    }

    /// Remembers that a sliver is to be recovered, or when to try again. A sliver that is stored
    /// by now is not: whoever stored it removed the task.
    pub fn set_recovery_task(
        &self,
        key: SliverKey,
        task: RecoveryTask,
    ) -> Result<Pending<(), StoreFailed>, Busy> {
        self.0.writer.change(0, move |tables| {
            if !tables.slivers.contains(&key)? {
                tables.recovery.insert(&key, &task)?;
            }
            Ok(Ok(()))
        })
    }
}
