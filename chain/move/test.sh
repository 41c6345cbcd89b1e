#!/usr/bin/env bash
# Runs Move unit tests in the real Move VM.
#   chain/move/test.sh                   every package here
#   chain/move/test.sh DIR...            the packages in these folders
#   chain/move/test.sh DIR --filter TEXT only tests whose `module::name` contains TEXT
exec "$(dirname "${BASH_SOURCE[0]}")/tools/run.sh" test "$@"
