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

# The whole suite of the codec on every kernel that this processor has.
codec-tiers:
    for tier in portable scalar avx2 avx512; do FLOE_KERNEL=$tier cargo nextest run -p floe-codec || exit 1; done

# The kernels and what is built on them under AddressSanitizer.
codec-asan:
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test -p floe-codec --target x86_64-unknown-linux-gnu --lib --test it -- kernel tiers

# Shards change their owners while blobs are stored, and are recovered by the new ones.
shards:
    cargo build -p floe && tests/shards.sh

# Ten nodes in network namespaces, all moved since they registered: discovery, gossip, a light read. Needs root.
moved:
    cargo build -p floe && tests/moved.sh

# A program in another language, written from docs/protocol.md alone, reads from a local network. Needs npm.
interop:
    cargo build -p floe && tests/interop.sh
