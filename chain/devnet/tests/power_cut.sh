#!/usr/bin/env bash
# Cuts the power of a running chain at random points and checks that nothing it acknowledged is lost.
#   chain/devnet/tests/power_cut.sh [CUTS]
# The chain's directory lies on an ext4 image of its own; a cut is a copy of the image while the process is stopped and nothing is
# synced. Then the same with faked syncs, where something must be lost: otherwise the method sees nothing. Needs root, loop devices,
# mkfs.ext4 and strace.
set -euo pipefail
cd "$(dirname "$0")/../../.."

missing=()
[ "$(id -u)" = 0 ] || missing+=(root)
[ -e /dev/loop-control ] || missing+=("loop devices")
for tool in mkfs.ext4 mount umount strace; do command -v "$tool" >/dev/null || missing+=("$tool"); done
if [ ${#missing[@]} -gt 0 ]; then
  echo "SKIPPED, which is not PASSED: the power cut test needs ${missing[*]}" >&2
  exit 77
fi

run() { cargo test -p floe-devnet --test crash -- --ignored --nocapture nothing_acknowledged_is_lost_when_the_power_fails; }
echo "== ${1:-10} cuts"
FLOE_CUTS=${1:-10} run
echo "== faked syncs: something must be lost"
FLOE_CUTS=10 FLOE_NO_FSYNC=1 run
