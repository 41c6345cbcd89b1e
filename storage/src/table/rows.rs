//! Typed access to one table, with the checksum of every value made and checked here.

use std::{fmt, marker::PhantomData, ops::Bound, sync::LazyLock};

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::{Bytes, Table, Take};

static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| blake3::derive_key("floe/table/1", b""));

const CHECKSUM: usize = 8;

type Raw = &'static [u8];

/// Why the index cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The database failed, or found damage in its pages.
    #[error("the index database failed: {0}")]
    Database(Box<redb::Error>),
    /// A row's checksum differs, or its bytes are no row.
    #[error("a row of table {table} in the index is damaged (key {key})")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The row's key in hexadecimal.
        key: String,
    },
}

impl<E: Into<redb::Error>> From<E> for IndexError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

impl IndexError {
    /// Whether the bytes on disk are wrong, as opposed to the disk not answering.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        use std::io::ErrorKind::{InvalidData, UnexpectedEof};
        match self {
            Self::Damaged { .. } => true,
            Self::Database(error) => match &**error {
                // No other format was ever written.
                redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) => true,
                redb::Error::Io(error) => matches!(error.kind(), InvalidData | UnexpectedEof),
                _ => false,
            },
        }
    }

    fn damaged<T: Table>(key: &[u8]) -> Self {
        let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
        Self::Damaged {
            table: T::NAME,
            key,
        }
    }
}

fn definition<T: Table>() -> TableDefinition<'static, Raw, Raw> {
    TableDefinition::new(T::NAME)
}

fn checksum<T: Table>(key: &[u8], value: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = blake3::Hasher::new_keyed(&KEY);
    let name_len = u8::try_from(T::NAME.len()).unwrap_or(u8::MAX);
    let key_len = u16::try_from(key.len()).unwrap_or(u16::MAX);
    hasher.update(&[name_len]).update(T::NAME.as_bytes());
    hasher
        .update(&key_len.to_le_bytes())
        .update(key)
        .update(value);
    let mut out = [0; CHECKSUM];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..CHECKSUM]);
    out
}

fn encode_key<T: Table>(key: &T::Key) -> Vec<u8> {
    let mut bytes = Bytes::default();
    T::encode_key(key, &mut bytes);
    bytes.0
}

pub(super) fn encode_row<T: Table>(key: &T::Key, value: &T::Value) -> (Vec<u8>, Vec<u8>) {
    let key = encode_key::<T>(key);
    let mut bytes = Bytes::default();
    T::encode_value(value, &mut bytes);
    let sum = checksum::<T>(&key, &bytes.0);
    bytes.put(&sum);
    (key, bytes.0)
}

pub(super) fn decode_value<T: Table>(key: &[u8], stored: &[u8]) -> Result<T::Value, IndexError> {
    stored
        .split_last_chunk::<CHECKSUM>()
        .filter(|(value, sum)| checksum::<T>(key, value) == **sum)
        .and_then(|(value, _)| Take::whole(value, T::decode_value))
        .ok_or_else(|| IndexError::damaged::<T>(key))
}

/// Some rows, in key order.
pub(crate) type Page<T> = Vec<(<T as Table>::Key, <T as Table>::Value)>;

/// Some rows, with `None` for the values of damaged ones.
pub(crate) type LenientPage<T> = Vec<(<T as Table>::Key, Option<<T as Table>::Value>)>;

/// A table's rows.
pub(crate) struct Rows<T, R> {
    raw: R,
    table: PhantomData<T>,
}

/// Rows of a snapshot.
pub(crate) type ReadRows<T> = Rows<T, ReadOnlyTable<Raw, Raw>>;
/// Rows of the one running write transaction.
pub(crate) type WriteRows<'t, T> = Rows<T, redb::Table<'t, Raw, Raw>>;

impl<T, R> fmt::Debug for Rows<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

impl<T: Table> ReadRows<T> {
    pub(crate) fn open(transaction: &ReadTransaction) -> Result<Self, IndexError> {
        Ok(Self {
            raw: transaction.open_table(definition::<T>())?,
            table: PhantomData,
        })
    }
}

impl<'t, T: Table> WriteRows<'t, T> {
    /// Opens the table, creating it if it does not exist.
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, IndexError> {
        Ok(Self {
            raw: transaction.open_table(definition::<T>())?,
            table: PhantomData,
        })
    }

    pub(crate) fn insert(&mut self, key: &T::Key, value: &T::Value) -> Result<(), IndexError> {
        let (key, value) = encode_row::<T>(key, value);
        self.raw.insert(key.as_slice(), value.as_slice())?;
        Ok(())
    }

    /// Whether there was a row. Its value is not looked at, so a damaged row can be removed.
    pub(crate) fn remove(&mut self, key: &T::Key) -> Result<bool, IndexError> {
        Ok(self.raw.remove(encode_key::<T>(key).as_slice())?.is_some())
    }
}

impl<T: Table, R: ReadableTable<Raw, Raw>> Rows<T, R> {
    pub(crate) fn get(&self, key: &T::Key) -> Result<Option<T::Value>, IndexError> {
        let key = encode_key::<T>(key);
        match self.raw.get(key.as_slice())? {
            Some(stored) => decode_value::<T>(&key, stored.value()).map(Some),
            None => Ok(None),
        }
    }

    /// Whether there is a row, damaged or not.
    pub(crate) fn contains(&self, key: &T::Key) -> Result<bool, IndexError> {
        Ok(self.raw.get(encode_key::<T>(key).as_slice())?.is_some())
    }

    /// The rows from `start` (or the first) on, in key order, up to `limit`, while `wanted`.
    ///
    /// A bounded copy, because an iterator must not be trusted after an error and cannot outlive
    /// a change of the table.
    pub(crate) fn page(
        &self,
        start: Option<&T::Key>,
        limit: usize,
        wanted: impl Fn(&T::Key) -> bool,
    ) -> Result<Page<T>, IndexError> {
        self.page_as(start, limit, wanted, decode_value::<T>)
    }

    /// Like [`Rows::page`], with `None` for the values of damaged rows.
    pub(crate) fn lenient_page(
        &self,
        start: Option<&T::Key>,
        limit: usize,
        wanted: impl Fn(&T::Key) -> bool,
    ) -> Result<LenientPage<T>, IndexError> {
        self.page_as(start, limit, wanted, |key, stored| {
            Ok(decode_value::<T>(key, stored).ok())
        })
    }

    fn page_as<V>(
        &self,
        start: Option<&T::Key>,
        limit: usize,
        wanted: impl Fn(&T::Key) -> bool,
        decode: impl Fn(&[u8], &[u8]) -> Result<V, IndexError>,
    ) -> Result<Vec<(T::Key, V)>, IndexError> {
        let start = start.map(encode_key::<T>);
        let from = start.as_deref().map_or(Bound::Unbounded, Bound::Included);
        let mut page = Vec::new();
        for row in self.raw.range::<&[u8]>((from, Bound::Unbounded))? {
            if page.len() == limit {
                break;
            }
            let (key, value) = row?;
            let bytes = key.value();
            let key =
                Take::whole(bytes, T::decode_key).ok_or_else(|| IndexError::damaged::<T>(bytes))?;
            if !wanted(&key) {
                break;
            }
            page.push((key, decode(bytes, value.value())?));
        }
        Ok(page)
    }
}
