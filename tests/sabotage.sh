#!/usr/bin/env bash
# Builds Floe wrong on purpose, one way after the other, and expects a test to fail each time: a test
# that stays green without fsync proves nothing about fsync.
#   tests/sabotage.sh              all ways, after a control run that must pass
#   tests/sabotage.sh NAME...      only these
#   tests/sabotage.sh --rows [NAME...]   the same for rows of testnet/faults.sh, with real processes
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests that must fail: arguments of `cargo test`.
store="--package floe-storage --test store --test damage --test simulated_disk"
declare -A tests=(
  [no_fsync]=$store
  [no_dir_fsync]=$store
  [ack_before_index]=$store
  [skip_sliver_hash]=$store
  [retry_failed_fsync]=$store
  [unbounded_vec]="--package floe-p2p --lib wire::bounded"
  [quorum_2f]="--package floe-codec --lib params"
  [count_nodes_not_weight]="--package floe-chain --lib quorum"
  [skip_reencode_check]="--package floe-codec --test it every_reader_of_a_tampered_blob_finds"
  [skip_cache_check]="--package floe-gateway --lib cache"
  [dht_trusted]="--package floe-p2p --lib control::record"
  [accept_prev_epoch]="--package floe-chain --lib certificate"
  [no_chain_id]="--package floe-chain --lib certificate"
)
order=(no_fsync no_dir_fsync ack_before_index skip_sliver_hash retry_failed_fsync
  unbounded_vec quorum_2f count_nodes_not_weight skip_reencode_check skip_cache_check
  dht_trusted accept_prev_epoch no_chain_id)
# Rows that see the same with real processes.
declare -A row_of=([no_fsync]=F07 [ack_before_index]=F07 [retry_failed_fsync]=F11 [quorum_2f]=F03 [skip_cache_check]=F28)
row_order=(no_fsync retry_failed_fsync)

rows=false
[ "${1:-}" != --rows ] || { rows=true; shift; }
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  if $rows; then names=("${row_order[@]}"); else names=("${order[@]}"); fi
fi
target=$(realpath -m "${CARGO_TARGET_DIR:-target}/sabotage")
mkdir -p "$target"
export FLOE_SEEDS=${FLOE_SEEDS:-100}

# cargo_with NAME FLAGS ARGUMENTS...: only the workspace's own crates get the flags; what they depend
# on is shared.
cargo_with() {
  local name=$1 flags=$2
  shift 2
  printf '#!/bin/sh\nexec "$@" %s\n' "$flags" >"$target/$name.sh"
  chmod +x "$target/$name.sh"
  RUSTC_WORKSPACE_WRAPPER=$target/$name.sh cargo "$@" --target-dir "$target"
}

if ! $rows && [ $# -eq 0 ]; then
  for what in "$store" "${tests[unbounded_vec]}" "${tests[quorum_2f]}" "${tests[count_nodes_not_weight]}" \
    "${tests[skip_reencode_check]}" "${tests[skip_cache_check]}" "${tests[dht_trusted]}" \
    "${tests[no_chain_id]}"; do
    # shellcheck disable=SC2086
    cargo_with control "" test --quiet $what >"$target/control.log" 2>&1 \
      || { echo "control: fails without sabotage, see $target/control.log"; exit 1; }
  done
  echo "control: green"
fi
blind=0
for name in "${names[@]}"; do
  flags="--cfg 'sabotage=\"$name\"'"
  log=$target/$name.log
  if $rows; then
    cargo_with "$name" "$flags" build --quiet --package floe >"$log" 2>&1 \
      || { echo "$name: did not build, see $log"; blind=1; continue; }
    if FLOE_BIN=$target/debug/floe testnet/faults.sh --no-build --quick "${row_of[$name]}" >>"$log" 2>&1; then
      echo "$name: ${row_of[$name]} STAYED GREEN"
      blind=1
    else
      echo "$name: ${row_of[$name]} red ($(grep -m1 BROKEN "$log"))"
    fi
    continue
  fi
  # shellcheck disable=SC2086
  if cargo_with "$name" "$flags" test --quiet ${tests[$name]} >"$log" 2>&1; then
    echo "$name: STAYED GREEN"
    blind=1
  elif grep -q '^test .* FAILED\|panicked at' "$log"; then
    echo "$name: red ($(grep -om1 'panicked at [^:]*' "$log"))"
  else
    echo "$name: did not build, see $log"
    blind=1
  fi
done
exit $blind
