#!/usr/bin/env bash
# The one command that passes the tests: lints, then every test of every package, Rust and Move.
#   tests/run.sh           everything
#   tests/run.sh --lint    formatting, lints, docs and dependency rules only
#   tests/run.sh --test    the tests only
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,5p' "$0" | sed 's/^# \{0,1\}//'; }
lint=true test=true
case "${1:-}" in
  "") ;;
  --lint) test=false ;;
  --test) lint=false ;;
  -h | --help) usage; exit 0 ;;
  *) echo "tests/run.sh: unknown option '$1'" >&2; usage >&2; exit 2 ;;
esac

step() { printf '\n== %s\n' "$*"; }
# A command that is used where it is installed and named where it is not: `.ci/run` installs all of them.
optional() {
  if command -v "$1" >/dev/null; then "$@"; else echo "skipped: '$1' is not installed (see .ci/run)"; fi
}

# The Rust tests read the compiled Move packages, so these come first.
step "Move packages";  chain/move/build.sh
chain/move/build.sh chain/devnet/tests/stall chain/devnet/tests/stall_v2 chain/vm/tests/move/*

if $lint; then
  step "format";       cargo fmt --all --check
  step "clippy";       cargo clippy --workspace --all-targets --locked -- -D warnings
  step "docs";         RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
  step "dependencies"; optional cargo-deny --log-level error check bans licenses sources
  step "spelling";     optional typos
fi

if $test; then
  step "Move tests";   chain/move/test.sh
  step "tests"
  if command -v cargo-nextest >/dev/null; then
    cargo nextest run --workspace --locked --no-fail-fast
  else
    cargo test --workspace --locked --no-fail-fast
  fi
  step "doc tests";    cargo test --workspace --doc --locked --quiet
  step "end to end";   cargo build --locked --quiet --workspace --bin floe --bin floe-faults
  tests/story.sh && tests/verbs.sh && tests/interop.sh
  # The quick form of every promise about durability and bad input; bad networks have their own time.
  step "faults"
  FLOE_BIN=${CARGO_TARGET_DIR:-target}/debug/floe testnet/faults.sh --no-build --quick --jobs 2 \
    F02 F03 F04 F05 F06 F07 F08 F09 F10 F11 F12 F13 F14 F15 F21 F22 F28 hostile resume memory
fi
