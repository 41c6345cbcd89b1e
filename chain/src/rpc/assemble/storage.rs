//! Commands that deal with room and blobs.

use sui_transaction_builder::Argument;

use super::super::error::ChainError;
use super::super::operation::{Operation, Room};
use super::sheet::Sheet;
use crate::certificate::Certificate;
use crate::statement::Assertion;

impl Sheet<'_> {
    /// Writes the commands of an operation.
    pub(super) fn write(&mut self, operation: &Operation) -> Result<(), ChainError> {
        use Operation as O;
        match operation {
            O::Reserve { bytes, period } => {
                let storage = self.reserve(*bytes, period)?;
                self.keep(storage);
            }
            O::SplitStorageByEpoch { storage, at } => {
                let args = vec![self.write_ref(*storage)?, self.pure(at)];
                let rest = self.call("resource", "split_by_epoch", args);
                self.keep(rest);
            }
            O::SplitStorageBySize { storage, bytes } => {
                let args = vec![self.write_ref(*storage)?, self.pure(bytes)];
                let rest = self.call("resource", "split_by_size", args);
                self.keep(rest);
            }
            O::FuseStorage { storage, other } => {
                let args = vec![self.write_ref(*storage)?, self.write_ref(*other)?];
                self.call("resource", "fuse", args);
            }
            O::DestroyStorage { storage } => {
                let args = vec![self.write_ref(*storage)?];
                self.call("resource", "destroy", args);
            }
            O::Register {
                room,
                root,
                size,
                encoding,
                deletable,
            } => {
                let storage = match room {
                    Room::Reserve { bytes, period } => self.reserve(*bytes, period)?,
                    Room::Owned(storage) => self.write_ref(*storage)?,
                };
                let args = vec![
                    self.system(true)?,
                    storage,
                    self.pure(&root.as_bytes().to_vec()),
                    self.pure(size),
                    self.pure(&encoding.code()),
                    self.pure(deletable),
                    self.purse()?,
                ];
                let blob = self.call("system", "register", args);
                self.keep(blob);
            }
            O::Certify { blob, certificate } => {
                let mut args = vec![self.system(false)?, self.write_ref(*blob)?];
                args.extend(self.certificate(certificate));
                self.call("system", "certify", args);
            }
            O::Extend { blob, epochs } => {
                let args = vec![
                    self.system(true)?,
                    self.write_ref(*blob)?,
                    self.pure(epochs),
                    self.purse()?,
                ];
                self.call("system", "extend", args);
            }
            O::ExtendWith { blob, storage } => {
                let (blob, storage) = (self.write_ref(*blob)?, self.write_ref(*storage)?);
                let args = vec![self.system(false)?, blob, storage];
                self.call("system", "extend_with", args);
            }
            O::Delete { blob } => {
                let args = vec![self.system(false)?, self.write_ref(*blob)?];
                let storage = self.call("system", "delete", args);
                self.keep(storage);
            }
            O::Burn { blob } => {
                let args = vec![self.write_ref(*blob)?];
                self.call("blob", "burn", args);
            }
            O::SetAttribute { blob, key, value } => {
                let args = vec![self.write_ref(*blob)?, self.pure(key), self.pure(value)];
                self.call("blob", "set_attribute", args);
            }
            O::RemoveAttribute { blob, key } => {
                let args = vec![self.write_ref(*blob)?, self.pure(key)];
                self.call("blob", "remove_attribute", args);
            }
            O::Share { blob, funds } => {
                let args = vec![self.write_ref(*blob)?, self.split(*funds)?];
                self.call("shared_blob", "share", args);
            }
            O::Fund { shared, funds } => {
                let args = vec![self.write_ref(*shared)?, self.split(*funds)?];
                self.call("shared_blob", "fund", args);
            }
            O::ExtendShared { shared, epochs } => {
                let args = vec![
                    self.write_ref(*shared)?,
                    self.system(true)?,
                    self.pure(epochs),
                ];
                self.call("shared_blob", "extend_shared", args);
            }
            O::MarkInconsistent { certificate } => {
                let blob = certificate.statement().body.blob;
                let mut args = vec![self.system(false)?, self.pure(&blob.as_bytes().to_vec())];
                args.extend(self.certificate(certificate));
                self.call("system", "mark_inconsistent", args);
            }
            O::AddFunds { epoch, funds } => {
                let args = vec![self.system(true)?, self.pure(epoch), self.split(*funds)?];
                self.call("system", "add_funds", args);
            }
            other => self.operate(other)?,
        }
        Ok(())
    }

    fn reserve(
        &mut self,
        bytes: u64,
        period: &std::ops::Range<crate::epoch::Epoch>,
    ) -> Result<Argument, ChainError> {
        let args = vec![
            self.system(true)?,
            self.pure(&bytes),
            self.pure(&period.start),
            self.pure(&period.end),
            self.purse()?,
        ];
        Ok(self.call("system", "reserve", args))
    }

    fn certificate<B: Assertion>(&mut self, certificate: &Certificate<B>) -> [Argument; 3] {
        let signature = certificate.signature().to_bytes().to_vec();
        [
            self.pure(&certificate.statement().epoch),
            self.pure(&certificate.signers().as_bytes().to_vec()),
            self.pure(&signature),
        ]
    }
}
