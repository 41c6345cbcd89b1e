//! The language of the data plane: numbers, grammar and codecs of every message. Nothing here does
//! input or output. `docs/protocol.md`, section "Data plane", has the same grammar for others.

mod bounded;
mod class;
mod code;
mod head;
mod item;
mod kind;
pub mod message;
mod status;
mod varint;

pub use bounded::Bounded;
pub use class::TrafficClass;
pub use code::{CloseCode, ResetCode};
pub use head::{Head, RequestHead, ResponseHead};
pub use item::{ItemHead, ItemStatus};
pub use kind::{Kind, KindLimits};
pub use message::Request;
pub use status::{Refusal, RetryAfter, Status};
pub use varint::{Varint, VarintReader};

/// The name of the protocol in the TLS handshake, and of the same protocol over libp2p streams.
pub const ALPN: &[u8] = b"/floe/data/1";

/// The version in that name.
pub const VERSION: u16 = 1;

/// Bytes that are no message of this protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A declared or given length is above its cap.
    #[error("{what} of {length} bytes or values, at most {max} are allowed")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// Its length.
        length: u64,
        /// The cap.
        max: u64,
    },
    /// A length prefix that is too long or not in its shortest form.
    #[error("the length in front of the message is malformed")]
    Varint,
    /// The fields are malformed.
    #[error("the message does not decode: {0}")]
    Decode(String),
    /// The value has no encoding.
    #[error("the message does not encode: {0}")]
    Encode(String),
    /// An item header that means nothing.
    #[error("item header with status {code} and length {length}")]
    Item {
        /// Its status byte.
        code: u8,
        /// Its length.
        length: u32,
    },
    /// An item of another size than derived.
    #[error("item {index} has {length} bytes, {expected} were derived")]
    ItemSize {
        /// Which item.
        index: u32,
        /// The length in its header.
        length: u32,
        /// The length that follows from the blob's layout.
        expected: u32,
    },
    /// An item nobody asked for, or one that came twice.
    #[error("item {index} was not expected")]
    ItemIndex {
        /// Which item.
        index: u32,
    },
    /// The stream ended in the middle.
    #[error("the stream ended in the middle of a message")]
    Truncated,
    /// Bytes follow where the message must end.
    #[error("bytes follow the end of the message")]
    Trailing,
}

impl WireError {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "used as a function in map_err"
    )]
    fn decode(error: bcs::Error) -> Self {
        Self::Decode(error.to_string())
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "used as a function in map_err"
    )]
    fn encode(error: bcs::Error) -> Self {
        Self::Encode(error.to_string())
    }
}
