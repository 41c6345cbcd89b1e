//! Table `registration`: each on-chain registration that is neither deleted nor past its end.

use floe_chain::{epoch::Epoch, id::ObjectId};
use floe_codec::BlobId;

use super::{Bytes, Table, Take};

/// One registration of a blob: an on-chain `Blob` object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The first epoch in which it is no longer stored.
    pub end: Epoch,
    /// Whether its owner may delete it before.
    pub deletable: bool,
    /// Whether a certificate was accepted for it.
    pub certified: bool,
}

/// One row for each registration.
///
/// # Layout
/// ```text
/// blob id 32 | object id 32  ->  end u32 | deletable u8 | certified u8
/// ```
#[derive(Debug)]
pub(crate) struct RegistrationTable;

impl Table for RegistrationTable {
    const NAME: &'static str = "registration";
    type Key = (BlobId, ObjectId);
    type Value = Registration;

    fn encode_key((blob, object): &Self::Key, out: &mut Bytes) {
        out.blob(blob).object(object);
    }

    fn decode_key(bytes: &mut Take<'_>) -> Option<Self::Key> {
        Some((bytes.blob()?, bytes.object()?))
    }

    fn encode_value(row: &Registration, out: &mut Bytes) {
        out.u32_le(row.end.get())
            .flag(row.deletable)
            .flag(row.certified);
    }

    fn decode_value(bytes: &mut Take<'_>) -> Option<Registration> {
        Some(Registration {
            end: bytes.epoch_le()?,
            deletable: bytes.flag()?,
            certified: bytes.flag()?,
        })
    }
}

#[cfg(test)]
super::table_tests!(
    RegistrationTable,
    (blob(), object()),
    (epoch(), any::<bool>(), any::<bool>()).prop_map(|(end, deletable, certified)| Registration {
        end,
        deletable,
        certified,
    }),
    "0496ebd75c07f7cd1499e74ed5c9bb038f1fc97267718c3b850b2002dec8a36cb2731d9cefcb4821acb2\
     38614b8a57860fe4e5eefb56e2d1c00b09c59819b6b5",
    "98ac667401002cb00243efeac31b"
);
