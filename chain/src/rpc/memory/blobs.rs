//! Blobs of a chain in memory.

use std::collections::BTreeMap;

use floe_codec::{BlobId, BlobLayout, BlobRoot, Encoding};

use super::ledger::{Ledger, Thing};
use crate::amount::Wal;
use crate::blob::Registration;
use crate::certificate::{Certificate, CertificateError};
use crate::cost::encoded_bytes;
use crate::epoch::Epoch;
use crate::event::{BlobCertified, BlobDeleted, BlobExtended, BlobInconsistent, BlobRegistered};
use crate::id::{Address, ObjectId};
use crate::rpc::abort::Refusal;
use crate::rpc::error::ChainError;
use crate::rpc::operation::{ObjectKind, Operation, Room};
use crate::rpc::state::StorageResource;
use crate::statement::Assertion;

impl Ledger {
    /// Plays an operation on a blob.
    pub(super) fn keep(&mut self, sender: Address, op: Operation) -> Result<(), ChainError> {
        match op {
            Operation::Register {
                room,
                root,
                size,
                encoding,
                deletable,
            } => self.register(sender, room, &root, size, encoding, deletable),
            Operation::Certify { blob, certificate } => {
                self.blob(sender, blob, |ledger, registration, _| {
                    ledger.certify(registration, &certificate)
                })
            }
            Operation::Extend { blob, epochs } => {
                self.blob(sender, blob, |ledger, registration, _| {
                    let bytes = ledger.room_of(registration)?;
                    let end = extended(registration, epochs)?;
                    let period = registration.period.end..end;
                    ledger.charge(sender, bytes, &period)?;
                    ledger.extend(registration, end)
                })
            }
            Operation::ExtendWith { blob, storage } => {
                let storage = self.storage(sender, storage)?;
                self.blob(sender, blob, |ledger, registration, _| {
                    let bytes = ledger.room_of(registration)?;
                    if storage.period.start != registration.period.end || storage.bytes != bytes {
                        return Err(Refusal::SystemExtension.into());
                    }
                    ledger.extend(registration, storage.period.end)
                })
            }
            Operation::Delete { blob } => self.delete(sender, blob),
            Operation::Burn { blob } => self.take(sender, blob).map(drop),
            Operation::SetAttribute { blob, key, value } => {
                self.blob(sender, blob, |_, _, attributes| {
                    attributes.insert(key, value);
                    Ok(())
                })
            }
            Operation::RemoveAttribute { blob, key } => {
                self.blob(sender, blob, |_, _, attributes| {
                    attributes.remove(&key);
                    Ok(())
                })
            }
            Operation::Share { blob, funds } => self.share(sender, blob, funds),
            Operation::Fund { shared, funds } => self.fund(sender, shared, funds),
            Operation::ExtendShared { shared, epochs } => self.extend_shared(shared, epochs),
            Operation::MarkInconsistent { certificate } => {
                self.check(&certificate)?;
                let (epoch, blob) = (self.schedule.epoch, certificate.statement().body.blob);
                self.emit(BlobInconsistent { epoch, blob });
                Ok(())
            }
            other => Err(ChainError::NotSimulated {
                operation: format!("{other:?}"),
            }),
        }
    }

    fn register(
        &mut self,
        sender: Address,
        room: Room,
        root: &BlobRoot,
        size: u64,
        encoding: Encoding,
        deletable: bool,
    ) -> Result<(), ChainError> {
        let epoch = self.started()?;
        let storage = match room {
            Room::Reserve { bytes, period } => {
                let storage = self.reserve(sender, bytes, period)?;
                // Wrapped at once: the transaction leaves no `Storage` behind.
                self.forget(storage.object);
                storage
            }
            Room::Owned(id) => self.storage(sender, id)?,
        };
        let shards = self.settings.shards;
        if encoding != Encoding::for_shards(shards) {
            return Err(Refusal::EncodingEncoding.into());
        }
        let layout = BlobLayout::new(encoding, shards, size).map_err(|_| Refusal::EncodingSize)?;
        let encoded = encoded_bytes(&layout).ok_or(Refusal::EncodingSize)?;
        if encoded > storage.bytes || !storage.period.contains(&epoch) {
            return Err(Refusal::SystemStorage.into());
        }
        let cost = self
            .settings
            .prices
            .register(encoded)
            .map_err(|_| overflow("price"))?;
        self.pay(sender, cost).map_err(|_| Refusal::LedgerPayment)?;

        let object = self.id(ObjectKind::Blob);
        let blob = BlobId::derive(&layout, root);
        let end = storage.period.end;
        let registration = Registration {
            object,
            blob,
            size,
            encoding,
            deletable,
            registered: epoch,
            certified: None,
            period: storage.period,
            bytes: storage.bytes,
        };
        self.emit(BlobRegistered {
            epoch,
            blob,
            size,
            encoding,
            end,
            deletable,
            object,
        });
        self.own(
            sender,
            object,
            Thing::Blob {
                registration,
                attributes: BTreeMap::new(),
            },
        );
        Ok(())
    }

    /// Changes a blob that the sender owns.
    fn blob(
        &mut self,
        sender: Address,
        id: ObjectId,
        change: impl FnOnce(
            &mut Self,
            &mut Registration,
            &mut BTreeMap<String, String>,
        ) -> Result<(), ChainError>,
    ) -> Result<(), ChainError> {
        let mut thing = self.take(sender, id)?;
        let Thing::Blob {
            registration,
            attributes,
        } = &mut thing
        else {
            return Err(not_a("Blob", id));
        };
        change(self, registration, attributes)?;
        self.own(sender, id, thing);
        Ok(())
    }

    fn certify(
        &mut self,
        registration: &mut Registration,
        certificate: &Certificate<crate::statement::Available>,
    ) -> Result<(), ChainError> {
        let epoch = self.started()?;
        let stated = certificate.statement();
        if stated.epoch != epoch {
            return Err(Refusal::SystemStaleEpoch.into());
        }
        if registration.certified.is_some() {
            return Err(Refusal::BlobAlreadyCertified.into());
        }
        if epoch >= registration.period.end {
            return Err(Refusal::BlobExpired.into());
        }
        self.check(certificate)?;
        // The contract composes the statement from the object: another one has another signature.
        if stated.body != registration.available() {
            return Err(Refusal::BlsSignature.into());
        }
        registration.certified = Some(epoch);
        let Registration {
            object,
            blob,
            size,
            encoding,
            deletable,
            ..
        } = *registration;
        let end = registration.period.end;
        self.emit(BlobCertified {
            epoch,
            blob,
            size,
            encoding,
            end,
            deletable,
            object,
        });
        Ok(())
    }

    /// Verifies a certificate under the running committee, as the contract would.
    fn check<B: Assertion>(&self, certificate: &Certificate<B>) -> Result<(), ChainError> {
        let epoch = self.started()?;
        let committee = self
            .committees
            .get(&epoch)
            .ok_or(Refusal::SystemNotStarted)?;
        let verified = certificate
            .clone()
            .into_unverified()
            .verify(self.network, committee);
        let refusal = match verified {
            Ok(_) => return Ok(()),
            Err(CertificateError::Epoch { .. }) => Refusal::SystemStaleEpoch,
            Err(CertificateError::Signers(_)) => Refusal::BlsBitmap,
            Err(CertificateError::Weight { .. }) => Refusal::BlsWeight,
            Err(_) => Refusal::BlsSignature,
        };
        Err(refusal.into())
    }

    /// The room of a registration that may be extended.
    fn room_of(&self, registration: &Registration) -> Result<u64, ChainError> {
        let epoch = self.started()?;
        if registration.certified.is_none() {
            return Err(Refusal::BlobNotCertified.into());
        }
        if epoch >= registration.period.end {
            return Err(Refusal::BlobExpired.into());
        }
        Ok(registration.bytes)
    }

    fn extend(&mut self, registration: &mut Registration, end: Epoch) -> Result<(), ChainError> {
        registration.period.end = end;
        let epoch = self.schedule.epoch;
        let Registration {
            object,
            blob,
            deletable,
            ..
        } = *registration;
        self.emit(BlobExtended {
            epoch,
            blob,
            end,
            deletable,
            object,
        });
        Ok(())
    }

    fn extend_shared(&mut self, shared: ObjectId, epochs: u32) -> Result<(), ChainError> {
        let Some((
            owner,
            Thing::Shared {
                mut registration,
                funds,
            },
        )) = self.objects.remove(&shared)
        else {
            return Err(not_a("SharedBlob", shared));
        };
        let bytes = self.room_of(&registration)?;
        let end = extended(&registration, epochs)?;
        let period = registration.period.end..end;
        self.sell(bytes, &period)?;
        let cost = self
            .settings
            .prices
            .reserve(bytes, &period)
            .map_err(|_| overflow("price"))?;
        let funds = funds.checked_sub(cost).ok_or(Refusal::LedgerPayment)?;
        self.extend(&mut registration, end)?;
        self.objects.insert(
            shared,
            (
                owner,
                Thing::Shared {
                    registration,
                    funds,
                },
            ),
        );
        Ok(())
    }

    fn delete(&mut self, sender: Address, id: ObjectId) -> Result<(), ChainError> {
        let epoch = self.started()?;
        let Thing::Blob { registration, .. } = self.take(sender, id)? else {
            return Err(not_a("Blob", id));
        };
        if !registration.deletable {
            return Err(Refusal::BlobPermanent.into());
        }
        if epoch >= registration.period.end {
            return Err(Refusal::BlobExpired.into());
        }
        let (blob, certified) = (registration.blob, registration.certified.is_some());
        self.emit(BlobDeleted {
            epoch,
            blob,
            certified,
            object: id,
        });
        let object = self.id(ObjectKind::Storage);
        let start = epoch
            .next()
            .unwrap_or(registration.period.end)
            .min(registration.period.end);
        let period = start..registration.period.end;
        let storage = StorageResource {
            object,
            period,
            bytes: registration.bytes,
        };
        self.own(sender, object, Thing::Storage(storage));
        Ok(())
    }

    fn share(&mut self, sender: Address, blob: ObjectId, funds: Wal) -> Result<(), ChainError> {
        self.pay(sender, funds)?;
        let Thing::Blob { registration, .. } = self.take(sender, blob)? else {
            return Err(not_a("Blob", blob));
        };
        if registration.certified.is_none() {
            return Err(Refusal::SharedBlobNotCertified.into());
        }
        let shared = self.id(ObjectKind::SharedBlob);
        let thing = Thing::Shared {
            registration,
            funds,
        };
        self.objects.insert(shared, (None, thing));
        Ok(())
    }

    fn fund(&mut self, sender: Address, shared: ObjectId, more: Wal) -> Result<(), ChainError> {
        self.pay(sender, more)?;
        match self.objects.get_mut(&shared) {
            Some((_, Thing::Shared { funds, .. })) => {
                *funds = funds.checked_add(more).ok_or(overflow("funds"))?;
                Ok(())
            }
            _ => Err(not_a("SharedBlob", shared)),
        }
    }
}

fn extended(registration: &Registration, epochs: u32) -> Result<Epoch, ChainError> {
    registration
        .period
        .end
        .after(epochs)
        .ok_or(Refusal::LedgerPeriod.into())
}

pub(super) fn not_a(what: &'static str, id: ObjectId) -> ChainError {
    ChainError::NotFound {
        what,
        id: id.to_string(),
    }
}

pub(super) fn overflow(what: &str) -> ChainError {
    ChainError::Failed {
        reason: format!("{what} overflows"),
    }
}
