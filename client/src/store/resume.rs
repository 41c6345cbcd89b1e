//! Stores that were interrupted: listing them, going on, giving up.

use std::path::{Path, PathBuf};

use floe_chain::id::ObjectId;
use floe_codec::BlobId;
use serde::Serialize;

use super::{StoreError, StoreOptions, Stored, Tail};
use crate::{
    Client,
    disk::{journal::Journal, source::Source, spool},
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
    pub source: Option<PathBuf>,
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
        for journal in Journal::all(&self.journals())?.into_iter().flatten() {
            let started = &journal.started;
            if journal.certified.is_none() && started.network == network.into() {
                found.push(Unfinished {
                    blob: started.blob,
                    size: ByteSize(started.layout.length()),
                    object: journal.registered.as_ref().map(|it| it.object),
                    source: started.source.as_ref().map(|it| it.path.clone()),
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
        let started = self.journal_of(blob)?.started;
        let from = started.source.ok_or(StoreError::NothingToResume { blob })?;
        let gone = || StoreError::SourceGone {
            blob,
            path: from.path.display().to_string(),
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
        self.store(source, options, listener).await
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
        let Ok(journals) = Journal::all(&self.journals()) else {
            return;
        };
        // A journal that somebody is working on may need any of them.
        let Ok(journals) = journals.into_iter().collect::<Result<Vec<_>, _>>() else {
            return;
        };
        if dir.starts_with(&self.state_dir) {
            let sources = journals.into_iter().filter_map(|it| it.started.source);
            let needed: Vec<_> = sources.map(|source| source.path).collect();
            spool::sweep(dir, &needed);
        }
    }

    fn journal_of(&self, blob: BlobId) -> Result<Journal, StoreError> {
        let network = self.chain.network().into();
        let journals = Journal::all(&self.journals())?.into_iter().flatten();
        let of =
            |journal: &Journal| (journal.started.blob, journal.started.network) == (blob, network);
        journals
            .into_iter()
            .find(of)
            .ok_or(StoreError::NothingToResume { blob })
    }
}
