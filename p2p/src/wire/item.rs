//! The fixed header before each item: slivers, metadata, symbols and proofs travel as raw bytes
//! after it, without a copy.

use super::WireError;

/// Which item follows, how it is, and how long.
///
/// # Layout
/// ```text
/// item        = status u8 | index u32 | length u32 | *OCTET     ; 9 bytes little-endian, then length bytes
/// status      = 0 present | 1 not held | 2 inconsistent | 15 internal failure
/// ```
/// `index` counts the items the request names, from 0. Each of them comes exactly once, in order. A
/// length other than 0 needs status 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemHead {
    /// Which of the items that the request names.
    pub index: u32,
    /// Whether its bytes follow.
    pub status: ItemStatus,
    /// How many bytes follow.
    pub length: u32,
}

/// Whether the bytes of an item follow. The numbers are those of [`Status`](super::Status).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemStatus {
    /// They follow.
    Present,
    /// The peer does not have them.
    NotHeld,
    /// The blob was proved inconsistent.
    Inconsistent,
    /// The peer could not read them.
    Internal,
}

impl ItemStatus {
    const fn code(self) -> u8 {
        match self {
            Self::Present => 0,
            Self::NotHeld => 1,
            Self::Inconsistent => 5,
            Self::Internal => 15,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Present),
            1 => Some(Self::NotHeld),
            5 => Some(Self::Inconsistent),
            15 => Some(Self::Internal),
            _ => None,
        }
    }
}

impl ItemHead {
    /// Bytes of the header.
    pub const SIZE: usize = 9;

    /// The header as it travels.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let [i0, i1, i2, i3] = self.index.to_le_bytes();
        let [l0, l1, l2, l3] = self.length.to_le_bytes();
        [self.status.code(), i0, i1, i2, i3, l0, l1, l2, l3]
    }

    /// Reads a header.
    ///
    /// # Errors
    /// An unknown status, or a length without presence.
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Result<Self, WireError> {
        let [code, i0, i1, i2, i3, l0, l1, l2, l3] = bytes;
        let index = u32::from_le_bytes([i0, i1, i2, i3]);
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        match ItemStatus::from_code(code) {
            Some(status) if status == ItemStatus::Present || length == 0 => Ok(Self {
                index,
                status,
                length,
            }),
            _ => Err(WireError::Item { code, length }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(bytes: [u8; 9]) {
            if let Ok(head) = ItemHead::from_bytes(bytes) {
                prop_assert_eq!(head.to_bytes(), bytes);
            }
        }

        #[test]
        fn present_items_pass(index: u32, length: u32) {
            let head = ItemHead { index, status: ItemStatus::Present, length };
            prop_assert_eq!(ItemHead::from_bytes(head.to_bytes()), Ok(head));
        }
    }

    #[test]
    fn the_golden_header() {
        let head = ItemHead {
            index: 0x0403_0201,
            status: ItemStatus::Present,
            length: 0x0807_0605,
        };
        assert_eq!(head.to_bytes(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn absent_items_have_no_bytes_and_unknown_statuses_are_refused() {
        assert!(ItemHead::from_bytes([1, 0, 0, 0, 0, 1, 0, 0, 0]).is_err());
        assert!(ItemHead::from_bytes([2, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
