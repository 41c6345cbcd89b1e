#!/usr/bin/env bash
# Starts a tool of this folder after making sure that Node and its pinned packages are there.
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true)
if [ "${major:-0}" -lt 20 ]; then
  echo "The Move tools need Node.js 20 or newer; found: $(node --version 2>/dev/null || echo none). See chain/move/README.md." >&2
  exit 3
fi
if [ ! -e "$tools/node_modules/.package-lock.json" ] ||
   [ "$tools/package-lock.json" -nt "$tools/node_modules/.package-lock.json" ]; then
  npm ci --prefix "$tools" --silent --no-audit --no-fund
  touch "$tools/node_modules/.package-lock.json"
fi

tool=$1
shift
exec node "$tools/$tool.mjs" "$@"
