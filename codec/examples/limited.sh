#!/usr/bin/env bash
# Runs a command in a memory cgroup of its own, so that it is killed where it needs more. Needs root.
#   codec/examples/limited.sh MIB COMMAND...
set -euo pipefail
limit=$(($1 << 20)); shift

if [ -d /sys/fs/cgroup/memory ]; then # version 1
  group=/sys/fs/cgroup/memory$(sed -n 's/.*:memory://p' /proc/self/cgroup)/limited-$$
  mkdir "$group"
  echo "$limit" >"$group/memory.limit_in_bytes"
  peak=memory.max_usage_in_bytes
else
  group=/sys/fs/cgroup/limited-$$
  mkdir "$group"
  echo "$limit" >"$group/memory.max"
  echo 0 >"$group/memory.swap.max"
  peak=memory.peak
fi
trap 'rmdir "$group"' EXIT

status=0
(echo "$BASHPID" >"$group/cgroup.procs"; exec "$@") || status=$?
echo "limit $limit bytes, most charged (caches of files included) $(cat "$group/$peak"), exit status $status"
exit "$status"
