//! One change of epochs on the devnet, which enforces Sui's limits: with 10 nodes, and with 100 and 300 over
//! 1,000 shards. `cargo nextest run -p floe-tests epoch_at_scale --no-capture` prints what it costs.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a story that cannot go on has failed; the costs are its output"
)]

mod contract;

use contract::Contract;

async fn change_of_epochs(nodes: u16, shards: u16) {
    println!("\n{nodes} nodes, {shards} shards");
    println!(
        "| nodes | step | transactions | bytes | objects touched | written | thousand steps |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut contract = Contract::deploy(nodes, shards).await;
    contract.register_all().await;
    contract.print_costs();

    contract.pass_epoch().await;
    contract.select().await;
    let first = contract.committee().await;
    assert_eq!(first.owners().len(), usize::from(shards));
    contract.advance().await;
    contract.sync_all(&first).await;

    contract.subsidise().await;
    contract.store_and_certify(&first).await;
    contract.stake_more(0).await;
    contract.print_costs();

    contract.pass_epoch().await;
    contract.select().await;
    let second = contract.committee().await;
    contract.advance().await;
    contract.settle_all().await;
    contract.sync_all(&second).await;
    contract.print_costs();

    // Shards move only to where stake grew, and exactly as many as are lost elsewhere.
    let moved = contract::moved(&first, &second);
    assert!(moved > 0);
    assert_eq!(moved, contract::lost(&first, &second));
    println!("moved {moved} shards, the least possible");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes() {
    change_of_epochs(10, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_nodes() {
    change_of_epochs(100, 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_nodes() {
    change_of_epochs(300, 1_000).await;
}
