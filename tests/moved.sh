#!/usr/bin/env bash
# Ten nodes in network namespaces, each at an address of its own that the chain has never heard of, each
# knowing one peer: they find each other and certify the next committee. A client that goes by the chain stores
# and reads; with the chain stopped light clients read: next to the nodes, behind a NAT, and where no UDP passes.
# Needs root, ip, nft, curl and jq.
#   tests/moved.sh [NODES]    default 10
set -euo pipefail
cd "$(dirname "$0")/.."

nodes=${1:-10}
floe=${FLOE_BIN:-${CARGO_TARGET_DIR:-target}/debug/floe}
work=$(mktemp -d)
net=$work/net
tag=fl$$
pids=()
passed=0
ok() { passed=$((passed + 1)); echo "ok: $*"; }
fail() { echo "moved: $*" >&2; tail -n 5 "$net"/node-*/log >&2 || true; exit 1; }
tear_down() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  for node in $(seq 0 $((nodes - 1))); do ip netns del "$tag-$node" 2>/dev/null || true; done
  for name in r c; do ip netns del "$tag-$name" 2>/dev/null || true; done
  ip link del "$tag-br" 2>/dev/null || true
  rm -rf "$work"
}
trap tear_down EXIT
# until_true SECONDS WHAT COMMAND...
until_true() {
  local seconds=$1 what=$2
  shift 2
  for _ in $(seq $((seconds * 5))); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done
  fail "$what: not within $seconds s"
}

subnet=10.77.$(($$ % 250))
ip link add "$tag-br" type bridge
ip addr add "$subnet.1/24" dev "$tag-br"
ip link set "$tag-br" up
# room NAME HOST: a namespace with an address on the bridge.
room() {
  ip netns add "$tag-$1"
  ip link add "$tag-v$1" type veth peer name eth0 netns "$tag-$1"
  ip link set "$tag-v$1" master "$tag-br" up
  ip -n "$tag-$1" addr add "$subnet.$2/24" dev eth0
  ip -n "$tag-$1" link set eth0 up
  ip -n "$tag-$1" link set lo up
}
for node in $(seq 0 $((nodes - 1))); do room "$node" $((10 + node)); done
# Somebody's office behind a router: nobody outside has a route to it.
room r 8
ip netns add "$tag-c"
ip link add inside netns "$tag-r" type veth peer name eth0 netns "$tag-c"
ip -n "$tag-r" addr add 192.168.79.1/24 dev inside
ip -n "$tag-r" link set inside up
ip -n "$tag-c" addr add 192.168.79.2/24 dev eth0
ip -n "$tag-c" link set eth0 up
ip -n "$tag-c" link set lo up
ip -n "$tag-c" route add default via 192.168.79.1
ip netns exec "$tag-r" sysctl -qw net.ipv4.ip_forward=1
ip netns exec "$tag-r" nft -f - <<'RULES'
table ip nat {
  chain out {
    type nat hook postrouting priority 100
    oifname "eth0" masquerade
  }
}
RULES

mkdir -p "$net/devnet"
"$floe" devnet --dir "$net/devnet" --listen "$subnet.1" --port 0 --packages target/move \
  >"$net/devnet/log" 2>&1 &
chain=$!
pids+=("$chain")
until_true 30 "the local chain" test -s "$net/devnet/devnet.json"
"$floe" testnet deploy --dir "$net" --nodes "$nodes" --shards 50 --epoch-seconds 60 \
  --packages target/move
first=$(jq .nodes[0].control_port "$net/network.json")

# Something to read later, stored while the nodes are where the chain says; epochs are short here.
at_home=()
for node in $(seq 0 $((nodes - 1))); do
  "$floe" node run --config "$net/node-$node/node.toml" >>"$net/node-$node/log" 2>&1 &
  at_home+=($!)
done
head -c 3000000 /dev/urandom >"$work/file"
stored() { blob=$("$floe" store --config "$net/client.toml" --epochs 20 --progress off "$work/file" 2>>"$work/log"); }
for _ in $(seq 20); do stored && break; sleep 0.5; done
[ -n "${blob:-}" ] || fail "nothing can be stored: $(tail -n 5 "$work/log")"
kill "${at_home[@]}"
wait "${at_home[@]}" || true

# They registered at 127.0.0.1 and run elsewhere: other addresses, other ports, one bootstrap. The chain
# is told nothing.
for node in $(seq 0 $((nodes - 1))); do
  here=$subnet.$((10 + node))
  sed -i -E "
    /^\[network\]/,/^\[/ s|^listen = .*|listen = \"$here:9600\"|
    s|^control = .*|control = \"$here:9602\"|
    /^\[admin\]/,/^\[/ s|^listen = .*|listen = \"$here:9601\"|
    s|/ip4/127.0.0.1/udp/$first/|/ip4/$subnet.10/udp/9602/|
  " "$net/node-$node/node.toml"
  ip netns exec "$tag-$node" "$floe" node run --config "$net/node-$node/node.toml" \
    >>"$net/node-$node/log" 2>&1 &
  pids+=($!)
done
status() { curl -sf "http://$subnet.$((10 + $1)):9601/status"; }
meshed() {
  for node in $(seq 0 $((nodes - 1))); do
    status "$node" | jq -e ".peers.connected == $((nodes - 1)) and .peers.addresses.record == $((nodes - 1))" || return 1
  done
}
begun=$(date +%s)
until_true 60 "a full mesh" meshed
status 1 | jq -c .peers
ok "$nodes moved nodes that knew one form a full mesh, all addresses from signed records ($(($(date +%s) - begun)) s)"

certified() { grep -q "next committee is certified" "$net"/node-"$1"/log; }
everywhere() { for node in $(seq 0 $((nodes - 1))); do certified "$node" || return 1; done; }
until_true 120 "the next committee at one node" certified 0
begun=$(date +%s)
until_true 20 "the next committee everywhere" everywhere
ok "the next committee's certificate reached all within $(($(date +%s) - begun)) s of the first"

sed -i "s|/ip4/127.0.0.1/udp/$first/|/ip4/$subnet.10/udp/9602/|" "$net/light.toml"
head -c 2000000 /dev/urandom >"$work/later"
by_chain() { "$floe" "$1" --config "$net/client.toml" --progress off "${@:2}" 2>>"$work/log"; }
later=$(by_chain store --epochs 20 "$work/later") || fail "no store: $(tail -n 5 "$work/log")"
by_chain read -- "$later" | cmp - "$work/later" || fail "no read: $(tail -n 5 "$work/log")"
ok "a client that knows the chain stores and reads, though every address on the chain is wrong"

kill "$chain"
wait "$chain" || true
"$floe" read --config "$net/client.toml" --light --progress off -- "$blob" 2>>"$work/log" | cmp - "$work/file" \
  || fail "no light read: $(tail -n 5 "$work/log")"
ok "a light client reads with the chain stopped, from the first committee and one address that is right"

mkdir "$work/office"
cp "$net/client.toml" "$net/wallet.key" "$net/light.toml" "$work/office"
in_office() {
  ip netns exec "$tag-c" "$floe" read --config "$work/office/client.toml" --light --progress off -- "$blob" \
    2>>"$work/log" | cmp - "$work/file" || fail "no read $*: $(tail -n 5 "$work/log")"
}
in_office "behind a NAT"
ok "a light client reads behind a NAT"

ip -n "$tag-c" rule add ipproto udp prohibit
sed -i "s|/udp/9602/quic-v1/|/tcp/9602/|" "$work/office/light.toml"
in_office "without UDP"
ok "a light client reads over TCP where no UDP passes"

echo "$passed passed, 0 failed"
