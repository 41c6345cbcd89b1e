#!/usr/bin/env bash
# The end-to-end story, with real processes: a local network stores and reads files, loses nodes, and
# gets them back. Ten nodes, ten data directories; sockets are all they share.
#   tests/story.sh [SHARDS]    default 50
set -euo pipefail
cd "$(dirname "$0")/.."

export FLOE_BIN=${FLOE_BIN:-${CARGO_TARGET_DIR:-target}/debug/floe}
work=$(mktemp -d)
net=$work/net
gateway=
trap '[ -z "$gateway" ] || kill "$gateway" 2>/dev/null; testnet/down.sh --dir "$net" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
# What the tool says goes to a log, which is shown when a step fails.
floe() { "$FLOE_BIN" "$@" 2>>"$work/log"; }
trap 'echo "story: line $LINENO failed; the tool said:" >&2; tail -n 20 "$work/log" >&2' ERR
fail() { echo "story: $*" >&2; exit 1; }
passed=0
ok() { passed=$((passed + 1)); echo "ok: $*"; }

testnet/up.sh --dir "$net" --no-build --detach --nodes 10 --shards "${1:-50}" 2>"$work/up.log" \
  || { cat "$work/up.log" >&2; fail "the network does not come up"; }
export FLOE_CONFIG=$net/client.toml
ok "a network of 10 nodes is up and gave back a sample"

for size in 0 1 1048576 67108864; do
  head -c "$size" /dev/urandom >"$work/in"
  id=$(floe store --progress off "$work/in")
  floe read --progress off "$id" -o "$work/out" >/dev/null
  cmp "$work/in" "$work/out" || fail "$size bytes came back different"
  ok "$size bytes come back equal"
done
floe read --progress off "$id" --range 9999999-10000098 \
  | cmp - <(tail -c +10000000 "$work/in" | head -c 100) || fail "a range came back different"
ok "a range comes back equal"
piped=$(floe store --progress off - <"$work/in")
[ "$piped" = "$id" ] || fail "stdin gave another id"
ok "stdin gives the same blob"

"$FLOE_BIN" gateway --json --listen 127.0.0.1:0 --cache "$work/cache" >"$work/gateway" 2>>"$work/log" &
gateway=$!
for _ in $(seq 100); do [ ! -s "$work/gateway" ] || break; sleep 0.1; done
node tests/json.mjs client/cli/schema.md "$work/gateway" gateway || fail "the gateway says something else"
url=$(sed 's/.*"url":"\([^"]*\)".*/\1/' "$work/gateway")
node tests/gateway.mjs "$url" "$id" "$work/in" || fail "the gateway gives something else"
ok "a gateway gives the same bytes over HTTP, whole and in ranges"

for node in 1 4 7; do testnet/node.sh --dir "$net" kill "$node"; done
head -c 1000000 /dev/urandom >"$work/in2"
id2=$(floe store --progress off "$work/in2") || fail "no write with 3 nodes dead"
floe read --progress off "$id" | cmp - "$work/in" || fail "no read with 3 nodes dead"
ok "with 3 of 10 nodes killed, reads and writes go on"

testnet/node.sh --dir "$net" kill 8
head -c 1000000 /dev/urandom >"$work/in3"
status=0
floe store --progress off "$work/in3" >/dev/null || status=$?
[ "$status" = 5 ] || fail "a write with 4 nodes dead ended with $status, not 5"
grep -q quorum_lost "$work/log" || fail "the error does not say what is missing"
floe read --progress off "$id2" | cmp - "$work/in2" || fail "no read with 4 nodes dead"
curl -sf "$url/v1/blobs/$id2" | cmp - "$work/in2" || fail "no read over HTTP with 4 nodes dead"
kill -TERM "$gateway"
wait "$gateway" || fail "the gateway does not end well"
gateway=
ok "with 4 killed, writes fail typed and reads go on"

for node in 1 4 7 8; do testnet/node.sh --dir "$net" start "$node"; done
for _ in $(seq 300); do floe health >/dev/null 2>&1 && break; sleep 0.1; done
floe health >/dev/null || fail "the restarted nodes do not serve"
floe store --progress off "$work/in3" >/dev/null || fail "no write after the restart"
ok "the nodes come back and the interrupted write goes on"

object=$(floe ls --json | grep -F -- "$id2" | sed 's/.*"object":"\([^"]*\)".*/\1/')
floe verify --light --export "$work/proof" --object "$object" -- "$id2" >/dev/null || fail "no proof is made"
kill "$(cat "$net/devnet/pid")"
while kill -0 "$(cat "$net/devnet/pid")" 2>/dev/null; do sleep 0.1; done
floe read --light --progress off -- "$id2" | cmp - "$work/in2" || fail "no light read without the chain"
ok "a light client reads with the chain stopped, from one committee and three addresses"
testnet/down.sh --dir "$net" >/dev/null
floe verify --light --proof "$work/proof" -- "$id2" | grep -q "expiry not proven" || fail "the proof proves nothing"
ok "a proof is checked with nobody there"

echo "$passed passed, 0 failed"
