# Shared by the scripts of this folder: where things are, how processes are started and stopped.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
default_dir=${FLOE_TESTNET_DIR:-$root/target/testnet}

die() { echo "${0##*/}: $*" >&2; exit 1; }
usage_of() { sed -n '2,/^$/p' "$1" | sed 's/^# \{0,1\}//'; }

# The `floe` binary: FLOE_BIN, or the release build of this checkout.
floe_bin() {
  local bin=${FLOE_BIN:-${CARGO_TARGET_DIR:-$root/target}/release/floe}
  [ -x "$bin" ] || die "no binary at $bin: build it with 'cargo build --release -p floe' or run testnet/up.sh"
  echo "$bin"
}

# Is the process of this pid file alive? Its arguments name the folder of the file: after a restart
# of the machine the number may be somebody else's.
running() { [ -f "$1" ] && ps -o args= -p "$(cat "$1")" 2>/dev/null | grep -qF -- "$(dirname "$1")"; }

# start PIDFILE LOG COMMAND...: in the background, on its own, output appended to LOG.
start() {
  local pid_file=$1 log=$2
  shift 2
  running "$pid_file" && return 0
  setsid nohup "$@" >>"$log" 2>&1 </dev/null &
  echo $! >"$pid_file"
}

# stop PIDFILE SIGNAL SECONDS: sends the signal, waits, then kills.
stop() {
  local pid_file=$1 signal=$2 seconds=$3 pid
  running "$pid_file" || { rm -f "$pid_file"; return 0; }
  pid=$(cat "$pid_file")
  kill "-$signal" "$pid" 2>/dev/null || true
  for _ in $(seq $((seconds * 20))); do
    kill -0 "$pid" 2>/dev/null || { rm -f "$pid_file"; return 0; }
    sleep 0.05
  done
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$pid_file"
}

# wait_until SECONDS WHAT COMMAND...: polls until the command succeeds.
wait_until() {
  local seconds=$1 what=$2
  shift 2
  for _ in $(seq $((seconds * 10))); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  die "$what: not within $seconds s (logs are in $dir)"
}

# Folders of the nodes, in order of their number.
node_dirs() { find "$dir" -maxdepth 1 -type d -name 'node-[0-9]*' | sort -t- -k2 -V; }
