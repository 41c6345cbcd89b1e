#!/usr/bin/env bash
# Runs Move unit tests in the real Move VM.
#   chain/move/test.sh                   every package here; also that BLS tests abort without answers and that
#                                        every abort code is expected by some test
#   chain/move/test.sh DIR...            the packages in these folders
#     --filter TEXT    only tests whose `module::name` contains TEXT
#     --histories N    so many seeds for each test named NAME_seed_1 (12); a few hundred fit one run
#     --first N        the first of these seeds (1): long runs are several of these with other seeds
#     --tape FILE      answers of BLS12-381 from this file (repeatable) and not from floe-chain's example
#     --without-tape   no answers: passes if every test in `tests/bls` aborts
exec "$(dirname "${BASH_SOURCE[0]}")/tools/run.sh" test "$@"
