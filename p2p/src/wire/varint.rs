//! The length prefix of a message head: an unsigned LEB128 integer in its shortest form.

use super::WireError;

/// A length in 1 to [`Self::MAX_LEN`] bytes, seven bits a byte, least significant first.
///
/// # Layout
/// ```text
/// varint = *(%x80-FF) %x00-7F    ; at most 3 bytes, no trailing zero byte after the first
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Varint;

impl Varint {
    /// The longest encoding read; enough for every head's cap.
    pub const MAX_LEN: usize = 3;

    /// Appends `value` to `out`.
    ///
    /// # Errors
    /// The value needs more than [`Self::MAX_LEN`] bytes.
    pub fn write(value: usize, out: &mut Vec<u8>) -> Result<(), WireError> {
        if value >> (7 * Self::MAX_LEN) != 0 {
            return Err(WireError::TooLong {
                what: "message head",
                length: value as u64,
                max: (1 << (7 * Self::MAX_LEN)) - 1,
            });
        }
        let mut rest = value;
        loop {
            let [low, ..] = rest.to_le_bytes();
            rest >>= 7;
            if rest == 0 {
                out.push(low & 0x7f);
                return Ok(());
            }
            out.push(low | 0x80);
        }
    }
}

/// Reads a varint byte by byte, since nothing may be read past its end.
#[derive(Debug, Default)]
pub struct VarintReader {
    value: usize,
    read: usize,
}

impl VarintReader {
    /// Takes the next byte; `Some` once the value is complete.
    ///
    /// # Errors
    /// Too many bytes, or not the shortest form.
    pub fn push(&mut self, byte: u8) -> Result<Option<usize>, WireError> {
        if self.read == Varint::MAX_LEN {
            return Err(WireError::Varint);
        }
        self.value |= usize::from(byte & 0x7f) << (7 * self.read);
        self.read += 1;
        match byte {
            0 if self.read > 1 => Err(WireError::Varint),
            0..=0x7f => Ok(Some(self.value)),
            _ if self.read == Varint::MAX_LEN => Err(WireError::Varint),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<usize>, WireError> {
        let mut reader = VarintReader::default();
        let mut last = Ok(None);
        for &byte in bytes {
            last = reader.push(byte);
            if !matches!(last, Ok(None)) {
                break;
            }
        }
        last
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in 0usize..1 << 21) {
            let mut bytes = Vec::new();
            Varint::write(value, &mut bytes).unwrap();
            prop_assert_eq!(read(&bytes), Ok(Some(value)));
        }
    }

    #[test]
    fn known_encodings() {
        for (value, expected) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
        ] {
            let mut bytes = Vec::new();
            Varint::write(value, &mut bytes).unwrap();
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn long_and_padded_forms_are_refused() {
        assert_eq!(read(&[0x80, 0]), Err(WireError::Varint));
        assert_eq!(read(&[0x80, 0x80, 0x80, 1]), Err(WireError::Varint));
        assert!(Varint::write(1 << 21, &mut Vec::new()).is_err());
    }
}
