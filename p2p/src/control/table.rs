//! How many peers of one subnet the table of the distributed hash table holds: addresses cost more than
//! keys, so this is what filling it costs. Committee members are exempt.

use libp2p::{Multiaddr, kad};

use super::{crowd::subnet, store::NodeRecordStore};
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
