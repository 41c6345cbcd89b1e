//! What the node remembers of its network between runs: the chain of committees with their
//! certificates, and the peer book. Hints and proofs that can be had again; the store is not told.
//!
//! # Layout
//! Files under `network/` of the data directory: `committee-<epoch>`, the BCS of a
//! `NamedCommittee`; `peers`, the BCS of a list of signed node records. Each is replaced as a whole.

use std::{io, sync::Arc};

use floe_chain::{
    certificate::UnverifiedCertificate, committee::Committee, epoch::Epoch, statement::Handover,
};
use floe_p2p::control::{
    book::AddressBook, plane::wall_clock, record::SignedRecord, request::NamedCommittee,
};
use floe_storage::backend::{Backend, FileName};
use serde::{Serialize, de::DeserializeOwned};

/// The files. Cheap to clone; its methods block on the disk.
#[derive(Clone, Debug)]
pub struct Archive {
    backend: Arc<dyn Backend>,
}

/// The longest file that is read back, in bytes.
const MAX_FILE: u64 = 4 << 20;

impl Archive {
    /// An archive in a directory of its own.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// The committee of an epoch, if it is known.
    pub(crate) fn committee(&self, epoch: Epoch) -> Option<NamedCommittee> {
        let named: NamedCommittee = self.read(&committee_file(epoch))?;
        (named.committee.epoch() == epoch).then_some(named)
    }

    /// Remembers a committee. A certificate that is known already is kept.
    pub(crate) fn keep(
        &self,
        committee: &Committee,
        handover: Option<UnverifiedCertificate<Handover>>,
    ) {
        let epoch = committee.epoch();
        let known = self
            .committee(epoch)
            .filter(|known| known.committee == *committee);
        if known
            .as_ref()
            .is_some_and(|known| known.handover.is_some() || handover.is_none())
        {
            return;
        }
        let named = NamedCommittee {
            committee: committee.clone(),
            handover,
        };
        self.write(&committee_file(epoch), &named);
    }

    /// Puts the records of the last run into the book.
    pub(crate) fn load_peers(&self, book: &AddressBook) {
        let records: Vec<SignedRecord> = self.read(&peers_file()).unwrap_or_default();
        let now = wall_clock();
        let taken = records
            .into_iter()
            .filter(|record| matches!(book.offer_signed(record.clone(), now), Ok(Ok(()))))
            .count();
        tracing::debug!(taken, "peer book read");
    }

    /// Remembers the records of the book.
    pub(crate) fn save_peers(&self, book: &AddressBook) {
        let records: Vec<_> = book
            .records()
            .iter()
            .map(|record| record.signed().clone())
            .collect();
        self.write(&peers_file(), &records);
    }

    fn read<T: DeserializeOwned>(&self, name: &FileName) -> Option<T> {
        let read = || -> io::Result<Vec<u8>> {
            let file = self.backend.open(name)?;
            let size = file.size()?.min(MAX_FILE);
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
            let mut filled = 0;
            while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match file.read_at(filled as u64, rest)? {
                    0 => break,
                    more => filled += more,
                }
            }
            bytes.truncate(filled);
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => bcs::from_bytes(&bytes)
                .inspect_err(|error| {
                    tracing::info!(file = name.as_str(), %error, "damaged, and left out");
                })
                .ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(file = name.as_str(), %error, "cannot be read; check the disk");
                None
            }
        }
    }

    fn write(&self, name: &FileName, value: &impl Serialize) {
        let bytes = bcs::to_bytes(value).expect("plain data encodes");
        if let Err(error) = self.backend.replace(name, &bytes) {
            tracing::warn!(file = name.as_str(), %error, "cannot be written; check the disk");
        }
    }
}

fn committee_file(epoch: Epoch) -> FileName {
    FileName::new(&format!("committee-{epoch}")).expect("digits are allowed in names")
}

fn peers_file() -> FileName {
    FileName::new("peers").expect("letters are allowed in names")
}

#[cfg(test)]
mod tests {
    use floe_storage::backend::MemoryBackend;

    use super::super::testing::{NETWORK, committee};
    use super::*;

    #[test]
    fn committees_are_kept_and_damaged_files_left_out() {
        let backend = Arc::new(MemoryBackend::default());
        let archive = Archive::new(Arc::clone(&backend) as Arc<dyn Backend>);
        assert_eq!(archive.committee(Epoch::new(7)), None);
        archive.keep(&committee(7, 4), None);
        let kept = archive.committee(Epoch::new(7)).expect("kept");
        assert_eq!((kept.committee, kept.handover), (committee(7, 4), None));
        for damage in [&b""[..], &[0xff; 300]] {
            let replaced = backend.replace(&committee_file(Epoch::new(7)), damage);
            replaced.expect("written");
            assert_eq!(archive.committee(Epoch::new(7)), None);
            backend.replace(&peers_file(), damage).expect("written");
            archive.load_peers(&AddressBook::new(NETWORK));
        }
    }
}
