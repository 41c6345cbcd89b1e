//! Entity tags (RFC 9110, sections 8.8.3, 13.1.2 and 13.1.5). A blob's tag is its id: the bytes of an
//! id never change, so the tag is strong. Pure.

use axum::http::{HeaderMap, header};
use floe_codec::BlobId;

/// The tag of a blob.
pub(super) fn tag(blob: &BlobId) -> String {
    format!("\"{blob}\"")
}

/// Whether the reader has the blob already (`If-None-Match`).
pub(super) fn has_it(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut lists = values.filter_map(|value| value.to_str().ok());
    // Tags of blobs contain no commas; one of something else that does is not this one either way.
    lists.any(|list| {
        list.split(',').map(str::trim).any(|one| {
            // Compared weakly, as for every GET.
            one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
        })
    })
}

/// Whether a range is wanted of what the blob is now (`If-Range`); a date never is: blobs have none.
pub(super) fn range_holds(headers: &HeaderMap, tag: &str) -> bool {
    let condition = headers.get(header::IF_RANGE);
    condition.is_none_or(|value| value.as_bytes() == tag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_in_lists_and_weak_ones_count_only_for_whole_blobs() {
        let tag = tag(&BlobId::from_bytes([7; 32]));
        let with = |name, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            headers
        };
        let none_match = |value: &str| has_it(&with(header::IF_NONE_MATCH, value), &tag);
        assert!(none_match(&tag) && none_match("*") && none_match(&format!("W/{tag}")));
        assert!(none_match(&format!("\"other\", {tag}")));
        assert!(!none_match("\"other\"") && !none_match(&tag[1..]));
        assert!(!has_it(&HeaderMap::new(), &tag));

        let holds = |value: &str| range_holds(&with(header::IF_RANGE, value), &tag);
        assert!(holds(&tag) && range_holds(&HeaderMap::new(), &tag));
        assert!(!holds(&format!("W/{tag}")) && !holds("Sat, 21 Nov 2026 10:00:00 GMT"));
    }
}
