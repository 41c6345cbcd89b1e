//! Peers that lie about who they are or break the protocol: refused with a reason, and nobody else
//! notices.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod world;

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use floe_chain::epoch::Epoch;
use floe_p2p::{
    Item, ItemSize,
    address::PeerAddress,
    client::CallError,
    identity::Identity,
    plane::DataPlane,
    server::ServerSettings,
    transport::DialError,
    wire::{
        ALPN, Head, ItemHead, ItemStatus, Kind, Refusal, Request, RequestHead, ResponseHead,
        Status, TrafficClass,
        message::{GetSliver, PutSliver},
    },
};
use quinn::crypto::rustls::QuicClientConfig;
use world::{
    METADATA, MemoryService, SLIVER, client, content, get_sliver, keys, loopback, options, pair,
    pair_with, put_sliver, serve,
};

/// A client of its own making, with libp2p's stock TLS settings.
struct Raw {
    _endpoint: quinn::Endpoint,
    connection: quinn::Connection,
}

async fn connect(
    tls: rustls::ClientConfig,
    to: &PeerAddress,
) -> Result<Raw, quinn::ConnectionError> {
    let endpoint = quinn::Endpoint::client(loopback()).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let address: SocketAddr = to.addresses[0].to_string().parse().unwrap();
    let connection = endpoint
        .connect_with(config, address, "anything")
        .unwrap()
        .await?;
    Ok(Raw {
        _endpoint: endpoint,
        connection,
    })
}

fn stock_tls(alpn: &[u8]) -> rustls::ClientConfig {
    let keypair = libp2p_identity::Keypair::generate_ed25519();
    let mut tls = libp2p_tls::make_client_config(&keypair, None).unwrap();
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls
}

impl Raw {
    async fn to(to: &PeerAddress) -> Self {
        connect(stock_tls(ALPN), to).await.unwrap()
    }

    /// Sends `bytes` as a whole request and reads the refusal.
    async fn refusal(&self, bytes: &[u8]) -> Refusal {
        let (mut send, mut recv) = self.connection.open_bi().await.unwrap();
        // The server may answer, and stop reading, before everything was sent.
        let _ = send.write_all(bytes).await;
        let _ = send.finish();
        refusal(&mut recv).await
    }
}

async fn refusal(recv: &mut quinn::RecvStream) -> Refusal {
    let response = recv.read_to_end(1 << 20).await.unwrap();
    let head = ResponseHead::from_bytes(&response[1..]).unwrap();
    assert_eq!(
        usize::from(response[0]),
        response.len() - 1,
        "a refusal is one short head"
    );
    head.into_reply::<()>().unwrap().unwrap_err()
}

fn request(kind: Kind, payload: u32, body: Vec<u8>) -> Vec<u8> {
    let head = RequestHead {
        kind: kind.0,
        epoch: Epoch::new(1),
        deadline_ms: 10_000,
        class: TrafficClass::Write,
        payload,
        body,
    };
    head.to_frame().unwrap()
}

fn item(index: u32, length: u32) -> Vec<u8> {
    let head = ItemHead {
        index,
        status: ItemStatus::Present,
        length,
    };
    let mut bytes = head.to_bytes().to_vec();
    bytes.extend(content(1, length));
    bytes
}

fn upload(payload: u32, items: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = request(
        PutSliver::KIND,
        payload,
        put_sliver(0, keys(0..1)).to_body().unwrap(),
    );
    items.iter().for_each(|item| bytes.extend(item));
    bytes
}

#[tokio::test]
async fn a_server_with_another_identity_is_refused() {
    let pair = pair();
    let mut to = pair.to.clone();
    to.peer = Identity::from_seed([2; 32]).peer_id();
    let error = pair.client.health(&to, &options()).await.unwrap_err();
    assert!(
        matches!(error, CallError::Dial(DialError::WrongPeer { .. })),
        "{error}"
    );
    assert_eq!(pair.client.peers().get(&to.peer).failures_in_a_row, 1);
    // The real one still answers.
    pair.client.health(&pair.to, &options()).await.unwrap();
}

/// Stops a server and waits until its socket is free again.
async fn stop(server: DataPlane<MemoryService>, to: &PeerAddress) -> SocketAddr {
    let address: SocketAddr = to.addresses[0].to_string().parse().unwrap();
    server.shutdown(Duration::ZERO).await;
    drop(server);
    while std::net::UdpSocket::bind(address).is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    address
}

#[tokio::test]
async fn another_identity_at_a_known_address_is_refused_although_a_session_is_remembered() {
    let plane = client();
    let (first, _, to) = serve(1, loopback(), ServerSettings::default());
    plane.client().health(&to, &options()).await.unwrap();
    let address = stop(first, &to).await;
    let (_second, _, other) = serve(2, address, ServerSettings::default());
    let error = plane.client().health(&to, &options()).await.unwrap_err();
    assert!(
        matches!(error, CallError::Dial(DialError::WrongPeer { .. })),
        "{error}"
    );
    plane.client().health(&other, &options()).await.unwrap();
}

#[tokio::test]
async fn a_restarted_peer_is_found_again_without_an_error() {
    let plane = client();
    let (first, _, to) = serve(1, loopback(), ServerSettings::default());
    plane.client().health(&to, &options()).await.unwrap();
    let address = stop(first, &to).await;
    let (_second, _, _) = serve(1, address, ServerSettings::default());
    plane.client().health(&to, &options()).await.unwrap();
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let pair = pair();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let with = stock_tls(ALPN);
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
        .with_no_client_auth();
    tls.alpn_protocols = with.alpn_protocols;
    // TLS 1.3 tells the client only after its own handshake is done.
    let raw = connect(tls, &pair.to).await.unwrap();
    let reason = raw.connection.closed().await;
    assert!(
        matches!(reason, quinn::ConnectionError::ConnectionClosed(_)),
        "{reason}"
    );
}

#[derive(Debug)]
struct AnyServer;

impl rustls::client::danger::ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        unreachable!("QUIC has no TLS 1.2")
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

#[tokio::test]
async fn another_protocol_is_refused() {
    let pair = pair();
    assert!(connect(stock_tls(b"libp2p"), &pair.to).await.is_err());
}

#[tokio::test]
async fn broken_heads_are_refused_and_the_connection_lives_on() {
    let pair = pair();
    let raw = Raw::to(&pair.to).await;
    let garbage = content(3, 5000);
    let cut = &request(Kind::HEALTH, 0, vec![])[..10];
    for bytes in [
        &garbage[..],
        &[],
        &[0xff, 0xff, 0x7f],
        &[0x80, 0x00],
        &[0xff; 9],
        cut,
    ] {
        assert_eq!(
            raw.refusal(bytes).await.status,
            Status::BadRequest,
            "{bytes:?}"
        );
    }
    let trailing = request(Kind::HEALTH, 0, vec![1, 2, 3]);
    assert_eq!(raw.refusal(&trailing).await.status, Status::BadRequest);
    for kind in [Kind(0), Kind::SYNC_SHARD, Kind(u16::MAX)] {
        let refusal = raw.refusal(&request(kind, 0, vec![])).await;
        assert!(matches!(refusal.status, Status::Unsupported { .. }));
    }
    assert!(raw.connection.close_reason().is_none());
    pair.client.health(&pair.to, &options()).await.unwrap();
}

#[tokio::test]
async fn lengths_that_were_not_derived_are_refused_before_they_are_read() {
    let pair = pair();
    let raw = Raw::to(&pair.to).await;
    let whole = METADATA + 2 * SLIVER;
    let good = [item(0, METADATA), item(1, SLIVER), item(2, SLIVER)];
    let cases = [
        ("a payload above the cap of its kind", upload(u32::MAX, &[])),
        (
            "a payload where none belongs",
            request(Kind::HEALTH, 1, vec![]),
        ),
        ("a payload shorter than its items", upload(whole - 1, &good)),
        ("a payload longer than its items", upload(whole + 1, &good)),
        (
            "another size",
            upload(whole, &[item(0, METADATA), item(1, SLIVER - 1)]),
        ),
        (
            "a huge size",
            upload(whole, &[item(0, METADATA), item(1, u32::MAX >> 8)]),
        ),
        ("another index", upload(whole, &[item(1, METADATA)])),
        ("a missing item", upload(whole, &good[..2])),
        (
            "bytes after the last item",
            upload(whole, &[&good[..], &[vec![1]]].concat()),
        ),
        (
            "an absent item",
            upload(whole, &[vec![1, 0, 0, 0, 0, 0, 0, 0, 0]]),
        ),
    ];
    for (name, bytes) in cases {
        let refusal = raw.refusal(&bytes).await;
        assert_eq!(refusal.status, Status::BadRequest, "{name}: {refusal}");
    }
    let ranges = GetSliver {
        segments: world::segments(1025),
        ..get_sliver(0..1, 1)
    };
    let body = bcs::to_bytes(&ranges).unwrap();
    let refusal = raw.refusal(&request(GetSliver::KIND, 0, body)).await;
    assert_eq!(refusal.status, Status::BadRequest);
}

#[tokio::test]
async fn a_deadline_is_kept_by_the_server_too() {
    let pair = pair();
    let _closed = pair.store.gate.acquire_many(world::GATE).await.unwrap();
    let raw = Raw::to(&pair.to).await;
    for deadline_ms in [0, 50] {
        let head = RequestHead {
            kind: GetSliver::KIND.0,
            epoch: Epoch::new(1),
            deadline_ms,
            class: TrafficClass::Read,
            payload: 0,
            body: get_sliver(0..1, 1).to_body().unwrap(),
        };
        let refusal = raw.refusal(&head.to_frame().unwrap()).await;
        assert_eq!(refusal.status, Status::Deadline);
    }
    let short = floe_p2p::client::CallOptions {
        deadline: Duration::from_millis(50),
        ..options()
    };
    let result = pair
        .client
        .get_sliver(&pair.to, &get_sliver(0..1, 1), &short)
        .await;
    let Err(CallError::Deadline | CallError::Refused(_)) = result else {
        panic!("the deadline passed")
    };
}

#[tokio::test]
async fn saturated_memory_answers_busy_and_recovers() {
    let whole = METADATA + 2 * SLIVER;
    let settings = ServerSettings {
        inbound_memory: whole as usize,
        ..ServerSettings::default()
    };
    let pair = pair_with(settings);
    let raw = Raw::to(&pair.to).await;
    // One upload announces everything that fits, and stalls.
    let (mut send, mut stalled) = raw.connection.open_bi().await.unwrap();
    send.write_all(&upload(whole, &[item(0, METADATA)]))
        .await
        .unwrap();
    while pair.store.metadata.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let items = [content(0, METADATA), content(1, SLIVER), content(2, SLIVER)];
    let put = put_sliver(0, keys(0..1));
    let error = pair
        .client
        .put_sliver(&pair.to, &put, &items, &options())
        .await
        .unwrap_err();
    let CallError::Refused(refusal) = error else {
        panic!("{error}")
    };
    assert!(matches!(refusal.status, Status::Busy { retry_after } if retry_after.0 > 0));

    // Requests without a payload are not affected; the memory comes back with the upload's end.
    pair.client.health(&pair.to, &options()).await.unwrap();
    send.reset(0u32.into()).unwrap();
    let _ = stalled.read_to_end(1 << 20).await;
    pair.store.metadata.lock().unwrap().clear();
    pair.client
        .put_sliver(&pair.to, &put, &items, &options())
        .await
        .unwrap();
    // What is kept in memory stays granted.
    let error = pair
        .client
        .put_sliver(&pair.to, &put, &items, &options())
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Refused(_)), "{error}");
}

#[tokio::test]
async fn a_client_that_gives_up_leaves_nothing_behind() {
    let pair = pair();
    let items = [content(0, METADATA), content(1, SLIVER), content(2, SLIVER)];
    let put = put_sliver(0, keys(0..1));
    pair.client
        .put_sliver(&pair.to, &put, &items, &options())
        .await
        .unwrap();
    for _ in 0..50 {
        let request = GetSliver {
            segments: world::segments(64),
            ..get_sliver(0..1, 1)
        };
        let mut reader = pair
            .client
            .get_sliver(&pair.to, &request, &options())
            .await
            .unwrap();
        let item = reader.next(|_| ItemSize::Exactly(SLIVER)).await.unwrap();
        assert!(matches!(item, Some(Item::Present(_))));
    }
    pair.client.health(&pair.to, &options()).await.unwrap();
}

#[tokio::test]
async fn a_response_of_another_size_than_derived_is_refused() {
    let pair = pair();
    let items = [content(0, METADATA), content(1, SLIVER), content(2, SLIVER)];
    let put = put_sliver(0, keys(0..1));
    pair.client
        .put_sliver(&pair.to, &put, &items, &options())
        .await
        .unwrap();
    let mut reader = pair
        .client
        .get_sliver(&pair.to, &get_sliver(0..1, 1), &options())
        .await
        .unwrap();
    let error = reader
        .next(|_| ItemSize::Exactly(SLIVER + 1))
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Wire(_)), "{error}");
    assert_eq!(pair.client.peers().get(&pair.to.peer).failures_in_a_row, 1);
}

#[tokio::test]
async fn shutting_down_lets_requests_end_and_refuses_new_ones() {
    let pair = pair();
    let closed = pair.store.gate.acquire_many(world::GATE).await.unwrap();
    let (client, to) = (pair.client.clone(), pair.to.clone());
    let under_way = tokio::spawn(async move {
        let mut reader = client
            .get_sliver(&to, &get_sliver(0..1, 1), &options())
            .await?;
        reader.next(|_| ItemSize::Exactly(SLIVER)).await
    });
    while pair.store.entered.load(Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The first branch is polled first: the server drains before the second one asks.
    let ((), answer) = tokio::join!(
        biased;
        pair.server.shutdown(Duration::from_secs(60)),
        async {
            let asked = pair.client.get_sliver(&pair.to, &get_sliver(0..1, 1), &options()).await;
            let answer = under_way_ends(closed, under_way).await;
            let Err(CallError::Refused(refusal)) = asked else { panic!("it was not refused") };
            assert_eq!(refusal.status, Status::ShuttingDown);
            answer
        }
    );
    assert_eq!(answer.unwrap(), Some(Item::Absent(ItemStatus::NotHeld)));
}

async fn under_way_ends<T>(
    gate: tokio::sync::SemaphorePermit<'_>,
    under_way: tokio::task::JoinHandle<T>,
) -> T {
    drop(gate);
    under_way.await.unwrap()
}
