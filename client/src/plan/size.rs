//! Byte counts as people read them.

use std::fmt;

use serde::Serialize;

/// A number of bytes. Prints as `1.5 MiB (1572864 bytes)`, below one KiB as `12 bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0;
        // Position of the largest unit that is not larger than the number.
        let Some(unit) = (1..=UNITS.len())
            .rev()
            .find(|unit| bytes >> (10 * unit) > 0)
        else {
            return write!(f, "{bytes} {}", if bytes == 1 { "byte" } else { "bytes" });
        };
        let scale = 1u64 << (10 * unit);
        let tenths = u128::from(bytes) * 10 / u128::from(scale);
        let name = UNITS.get(unit - 1).copied().unwrap_or_default();
        write!(f, "{}.{} {name} ({bytes} bytes)", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_print_exactly_and_readably() {
        let shown = |bytes| ByteSize(bytes).to_string();
        assert_eq!(shown(0), "0 bytes");
        assert_eq!(shown(1), "1 byte");
        assert_eq!(shown(1023), "1023 bytes");
        assert_eq!(shown(1024), "1.0 KiB (1024 bytes)");
        assert_eq!(shown(1_572_864), "1.5 MiB (1572864 bytes)");
        assert_eq!(shown(u64::MAX), "15.9 EiB (18446744073709551615 bytes)");
    }
}
