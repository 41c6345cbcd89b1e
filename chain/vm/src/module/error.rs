//! Why bytes are not a module. Always the fault of whoever supplied them.

/// Why a byte string is not a module this VM can run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The bytes end inside an item.
    #[error("offset {offset}: {needed} bytes needed, {remaining} left")]
    UnexpectedEnd {
        /// Where the item starts.
        offset: usize,
        /// Bytes the item needs.
        needed: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// A number is not canonical ULEB128 or is larger than its place allows.
    #[error("offset {offset}: not a canonical number of at most {maximum}")]
    Number {
        /// Where the number starts.
        offset: usize,
        /// The largest value allowed there.
        maximum: u32,
    },
    /// The first four bytes are not Move's.
    #[error("no Move bytecode: magic {0:02x?}")]
    Magic([u8; 4]),
    /// A version outside 5 to 7, or a flavour other than Sui's.
    #[error("bytecode version {version} of flavour {flavour} is not supported (5 to 7, Sui)")]
    Version {
        /// The version without the flavour.
        version: u32,
        /// The flavour byte of version 7, zero before.
        flavour: u8,
    },
    /// The table of tables is not gapless, sorted by kind at most once each, or leaves the module.
    #[error("table {kind:#x}: {problem}")]
    Table {
        /// The table's kind byte.
        kind: u8,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Bytes after the module.
    #[error("{0} bytes after the module")]
    TrailingBytes(usize),
    /// A byte that stands for nothing in its place.
    #[error("offset {offset}: {byte:#04x} is no {what}")]
    Unknown {
        /// What was expected.
        what: &'static str,
        /// The byte found.
        byte: u8,
        /// Where it is.
        offset: usize,
    },
    /// Text that is not a Move identifier.
    #[error("offset {offset}: not an identifier")]
    Identifier {
        /// Where the text starts.
        offset: usize,
    },
    /// An index beyond its table.
    #[error("{what} {index} of {count}")]
    Index {
        /// What is indexed.
        what: &'static str,
        /// The index.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A type nested deeper than supported.
    #[error("type nested deeper than {maximum}")]
    TypeDepth {
        /// The deepest supported nesting.
        maximum: usize,
    },
    /// Parts of the module contradict each other.
    #[error("{what} {name}: {problem}")]
    Inconsistent {
        /// The kind of item.
        what: &'static str,
        /// Its name or position.
        name: String,
        /// The contradiction.
        problem: &'static str,
    },
}
