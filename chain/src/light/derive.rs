//! Ids of objects that live at derived addresses: known before anybody is asked.

use crate::epoch::Epoch;
use crate::id::ObjectId;

/// The id of `EpochCommittee(epoch)`, derived from the id of the object that claims it.
///
/// Source: `sui::derived_object`, key type `u32`.
#[must_use]
pub fn epoch_committee_id(parent: ObjectId, epoch: Epoch) -> ObjectId {
    let parent = sui_sdk_types::Address::new(*parent.as_bytes());
    let key = sui_sdk_types::TypeTag::U32;
    ObjectId::from_bytes(
        parent
            .derive_object_id(&key, &epoch.get().to_le_bytes())
            .into_inner(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let parent = ObjectId::from_bytes([0x22; 32]);
        let ids: Vec<_> = (1..=2)
            .map(|e| epoch_committee_id(parent, Epoch::new(e)).to_string())
            .collect();
        assert_eq!(
            ids,
            [
                "0x48c4d269e2d4a8a0a335c709984f3fb8ae23d91914a5d329e63602c72c8183e3",
                "0xec4a768bfb1128dcf4c3df53ac70959c0abd20e200ca19a7969577f210e34e09"
            ]
        );
    }
}
