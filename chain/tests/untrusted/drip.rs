//! Servers that send bytes for ever and never an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// Accepts connections and sends bytes that never become an answer, for ever.
pub(crate) async fn serve_endless() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // Settings, then empty continuation of nothing: frames of an unknown type.
                let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
                while stream
                    .write_all(&[0, 0, 8, 0xbb, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
                    .await
                    .is_ok()
                {
                    tokio::task::yield_now().await;
                }
            });
        }
    });
    format!("http://{address}")
}

/// Answers every call with a message of `announced` bytes, a few at a time, none of them the last.
pub(crate) async fn serve_slowly(announced: u32) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(slow_connection(stream, announced));
        }
    });
    format!("http://{address}")
}

/// HTTP/2 by hand: each frame is length 24 | type 8 | flags 8 | stream 32, and a payload.
async fn slow_connection(stream: TcpStream, announced: u32) -> std::io::Result<()> {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    let (mut from, to) = stream.into_split();
    let to = Arc::new(Mutex::new(to));
    from.read_exact(&mut [0; 24]).await?;
    frame(&to, SETTINGS, 0, 0, &[]).await?;
    loop {
        let mut head = [0; 9];
        from.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]).try_into().unwrap()];
        from.read_exact(&mut payload).await?;
        if kind == SETTINGS && flags == 0 {
            frame(&to, SETTINGS, 1, 0, &[]).await?;
        }
        if kind == HEADERS {
            let (to, stream) = (Arc::clone(&to), u32::from_be_bytes(id));
            tokio::spawn(async move {
                // `:status: 200`, `content-type: application/grpc`.
                let headers = [&[0x88, 0x0f, 0x10, 16], b"application/grpc".as_slice()].concat();
                let mut sent = frame(&to, HEADERS, 4, stream, &headers).await;
                let mut message = [&[0], announced.to_be_bytes().as_slice()].concat();
                while sent.is_ok() {
                    sent = frame(&to, DATA, 0, stream, &message).await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    message = vec![0; 16];
                }
            });
        }
    }
}

async fn frame(
    to: &Mutex<OwnedWriteHalf>,
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &[u8],
) -> std::io::Result<()> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length, [kind, flags].as_slice(), &stream.to_be_bytes()].concat();
    to.lock()
        .await
        .write_all(&[head.as_slice(), payload].concat())
        .await
}
