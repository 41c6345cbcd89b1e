#!/usr/bin/env bash
# A whole Floe network on this machine: a local chain, storage nodes, a funded client. In a folder
# with a stopped network it starts that one again, with its data.
#   --nodes N       storage nodes (default 10)
#   --shards N      shards spread over them (default 50)
#   --epoch-seconds N   how long an epoch lasts (default an hour)
#   --dir DIR       where everything of this network lives (default target/testnet)
#   --port-base P   ports from P upwards (default: free ones)
#   --detach        return when the network is up, instead of staying until Ctrl-C
#   --no-build      use the binaries and packages that are there
# Needs Rust and Node >= 20. Stop it with testnet/down.sh --dir DIR.

set -euo pipefail
source "$(dirname "$0")/lib.sh"

nodes=10 shards=50 epoch_seconds=3600 dir=$default_dir port_base=0 detach=false build=true
while [ $# -gt 0 ]; do
  case "$1" in
    --nodes) nodes=$2; shift 2 ;;
    --shards) shards=$2; shift 2 ;;
    --epoch-seconds) epoch_seconds=$2; shift 2 ;;
    --dir) dir=$2; shift 2 ;;
    --port-base) port_base=$2; shift 2 ;;
    --detach) detach=true; shift ;;
    --no-build) build=false; shift ;;
    -h | --help) usage_of "$0"; exit 0 ;;
    *) usage_of "$0" >&2; die "unknown option '$1'" ;;
  esac
done
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
[ ! -f "$dir/devnet/pid" ] || ! running "$dir/devnet/pid" \
  || die "a network runs in $dir already: testnet/down.sh --dir $dir"
stopped=false
if [ -f "$dir/network.json" ]; then
  stopped=true
  port_base=$(sed -n 's/.*"chain_url": ".*:\([0-9]*\)".*/\1/p' "$dir/network.json")
  nodes=$(grep -c '"node_id"' "$dir/network.json")
  shards=$(sed -n 's/.*"shards": \([0-9]*\).*/\1/p' "$dir/network.json")
fi

say() { printf '%s\n' "$*" >&2; }

if $build; then
  command -v cargo >/dev/null || die "Rust is missing: install it from https://rustup.rs"
  say "building (the first time takes some minutes) ..."
  "$root/chain/move/build.sh" >&2
  cargo build --release --locked --quiet --manifest-path "$root/Cargo.toml" -p floe
fi
floe=$(floe_bin)

$stopped && say "starting the stopped network in $dir again ..."
tear_down() { "$root/testnet/down.sh" --dir "$dir" >&2 || true; }
# Whatever ends this script before the network is up, nothing of it stays behind.
trap 'say "not up; see the logs in $dir"; tear_down' EXIT
trap 'exit 130' INT TERM

say "starting the local chain ..."
mkdir -p "$dir/devnet"
rm -f "$dir/devnet/devnet.json"
start "$dir/devnet/pid" "$dir/devnet/log" \
  "$floe" devnet --dir "$dir/devnet" --port "$port_base" --packages "$root/target/move"
for _ in $(seq 300); do
  [ ! -s "$dir/devnet/devnet.json" ] || break
  running "$dir/devnet/pid" || { tail -n 5 "$dir/devnet/log" >&2; die "the local chain ended; see $dir/devnet/log"; }
  sleep 0.1
done
[ -s "$dir/devnet/devnet.json" ] || die "the local chain: not within 30 s; see $dir/devnet/log"

if ! $stopped; then
  say "deploying contracts, registering $nodes nodes with $shards shards ..."
  "$floe" testnet deploy --dir "$dir" --nodes "$nodes" --shards "$shards" \
    --epoch-seconds "$epoch_seconds" --port-base "$port_base" \
    --packages "$root/target/move"
fi

say "starting $nodes nodes ..."
for node in $(seq 0 $((nodes - 1))); do
  "$root/testnet/node.sh" --dir "$dir" start "$node"
done
export FLOE_CONFIG=$dir/client.toml
wait_until 60 "healthy nodes" "$floe" health

say "storing and reading a sample ..."
sample=$root/README.md
id=$("$floe" store --progress off "$sample")
"$floe" read --progress off "$id" | cmp - "$sample" || die "the sample came back different"
trap - EXIT INT TERM

cat >&2 <<TEXT

A network of $nodes nodes and $shards shards is up in $dir
and gave back what it was given (blob $id). Try:

  export FLOE_CONFIG=$dir/client.toml
  $floe store FILE                     # prints the blob's id
  $floe read $id
  $floe status $id
  $floe gateway --cache $dir/cache     # and: curl http://127.0.0.1:31415/v1/blobs/$id
  testnet/node.sh --dir $dir kill 3    # and read again
  testnet/status.sh --dir $dir
  testnet/down.sh --dir $dir
TEXT

if ! $detach; then
  say ""
  say "Ctrl-C stops the network."
  trap tear_down EXIT
  trap 'say ""; say "stopping ..."; exit 0' INT TERM
  while running "$dir/devnet/pid"; do sleep 1; done
  die "the local chain ended; see $dir/devnet/log"
fi
