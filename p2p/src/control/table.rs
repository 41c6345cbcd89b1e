//! Who enters the table of the distributed hash table: of one subnet only few peers, since addresses cost
//! more than keys, and each where it was met, since it may say that it is anywhere. Committee members are
//! exempt, and somebody else makes room for them.

use libp2p::{Multiaddr, kad};

use super::{place::subnet, store::NodeRecordStore};
use crate::{guard::site::Subnet, identity::PeerId};

/// Peers of one subnet in one bucket.
const PER_BUCKET: usize = 2;
/// Peers of one subnet in all buckets.
const PER_TABLE: usize = 10;

/// Whether a peer that is not in the table may enter.
pub(super) fn has_room(
    kad: &mut kad::Behaviour<NodeRecordStore>,
    peer: &PeerId,
    addresses: &[Multiaddr],
) -> bool {
    let subnets: Vec<_> = addresses.iter().filter_map(subnet).collect();
    let bucket = kad.kbucket(*peer).map(|bucket| bucket.range());
    let mut neighbours = Vec::new();
    for other in kad.kbuckets() {
        let same = bucket
            .as_ref()
            .is_some_and(|range| range.0 == other.range().0);
        for entry in other.iter() {
            let theirs = entry.node.value.iter().filter_map(subnet);
            neighbours.push((same, theirs.collect()));
        }
    }
    fits(&subnets, &neighbours)
}

/// Takes somebody out of a member's bucket, if there is no room for it.
pub(super) fn make_room(
    kad: &mut kad::Behaviour<NodeRecordStore>,
    member: &PeerId,
    is_member: impl Fn(&PeerId) -> bool,
) {
    let Some(bucket) = kad.kbucket(*member) else {
        return;
    };
    if bucket.num_entries() < kad::K_VALUE.get() {
        return;
    }
    let others = bucket.iter().map(|entry| *entry.node.key.preimage());
    let others: Vec<_> = others.filter(|other| !is_member(other)).collect();
    if let Some(other) = others.first() {
        kad.remove_peer(other);
    }
}

/// `neighbours` are the peers there, with whether they share the bucket.
fn fits(subnets: &[Subnet], neighbours: &[(bool, Vec<Subnet>)]) -> bool {
    subnets.iter().all(|subnet| {
        let close = neighbours
            .iter()
            .filter(|(_, theirs)| theirs.contains(subnet));
        let (mut all, mut same) = (0, 0);
        for (shares_bucket, _) in close {
            all += 1;
            same += usize::from(*shares_bucket);
        }
        all < PER_TABLE && same < PER_BUCKET
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_leaves_a_full_bucket_for_a_member() {
        let local = PeerId::random();
        let mut kad = kad::Behaviour::new(local, NodeRecordStore::default());
        let address: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
        // The farthest bucket has every second peer.
        let strangers: Vec<_> = (0..200).map(|_| PeerId::random()).collect();
        for stranger in &strangers {
            kad.add_address(stranger, address.clone());
        }
        let mut members = (0..200).map(|_| PeerId::random());
        let is_full = |peer: &PeerId| {
            let range = kad
                .kbucket(*peer)
                .map(|bucket| (bucket.num_entries(), bucket.range()));
            range.is_some_and(|(entries, _)| entries == kad::K_VALUE.get())
        };
        let member = members.find(is_full).unwrap();
        make_room(&mut kad, &member, |other| strangers.contains(other));
        let bucket = kad.kbucket(member).unwrap();
        assert_eq!(bucket.num_entries(), kad::K_VALUE.get(), "all are members");
        make_room(&mut kad, &member, |_| false);
        assert!(matches!(
            kad.add_address(&member, address),
            kad::RoutingUpdate::Success
        ));
    }

    #[test]
    fn a_subnet_has_two_places_in_a_bucket_and_ten_in_all() {
        let subnet = |text: &str| subnet(&text.parse().unwrap()).unwrap();
        let (here, there) = (
            subnet("/ip4/192.0.2.1/tcp/1"),
            subnet("/ip4/192.0.3.1/tcp/1"),
        );
        assert_eq!(here, subnet("/ip4/192.0.2.200/udp/9/quic-v1"));
        let mut table = vec![(true, vec![here])];
        assert!(fits(&[here], &table));
        table.push((true, vec![there, here]));
        assert!(!fits(&[here], &table));
        assert!(!fits(&[there, here], &table));
        assert!(fits(&[there], &table));
        let mut far = vec![(false, vec![here]); PER_TABLE - 1];
        assert!(fits(&[here], &far));
        far.push((false, vec![here]));
        assert!(!fits(&[here], &far));
        assert!(fits(&[], &far));
    }
}
