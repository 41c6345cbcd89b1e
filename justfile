# What can be done here: `just --list`.

# Everything that must pass before a commit lands (the README's test command).
test:
    tests/run.sh

# Formatting, lints, docs and dependency rules only.
lint:
    tests/run.sh --lint

# Format the tree.
fmt:
    cargo fmt --all

# Every verb of the command line on two small networks: results, exit codes, JSON, interruptions.
verbs:
    cargo build -p floe && tests/verbs.sh

# The end-to-end story: a local network of ten processes, stores, reads, kills.
story:
    cargo build -p floe && tests/story.sh
