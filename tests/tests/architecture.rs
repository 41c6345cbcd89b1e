//! The dependency rules of `docs/architecture.md`, read from `cargo metadata` and asserted.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// Which siblings a package may depend on. A package that is not listed fails the test: a new room
/// must say here what it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("floe-codec", &[]),
    ("floe-move-vm", &[]),
    ("floe-devnet", &["floe-move-vm"]),
    ("floe-chain", &["floe-codec"]),
    ("floe-p2p", &["floe-chain", "floe-codec"]),
    ("floe-storage", &["floe-chain", "floe-codec"]),
    (
        "floe-node",
        &["floe-chain", "floe-codec", "floe-p2p", "floe-storage"],
    ),
    ("floe-client", &["floe-chain", "floe-codec", "floe-p2p"]),
    ("floe-gateway", &["floe-chain", "floe-client", "floe-codec"]),
];

/// Packages that may use everything.
const UNRESTRICTED: &[&str] = &["floe", "floe-faults", "floe-testnet", "floe-tests"];

/// Packages that must stay free of IO, time and async runtimes. Dev-dependencies are not counted.
const PURE: &[&str] = &["floe-codec", "floe-move-vm"];

/// What a pure package must never pull in, directly.
const IMPURE: &[&str] = &[
    "tokio", "quinn", "libp2p", "tonic", "redb", "reqwest", "hyper", "axum",
];

#[test]
fn packages_use_only_the_siblings_they_may() {
    let siblings: BTreeSet<String> = normal_dependencies().into_keys().collect();
    let rules: BTreeMap<&str, BTreeSet<&str>> = MAY_USE
        .iter()
        .map(|(name, uses)| (*name, uses.iter().copied().collect()))
        .collect();
    for (package, dependencies) in normal_dependencies() {
        if UNRESTRICTED.contains(&package.as_str()) {
            continue;
        }
        let allowed = rules
            .get(package.as_str())
            .unwrap_or_else(|| panic!("{package} has no dependency rule: add it to MAY_USE"));
        for dependency in dependencies.intersection(&siblings) {
            assert!(
                allowed.contains(dependency.as_str()),
                "{package} may not depend on {dependency}"
            );
        }
    }
}

#[test]
fn pure_packages_pull_in_no_runtime() {
    for (package, dependencies) in normal_dependencies() {
        if PURE.contains(&package.as_str()) {
            let impure: Vec<_> = dependencies
                .iter()
                .filter(|d| IMPURE.contains(&d.as_str()))
                .collect();
            assert!(
                impure.is_empty(),
                "{package} is pure but depends on {impure:?}"
            );
        }
    }
}

/// Workspace packages with their direct, non-development dependencies.
fn normal_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--locked",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages is a list");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"]
                .as_array()
                .expect("dependencies is a list");
            let normal = dependencies
                .iter()
                .filter(|d| d["kind"].as_str() != Some("dev"))
                .map(|d| text(&d["name"]))
                .collect();
            (text(&package["name"]), normal)
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}
