//! First packets of QUIC handshakes that nobody means to finish: each a well-formed Initial with a whole
//! ClientHello (RFC 9000, section 17.2.2), as cheap to make as a forger would.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
    quic::{ClientConnection, Keys, Suite, Version},
};

/// Bytes of every Initial: less is not answered.
const LENGTH: usize = 1_200;

/// Makes Initials that differ in the connection id they are sent to.
pub struct Initials {
    suite: Suite,
    hello: Vec<u8>,
    source: [u8; 8],
}

impl Initials {
    /// First packets of handshakes for this protocol, from a client that calls itself `source`.
    pub fn new(alpn: &[u8], source: [u8; 8]) -> Self {
        // With a group of yesterday's size the hello fits into one packet.
        let provider = Arc::new(CryptoProvider {
            kx_groups: vec![aws_lc_rs::kx_group::X25519],
            ..aws_lc_rs::default_provider()
        });
        let mut suites = provider.cipher_suites.iter();
        let suite = suites
            .find_map(|suite| {
                suite
                    .tls13()
                    .filter(|tls| tls.common.suite == rustls::CipherSuite::TLS13_AES_128_GCM_SHA256)
            })
            .and_then(rustls::Tls13CipherSuite::quic_suite)
            .unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        // Transport parameters: the id the client chose, and nothing else.
        let params = [&[0x0F, 8][..], &source].concat();
        let name = ServerName::try_from("node").unwrap();
        let mut client =
            ClientConnection::new(Arc::new(config), Version::V1, name, params).unwrap();
        let mut hello = Vec::new();
        let _ = client.write_hs(&mut hello);
        Self {
            suite,
            hello,
            source,
        }
    }

    /// An Initial to a connection id, protected with the keys that follow from it.
    pub fn packet(&self, receiver: &[u8], token: &[u8]) -> Vec<u8> {
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
        packet.push(u8::try_from(receiver.len()).unwrap());
        packet.extend_from_slice(receiver);
        packet.push(u8::try_from(self.source.len()).unwrap());
        packet.extend_from_slice(&self.source);
        packet.extend(two_bytes(token.len()));
        packet.extend_from_slice(token);
        // The length covers the packet number, the frames and the tag.
        let rest = LENGTH - packet.len() - 2;
        packet.extend(two_bytes(rest));
        let at = packet.len();
        packet.extend_from_slice(&[0; 4]);
        let mut frames = vec![0x06, 0x00];
        frames.extend(two_bytes(self.hello.len()));
        frames.extend_from_slice(&self.hello);
        assert!(frames.len() + 4 + tag <= rest, "the hello does not fit");
        frames.resize(rest - 4 - tag, 0);
        let sealed = keys
            .local
            .packet
            .encrypt_in_place(NUMBER, &packet, &mut frames)
            .unwrap();
        packet.extend_from_slice(&frames);
        packet.extend_from_slice(sealed.as_ref());
        let sample = packet[at + 4..at + 4 + keys.local.header.sample_len()].to_vec();
        let (head, tail) = packet.split_at_mut(at);
        keys.local
            .header
            .encrypt_in_place(&sample, &mut head[0], &mut tail[..4])
            .unwrap();
        packet
    }
}

/// The id and the token of a Retry packet.
pub fn retry(packet: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
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
fn two_bytes(length: usize) -> [u8; 2] {
    (u16::try_from(length).unwrap() | 0x4000).to_be_bytes()
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
