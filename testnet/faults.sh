#!/usr/bin/env bash
# Injects faults into networks of real processes and prints which promises held, row by row.
#   testnet/faults.sh ROW...|all [--quick [--jobs N]] [--seed N] [--json] [--keep]
#   --quick      fewer trials; latencies are noted and not judged
#   --jobs N     rows at once (default 1)
#   --seed N     what is drawn at random follows from this number (default 1)
#   --json       one line of JSON for each row
#   --keep       keep the networks' folders and say where they are
#   --no-build   use the binaries that are there
# `all` are the rows that judge; `speed` measures and is asked for by name.
# Rows: F02 to F22, F27, F28, hostile, resume, memory. Power cuts, full disks, failing system calls, memory
# limits and bad networks need root on Linux; rows that cannot be run are SKIPPED, which is not passed.

set -euo pipefail
source "$(dirname "$0")/lib.sh"

build=true arguments=()
for argument in "$@"; do
  case "$argument" in
    --no-build) build=false ;;
    -h | --help) usage_of "$0"; exit 0 ;;
    *) arguments+=("$argument") ;;
  esac
done
[ ${#arguments[@]} -gt 0 ] || { usage_of "$0" >&2; exit 2; }
cd "$root"
if $build; then
  chain/move/build.sh >&2
  cargo build --release --locked --quiet -p floe -p floe-faults
fi
FLOE_BIN=$(floe_bin)
export FLOE_BIN
target=${CARGO_TARGET_DIR:-$root/target}
for folder in "$(dirname "$FLOE_BIN")" "$target/release" "$target/debug"; do
  faults=$folder/floe-faults
  [ ! -x "$faults" ] || break
done
[ -x "$faults" ] || die "no $faults: leave out --no-build"
exec "$faults" "${arguments[@]}"
