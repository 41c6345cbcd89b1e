#!/usr/bin/env bash
# Compiles Move packages and the Sui framework to bytecode in target/move/NAME.json.
#   chain/move/build.sh              our packages and the framework; digests must equal digests.json
#   chain/move/build.sh --bless      the same, and write digests.json
#   chain/move/build.sh DIR...       the packages in these folders only
exec "$(dirname "${BASH_SOURCE[0]}")/tools/run.sh" build "$@"
