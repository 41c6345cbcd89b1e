//! The index database: opening it, snapshots of it, and the one running write transaction.
//!
//! Owns how commits are made: two-phase, with the allocator state saved, always. Rows and what
//! they mean are elsewhere.

use floe_codec::ShardCount;
use redb::{Database, Durability, ReadableDatabase, WriteTransaction};

use crate::{
    backend::IndexFile,
    log::volume::VolumeId,
    table::{self, IndexError, ReadRows, WriteRows},
};

/// The index.
#[derive(Debug)]
pub(crate) struct Index {
    database: Database,
    shard_count: ShardCount,
}

/// The index as of one commit. Reading from it never waits for a writer.
pub(crate) struct Snapshot(redb::ReadTransaction);

macro_rules! tables {
    ($($name:ident: $table:ty),* $(,)?) => {
        /// All tables in the one running write transaction.
        pub(crate) struct Writing<'t> {
            /// n, from which a blob's segments are derived.
            pub(crate) shard_count: ShardCount,
            /// Volumes that nothing points to once this is committed.
            pub(crate) retired: Vec<VolumeId>,
            $(pub(crate) $name: WriteRows<'t, $table>,)*
        }

        impl<'t> Writing<'t> {
            fn open(
                transaction: &'t WriteTransaction,
                shard_count: ShardCount,
            ) -> Result<Self, IndexError> {
                Ok(Self {
                    shard_count,
                    retired: Vec::new(),
                    $($name: WriteRows::open(transaction)?,)*
                })
            }
        }

        impl Snapshot {
            $(
                pub(crate) fn $name(&self) -> Result<ReadRows<$table>, IndexError> {
                    ReadRows::open(&self.0)
                }
            )*
        }
    };
}

tables! {
    blobs: table::blob::BlobTable,
    boundaries: table::boundary::BoundaryTable,
    digests: table::digest::DigestTable,
    expiries: table::expiry::ExpiryTable,
    garbage: table::garbage::GarbageTable,
    held: table::held::HeldTable,
    inconsistencies: table::inconsistency::InconsistencyTable,
    inventory: table::inventory::InventoryTable,
    ledger: table::ledger::LedgerTable,
    live: table::live::LiveTable,
    metadata: table::metadata::MetadataTable,
    numbering: table::numbering::NumberingTable,
    recovery: table::recovery::RecoveryTable,
    registrations: table::registration::RegistrationTable,
    sequences: table::sequence::SequenceTable,
    shards: table::shard::ShardTable,
    slivers: table::sliver::SliverTable,
    sync: table::sync::SyncTable,
    volumes: table::volume::VolumeTable,
    watermarks: table::watermark::WatermarkTable,
}

impl Index {
    /// Opens the database in `file`, or makes one if the file is empty.
    pub(crate) fn open(
        file: IndexFile,
        shard_count: ShardCount,
        cache_bytes: usize,
    ) -> Result<Self, IndexError> {
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .create_with_backend(file)?;
        let index = Self {
            database,
            shard_count,
        };
        // Snapshots can only open tables that exist. And if the last commit before failed at its very
        // end, it is visible but not yet durable: a commit on top of it makes it so.
        index.write(|_| Ok::<_, IndexError>(()))?;
        Ok(index)
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot, IndexError> {
        Ok(Snapshot(self.database.begin_read()?))
    }

    /// Runs `change` in a transaction, which is durable when this returns `Ok` and undone if
    /// `change` fails.
    pub(crate) fn write<T, E: From<IndexError>>(
        &self,
        change: impl FnOnce(&mut Writing<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.begin().map_err(E::from)?;
        let value = {
            let mut tables = Writing::open(&transaction, self.shard_count)?;
            change(&mut tables)
        };
        match value {
            Ok(value) => {
                transaction.commit().map_err(IndexError::from)?;
                Ok(value)
            }
            Err(error) => {
                transaction.abort().map_err(IndexError::from)?;
                Err(error)
            }
        }
    }

    fn begin(&self) -> Result<WriteTransaction, IndexError> {
        let mut transaction = self.database.begin_write()?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(redb::Error::from)?;
        transaction.set_two_phase_commit(true);
        // Or a restart walks the whole file.
        transaction.set_quick_repair(true);
        Ok(transaction)
    }
}
