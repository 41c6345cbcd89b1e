#!/usr/bin/env bash
# Which processes of a local network run, and what its nodes say of themselves.
#   --dir DIR   the network's folder (default target/testnet)

set -euo pipefail
source "$(dirname "$0")/lib.sh"

dir=$default_dir
while [ $# -gt 0 ]; do
  case "$1" in
    --dir) dir=$2; shift 2 ;;
    -h | --help) usage_of "$0"; exit 0 ;;
    *) usage_of "$0" >&2; die "unknown option '$1'" ;;
  esac
done
[ -f "$dir/network.json" ] || die "no network in $dir: testnet/up.sh --dir $dir makes one"
dir=$(cd "$dir" && pwd)

report() { if running "$2"; then echo "$1: running, pid $(cat "$2")"; else echo "$1: stopped"; fi; }
report chain "$dir/devnet/pid"
for node in $(node_dirs); do report "$(basename "$node")" "$node/node.pid"; done
echo
FLOE_CONFIG=$dir/client.toml "$(floe_bin)" health
