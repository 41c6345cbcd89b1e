//! What the router reads of a packet: where it comes from, where it goes, and whether it begins a
//! QUIC connection. Anything else is none of its business.

use std::net::{Ipv4Addr, SocketAddrV4};

/// The places of an IPv4 packet; `None` for anything else.
pub(super) fn addresses(packet: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let header = packet.first_chunk::<20>()?;
    let at = |from: usize| Some(Ipv4Addr::from(*header.get(from..)?.first_chunk::<4>()?));
    (header[0] >> 4 == 4).then_some((at(12)?, at(16)?))
}

/// The head of a QUIC Initial packet (RFC 9000, 17.2.2), and between which sockets it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Initial {
    pub(super) from: SocketAddrV4,
    pub(super) to: SocketAddrV4,
    /// The connection id of the receiver; drawn at random by whoever begins.
    pub(super) receiver: Vec<u8>,
    /// The connection id of the sender.
    pub(super) sender: Vec<u8>,
}

impl Initial {
    const UDP: u8 = 17;
    const VERSION_1: [u8; 4] = [0, 0, 0, 1];

    /// Reads an IPv4 packet; `None` if it is anything else.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let (from, to) = addresses(packet)?;
        if *packet.get(9)? != Self::UDP {
            return None;
        }
        let udp = packet.get(usize::from(packet[0] & 0x0f) * 4..)?;
        let port = |at: usize| Some(u16::from_be_bytes(*udp.get(at..)?.first_chunk::<2>()?));
        let quic = udp.get(8..)?;
        // Long header, fixed bit, type Initial; the low four bits are protected.
        if quic.first()? & 0xf0 != 0xc0 || quic.get(1..5)? != Self::VERSION_1 {
            return None;
        }
        let id = |at: usize| quic.get(at + 1..at + 1 + usize::from(*quic.get(at)?));
        let receiver = id(5)?;
        let sender = id(6 + receiver.len())?;
        Some(Self {
            from: SocketAddrV4::new(from, port(0)?),
            to: SocketAddrV4::new(to, port(2)?),
            receiver: receiver.to_vec(),
            sender: sender.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 packet of a UDP datagram.
    fn udp(payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 28];
        (packet[0], packet[9]) = (0x45, Initial::UDP);
        packet[12..20].copy_from_slice(&[10, 77, 0, 1, 10, 77, 0, 2]);
        packet[20..24].copy_from_slice(&[0x12, 0x34, 0x25, 0x81]);
        packet.extend(payload);
        packet
    }

    #[test]
    fn an_initial_is_told_from_everything_else() {
        let mut payload = vec![0xc3, 0, 0, 0, 1, 2, 7, 8, 3, 4, 5, 6, 0];
        let packet = udp(&payload);
        let initial = Initial::read(&packet).expect("an Initial");
        assert_eq!(initial.from.to_string(), "10.77.0.1:4660");
        assert_eq!(initial.to.to_string(), "10.77.0.2:9601");
        assert_eq!(
            (&initial.receiver[..], &initial.sender[..]),
            (&[7, 8][..], &[4, 5, 6][..])
        );
        for end in 0..packet.len() - 1 {
            assert_eq!(Initial::read(&packet[..end]), None, "{end} bytes");
        }
        payload[0] = 0xe3;
        assert_eq!(Initial::read(&udp(&payload)), None, "a handshake packet");
        payload[0] = 0x43;
        assert_eq!(Initial::read(&udp(&payload)), None, "a short header");
    }

    #[test]
    fn only_version_four_has_places() {
        let mut packet = udp(&[]);
        let places = addresses(&packet).expect("IPv4");
        assert_eq!(places, ([10, 77, 0, 1].into(), [10, 77, 0, 2].into()));
        packet[0] = 0x60;
        assert_eq!(addresses(&packet), None);
    }
}
