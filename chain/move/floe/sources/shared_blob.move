/// A blob that belongs to everybody: anyone puts money in its jar, anyone spends the jar on more epochs.
/// It cannot be deleted or taken back.
module floe::shared_blob;

use floe::blob::Blob;
use floe::system::System;
use sui::balance::Balance;
use sui::coin::{Self, Coin};
use wal::wal::WAL;

/// Only a certified blob can be shared.
const ENotCertified: u64 = 1;

public struct SharedBlob has key {
    id: UID,
    blob: Blob,
    funds: Balance<WAL>,
}

public fun share(blob: Blob, funds: Coin<WAL>, ctx: &mut TxContext) {
    assert!(blob.is_certified(), ENotCertified);
    transfer::share_object(SharedBlob { id: object::new(ctx), blob, funds: funds.into_balance() });
}

public fun fund(self: &mut SharedBlob, funds: Coin<WAL>) {
    coin::put(&mut self.funds, funds);
}

/// Buys `epochs` more epochs out of the jar.
public fun extend_shared(self: &mut SharedBlob, system: &mut System, epochs: u32) {
    system.extend_from(&mut self.blob, epochs, &mut self.funds);
}

public fun blob(self: &SharedBlob): &Blob { &self.blob }
