//! Prints the example configuration: `cargo run -p floe-node --example config > node/node.example.toml`.
#![expect(clippy::print_stdout, reason = "printing is what this program does")]

fn main() {
    print!("{}", floe_node::config::NodeConfig::example());
}
