//! Stores that were interrupted: listing them, going on, giving up.

use std::path::Path;

use floe_chain::id::ObjectId;
use floe_codec::BlobId;
use serde::Serialize;

use super::{StoreError, StoreOptions, Stored, Tail};
use crate::{
    Client,
    disk::{
        journal::{Journal, Kept},
        path::FilePath,
        source::Source,
        spool,
    },
    plan::ByteSize,
    progress::Listener,
};

/// A store that has not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// The blob.
    pub blob: BlobId,
    /// Its bytes.
    pub size: ByteSize,
    /// Its registration, if it was paid for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
    /// The file it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<FilePath>,
}

impl Client {
    /// The stores of this network that were begun on this machine and not certified. One that
    /// another process is working on is not listed.
    ///
    /// # Errors
    /// The journals cannot be read.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        let network = self.chain.network();
        let mut found = Vec::new();
        for file in Journal::files(&self.journals())? {
            // One that cannot be read is reported when it is to be resumed.
            let Ok(Some(kept)) = Kept::read(&file) else {
                continue;
            };
            let started = kept.started;
            let open = kept.certified.is_none() && started.network == network.into();
            if open && !Journal::is_busy(&file) {
                found.push(Unfinished {
                    blob: started.blob,
                    size: ByteSize(started.layout.length()),
                    object: kept.registered.map(|it| it.object),
                    source: started.source.map(|it| it.path),
                });
            }
        }
        Ok(found)
    }

    /// Goes on with a store.
    ///
    /// # Errors
    /// There is no journal of it, or its source is gone; else as [`store`](Self::store).
    pub async fn resume(
        &self,
        blob: BlobId,
        listener: Listener,
    ) -> Result<(Stored, Option<Tail>), StoreError> {
        let started = self.journal_of(blob)?.started.clone();
        let from = started.source.ok_or(StoreError::NothingToResume { blob })?;
        let gone = || StoreError::SourceGone {
            blob,
            path: from.path.to_string(),
        };
        let source = Source::open(&from.path).map_err(|_| gone())?;
        if source
            .identity()
            .is_none_or(|(_, stamp)| stamp != from.stamp)
        {
            return Err(gone());
        }
        let options = StoreOptions {
            epochs: started.epochs,
            deletable: started.deletable,
            spooled: from.spooled,
        };
        self.go(source, options, listener, true).await
    }

    /// Gives a store up. A registration that was paid for stays on chain.
    ///
    /// # Errors
    /// There is no journal of it.
    pub fn forget(&self, blob: BlobId) -> Result<(), StoreError> {
        Ok(self.journal_of(blob)?.forget()?)
    }

    /// Removes the copies of inputs that killed processes left in `dir` and that no interrupted store
    /// needs. A directory outside the client's own may be shared with other clients, and is left alone.
    pub fn sweep_spool(&self, dir: &Path) {
        let Ok(files) = Journal::files(&self.journals()) else {
            return;
        };
        let mut needed = Vec::new();
        for file in &files {
            match Kept::read(file) {
                Ok(Some(kept)) => needed.extend(kept.started.source.map(|source| source.path.0)),
                Ok(None) => {}
                // It may need any of them.
                Err(_) => return,
            }
        }
        if dir.starts_with(&self.state_dir) {
            spool::sweep(dir, &needed);
        }
    }

    fn journal_of(&self, blob: BlobId) -> Result<Journal, StoreError> {
        let network = self.chain.network().into();
        let path = Journal::path(&self.journals(), &blob, &network);
        let found = Journal::open(&path)?.filter(|journal| journal.started.network == network);
        found.ok_or(StoreError::NothingToResume { blob })
    }
}
