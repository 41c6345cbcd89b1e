#!/usr/bin/env bash
# A program in another language, written from docs/protocol.md alone, reads from a local network: js-libp2p
# over TCP follows the committees from the trust anchor, reads a blob with all nodes up, and others with three of
# them dead, rebuilding rows. Needs Node >= 20 and npm.
#   tests/interop.sh
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export FLOE_BIN=${FLOE_BIN:-${CARGO_TARGET_DIR:-$root/target}/debug/floe}

work=$(mktemp -d)
net=$work/net
passed=0
ok() { passed=$((passed + 1)); echo "ok: $*"; }
fail() { echo "interop: $*" >&2; exit 1; }
trap 'testnet/down.sh --dir "$net" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

npm ci --prefix tests/interop --silent --no-audit --no-fund
testnet/up.sh --dir "$net" --nodes 7 --shards 13 --no-build --detach 2>"$work/up.log" || fail "$(tail -n 5 "$work/up.log")"

# Two segments, so that the last one has symbols of another size.
head -c 6000000 /dev/urandom >"$work/file"
blob=$("$FLOE_BIN" store --config "$net/client.toml" --progress off "$work/file" 2>>"$work/store.log")

small=()
for one in $(seq 0 5); do
  head -c $((1000 * one + 1)) /dev/urandom >"$work/small-$one"
  small+=("$("$FLOE_BIN" store --config "$net/client.toml" --progress off "$work/small-$one" 2>>"$work/store.log")")
done

# The bootstraps of the anchor speak QUIC; the same port takes TCP.
entry=$(sed -n 's|.*"\(/ip4/[^"]*\)".*|\1|p' "$net/light.toml" | head -n 1 | sed 's|/udp/\([0-9]*\)/quic-v1/|/tcp/\1/|')
read_it() { node tests/interop/read.mjs --anchor "$net/light.toml" --node "$entry" -- "$1"; }

read_it "$blob" >"$work/read" 2>"$work/log" || fail "$(tail -n 5 "$work/log")"
cmp "$work/read" "$work/file" || fail "other bytes than were stored"
ok "js-libp2p read 6,000,000 bytes: $(tail -n 1 "$work/log")"

# Which rows the dead nodes kept is chance, so several blobs are read.
for node in 4 5 6; do testnet/node.sh --dir "$net" kill "$node"; done
for one in "${!small[@]}"; do
  read_it "${small[$one]}" >"$work/read" 2>>"$work/log" || fail "$(tail -n 5 "$work/log")"
  cmp "$work/read" "$work/small-$one" || fail "other bytes than were stored"
done
grep -q rebuilt "$work/log" || fail "no row had to be rebuilt"
ok "js-libp2p read ${#small[@]} blobs with three of seven nodes dead; rows rebuilt for $(grep -c rebuilt "$work/log")"

other=${blob:0:42}$([ "${blob:42}" = A ] && echo E || echo A)
! read_it "$other" >"$work/read" 2>"$work/log" || fail "a blob that nobody stored was read"
[ ! -s "$work/read" ] || fail "bytes came out of nowhere"
ok "another id gives no byte"

echo "$passed passed, 0 failed"
