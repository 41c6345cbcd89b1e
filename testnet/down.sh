#!/usr/bin/env bash
# Stops a network that testnet/up.sh started. Its data stays; remove DIR to forget it.
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
[ -d "$dir" ] || die "no network in $dir"
dir=$(cd "$dir" && pwd)

# All nodes at once, so that the slowest one decides how long it takes.
for node in $(node_dirs); do stop "$node/node.pid" TERM 15 & done
wait
stop "$dir/devnet/pid" TERM 15
echo "stopped; testnet/up.sh --dir $dir starts it again, removing $dir forgets it"
