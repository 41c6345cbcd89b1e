//! The TypeScript SDK, unmodified, over gRPC-web, and what a browser asks first.

#[expect(dead_code, reason = "each test uses its part")]
mod support;

use std::path::PathBuf;

use tokio::process::Command;

use crate::support::{World, packages};

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sdk_does_everything() {
    let world = World::start().await;
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let run = Command::new("node")
        .arg(here.join("tests/ts_sdk.mjs"))
        .arg(&world.devnet.info().url)
        .arg(here.join("../move/tools"))
        .arg(packages().join("stall.json"))
        .output();
    let output = run
        .await
        .expect("Node.js 20 or newer is needed, as for the Move tools");
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{errors}");
    assert_eq!(out.trim(), "ok");
}
