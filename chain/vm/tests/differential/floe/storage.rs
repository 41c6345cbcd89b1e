//! Room and blobs.

use sui_sdk_types::Address;

use super::{
    State, anyones, bytes, object, owned, perform, pure,
    signing::{AVAILABLE, INCONSISTENT},
    split, text, u8_, u32_,
};
use crate::{
    ledger::{Arg, Owner},
    scenario::Run,
};

const MIB: u64 = 1 << 20;

impl State {
    /// What customers do.
    pub(super) fn store(&self, run: &mut Run, who: Address) {
        match run.dice.below(27) {
            0..3 => self.reserve(run, who),
            3..7 => self.register(run, who),
            7..12 => self.certify(run),
            12 | 13 => self.extend(run),
            14 => self.extend_with(run),
            15 => self.end(run),
            16 => self.mark_inconsistent(run, who),
            17 => self.add_funds(run, who),
            18 | 19 => Self::attributes(run),
            20 | 21 => Self::rearrange(run),
            _ => self.share(run, who),
        }
    }

    fn reserve(&self, run: &mut Run, who: Address) {
        let Some(purse) = self.purse(run, who) else {
            return;
        };
        let bytes = match run.dice.below(12) {
            0 => 0,
            1 => 1 << 50,
            2 => run.dice.below(5_000),
            _ => MIB * (1 + run.dice.below(4)),
        };
        let start = self.epoch + u32::from(run.dice.one_in(5));
        let epochs = run.dice.pick(&[0, 1, 2, 3, 3, 4, 5, 7]).unwrap();
        let arguments = vec![
            object(self.system),
            pure(bytes),
            u32_(start),
            u32_(start + epochs),
            object(purse),
            Arg::Context,
        ];
        perform(run, who, "system", "reserve", arguments);
    }

    fn register(&self, run: &mut Run, who: Address) {
        let Some(storage) = owned(run, who, "resource", "Storage") else {
            return self.reserve(run, who);
        };
        let Some(purse) = self.purse(run, who) else {
            return;
        };
        let size = match run.dice.below(12) {
            0 => u64::MAX >> run.dice.below(8),
            1 => 30 * MIB,
            _ => run.dice.below(100_000),
        };
        let code = if self.shards <= 64 { 1 } else { 2 };
        let code = if run.dice.one_in(12) { code ^ 3 } else { code };
        let byte = u8::try_from(run.dice.below(250)).unwrap();
        let root = [byte; 32];
        let root = if run.dice.one_in(12) {
            &root[1..]
        } else {
            &root
        };
        let arguments = vec![
            object(self.system),
            object(storage),
            bytes(root),
            pure(size),
            u8_(code),
            pure(run.dice.one_in(2)),
            object(purse),
            Arg::Context,
        ];
        perform(run, who, "system", "register", arguments);
    }

    fn certify(&self, run: &mut Run) {
        let Some((owner, blob)) = anyones(run, "blob", "Blob") else {
            return;
        };
        // Id, then the blob id with its length, size, encoding and persistence.
        let contents = &run.ledger.objects()[&blob].contents;
        let deletable = contents[74] == 1;
        let named = if deletable { blob } else { Address::ZERO };
        let body = [&contents[33..75], named.as_bytes()].concat();
        let epoch = self.epoch - u32::from(self.epoch > 0 && run.dice.one_in(12));
        let statement = self.statement(AVAILABLE, epoch, &body);
        let (signers, signature) = self.certificate(run, &statement);
        let arguments = vec![
            object(self.system),
            object(blob),
            u32_(epoch),
            bytes(&signers),
            bytes(&signature),
        ];
        perform(run, owner, "system", "certify", arguments);
    }

    fn mark_inconsistent(&self, run: &mut Run, who: Address) {
        let blob_id = [u8::try_from(run.dice.below(200)).unwrap(); 32];
        let blob_id = if run.dice.one_in(4) {
            &blob_id[1..]
        } else {
            &blob_id
        };
        let epoch = self.epoch + u32::from(run.dice.one_in(12));
        let statement = self.statement(INCONSISTENT, epoch, blob_id);
        let (signers, signature) = self.certificate(run, &statement);
        let arguments = vec![
            object(self.system),
            bytes(blob_id),
            u32_(epoch),
            bytes(&signers),
            bytes(&signature),
        ];
        perform(run, who, "system", "mark_inconsistent", arguments);
    }

    fn extend(&self, run: &mut Run) {
        let Some((owner, blob)) = anyones(run, "blob", "Blob") else {
            return;
        };
        if let Some(purse) = self.purse(run, owner) {
            let epochs = run.dice.pick(&[0, 1, 1, 2, 6]).unwrap();
            let arguments = vec![
                object(self.system),
                object(blob),
                u32_(epochs),
                object(purse),
            ];
            perform(run, owner, "system", "extend", arguments);
        }
    }

    /// Buys the room that follows a blob, or takes any, and extends the blob with it.
    fn extend_with(&self, run: &mut Run) {
        let Some((owner, blob)) = anyones(run, "blob", "Blob") else {
            return;
        };
        let contents = &run.ledger.objects()[&blob].contents;
        // The storage ends the contents: its end and its bytes.
        let rest = &contents[contents.len() - 12..];
        let end = u32::from_le_bytes(rest[..4].try_into().unwrap());
        let bytes = u64::from_le_bytes(rest[4..].try_into().unwrap());
        let storage = match self.purse(run, owner) {
            Some(purse) if !run.is_ending() && !run.dice.one_in(4) => {
                let arguments = vec![
                    object(self.system),
                    pure(bytes),
                    u32_(end),
                    u32_(end + 1),
                    object(purse),
                    Arg::Context,
                ];
                let Some(done) = perform(run, owner, "system", "reserve", arguments) else {
                    return;
                };
                Some(Address::from_bytes(&done.returned[0][..32]).unwrap())
            }
            _ => owned(run, owner, "resource", "Storage"),
        };
        if let Some(storage) = storage {
            let arguments = vec![object(self.system), object(blob), object(storage)];
            perform(run, owner, "system", "extend_with", arguments);
        }
    }

    fn end(&self, run: &mut Run) {
        let Some((owner, blob)) = anyones(run, "blob", "Blob") else {
            return;
        };
        if run.dice.one_in(4) {
            perform(run, owner, "blob", "burn", vec![object(blob)]);
        } else {
            let arguments = vec![object(self.system), object(blob)];
            perform(run, owner, "system", "delete", arguments);
        }
    }

    fn add_funds(&self, run: &mut Run, who: Address) {
        if let Some(purse) = self.purse(run, who) {
            let epoch = self.epoch + run.dice.pick(&[0, 0, 1, 5, 6]).unwrap();
            let funds = split(purse, run.dice.below(1 << 40));
            let arguments = vec![object(self.system), u32_(epoch), funds];
            perform(run, who, "system", "add_funds", arguments);
        }
    }

    fn attributes(run: &mut Run) {
        let Some((owner, blob)) = anyones(run, "blob", "Blob") else {
            return;
        };
        let length = if run.dice.one_in(10) { 65 } else { 2 };
        let letter = run.dice.pick(&["a", "b", "c"]).unwrap();
        let mut arguments = vec![object(blob), text(&letter.repeat(length))];
        let function = match run.dice.below(5) {
            0 => "remove_attribute",
            1 => "attribute",
            _ => {
                let length = if run.dice.one_in(10) { 1_025 } else { 10 };
                arguments.push(text(&"v".repeat(length)));
                "set_attribute"
            }
        };
        perform(run, owner, "blob", function, arguments);
    }

    fn rearrange(run: &mut Run) {
        let Some((owner, storage)) = anyones(run, "resource", "Storage") else {
            return;
        };
        let contents = &run.ledger.objects()[&storage].contents;
        let start = u32::from_le_bytes(contents[32..36].try_into().unwrap());
        let mut arguments = vec![object(storage)];
        let function = match run.dice.below(8) {
            0 | 1 => {
                let at = start + u32::try_from(run.dice.below(4)).unwrap();
                arguments.extend([u32_(at), Arg::Context]);
                "split_by_epoch"
            }
            2 | 3 => {
                let bytes = run.dice.pick(&[0, 1_000, MIB, 1 << 60]).unwrap();
                arguments.extend([pure(bytes), Arg::Context]);
                "split_by_size"
            }
            4..7 => {
                let other = owned(run, owner, "resource", "Storage");
                let Some(other) = other.filter(|other| *other != storage) else {
                    return;
                };
                arguments.push(object(other));
                "fuse"
            }
            _ => "destroy",
        };
        perform(run, owner, "resource", function, arguments);
    }

    fn share(&self, run: &mut Run, who: Address) {
        let all = run.ledger.owned(Owner::Shared, "shared_blob", "SharedBlob");
        let shared = run.dice.pick(&all);
        let Some(purse) = self.purse(run, who) else {
            return;
        };
        let funds = split(purse, run.dice.below(1 << 20));
        match (run.dice.below(5), shared) {
            (0 | 1, Some(shared)) => {
                let arguments = vec![object(shared), funds];
                perform(run, who, "shared_blob", "fund", arguments);
            }
            (2 | 3, Some(shared)) => {
                let epochs = run.dice.pick(&[1, 1, 2]).unwrap();
                let arguments = vec![object(shared), object(self.system), u32_(epochs)];
                perform(run, who, "shared_blob", "extend_shared", arguments);
            }
            _ => {
                // Mostly one that is certified, as its option says, unless a failure is sought.
                let mut blobs = run.ledger.owned(Owner::Address(who), "blob", "Blob");
                if !run.is_ending() && !run.dice.one_in(5) {
                    blobs.retain(|blob| run.ledger.objects()[blob].contents[79] == 1);
                }
                if let Some(blob) = run.dice.pick(&blobs) {
                    let arguments = vec![object(blob), funds, Arg::Context];
                    perform(run, who, "shared_blob", "share", arguments);
                }
            }
        }
    }
}
