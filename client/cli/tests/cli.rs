//! The binary as people and programs meet it: help, exit codes, errors, pipes.
#![expect(clippy::unwrap_used, reason = "a test helper outside a test function")]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

/// Runs `floe` in an empty environment and directory.
fn floe(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().unwrap()
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
    command
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .stdin(Stdio::null());
    command
}

fn text(bytes: &[u8], dir: &Path) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.replace(&dir.display().to_string(), "DIR")
}

#[test]
fn every_verb_explains_itself() {
    let dir = tempfile::tempdir().unwrap();
    let top = floe(dir.path(), &["--help"]);
    assert_eq!(top.status.code(), Some(0));
    insta::assert_snapshot!("floe", text(&top.stdout, dir.path()));
    for verb in [
        "store",
        "read",
        "ls",
        "status",
        "extend",
        "rm",
        "cost",
        "verify",
        "resume",
        "info",
        "health",
        "stake",
        "node",
        "gateway",
        "wallet",
        "key",
        "config",
        "completions",
    ] {
        let help = floe(dir.path(), &[verb, "-h"]);
        assert_eq!(help.status.code(), Some(0), "{verb}");
        insta::assert_snapshot!(verb, text(&help.stdout, dir.path()));
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["nonsense"][..],
        &["read"],
        &["read", "short"],
        &["extend", "x", "--epochs"],
    ] {
        let run = floe(dir.path(), args);
        assert_eq!(run.status.code(), Some(2), "{args:?}");
        assert!(run.stdout.is_empty());
    }
}

#[test]
fn an_id_that_begins_with_a_hyphen_is_no_option() {
    let dir = tempfile::tempdir().unwrap();
    let id = format!("-o{}A", "x".repeat(40));
    for args in [&["read", &id][..], &["status", &id], &["rm", &id, &id]] {
        let run = floe(dir.path(), args);
        let said = text(&run.stderr, dir.path());
        assert!(
            said.contains("config::missing") || said.contains("config.missing"),
            "{said}"
        );
    }
}

#[test]
fn a_missing_setting_is_named_with_its_fix_for_people_and_programs() {
    let dir = tempfile::tempdir().unwrap();
    let people = floe(dir.path(), &["info"]);
    assert_eq!(people.status.code(), Some(2));
    insta::assert_snapshot!("missing_setting", text(&people.stderr, dir.path()));
    let programs = floe(dir.path(), &["info", "--json"]);
    assert_eq!(programs.status.code(), Some(2));
    let line: serde_json::Value = serde_json::from_slice(&programs.stderr).unwrap();
    assert_eq!(line["v"], 1);
    assert_eq!(line["type"], "error");
    assert_eq!(line["code"], "config.missing");
    assert_eq!(line["kind"], "fix_config");
    assert_eq!(line["exit"], 2);
}

#[test]
fn settings_are_shown_with_their_origin() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("floe.toml"), "[store]\nepochs = 4\n").unwrap();
    let shown = command(
        dir.path(),
        &["config", "show", "--origin", "--wallet", "w.key"],
    )
    .env("FLOE_CHAIN_URLS", "http://a:1,http://b:2")
    .output()
    .unwrap();
    assert_eq!(shown.status.code(), Some(0));
    insta::assert_snapshot!("origins", text(&shown.stdout, dir.path()));
}

#[test]
fn keys_are_private_and_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let new = floe(dir.path(), &["wallet", "new", "w.key"]);
    assert_eq!(
        new.status.code(),
        Some(0),
        "{}",
        text(&new.stderr, dir.path())
    );
    assert!(text(&new.stdout, dir.path()).starts_with("0x"));
    let again = floe(dir.path(), &["wallet", "new", "w.key"]);
    assert_eq!(again.status.code(), Some(7));
    for kind in ["identity", "protocol"] {
        let made = floe(dir.path(), &["key", "new", kind, kind]);
        let shown = floe(dir.path(), &["key", "show", kind, kind]);
        assert_eq!(made.status.code(), Some(0));
        assert_eq!(made.stdout, shown.stdout);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let key = dir.path().join("identity");
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let refused = floe(dir.path(), &["key", "show", "identity", "identity"]);
        assert_eq!(refused.status.code(), Some(7));
        insta::assert_snapshot!("key_permissions", text(&refused.stderr, dir.path()));
    }
}

#[cfg(unix)]
#[test]
fn a_file_name_that_is_not_utf8_is_printed_without_loss() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let dir = tempfile::tempdir().unwrap();
    let run = command(dir.path(), &["--json", "key", "new", "identity"])
        .arg(OsStr::from_bytes(b"\xff\xfe"))
        .output()
        .unwrap();
    assert_eq!(
        run.status.code(),
        Some(0),
        "{}",
        text(&run.stderr, dir.path())
    );
    let line: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(line["file"]["base64url"], "__4");
}

#[test]
fn an_unreachable_chain_is_a_network_error() {
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "[chain]\nurls = ['http://127.0.0.1:1']\nchain_id = '{}'\nsystem_object = '0x{}'\n",
        "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S",
        "7".repeat(64),
    );
    std::fs::write(dir.path().join("floe.toml"), config).unwrap();
    let run = floe(dir.path(), &["info", "--json"]);
    let line: serde_json::Value = serde_json::from_slice(&run.stderr).unwrap();
    assert_eq!(
        (run.status.code(), &line["code"]),
        (Some(5), &"chain.unreachable".into())
    );
}

#[test]
fn a_closed_pipe_is_a_quiet_success() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = command(dir.path(), &["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let run = child.wait_with_output().unwrap();
    assert_eq!(
        (run.status.code(), text(&run.stderr, dir.path())),
        (Some(0), String::new())
    );
}
