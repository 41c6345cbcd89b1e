//! A reader with nothing between it and the socket, which sees what a library would hide.

use std::{collections::BTreeMap, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// An answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Bytes that were announced.
    pub(crate) length: u64,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.head.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.field("content-type"), "application/problem+json");
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// An answer whose head has come.
pub(crate) struct Incoming {
    stream: BufReader<TcpStream>,
    answer: Answer,
}

impl Incoming {
    /// Sends a request as it is written here and waits for the head; `None` if the connection ends.
    pub(crate) async fn of(to: SocketAddr, request: &[u8]) -> Option<Self> {
        let mut stream = BufReader::new(TcpStream::connect(to).await.unwrap());
        stream.write_all(request).await.unwrap();
        Self::read(stream).await
    }

    async fn read(mut stream: BufReader<TcpStream>) -> Option<Self> {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut head = BTreeMap::new();
        loop {
            line.clear();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            head.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = head.get("content-length").map_or(0, |n| n.parse().unwrap());
        let answer = Answer {
            status,
            head,
            body: Vec::new(),
            length,
        };
        Some(Self { stream, answer })
    }

    pub(crate) fn head(&self) -> &Answer {
        &self.answer
    }

    /// Reads what comes of the body.
    pub(crate) async fn rest(mut self) -> Answer {
        let body = &mut self.answer.body;
        // An aborted connection ends with an error, or just ends.
        let _ = (&mut self.stream)
            .take(self.answer.length)
            .read_to_end(body)
            .await;
        self.answer
    }
}

/// Asks for something with more fields in the head, and reads the whole answer.
pub(crate) async fn ask(to: SocketAddr, method: &str, path: &str, fields: &[&str]) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n");
    for field in fields {
        request.push_str(field);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let incoming = Incoming::of(to, request.as_bytes()).await.unwrap();
    if method == "HEAD" || incoming.head().status == 304 {
        return incoming.answer;
    }
    let answer = incoming.rest().await;
    assert_eq!(answer.body.len() as u64, answer.length, "{path}");
    answer
}

pub(crate) async fn get(to: SocketAddr, path: &str) -> Answer {
    ask(to, "GET", path, &[]).await
}
