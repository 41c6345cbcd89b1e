#!/usr/bin/env bash
# Builds the store wrong on purpose, one way after the other, and expects its tests to fail each
# time: a test that stays green without fsync proves nothing about fsync.
#   storage/sabotage.sh            all ways, after a control run that must pass
#   storage/sabotage.sh NAME...    only these
set -euo pipefail
cd "$(dirname "$0")/.."

names=("$@")
[ ${#names[@]} -gt 0 ] || names=(no_fsync no_dir_fsync ack_before_index skip_sliver_hash retry_failed_fsync)
target=${CARGO_TARGET_DIR:-target}/sabotage
mkdir -p "$target"
export FLOE_SEEDS=${FLOE_SEEDS:-100}

# Only the workspace's own crates are built with the flag; what they depend on is shared.
run() {
  printf '#!/bin/sh\nexec "$@" %s\n' "$2" >"$target/$1.sh"
  chmod +x "$target/$1.sh"
  RUSTC_WORKSPACE_WRAPPER="$(realpath "$target/$1.sh")" cargo test --quiet --package floe-storage \
    --target-dir "$target" --test store --test damage --test simulated_disk >"$target/$1.log" 2>&1
}

if [ $# -eq 0 ]; then
  run control "" || { echo "control: the tests fail without sabotage, see $target/control.log"; exit 1; }
  echo "control: green"
fi
blind=0
for name in "${names[@]}"; do
  if run "$name" "--cfg 'sabotage=\"$name\"'"; then
    echo "$name: STAYED GREEN"
    blind=1
  elif grep -q '^test .* FAILED\|panicked at' "$target/$name.log"; then
    echo "$name: red ($(grep -om1 'panicked at [^:]*' "$target/$name.log"))"
  else
    echo "$name: did not build, see $target/$name.log"
    blind=1
  fi
done
exit $blind
