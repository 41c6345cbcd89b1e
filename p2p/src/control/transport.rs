//! The transports of the control plane: QUIC, TCP with Noise and Yamux, and both through relays.

use std::{io, sync::Arc, time::Duration};

use libp2p::{
    Transport,
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    dns, noise, relay,
};

use super::{quic::QuicTransport, tcp::TcpTransport, yamux::Yamux};
use crate::{
    identity::{Identity, PeerId},
    transport::handshake::Handshakes,
};

/// How long a handshake through a relay may take.
const RELAYED: Duration = Duration::from_secs(10);

/// Everything that dials and listens, and the part that asks relays for a place. Handshakes from outside
/// begin as `door` allows, but for those through relays.
pub(super) fn transport(
    identity: &Identity,
    door: &Arc<Handshakes>,
) -> io::Result<(Boxed<(PeerId, StreamMuxerBox)>, relay::client::Behaviour)> {
    let keypair = identity.keypair();
    let secure = || noise::Config::new(keypair).map_err(io::Error::other);
    let (relayed, relay) = relay::client::new(identity.peer_id());
    let relayed = relayed
        .upgrade(Version::V1Lazy)
        .authenticate(secure()?)
        .multiplex(Yamux)
        .timeout(RELAYED)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let direct = || -> io::Result<_> {
        let quic = QuicTransport::new(identity, Arc::clone(door))?
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
        let tcp = TcpTransport::new(secure()?, Arc::clone(door));
        Ok(quic.or_transport(tcp).map(|either, _| either.into_inner()))
    };
    // A machine without resolver configuration still reaches IP addresses.
    let direct = match dns::tokio::Transport::system(direct()?) {
        Ok(resolving) => resolving,
        Err(error) => {
            tracing::debug!(%error, "no resolver configuration; names are asked from nobody");
            let nobody = dns::ResolverConfig::from_parts(None, vec![], vec![]);
            dns::tokio::Transport::custom(direct()?, nobody, dns::ResolverOpts::default())
        }
    };
    let all = relayed
        .or_transport(direct)
        .map(|either, _| either.into_inner())
        .boxed();
    Ok((all, relay))
}
