//! A gateway before a network in one process: real codec, real QUIC, real HTTP.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is a failed test"
)]

mod cache;
mod http;
#[path = "../../../client/tests/story/node.rs"]
#[expect(dead_code, reason = "shared with the stories of the client")]
mod node;
#[path = "../../../client/tests/story/world.rs"]
#[expect(dead_code, reason = "shared with the stories of the client")]
mod world;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use floe_client::{disk::source::Source, store::StoreOptions};
use floe_codec::BlobId;
use floe_gateway::{CacheSettings, Gateway, Settings, Upstream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    http::{Incoming, ask, get},
    world::{OPTIONS, World},
};

/// A gateway that answers.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(world: &World, settings: Settings) -> Self {
        let upstream = Upstream::Chain(world.client());
        let gateway = Gateway::bind(&settings, upstream).await.unwrap();
        let address = gateway.address();
        let stop = CancellationToken::new();
        let task = tokio::spawn(gateway.serve(stop.clone()));
        while get(address, "/ready").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Self {
            address,
            stop,
            task,
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    async fn metric(&self, name: &str) -> u64 {
        let page = get(self.address, "/metrics").await;
        let page = String::from_utf8(page.body).unwrap();
        let name = format!("floe_gateway_{name} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap().parse().unwrap()
    }
}

fn cached(dir: &Path) -> Settings {
    Settings {
        cache: Some(CacheSettings {
            dir: dir.to_owned(),
            size: 1 << 30,
        }),
        ..Settings::default()
    }
}

fn path(blob: &BlobId) -> String {
    format!("/v1/blobs/{blob}")
}

/// Bytes that differ everywhere.
fn sample(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

/// The segments of a cache, in order of their names.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let folders = folders.filter(|path| path.is_dir());
    let files = folders.flat_map(|path| fs::read_dir(path).unwrap());
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_come_whole_in_ranges_and_not_at_all_if_they_are_known() {
    let world = World::new(10).await;
    let dir = tempfile::tempdir().unwrap();
    for settings in [Settings::default(), cached(dir.path())] {
        let gateway = Running::start(&world, settings).await;
        let to = gateway.address;
        for length in [0, 1, 70_000, 9 << 20] {
            let bytes = sample(length);
            let blob = world.store(bytes.clone()).await.unwrap().blob;
            let path = path(&blob);
            let whole = get(to, &path).await;
            assert_eq!((whole.status, whole.length), (200, length as u64));
            assert!(whole.body == bytes, "{length} bytes differ");
            let tag = format!("\"{blob}\"");
            for (name, value) in [
                ("etag", &tag[..]),
                ("accept-ranges", "bytes"),
                ("content-type", "application/octet-stream"),
                ("cache-control", "public, max-age=300"),
                ("x-content-type-options", "nosniff"),
                ("content-security-policy", "default-src 'none'; sandbox"),
                ("access-control-allow-origin", "*"),
            ] {
                assert_eq!(whole.field(name), value, "{name}");
            }
            assert_eq!(whole.field("vary"), "");
            let hex: String = blob.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
            assert!(get(to, &format!("/v1/blobs/{hex}")).await.body == bytes);

            let head = ask(to, "HEAD", &path, &["Range: bytes=0-0"]).await;
            assert_eq!((head.status, head.length), (200, length as u64));
            for known in [&tag[..], "*", &format!("\"a\", W/{tag}")] {
                let known = format!("If-None-Match: {known}");
                let answer = ask(to, "GET", &path, &[&known]).await;
                assert_eq!((answer.status, answer.field("etag")), (304, &tag[..]));
            }
            let other = ask(to, "GET", &path, &["If-None-Match: \"other\""]).await;
            assert_eq!(other.status, 200);
            if length > 0 {
                ranges(to, &path, &bytes).await;
            }
            let outside = ask(to, "GET", &path, &[&format!("Range: bytes={length}-")]).await;
            if length > 0 {
                assert_eq!(outside.status, 416);
                assert_eq!(outside.field("content-range"), format!("bytes */{length}"));
                assert_eq!(outside.json()["code"], "read.range");
            } else {
                assert_eq!((outside.status, outside.length), (200, 0));
            }
            let unless = [
                "Range: bytes=0-0",
                "If-Range: Sat, 21 Nov 2026 10:00:00 GMT",
            ];
            assert_eq!(ask(to, "GET", &path, &unless).await.status, 200);
        }
        gateway.stop().await;
    }
}

async fn ranges(to: SocketAddr, path: &str, bytes: &[u8]) {
    let length = bytes.len();
    let cuts = [0, 1, length / 3, length / 2, length - 1];
    let mut cases: Vec<(String, std::ops::Range<usize>)> = vec![
        ("-1".to_owned(), length - 1..length),
        (format!("-{}", length + 9), 0..length),
        (format!("0-{}", u64::MAX), 0..length),
    ];
    for from in cuts.into_iter().filter(|cut| *cut < length) {
        cases.push((format!("{from}-"), from..length));
        for last in cuts.into_iter().filter(|cut| (from..length).contains(cut)) {
            cases.push((format!("{from}-{last}"), from..last + 1));
        }
    }
    for (range, part) in cases {
        let answer = ask(to, "GET", path, &[&format!("Range: bytes={range}")]).await;
        assert_eq!(answer.status, 206, "{range} of {length}");
        assert!(answer.body == bytes[part.clone()], "{range} of {length}");
        let (first, last) = (part.start, part.end - 1);
        assert_eq!(
            answer.field("content-range"),
            format!("bytes {first}-{last}/{length}")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_so_and_soon_asked_again() {
    let world = World::new(4).await;
    let gateway = Running::start(&world, Settings::default()).await;
    let to = gateway.address;
    let bytes = sample(5_000);
    let client = world.client();
    let blob = client.identify(Source::Memory(bytes.clone().into()), world.listener());
    let path = path(&blob.await.unwrap());
    let missing = get(to, &path).await;
    assert_eq!((missing.status, missing.field("retry-after")), (404, "2"));
    assert_eq!(missing.field("cache-control"), "public, max-age=2");
    assert_eq!(missing.json()["code"], "read.not_found");
    assert!(missing.json()["hint"].is_string());
    world.store(bytes.clone()).await.unwrap();
    let begun = tokio::time::Instant::now();
    while get(to, &path).await.body != bytes {
        assert!(begun.elapsed() < Duration::from_secs(10), "still hidden");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    for (method, at, status, code) in [
        ("GET", "/v1/blobs/short", 400, "gateway.blob_id"),
        (
            "GET",
            "/v1/blobs/by-object-id/house",
            400,
            "gateway.object_id",
        ),
        ("GET", "/v1/blobs/", 404, "gateway.no_route"),
        ("GET", "/", 404, "gateway.no_route"),
        ("POST", &path, 405, "gateway.method"),
        ("DELETE", "/live", 405, "gateway.method"),
    ] {
        let answer = ask(to, method, at, &[]).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (status, &code.into()),
            "{at}"
        );
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_name_blobs_and_say_how_long_they_last() {
    let world = World::new(4).await;
    let gateway = Running::start(&world, Settings::default()).await;
    let to = gateway.address;
    for deletable in [true, false] {
        let bytes = sample(3_000 + usize::from(deletable));
        let source = Source::Memory(bytes.clone().into());
        let options = StoreOptions {
            deletable,
            ..OPTIONS
        };
        let client = world.client();
        let stored = client.store(source, options, world.listener());
        let stored = stored.await.unwrap().0;
        let path = format!("/v1/blobs/by-object-id/{}", stored.object);
        let answer = get(to, &path).await;
        assert!(answer.body == bytes);
        assert_eq!(answer.field("etag"), format!("\"{}\"", stored.blob));
        let keep = answer.field("cache-control");
        assert_eq!(keep.contains("immutable"), !deletable, "{keep}");
    }
    let unknown = format!("/v1/blobs/by-object-id/0x{}", "5".repeat(64));
    assert_eq!(get(to, &unknown).await.json()["code"], "gateway.no_object");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_the_head_ends_the_connection_short() {
    let mut world = World::new(10).await;
    let bytes = sample(40 << 20);
    let blob = world.store(bytes.clone()).await.unwrap().blob;
    let gateway = Running::start(&world, Settings::default()).await;
    let request = format!("GET {} HTTP/1.1\r\nHost: gateway\r\n\r\n", path(&blob));
    let incoming = Incoming::of(gateway.address, request.as_bytes())
        .await
        .unwrap();
    assert_eq!(incoming.head().status, 200);
    world.kill(10).await;
    let answer = incoming.rest().await;
    assert_eq!(answer.length, bytes.len() as u64);
    assert!(
        answer.body.len() < bytes.len(),
        "it cannot have had all of it"
    );
    assert!(bytes.starts_with(&answer.body), "what came is right");
    assert_eq!(gateway.metric("aborted_total").await, 1);

    // Of what is not at hand nothing can be said to be whole, and so no head is sent.
    let error = ask(gateway.address, "GET", &path(&blob), &["Range: bytes=-1"]).await;
    assert_eq!(
        (error.status, &error.json()["code"]),
        (503, &"read.unavailable".into())
    );
    assert_eq!(error.field("retry-after"), "2");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_readers_are_asked_to_come_again_and_a_stop_waits_for_the_others() {
    let world = World::new(10).await;
    let bytes = sample(20 << 20);
    let path = path(&world.store(bytes.clone()).await.unwrap().blob);
    let settings = Settings {
        requests: 1,
        ..Settings::default()
    };
    let gateway = Running::start(&world, settings).await;
    let to = gateway.address;
    let request = format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n");
    let slow = Incoming::of(to, request.as_bytes()).await.unwrap();
    let refused = get(to, &path).await;
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (503, &"gateway.busy".into())
    );
    assert_eq!(refused.field("retry-after"), "2");
    assert_eq!(get(to, "/live").await.status, 200);
    gateway.stop.cancel();
    assert!(slow.rest().await.body == bytes);
    gateway.task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_lead_nowhere_and_hidden_requests_are_not_answered() {
    let world = World::new(4).await;
    let dir = tempfile::tempdir().unwrap();
    let canary = "the canary sings";
    fs::write(dir.path().join("canary"), canary).unwrap();
    let gateway = Running::start(&world, cached(&dir.path().join("cache"))).await;
    let to = gateway.address;
    let absolute = dir.path().join("canary").display().to_string();
    let ups = [
        "../",
        "..%2f",
        "..%2F",
        "%2e%2e/",
        "%2e%2e%2f",
        "%252e%252e%252f",
        "..\\",
        "..%5c",
        "....//",
        "%c0%ae%c0%ae/",
        "%c0%ae%c0%ae%c0%af",
        "..%00/",
        "%00../",
        "..;/",
        "/..//",
        ".%2e/",
        "%uff0e%uff0e/",
        "..%ff/",
        "//",
        "%2f",
    ];
    let bases = [
        "/v1/blobs/",
        "/v1/blobs/by-object-id/",
        "/",
        "/metrics/",
        "/v1/",
    ];
    let mut count = 0;
    for base in bases {
        for up in ups {
            let deep = up.repeat(5);
            for path in [
                format!("{base}{deep}canary"),
                format!("{base}{up}{absolute}"),
            ] {
                let request =
                    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                count += 1;
                // Some are no requests at all: the connection ends.
                let Some(incoming) = Incoming::of(to, request.as_bytes()).await else {
                    continue;
                };
                let answer = incoming.rest().await;
                assert!(
                    (400..500).contains(&answer.status),
                    "{path}: {}",
                    answer.status
                );
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                assert!(!body.contains(canary), "{path}");
            }
        }
    }
    assert!(count >= 200);
    assert!(segments(&dir.path().join("cache")).is_empty());

    let hidden = "GET /live HTTP/1.1\r\nHost: a\r\n\r\n";
    for fields in [
        format!("Content-Length: {}", hidden.len()),
        "Transfer-Encoding: chunked".to_owned(),
        "Content-Length: 5\r\nTransfer-Encoding: chunked".to_owned(),
        "Content-Length: 0\r\nContent-Length: 9".to_owned(),
        "Content-Length: 0\r\nTransfer-Encoding: identity, chunked".to_owned(),
        "Transfer-Encoding: chunked, gzip".to_owned(),
        "Transfer-Encoding : chunked".to_owned(),
        "Content-Length: +9".to_owned(),
        " Folded: yes".to_owned(),
    ] {
        let request = format!("GET /live HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{hidden}");
        let everything = everything(to, request.as_bytes()).await;
        let answers = everything.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{fields}: {everything}");
        assert!(
            !everything.contains("HTTP/1.1 200"),
            "{fields}: {everything}"
        );
    }
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000));
    assert!(everything(to, long.as_bytes()).await.contains("HTTP/1.1 4"));
    gateway.stop().await;
}

/// All that comes on a connection until it ends.
async fn everything(to: SocketAddr, request: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(to).await.unwrap();
    // It may be closed before all is sent.
    let _ = stream.write_all(request).await;
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}
