#!/usr/bin/env bash
# Starts, stops (politely) or kills (kill -9) one node of a local network.
#   testnet/node.sh [--dir DIR] start|stop|kill I
#   --dir DIR   the network's folder (default target/testnet)

set -euo pipefail
source "$(dirname "$0")/lib.sh"

dir=$default_dir
if [ "${1:-}" = --dir ]; then dir=$2; shift 2; fi
verb=${1:-} index=${2:-}
case "$verb:$index" in
  -h:* | --help:*) usage_of "$0"; exit 0 ;;
  start:[0-9]* | stop:[0-9]* | kill:[0-9]*) ;;
  *) usage_of "$0" >&2; exit 2 ;;
esac
[ -d "$dir" ] || die "no network in $dir"
dir=$(cd "$dir" && pwd)
node=$dir/node-$index
[ -f "$node/node.toml" ] || die "no node $index in $dir"

case "$verb" in
  start) start "$node/node.pid" "$node/log" "$(floe_bin)" node run --config "$node/node.toml" ;;
  stop) stop "$node/node.pid" TERM 15 ;;
  kill) stop "$node/node.pid" KILL 5 ;;
esac
