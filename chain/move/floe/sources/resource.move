/// Bought room: so many encoded bytes for a span of epochs, to be split, joined, traded and used.
module floe::resource;

/// The epoch to split at lies outside the span, or nothing would be left on one side.
const ESplitEpoch: u64 = 1;
/// Nothing would be left on one side of the split.
const ESplitSize: u64 = 2;
/// Only equal spans, or adjacent spans of equal size, make one resource.
const EFuse: u64 = 3;

/// Room for `bytes` in every epoch of `start_epoch..end_epoch`. The span is empty in one case only: the rest of a
/// blob that was deleted in its last epoch; such a resource can be destroyed and nothing else.
public struct Storage has key, store {
    id: UID,
    start_epoch: u32,
    end_epoch: u32,
    bytes: u64,
}

public(package) fun new(start_epoch: u32, end_epoch: u32, bytes: u64, ctx: &mut TxContext): Storage {
    Storage { id: object::new(ctx), start_epoch, end_epoch, bytes }
}

/// Keeps `start_epoch..epoch` and returns `epoch..end_epoch`.
public fun split_by_epoch(self: &mut Storage, epoch: u32, ctx: &mut TxContext): Storage {
    assert!(self.start_epoch < epoch && epoch < self.end_epoch, ESplitEpoch);
    let rest = new(epoch, self.end_epoch, self.bytes, ctx);
    self.end_epoch = epoch;
    rest
}

/// Keeps `bytes` and returns the others.
public fun split_by_size(self: &mut Storage, bytes: u64, ctx: &mut TxContext): Storage {
    assert!(0 < bytes && bytes < self.bytes, ESplitSize);
    let rest = new(self.start_epoch, self.end_epoch, self.bytes - bytes, ctx);
    self.bytes = bytes;
    rest
}

/// Joins another resource of the same span, or one of the same size whose span touches this one's.
public fun fuse(self: &mut Storage, other: Storage) {
    let Storage { id, start_epoch, end_epoch, bytes } = other;
    id.delete();
    if (self.start_epoch == start_epoch && self.end_epoch == end_epoch) {
        self.bytes = self.bytes + bytes;
    } else {
        assert!(self.bytes == bytes, EFuse);
        if (self.end_epoch == start_epoch) self.end_epoch = end_epoch
        else {
            assert!(end_epoch == self.start_epoch, EFuse);
            self.start_epoch = start_epoch
        }
    }
}

public fun destroy(self: Storage) {
    let Storage { id, .. } = self;
    id.delete();
}

/// Gives up every epoch before `epoch`.
public(package) fun start_from(self: &mut Storage, epoch: u32) {
    self.start_epoch = self.start_epoch.max(epoch).min(self.end_epoch);
}

/// Adds epochs that were paid for at the end.
public(package) fun extend(self: &mut Storage, epochs: u32) {
    self.end_epoch = self.end_epoch + epochs;
}

public fun start_epoch(self: &Storage): u32 { self.start_epoch }

public fun end_epoch(self: &Storage): u32 { self.end_epoch }

public fun bytes(self: &Storage): u64 { self.bytes }
