#!/usr/bin/env bash
# Every verb of `floe` as people and programs meet it, on two small networks side by side: results,
# exit codes, JSON that is as documented, interruptions, restarts.
#   tests/verbs.sh
set -euo pipefail
cd "$(dirname "$0")/.."

export FLOE_BIN=${FLOE_BIN:-${CARGO_TARGET_DIR:-target}/debug/floe}
work=$(mktemp -d)
a=$work/a b=$work/b
clean_up() {
  for net in "$a" "$b"; do testnet/down.sh --dir "$net" >/dev/null 2>&1 || true; done
  rm -rf "$work"
}
trap clean_up EXIT
trap 'echo "verbs: line $LINENO failed; the tool said:" >&2; tail -n 20 "$work/log" >&2' ERR
fail() { echo "verbs: $*" >&2; tail -n 5 "$work/log" >&2; exit 1; }
passed=0
ok() { passed=$((passed + 1)); echo "ok: $*"; }
# floe_ends CODE ARGUMENT...: runs the tool and expects this exit code.
floe_ends() {
  local expected=$1 status=0
  shift
  "$FLOE_BIN" "$@" >"$work/out" 2>"$work/err" || status=$?
  cat "$work/err" >>"$work/log"
  [ "$status" = "$expected" ] || fail "'floe $*' ended with $status, not $expected"
}
floe() { floe_ends 0 "$@" && cat "$work/out"; }
# The same with --json, its lines kept for the check against the documented schema.
floe_json() {
  floe_ends "$@" --json
  cat "$work/out" "$work/err" >>"$work/lines.jsonl"
}
says() { grep -qF -- "$1" "$work/err" || fail "expected '$1' on stderr, got: $(cat "$work/err")"; }
up() { testnet/up.sh --dir "$1" --no-build --detach --nodes 4 --shards 10 >>"$work/log" 2>&1; }
spooled() { find "$a/client-state/spool" -name 'floe-spool-*' 2>/dev/null | wc -l; }

up "$a" || fail "the first network does not come up"
up "$b" || fail "the second network does not come up"
export FLOE_CONFIG=$a/client.toml
printf 'some bytes' >"$work/small"
head -c 3000000 /dev/urandom >"$work/file"
id=$(floe store "$work/file")
[ "$(grep system_object "$a/network.json")" != "$(grep system_object "$b/network.json")" ] || fail "one system twice"
floe_ends 3 read "$id" --config "$b/client.toml"
testnet/down.sh --dir "$b" >>"$work/log"
floe health >/dev/null
[ "$(floe read "$id" | cmp - "$work/file")" = "" ] || fail "the bytes came back different"
floe_ends 5 info --config "$b/client.toml"
up "$b" || fail "a stopped network does not start again"
floe health --config "$b/client.toml" >/dev/null
testnet/down.sh --dir "$b" >>"$work/log"
ok "two networks side by side share nothing; one is stopped and started again"

[ "$(floe ls | grep -c "$id")" = 1 ] || fail "ls does not list the blob"
floe status "$id" | grep -q certified || fail "status does not say certified"
floe info | grep -q '4 nodes, 10 shards' || fail "info does not count the nodes"
floe wallet | grep -q WAL || fail "wallet shows no money"
floe config show --origin | grep -q "$a/client.toml" || fail "config does not say where a value is from"
floe verify "$id" | grep -q verified || fail "verify does not verify"
floe_ends 4 verify "$id" "$work/small"
floe_ends 9 store "$work/small" --dry-run
floe cost 1GiB | grep -q WAL || fail "cost names no price"
floe_ends 9 extend "$id" --epochs 2 --dry-run
floe extend "$id" --epochs 2 >/dev/null
again=$(floe store "$work/file")
[ "$again" = "$id" ] || fail "the same bytes have another id"
says "already certified"
small=$(floe store "$work/small" --epochs 2)
[ "$(floe read "$small" --range 5-9)" = bytes ] || fail "a range is wrong"
[ "$(floe read "$small" --range -5)" = bytes ] || fail "the last bytes are wrong"
floe rm "$small" | grep -q deleted || fail "rm does not say deleted"
floe_ends 3 rm "$small"
floe_ends 3 status "$(printf 'A%.0s' $(seq 43))"
permanent=$(printf 'kept' | "$FLOE_BIN" store - --permanent 2>>"$work/log")
floe_ends 2 rm "$permanent"
says permanent
floe_ends 2 store "$work/file" --epochs 1000
floe_ends 2 read "$id" --range 9-1
floe_ends 2 read "$id" --range 4000000-
floe_ends 2 store "$work/absent"
floe wallet new "$work/poor.key" >/dev/null
floe_ends 6 store "$work/small" --wallet "$work/poor.key"
chmod 644 "$work/poor.key"
floe_ends 7 wallet --wallet "$work/poor.key"
says "chmod 600"
ok "every verb does what it says and ends with its code"

head -c 100000000 /dev/urandom >"$work/big"
rm -rf "$a/client-state/spool"
# interrupt SIGNAL COMMAND...: sends the signal once slivers are on their way.
interrupt() {
  local signal=$1 status=0
  shift
  "$@" >"$work/out" 2>"$work/err" &
  local pid=$!
  for _ in $(seq 600); do grep -qx upload "$work/err" && break; sleep 0.1; done
  sleep 0.5
  kill "-$signal" "$pid"
  { wait "$pid" || status=$?; } 2>/dev/null
  cat "$work/err" >>"$work/log"
  echo "$status" >"$work/status"
}
interrupt INT "$FLOE_BIN" store "$work/big" --progress lines
[ "$(cat "$work/status")" = 130 ] || fail "Ctrl-C ended with $(cat "$work/status"), not 130"
command=$(sed -n 's/.*Go on with: floe //p' "$work/err")
[ -n "$command" ] || fail "Ctrl-C does not say how to go on"
floe_json 0 resume
# shellcheck disable=SC2086
big=$(floe $command)
floe read "$big" -o "$work/back" >/dev/null
cmp "$work/big" "$work/back" || fail "a resumed store gave other bytes"
floe rm "$big" >/dev/null
ok "Ctrl-C says how to go on, and resume does"

head -c 90000000 /dev/urandom >"$work/big"
from_stdin() { exec "$FLOE_BIN" store - --progress lines <"$work/big"; }
interrupt KILL from_stdin
[ "$(spooled)" = 1 ] || fail "a killed store of stdin has no copy to go on with"
big=$(floe resume | head -c 43)
floe resume "$big" >/dev/null
[ "$(spooled)" = 0 ] || fail "a copy is left after a resumed store"
floe rm "$big" >/dev/null
mkfifo "$work/pipe"
exec 9<>"$work/pipe"
"$FLOE_BIN" store - --progress off <"$work/pipe" >/dev/null 2>>"$work/log" &
printf 'never to be complete' >&9
for _ in $(seq 100); do [ -n "$(find "$a/client-state/spool" -name 'floe-spool-*' -size +0)" ] && break; sleep 0.1; done
kill -KILL $!
{ wait $! || true; } 2>/dev/null
exec 9>&-
[ "$(spooled)" = 1 ] || fail "nothing to clean up"
printf 'other bytes' | "$FLOE_BIN" store - --progress off >/dev/null 2>>"$work/log"
[ "$(spooled)" = 0 ] || fail "the copy of a killed process is left"
ok "a killed store of stdin goes on; leftovers are removed"

testnet/node.sh --dir "$a" kill 2
for first in 0 700000 1400000 2100000 2800000; do
  floe read "$id" --range "$first-$((first + 999))" >"$work/part"
  cmp "$work/part" <(tail -c "+$((first + 1))" "$work/file" | head -c 1000) || fail "a range is wrong with a node dead"
done
testnet/node.sh --dir "$a" start 2
for _ in $(seq 50); do "$FLOE_BIN" health >/dev/null 2>&1 && break; sleep 0.1; done
ok "ranges come from symbols where a row's node is dead"

floe_json 0 store "$work/small"
floe_json 2 store "$work/absent"
floe_json 9 store "$work/file" --dry-run --epochs 9
floe_json 0 cost 64MiB
floe_json 0 read "$id" -o "$work/back"
floe_json 0 ls
floe_json 0 status "$id"
floe_json 0 extend "$id" --epochs 1
floe_json 0 verify "$id"
floe_json 0 info
floe_json 0 health
floe_json 0 node peers --config "$a/node-0/node.toml"
floe_json 5 node peers --admin 127.0.0.1:1
floe_json 0 wallet
floe_json 0 wallet new "$work/other.key"
floe_json 0 key new identity "$work/identity.key"
floe_json 0 key show identity "$work/identity.key"
floe_json 0 config show --origin
floe_json 3 read "$(printf 'A%.0s' $(seq 43))"
floe_json 0 rm "$id"
node tests/json.mjs client/cli/schema.md "$work/lines.jsonl" \
  stored store_plan read blob status extended unfinished verified info node_health node_peer health wallet key setting progress error
ok "JSON lines are as documented"

kill "-KILL" "$(cat "$a/devnet/pid")"
testnet/node.sh --dir "$a" stop 0
testnet/node.sh --dir "$a" start 0
admin=$(sed -n 's/.*"admin_port": \([0-9]*\).*/\1/p' "$a/network.json" | head -1)
get() { node -e 'fetch(process.argv[1]).then(async r => console.log(r.status, await r.text()), e => console.log(e.message))' "http://127.0.0.1:$admin$1"; }
for _ in $(seq 50); do get /live | grep -q '^200' && break; sleep 0.1; done
get /live | grep -q '^200' || fail "the node does not start without the chain"
get /ready | grep -q ChainUnreachable || fail "the node does not say that the chain is away: $(get /ready)"
floe_ends 5 info
testnet/down.sh --dir "$a" >>"$work/log"
up "$a" || fail "the network does not start again"
for _ in $(seq 100); do get /ready | grep -q '^200' && break; sleep 0.1; done
get /ready | grep -q '^200' || fail "the node does not find the chain again"
grep -q "$(printf '\033')" "$a"/node-*/log && fail "a log that is no terminal has colours"
ok "a node starts without the chain, says so, and finds it again"

echo "$passed passed, 0 failed"
