//! Asks a local chain's faucet for SUI.

use std::time::Duration;

use floe_chain::id::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest answer that is read.
const MAX_ANSWER: u64 = 64 << 10;

/// The faucet gave nothing.
#[derive(Debug, thiserror::Error)]
#[error("faucet {url}: {reason}")]
pub struct FaucetError {
    /// The faucet.
    pub url: String,
    /// Why.
    pub reason: String,
}

/// Requests SUI for an account. Speaks plain HTTP only: faucets of this kind are on this machine.
///
/// # Errors
/// The faucet cannot be reached or refuses.
pub async fn request(url: &str, account: Address) -> Result<(), FaucetError> {
    let wrong = |reason: String| FaucetError {
        url: url.to_owned(),
        reason,
    };
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| wrong("is not http://".to_owned()))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.trim_end_matches('/');
    let path = if path.is_empty() {
        "/v2/gas".to_owned()
    } else {
        format!("/{path}/v2/gas")
    };
    let body = format!(r#"{{"FixedAmountRequest":{{"recipient":"{account}"}}}}"#);
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let exchange = async {
        let mut stream = TcpStream::connect(host).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(DEADLINE, exchange)
        .await
        .map_err(|_| wrong("no answer in time".to_owned()))?
        .map_err(|error| wrong(error.to_string()))?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split_whitespace().nth(1).unwrap_or("nothing");
    if status.starts_with('2') {
        Ok(())
    } else {
        Err(wrong(format!("answered {status}")))
    }
}
