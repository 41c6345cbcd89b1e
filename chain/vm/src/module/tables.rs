//! The header of a module: where each table is.

use std::collections::BTreeMap;

use super::{ParseError, reader::Reader};

const MAGIC: [u8; 4] = [0xa1, 0x1c, 0xeb, 0x0b];
const SUI_FLAVOUR: u8 = 5;
/// The first version that carries a flavour, enums and jump tables.
pub(super) const VERSION_WITH_ENUMS: u32 = 7;

/// The tables of a module, by their kind byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Kind {
    ModuleHandles = 0x01,
    DatatypeHandles = 0x02,
    FunctionHandles = 0x03,
    FunctionInstantiations = 0x04,
    Signatures = 0x05,
    Constants = 0x06,
    Identifiers = 0x07,
    Addresses = 0x08,
    Structs = 0x0a,
    StructInstantiations = 0x0b,
    Functions = 0x0c,
    Fields = 0x0d,
    FieldInstantiations = 0x0e,
    Friends = 0x0f,
    Metadata = 0x10,
    Enums = 0x11,
    EnumInstantiations = 0x12,
    Variants = 0x13,
    VariantInstantiations = 0x14,
}

impl Kind {
    const ALL: [Self; 19] = [
        Self::ModuleHandles,
        Self::DatatypeHandles,
        Self::FunctionHandles,
        Self::FunctionInstantiations,
        Self::Signatures,
        Self::Constants,
        Self::Identifiers,
        Self::Addresses,
        Self::Structs,
        Self::StructInstantiations,
        Self::Functions,
        Self::Fields,
        Self::FieldInstantiations,
        Self::Friends,
        Self::Metadata,
        Self::Enums,
        Self::EnumInstantiations,
        Self::Variants,
        Self::VariantInstantiations,
    ];

    fn byte(self) -> u8 {
        // The discriminant is the wire byte.
        #[expect(clippy::as_conversions, reason = "reads the discriminant")]
        {
            self as u8
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }
}

/// A module cut into its tables.
///
/// # Layout
///
/// ```text
/// module  = %xa1 %x1c %xeb %x0b version count *header *table self
/// version = u32 little-endian ; 5, 6, or 7 with the flavour 5 in the top byte
/// count   = uleb              ; of headers
/// header  = kind uleb uleb    ; kind byte, offset after the headers, length in bytes
/// self    = uleb              ; the module's own position among its module handles
/// ```
///
/// The tables follow each other without gap or overlap, each kind at most once, none empty.
pub(super) struct Tables<'a> {
    pub(super) version: u32,
    pub(super) self_handle: u16,
    sections: BTreeMap<Kind, (usize, &'a [u8])>,
}

impl<'a> Tables<'a> {
    pub(super) fn read(module: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(module, 0);
        let magic = reader.array()?;
        if magic != MAGIC {
            return Err(ParseError::Magic(magic));
        }
        let version = version(u32::from_le_bytes(reader.array()?))?;
        let count = reader.count(u8::MAX.into())?;
        let mut headers = (0..count)
            .map(|_| header(&mut reader, version))
            .collect::<Result<Vec<_>, _>>()?;
        headers.sort_by_key(|(_, offset, _)| *offset);
        let mut sections = BTreeMap::new();
        let mut position = 0_u32;
        for (kind, offset, length) in headers {
            let problem = |problem| ParseError::Table {
                kind: kind.byte(),
                problem,
            };
            if offset != position {
                return Err(problem("does not start where the one before ends"));
            }
            if length == 0 {
                return Err(problem("is empty"));
            }
            position = position
                .checked_add(length)
                .ok_or_else(|| problem("is too long"))?;
            let start = reader.offset();
            let length = usize::try_from(length).map_err(|_| problem("is too long"))?;
            let bytes = reader.bytes(length)?;
            if sections.insert(kind, (start, bytes)).is_some() {
                return Err(problem("appears twice"));
            }
        }
        let self_handle = reader.index()?;
        if !reader.is_empty() {
            return Err(ParseError::TrailingBytes(reader.remaining()));
        }
        Ok(Self {
            version,
            self_handle,
            sections,
        })
    }

    /// The items of one table: none if the module lacks it.
    pub(super) fn items<T>(
        &self,
        kind: Kind,
        mut read: impl FnMut(&mut Reader<'a>) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let (offset, bytes) = self.sections.get(&kind).copied().unwrap_or((0, &[]));
        let mut reader = Reader::new(bytes, offset);
        let mut items = Vec::new();
        while !reader.is_empty() {
            if items.len() > usize::from(u16::MAX) {
                return Err(ParseError::Table {
                    kind: kind.byte(),
                    problem: "has more items than an index can name",
                });
            }
            items.push(read(&mut reader)?);
        }
        Ok(items)
    }

    /// Where a table starts in the module, and its bytes.
    pub(super) fn section(&self, kind: Kind) -> Option<(usize, &'a [u8])> {
        self.sections.get(&kind).copied()
    }
}

fn version(word: u32) -> Result<u32, ParseError> {
    let [a, b, c, flavour] = word.to_le_bytes();
    let version = u32::from_le_bytes([a, b, c, 0]);
    match (version, flavour) {
        (5 | 6, 0) | (VERSION_WITH_ENUMS, SUI_FLAVOUR) => Ok(version),
        _ => Err(ParseError::Version { version, flavour }),
    }
}

fn header(reader: &mut Reader<'_>, version: u32) -> Result<(Kind, u32, u32), ParseError> {
    let offset = reader.offset();
    let byte = reader.u8()?;
    let kind = Kind::from_byte(byte)
        .filter(|kind| *kind < Kind::Enums || version >= VERSION_WITH_ENUMS)
        .ok_or(ParseError::Unknown {
            what: "table",
            byte,
            offset,
        })?;
    Ok((kind, reader.uleb(u32::MAX)?, reader.uleb(u32::MAX)?))
}
