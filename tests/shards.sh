#!/usr/bin/env bash
# Shards change their owners while blobs are stored: stake moves to one node, the next committees follow,
# and the new owners recover what they took over, until everybody attests and others can go away.
#   tests/shards.sh
set -euo pipefail
cd "$(dirname "$0")/.."

export FLOE_BIN=${FLOE_BIN:-${CARGO_TARGET_DIR:-target}/debug/floe}
work=$(mktemp -d)
net=$work/net
clean_up() {
  testnet/down.sh --dir "$net" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT
fail() { echo "shards: $*" >&2; exit 1; }
passed=0
ok() { passed=$((passed + 1)); echo "ok: $*"; }
floe() { "$FLOE_BIN" "$@" --progress off 2>>"$work/log" || fail "'floe $*': $(tail -n 3 "$work/log")"; }
epoch() { floe info --json | jq -r .epoch; }
# What node I says of itself.
status() { curl -sf "$(sed -n '/^\[admin\]/,/^listen/s/^listen = "\(.*\)"/\1/p' "$net/node-$1/node.toml")/status"; }
missing() { status "$1" | jq '[.shards[] | .missing_primary + .missing_secondary] | add // 0'; }
owned() { status "$1" | jq '.shards | length'; }

testnet/up.sh --dir "$net" --no-build --detach --nodes 10 --shards 50 --epoch-seconds 60 >>"$work/log" 2>&1 \
  || fail "the network does not come up: $(tail -n 3 "$work/log")"
export FLOE_CONFIG=$net/client.toml
for number in 1 2 3 4 5; do
  head -c $((number * 1500000)) /dev/urandom >"$work/file.$number"
  floe store "$work/file.$number" --epochs 20 >"$work/id.$number"
done
before=$(owned 0)
node=$(status 0 | jq -r .node)
floe stake delegate "$node" "${STAKE:-1000}" >/dev/null
began=$(epoch)
ok "five blobs are stored, and stake moves to a node with $before shards"

for _ in $(seq 300); do
  [ "$(epoch)" -ge $((began + 2)) ] && [ "$(owned 0)" -gt "$before" ] && break
  sleep 1
done
after=$(owned 0)
[ "$after" -gt "$before" ] || fail "node 0 has $after shards in epoch $(epoch), it had $before"
for index in 0 1 2 3 4 5 6 7 8 9; do
  for _ in $(seq 100); do [ "$(missing "$index")" = 0 ] && break; sleep 1; done
  [ "$(missing "$index")" = 0 ] || fail "node $index still lacks $(missing "$index") of its shards' blobs"
done
healed=$(status 0 | jq .heal.slivers)
[ "$healed" -gt 0 ] || fail "node 0 has recovered nothing"
ok "it has $after shards now, and recovered $healed slivers"

synced=$(epoch)
for _ in $(seq 200); do [ "$(epoch)" -ge $((synced + 1)) ] && break; sleep 1; done
[ "$(epoch)" -ge $((synced + 1)) ] || fail "the epochs have stopped at $(epoch)"
ok "everybody attested, the epochs go on"

# Whoever holds at most a third of the shards together.
gone=0
for index in 1 2 3 4 5 6 7 8 9; do
  gone=$((gone + $(owned "$index")))
  [ "$gone" -le 16 ] || break
  testnet/node.sh --dir "$net" kill "$index"
done
for number in 1 2 3 4 5; do
  floe read "$(cat "$work/id.$number")" -o "$work/back" >/dev/null
  cmp "$work/file.$number" "$work/back" || fail "blob $number came back different"
done
ok "without f of the old owners every blob comes back equal"
echo "$passed passed, 0 failed"
