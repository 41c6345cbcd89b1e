//! What long-running verbs share: logs on stderr, and the signals that end them.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Logs to stderr at the level of `FLOE_LOG`, or `info`.
pub(crate) fn log() {
    let filter = EnvFilter::try_from_env("FLOE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr);
    // Logs that are set up already, by whoever embeds this, stay as they are.
    let _ = logs.try_init();
}

/// Resolves on Ctrl-C or, where there is such a thing, SIGTERM.
pub(crate) async fn interrupted() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        // Without the signal there is nothing to wait for.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
