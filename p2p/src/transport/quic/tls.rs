//! TLS 1.3 for the data plane: own verifiers around libp2p's certificates, so that a peer id is
//! proven in both directions and the cheapest strong cipher comes first.
//!
//! The certificate is self-signed with a fresh key and carries the peer id's signature on that key
//! (libp2p TLS specification). A name is never verified: the "server name" only keys the session
//! cache, one per expected peer.

use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use libp2p_tls::certificate;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        CryptoProvider, aws_lc_rs,
        aws_lc_rs::cipher_suite::{
            TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
        },
    },
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::{
    identity::{Identity, PeerId, public_key_of},
    wire::ALPN,
};

/// Why TLS could not be set up. Not the peer's doing.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The certificate could not be made.
    #[error("the certificate of this endpoint could not be made: {0}")]
    Certificate(#[from] certificate::GenError),
    /// The TLS library refused the settings.
    #[error("TLS refused its settings: {0}")]
    Settings(#[from] rustls::Error),
    /// The first cipher cannot protect QUIC's initial packets.
    #[error("TLS has no cipher for QUIC's initial packets: {0}")]
    Initial(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

/// The settings of both directions, made from one certificate.
pub(super) struct TlsConfigs {
    pub(super) client: quinn::crypto::rustls::QuicClientConfig,
    pub(super) server: quinn::crypto::rustls::QuicServerConfig,
}

impl TlsConfigs {
    /// How many peers' session tickets are kept.
    const SESSIONS: usize = 1024;

    pub(super) fn new(identity: &Identity) -> Result<Self, TlsSetupError> {
        let (certificate, key) = certificate::generate(identity.keypair())?;
        let certified = certified_key(certificate, &key)?;
        let provider = Arc::new(provider());

        let mut client = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier))
            .with_client_cert_resolver(certified.clone());
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.enable_sni = false;
        client.key_log = Arc::new(rustls::NoKeyLog);
        client.resumption = rustls::client::Resumption::in_memory_sessions(Self::SESSIONS);

        let mut server = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(Verifier))
            .with_cert_resolver(certified);
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.key_log = Arc::new(rustls::NoKeyLog);
        server.session_storage = rustls::server::ServerSessionMemoryCache::new(Self::SESSIONS);
        server.max_early_data_size = 0;

        Ok(Self {
            client: client.try_into()?,
            server: server.try_into()?,
        })
    }
}

fn certified_key(
    certificate: CertificateDer<'static>,
    key: &PrivateKeyDer<'_>,
) -> Result<Arc<SingleCertAndKey>, rustls::Error> {
    let key = aws_lc_rs::sign::any_ecdsa_type(key)?;
    Ok(Arc::new(SingleCertAndKey::from(CertifiedKey::new(
        vec![certificate],
        key,
    ))))
}

/// AES-128-GCM first: measured at half the CPU per byte of ChaCha20 where the CPU has AES.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            TLS13_AES_128_GCM_SHA256,
            TLS13_AES_256_GCM_SHA384,
            TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..aws_lc_rs::default_provider()
    }
}

/// The name a client gives for the peer it expects, so that each peer's session tickets have a key
/// of their own: the base32 of its Ed25519 key, under a domain that resolves nowhere.
pub(super) fn server_name(peer: &PeerId) -> Option<String> {
    let key = BASE32_NOPAD.encode(&public_key_of(peer)?);
    Some(format!("{}.floe.invalid", key.to_ascii_lowercase()))
}

/// The peer id proven on an established connection. Asked after every handshake: a resumed one
/// does not pass the verifiers again.
pub(super) fn proven_peer(connection: &quinn::Connection) -> Option<PeerId> {
    let chain = connection
        .peer_identity()?
        .downcast::<Vec<CertificateDer<'static>>>()
        .ok()?;
    let peer = certificate::parse(chain.first()?).ok()?.peer_id();
    // Only Ed25519 peers have a place on the chain.
    public_key_of(&peer).map(|_| peer)
}

/// Checks libp2p certificates. It accepts any peer; *which* peer it must be is compared after the
/// handshake, by [`proven_peer`].
#[derive(Debug)]
struct Verifier;

impl Verifier {
    const SCHEMES: [SignatureScheme; 3] = [
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureScheme::ED25519,
    ];

    fn check(
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), rustls::Error> {
        if !intermediates.is_empty() {
            return Err(other(TooManyCertificates(intermediates.len() + 1)));
        }
        certificate::parse(certificate).map_err(other)?;
        Ok(())
    }

    fn signature(
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        certificate::parse(certificate)
            .map_err(other)?
            .verify_signature(signed.scheme, message, signed.signature())
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadSignature))?;
        Ok(HandshakeSignatureValid::assertion())
    }

    fn old_tls() -> rustls::Error {
        rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls13RequiredForQuic)
    }
}

/// More certificates than the one libp2p allows.
#[derive(Debug, thiserror::Error)]
#[error("{0} certificates were presented where exactly one is allowed")]
struct TooManyCertificates(usize);

fn other(error: impl std::error::Error + Send + Sync + 'static) -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Self::check(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(Self::old_tls())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Self::signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Self::check(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(Self::old_tls())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Self::signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::SCHEMES.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aes_128_is_offered_first() {
        assert_eq!(
            provider().cipher_suites[0].suite(),
            rustls::CipherSuite::TLS13_AES_128_GCM_SHA256
        );
    }

    #[test]
    fn each_peer_has_a_server_name_of_its_own() {
        let name = |seed| server_name(&Identity::from_seed([seed; 32]).peer_id()).unwrap();
        assert_ne!(name(1), name(2));
        assert!(ServerName::try_from(name(1)).is_ok());
        assert_eq!(server_name(&PeerId::random()), None);
    }

    #[test]
    fn a_certificate_proves_its_peer_and_a_second_one_is_refused() {
        let identity = Identity::from_seed([3; 32]);
        let (certificate, _) = certificate::generate(identity.keypair()).unwrap();
        assert_eq!(
            certificate::parse(&certificate).unwrap().peer_id(),
            identity.peer_id()
        );
        assert!(Verifier::check(&certificate, &[]).is_ok());
        assert!(Verifier::check(&certificate, std::slice::from_ref(&certificate)).is_err());
        assert!(Verifier::check(&CertificateDer::from(vec![0; 64]), &[]).is_err());
    }
}
