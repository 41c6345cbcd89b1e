//! The heads that open a request and its response. They are small, so they are read whole; the
//! items after them are not.

use std::time::Duration;

use floe_chain::epoch::Epoch;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Kind, Refusal, Status, TrafficClass, Varint, WireError};

/// What opens a request.
///
/// # Layout
/// ```text
/// request      = varint head *item FIN          ; varint: bytes of head, at most 64 KiB
/// head         = kind u16 | epoch u32 | deadline u32 | class u8 | payload u32 | body vector<u8>
/// ```
/// BCS, little-endian. `deadline` is in milliseconds from the sending of the head; `payload` is the
/// sum of the lengths of all items; `body` is the BCS of the message of that kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestHead {
    /// What is asked for.
    pub kind: u16,
    /// The epoch the caller believes current.
    pub epoch: Epoch,
    /// The time the caller will still wait, in milliseconds.
    pub deadline_ms: u32,
    /// What the request is for.
    pub class: TrafficClass,
    /// Bytes of all items that follow.
    pub payload: u32,
    /// The message, in BCS.
    #[serde(with = "serde_bytes_vec")]
    pub body: Vec<u8>,
}

/// What opens a response.
///
/// # Layout
/// ```text
/// response     = varint head *item FIN          ; varint: bytes of head, at most 128 KiB
/// head         = status | body vector<u8>
/// ```
/// BCS. With status `Ok` the body is the BCS of the reply; with any other it is at most 256 bytes of
/// UTF-8 for people, and no item follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseHead {
    /// How the request ended.
    pub status: Status,
    /// The reply, or words for people.
    #[serde(with = "serde_bytes_vec")]
    pub body: Vec<u8>,
}

/// Byte strings in one piece instead of byte by byte; the same bytes on the wire.
mod serde_bytes_vec {
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;

        impl de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }

        from.deserialize_bytes(Bytes)
    }
}

/// A head that can be framed.
pub trait Head: Serialize + DeserializeOwned {
    /// Longer ones are refused before they are read.
    const MAX_SIZE: usize;

    /// The head with its length in front, as it travels.
    ///
    /// # Errors
    /// It is longer than [`Self::MAX_SIZE`].
    fn to_frame(&self) -> Result<Vec<u8>, WireError> {
        let head = bcs::to_bytes(self).map_err(WireError::encode)?;
        Self::check_size(head.len())?;
        let mut frame = Vec::with_capacity(Varint::MAX_LEN + head.len());
        Varint::write(head.len(), &mut frame)?;
        frame.extend_from_slice(&head);
        Ok(frame)
    }

    /// Reads the head without its length.
    ///
    /// # Errors
    /// The bytes are not exactly one head.
    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        Self::check_size(bytes.len())?;
        bcs::from_bytes(bytes).map_err(WireError::decode)
    }

    /// Compares a declared length with the cap.
    ///
    /// # Errors
    /// It is longer than [`Self::MAX_SIZE`].
    fn check_size(length: usize) -> Result<(), WireError> {
        if length > Self::MAX_SIZE {
            let (length, max) = (length as u64, Self::MAX_SIZE as u64);
            return Err(WireError::TooLong {
                what: "message head",
                length,
                max,
            });
        }
        Ok(())
    }
}

impl Head for RequestHead {
    const MAX_SIZE: usize = 64 << 10;
}

impl Head for ResponseHead {
    const MAX_SIZE: usize = 128 << 10;
}

impl RequestHead {
    /// Compares what the head declares with the limits of its kind.
    ///
    /// # Errors
    /// Naming what is too long, and how long it may be.
    pub fn check(&self) -> Result<(), WireError> {
        let limits = Kind(self.kind).limits();
        let check = |what, length: u64, max: u32| {
            let max = u64::from(max);
            if length > max {
                Err(WireError::TooLong { what, length, max })
            } else {
                Ok(())
            }
        };
        check("message body", self.body.len() as u64, limits.body)?;
        check("payload", self.payload.into(), limits.payload)
    }

    /// The time the caller will still wait.
    #[must_use]
    pub const fn time_left(&self) -> Duration {
        Duration::from_millis(self.deadline_ms as u64)
    }
}

impl ResponseHead {
    /// A successful end with its reply.
    ///
    /// # Errors
    /// The reply cannot be encoded.
    pub fn ok(reply: &impl Serialize) -> Result<Self, WireError> {
        let body = bcs::to_bytes(reply).map_err(WireError::encode)?;
        Ok(Self {
            status: Status::Ok,
            body,
        })
    }

    /// Any other end. Details are cut to [`Refusal::MAX_DETAIL`] bytes.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        let end = refusal.detail.floor_char_boundary(Refusal::MAX_DETAIL);
        let body = refusal
            .detail
            .as_bytes()
            .get(..end)
            .unwrap_or_default()
            .to_vec();
        Self {
            status: refusal.status.clone(),
            body,
        }
    }

    /// The reply of a successful end, or the refusal.
    ///
    /// # Errors
    /// The outer error is a reply or refusal that cannot be decoded.
    pub fn into_reply<R: DeserializeOwned>(self) -> Result<Result<R, Refusal>, WireError> {
        if self.status == Status::Ok {
            return Ok(Ok(bcs::from_bytes(&self.body).map_err(WireError::decode)?));
        }
        if self.body.len() > Refusal::MAX_DETAIL {
            return Err(WireError::TooLong {
                what: "detail of a refusal",
                length: self.body.len() as u64,
                max: Refusal::MAX_DETAIL as u64,
            });
        }
        // The peer's words are shown to people: nothing that moves a terminal's cursor passes.
        let words = String::from_utf8_lossy(&self.body);
        let detail: String = words
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Ok(Err(Refusal {
            status: self.status,
            detail: detail.into(),
        }))
    }
}
