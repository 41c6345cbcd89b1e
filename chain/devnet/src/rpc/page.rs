//! Pages: as many entries as were asked for and as fit into one response.

use bytes::Bytes;
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use tonic::Status;

use super::status;

/// Entries per page if a request does not say.
const DEFAULT_SIZE: u32 = 50;
/// Most entries per page.
const MAXIMUM_SIZE: u32 = 1_000;
/// Size at which a response gets no further entries: 250 KiB objects by the thousand would not fit anywhere.
const RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// The number of entries a request asks for.
pub(super) fn size(requested: Option<u32>) -> usize {
    let size = requested.filter(|size| *size > 0).unwrap_or(DEFAULT_SIZE);
    usize::try_from(size.min(MAXIMUM_SIZE)).unwrap_or(usize::MAX)
}

/// The key after which a page begins.
pub(super) fn after<K: DeserializeOwned>(token: Option<&[u8]>) -> Result<Option<K>, Status> {
    let decode = |token| {
        bcs::from_bytes(token)
            .map_err(|_| status::invalid("page_token", "not a token of this server"))
    };
    token
        .filter(|token| !token.is_empty())
        .map(decode)
        .transpose()
}

/// The first entries of a sequence that is made as it is read, and the token of the next page if there is one.
pub(super) fn fill<K: Serialize, M: Message>(
    mut entries: impl Iterator<Item = (K, M)>,
    size: usize,
) -> (Vec<M>, Option<Bytes>) {
    let (mut page, mut budget, mut last) = (Vec::new(), Budget::default(), None);
    for (key, message) in entries.by_ref() {
        budget.spend(&message);
        page.push(message);
        last = Some(key);
        if page.len() == size || budget.is_spent() {
            break;
        }
    }
    let last = last.filter(|_| entries.next().is_some());
    let token = last.and_then(|key| bcs::to_bytes(&key).ok());
    (page, token.map(Bytes::from))
}

/// How much of a response is used up.
#[derive(Default)]
pub(super) struct Budget(usize);

impl Budget {
    /// Whether nothing more should be added.
    pub(super) fn is_spent(&self) -> bool {
        self.0 >= RESPONSE_BYTES
    }

    /// Notes a message that was added.
    pub(super) fn spend(&mut self, message: &impl Message) {
        self.0 += message.encoded_len();
    }
}

/// Answers until they fill a response; what comes after is refused.
pub(super) fn batch<M: Message>(
    answers: impl Iterator<Item = Result<M, Status>>,
) -> impl Iterator<Item = Result<M, Status>> {
    let mut budget = Budget::default();
    answers.map(move |answer| {
        if budget.is_spent() {
            return Err(Status::resource_exhausted(format!(
                "the response is longer than {RESPONSE_BYTES} bytes; ask for the rest again"
            )));
        }
        answer.inspect(|message| budget.spend(message))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(count: u32, length: usize, size: usize) -> Vec<usize> {
        let (mut next, mut pages) = (0, Vec::new());
        loop {
            let entries = (next..count).map(|key| (key, vec![0_u8; length]));
            let (page, token) = fill(entries, size);
            next += u32::try_from(page.len()).unwrap();
            pages.push(page.len());
            let Some(token) = token else { return pages };
            assert_eq!(after::<u32>(Some(&token)).unwrap(), Some(next - 1));
        }
    }

    #[test]
    fn pages_end_by_count_and_by_size() {
        assert_eq!(walk(0, 10, 3), [0]);
        assert_eq!(walk(6, 10, 3), [3, 3]);
        assert_eq!(walk(7, 10, 3), [3, 3, 1]);
        assert_eq!(walk(5, RESPONSE_BYTES / 2, 100), [2, 2, 1]);
        assert_eq!(walk(2, RESPONSE_BYTES * 2, 100), [1, 1]);
    }

    #[test]
    fn foreign_tokens_are_refused() {
        assert!(after::<u32>(Some(&[1, 2, 3])).is_err());
        assert_eq!(after::<u32>(Some(&[])).unwrap(), None);
        assert_eq!(
            (
                size(None),
                size(Some(0)),
                size(Some(9)),
                size(Some(u32::MAX))
            ),
            (50, 50, 9, 1_000)
        );
    }
}
