//! A cursor over untrusted bytes. Every read is bounds checked and every failure names its offset.

use super::ParseError;

/// Cursor over one byte range of a module; `offset` counts from the start of the module.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self {
            rest: bytes,
            offset,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], ParseError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(ParseError::UnexpectedEnd {
                offset: self.offset,
                needed: count,
                remaining: self.rest.len(),
            })?;
        self.rest = rest;
        self.offset += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ParseError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A canonical ULEB128 number of at most `maximum`.
    pub(super) fn uleb(&mut self, maximum: u32) -> Result<u32, ParseError> {
        let offset = self.offset;
        let out_of_range = ParseError::Number { offset, maximum };
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(out_of_range);
                }
                return match u32::try_from(value) {
                    Ok(value) if value <= maximum => Ok(value),
                    _ => Err(out_of_range),
                };
            }
        }
        Err(out_of_range)
    }

    /// An index into one of the module's tables.
    pub(super) fn index(&mut self) -> Result<u16, ParseError> {
        self.narrow(u16::MAX.into())
    }

    /// A ULEB128 number of at most `maximum`, which itself fits 16 bits.
    pub(super) fn narrow(&mut self, maximum: u32) -> Result<u16, ParseError> {
        let offset = self.offset;
        let value = self.uleb(maximum)?;
        u16::try_from(value).map_err(|_| ParseError::Number { offset, maximum })
    }

    /// A count of items of which each takes at least one byte: never more than what is left, so a
    /// caller may reserve memory for it.
    pub(super) fn count(&mut self, maximum: u32) -> Result<usize, ParseError> {
        let offset = self.offset;
        let count = self.uleb(maximum)?;
        match usize::try_from(count) {
            Ok(count) if count <= self.rest.len() => Ok(count),
            _ => Err(ParseError::UnexpectedEnd {
                offset,
                needed: usize::try_from(count).unwrap_or(usize::MAX),
                remaining: self.rest.len(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_canonical_and_bounded() {
        let read = |bytes: &[u8], maximum| Reader::new(bytes, 0).uleb(maximum);
        assert_eq!(read(&[0x7f], 127), Ok(127));
        assert_eq!(read(&[0x80, 1], 128), Ok(128));
        assert_eq!(
            read(&[0xff, 0xff, 0xff, 0xff, 0x0f], u32::MAX),
            Ok(u32::MAX)
        );
        for bad in [
            &[0x80, 1][..],
            &[0x80, 0],
            &[0xff, 0xff, 0xff, 0xff, 0x1f],
            &[0x80; 9],
        ] {
            assert!(matches!(
                read(bad, 127),
                Err(ParseError::Number { maximum: 127, .. })
            ));
        }
        assert!(matches!(
            read(&[0x80], 9),
            Err(ParseError::UnexpectedEnd { .. })
        ));
    }

    #[test]
    fn a_count_never_exceeds_what_is_left() {
        assert_eq!(Reader::new(&[2, 0, 0], 0).count(9), Ok(2));
        assert!(Reader::new(&[3, 0, 0], 0).count(9).is_err());
    }
}
