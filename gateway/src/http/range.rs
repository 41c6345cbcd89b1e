//! The `Range` header (RFC 9110, section 14): one range of bytes, in all three forms. Pure.
//!
//! What is no such thing is ignored, as the RFC wants it, and the whole blob is sent: another unit, bad
//! syntax, several ranges (their answer would be larger than the blob).

use floe_client::plan::ByteRange;

/// The range of a header's value; `None` if the header is to be ignored.
pub(super) fn parse(value: &str) -> Option<ByteRange> {
    let (unit, range) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim_matches([' ', '\t']).split_once('-')?;
    match (first, last) {
        ("", last) => Some(ByteRange::Last(number(last)?)),
        (first, "") => Some(ByteRange::From(number(first)?)),
        (first, last) => match (number(first)?, number(last)?) {
            (first, last) if first <= last => Some(ByteRange::Closed(first, last)),
            _ => None,
        },
    }
}

/// Digits and nothing else. More of them than count any blob's bytes are as good as the most.
fn number(digits: &str) -> Option<u64> {
    let only_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_three_forms_and_what_is_ignored() {
        let cases = [
            ("bytes=0-0", Some(ByteRange::Closed(0, 0))),
            ("bytes=5-", Some(ByteRange::From(5))),
            ("Bytes= -7 ", Some(ByteRange::Last(7))),
            ("bytes=-0", Some(ByteRange::Last(0))),
            (
                "bytes=1-99999999999999999999999",
                Some(ByteRange::Closed(1, u64::MAX)),
            ),
            ("bytes=5-4", None),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("bytes=1-2,4-5", None),
            ("bytes=0-0-0", None),
            ("bytes=١-٢", None),
            ("items=0-1", None),
            ("0-1", None),
        ];
        for (value, range) in cases {
            assert_eq!(parse(value), range, "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(first: u64, more in 0..=u64::MAX) {
            let last = first.saturating_add(more);
            let closed = parse(&format!("bytes={first}-{last}"));
            prop_assert_eq!(closed, Some(ByteRange::Closed(first, last)));
            prop_assert_eq!(parse(&format!("bytes={first}-")), Some(ByteRange::From(first)));
            prop_assert_eq!(parse(&format!("bytes=-{first}")), Some(ByteRange::Last(first)));
        }

        #[test]
        fn nothing_panics_and_only_bytes_count(value: String, tail in "[-0-9, =]*") {
            let _ = parse(&value);
            let _ = parse(&format!("bytes={tail}"));
            prop_assert_eq!(parse(&format!("lines={tail}")), None);
        }
    }
}
