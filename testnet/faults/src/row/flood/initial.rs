//! First packets of QUIC handshakes that nobody means to finish, from addresses that are not the sender's
//! to answer: each a well-formed Initial with a whole ClientHello (RFC 9000, section 17.2.2).

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use floe_p2p::wire::ALPN;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
    quic::{ClientConnection, Keys, Suite, Version},
};
use tokio::net::UdpSocket;

use crate::Attempt;

/// Bytes of every Initial: less is not answered.
const LENGTH: usize = 1_200;
/// Addresses that pretend to begin handshakes.
const SOURCES: u8 = 200;
/// What libp2p calls itself in a handshake.
const LIBP2P: &[u8] = b"libp2p";

/// Which plane's handshakes are begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plane {
    Data,
    Control,
}

/// What a storm cost both sides.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) packets: u64,
    /// Bytes sent to the target from addresses it never validated.
    pub(super) sent: u64,
    /// Bytes it sent to them.
    pub(super) answered: u64,
}

impl Traffic {
    pub(super) fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.sent += other.sent;
        self.answered += other.answered;
    }
}

/// Many sockets, each with an address of its own on the loopback network.
pub(super) struct Storm {
    sockets: Vec<UdpSocket>,
    suite: Suite,
    hello: Vec<u8>,
    source: [u8; 8],
    rng: ChaCha8Rng,
}

impl Storm {
    /// A storm against a node with this number.
    pub(super) async fn new(plane: Plane, node: usize, seed: u64) -> Attempt<Self> {
        let mut sockets = Vec::new();
        let net = u8::try_from(node)? * 2 + u8::from(plane == Plane::Control);
        for host in 1..=SOURCES {
            let ip = Ipv4Addr::new(127, 88, net, host);
            sockets.push(UdpSocket::bind((ip, 0)).await?);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let source = rng.random();
        let (suite, hello) = hello(plane, &source)?;
        Ok(Self {
            sockets,
            suite,
            hello,
            source,
            rng,
        })
    }

    /// Sends `rate` Initials a second for `time`, and listens to what comes back without answering it.
    pub(super) async fn spoof(
        &mut self,
        to: SocketAddr,
        rate: u32,
        time: Duration,
    ) -> Attempt<Traffic> {
        let mut traffic = Traffic::default();
        let begun = Instant::now();
        while begun.elapsed() < time {
            let due = begun.elapsed().as_millis() * u128::from(rate) / 1_000;
            while u128::from(traffic.packets) < due && begun.elapsed() < time {
                self.send(to, &mut traffic, &[])?;
            }
            self.listen(|_, answer| traffic.answered += answer.len() as u64);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // What is said to nobody for a while counts, too.
        for _ in 0..100 {
            self.listen(|_, answer| traffic.answered += answer.len() as u64);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(traffic)
    }

    /// Begins `count` handshakes, shows that its addresses are its own where that is asked for, and falls
    /// silent.
    pub(super) async fn half_open(&mut self, to: SocketAddr, count: u64) -> Attempt<u64> {
        let mut traffic = Traffic::default();
        let mut validated = 0;
        for number in 0..count + 500 {
            if number < count {
                self.send(to, &mut traffic, &[])?;
            }
            let mut tokens = Vec::new();
            self.listen(|socket, answer| tokens.extend(retry(answer).map(|token| (socket, token))));
            for (socket, (receiver, token)) in tokens {
                validated += 1;
                let packet = self.packet(&receiver, &token)?;
                let _ = self.sockets[socket].try_send_to(&packet, to);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(validated)
    }

    fn send(&mut self, to: SocketAddr, traffic: &mut Traffic, token: &[u8]) -> Attempt<()> {
        let mut receiver = [0; 8];
        self.rng.fill_bytes(&mut receiver);
        let packet = self.packet(&receiver, token)?;
        let socket = self.rng.random_range(0..self.sockets.len());
        traffic.packets += 1;
        if self.sockets[socket].try_send_to(&packet, to).is_ok() {
            traffic.sent += packet.len() as u64;
        }
        Ok(())
    }

    fn listen(&self, mut heard: impl FnMut(usize, &[u8])) {
        let mut buffer = [0; 2_048];
        for (number, socket) in self.sockets.iter().enumerate() {
            while let Ok((length, _)) = socket.try_recv_from(&mut buffer) {
                heard(number, &buffer[..length]);
            }
        }
    }

    /// An Initial to a connection id, protected with the keys that follow from it.
    fn packet(&self, receiver: &[u8], token: &[u8]) -> Attempt<Vec<u8>> {
        const NUMBER: u64 = 0;
        let keys = Keys::initial(
            Version::V1,
            self.suite.suite,
            self.suite.quic,
            receiver,
            rustls::Side::Client,
        );
        let tag = keys.local.packet.tag_len();
        let mut packet = vec![0xC3, 0, 0, 0, 1];
        packet.push(u8::try_from(receiver.len())?);
        packet.extend_from_slice(receiver);
        packet.push(u8::try_from(self.source.len())?);
        packet.extend_from_slice(&self.source);
        packet.extend(two_bytes(token.len())?);
        packet.extend_from_slice(token);
        // The length covers the packet number, the frames and the tag.
        let rest = LENGTH - packet.len() - 2;
        packet.extend(two_bytes(rest)?);
        let at = packet.len();
        packet.extend_from_slice(&[0; 4]);
        let mut frames = vec![0x06, 0x00];
        frames.extend(two_bytes(self.hello.len())?);
        frames.extend_from_slice(&self.hello);
        if frames.len() + 4 + tag > rest {
            return Err("the hello does not fit into an Initial".into());
        }
        frames.resize(rest - 4 - tag, 0);
        let sealed = keys
            .local
            .packet
            .encrypt_in_place(NUMBER, &packet, &mut frames)?;
        packet.extend_from_slice(&frames);
        packet.extend_from_slice(sealed.as_ref());
        let sample = packet[at + 4..at + 4 + keys.local.header.sample_len()].to_vec();
        let (head, tail) = packet.split_at_mut(at);
        keys.local
            .header
            .encrypt_in_place(&sample, &mut head[0], &mut tail[..4])?;
        Ok(packet)
    }
}

/// The id and the token of a Retry packet.
fn retry(packet: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    const TAG: usize = 16;
    if packet.first()? & 0xF0 != 0xF0 {
        return None;
    }
    let own = usize::from(*packet.get(5)?);
    let theirs = usize::from(*packet.get(6 + own)?);
    let at = 7 + own;
    let id = packet.get(at..at + theirs)?.to_vec();
    let token = packet.get(at + theirs..packet.len().checked_sub(TAG)?)?;
    Some((id, token.to_vec()))
}

/// A length in two bytes.
fn two_bytes(length: usize) -> Attempt<[u8; 2]> {
    Ok((u16::try_from(length)? | 0x4000).to_be_bytes())
}

/// A ClientHello of a plane, and the cipher of its packets.
fn hello(plane: Plane, source: &[u8; 8]) -> Attempt<(Suite, Vec<u8>)> {
    // With a group of today's size the hello fits into one packet.
    let provider = Arc::new(CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    });
    let suite = provider
        .cipher_suites
        .iter()
        .find_map(|suite| {
            suite
                .tls13()
                .filter(|tls| tls.common.suite == rustls::CipherSuite::TLS13_AES_128_GCM_SHA256)
        })
        .and_then(rustls::Tls13CipherSuite::quic_suite)
        .ok_or("no cipher for Initials")?;
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![match plane {
        Plane::Data => ALPN.to_vec(),
        Plane::Control => LIBP2P.to_vec(),
    }];
    // Transport parameters: the id the client chose, and nothing else.
    let params = [&[0x0F, 8][..], source].concat();
    let name = ServerName::try_from("node")?;
    let mut client = ClientConnection::new(Arc::new(config), Version::V1, name, params)?;
    let mut hello = Vec::new();
    let _ = client.write_hs(&mut hello);
    Ok((suite, hello))
}

/// Believes every certificate: none is ever looked at.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
