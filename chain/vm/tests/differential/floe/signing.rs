//! Keys of nodes, and the statements they sign.

use blst::min_pk::{AggregateSignature, SecretKey};
use ed25519_dalek::{Signer as _, SigningKey};
use sui_sdk_types::Address;

use super::{CHAIN_ID, State};
use crate::{ledger::Owner, scenario::Run};

const DOMAIN: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";

/// Kinds of statements.
pub(super) const POSSESSION: u8 = 0;
pub(super) const AVAILABLE: u8 = 1;
pub(super) const INCONSISTENT: u8 = 2;

/// The two keys of a node.
pub struct Keys {
    bls: SecretKey,
    identity: SigningKey,
}

impl Keys {
    pub(super) fn new(number: u8) -> Self {
        Self {
            bls: SecretKey::key_gen(&[number + 1; 32], &[]).unwrap(),
            identity: SigningKey::from_bytes(&[number + 1; 32]),
        }
    }

    pub(super) fn bls_key(&self) -> Vec<u8> {
        self.bls.sk_to_pk().to_bytes().to_vec()
    }

    pub(super) fn identity_key(&self) -> Vec<u8> {
        self.identity.verifying_key().to_bytes().to_vec()
    }

    /// Both keys' signatures for `sender`.
    pub(super) fn prove(&self, state: &State, sender: Address) -> (Vec<u8>, Vec<u8>) {
        let (bls, identity) = (self.bls_key(), self.identity_key());
        let body = [sender.as_bytes(), bls.as_slice(), identity.as_slice()];
        let statement = state.statement(POSSESSION, 0, &body.concat());
        let bls = self.bls.sign(&statement, DOMAIN, &[]).to_bytes().to_vec();
        let prefixed = [b"floe/possession/1".as_slice(), statement.as_slice()].concat();
        (bls, self.identity.sign(&prefixed).to_bytes().to_vec())
    }
}

impl State {
    pub(super) fn statement(&self, kind: u8, epoch: u32, body: &[u8]) -> Vec<u8> {
        let header = [&[kind, 1], CHAIN_ID.as_slice(), self.system.as_bytes()].concat();
        [header.as_slice(), &epoch.to_le_bytes(), body].concat()
    }

    /// BLS keys of the running committee, in member order.
    fn members(&self, run: &Run) -> Vec<Vec<u8>> {
        let committees = run
            .ledger
            .owned(Owner::Immutable, "committee", "EpochCommittee");
        let contents = committees.iter().find_map(|id| {
            let contents = &run.ledger.objects()[id].contents;
            (contents[32..36] == self.epoch.to_le_bytes()).then_some(contents)
        });
        let Some(contents) = contents else {
            return Vec::new();
        };
        // Id, epoch, start and duration come first; a member is id, weight and two keys with their lengths.
        let (start, each) = (32 + 4 + 8 + 8, 32 + 2 + 1 + 48 + 1 + 32);
        let count = usize::from(contents[start]);
        let members = contents[start + 1..].chunks_exact(each).take(count);
        members.map(|member| member[35..35 + 48].to_vec()).collect()
    }

    /// A bitmap of signers and their signature, now and then wrong.
    pub(super) fn certificate(&self, run: &mut Run, statement: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let members = self.members(run);
        let mut bitmap = vec![0_u8; members.len().div_ceil(8)];
        let mut signatures = Vec::new();
        let few = run.dice.one_in(10);
        for (position, key) in members.iter().enumerate() {
            if few && position > 0 {
                break;
            }
            bitmap[position / 8] |= 1 << (position % 8);
            let keys = self.keys.iter().find(|keys| keys.bls_key() == *key);
            signatures.push(keys.unwrap().bls.sign(statement, DOMAIN, &[]));
        }
        let all: Vec<_> = signatures.iter().collect();
        let mut signature = AggregateSignature::aggregate(&all, false)
            .map(|aggregate| aggregate.to_signature().to_bytes().to_vec())
            .unwrap_or_default();
        match run.dice.below(20) {
            0 => bitmap.push(0),
            1 => bitmap = bitmap.iter().map(|_| 0xff).collect(),
            2 => signature = [0x5a; 96].to_vec(),
            3 => signature.truncate(95),
            _ => {}
        }
        (bitmap, signature)
    }
}
