/// The bytes that storage nodes sign, composed here and never parsed: a certificate is checked against the
/// statement the contract itself writes down, so wrong fields and trailing bytes cannot exist.
///
/// Statement = kind u8 | version u8 | chain id 32 | system id 32 | epoch u32 LE | body of fixed length.
module floe::statement;

use sui::bcs;

/// A chain id has 32 bytes.
const EChainId: u64 = 1;
/// A blob id has 32 bytes.
const EBlobId: u64 = 2;

const VERSION: u8 = 1;

const POSSESSION: u8 = 0;
const AVAILABLE: u8 = 1;
const INCONSISTENT: u8 = 2;

const ID_LENGTH: u64 = 32;

/// Where a statement counts: one system on one chain.
public struct Domain has copy, drop, store {
    chain_id: vector<u8>,
    system: ID,
}

public(package) fun domain(chain_id: vector<u8>, system: ID): Domain {
    assert!(chain_id.length() == ID_LENGTH, EChainId);
    Domain { chain_id, system }
}

/// "Whoever sends transactions as `sender` holds both keys": body = sender 32 | BLS key 48 | Ed25519 key 32.
/// Not bound to an epoch, because registration is not.
public(package) fun possession(
    self: &Domain,
    sender: address,
    bls_key: &vector<u8>,
    ed25519_key: &vector<u8>,
): vector<u8> {
    let mut bytes = self.header(POSSESSION, 0);
    bytes.append(sender.to_bytes());
    bytes.append(*bls_key);
    bytes.append(*ed25519_key);
    bytes
}

/// What the Ed25519 key signs: that key also signs TLS, noise and pubsub messages, none of which starts so.
public(package) fun under_ed25519(statement: vector<u8>): vector<u8> {
    let mut bytes = b"floe/possession/1";
    bytes.append(statement);
    bytes
}

/// "My slivers of this blob are on disk": body = blob id 32 | size u64 LE | encoding u8 |
/// persistence u8 (0 permanent, 1 deletable) | object id 32 (zero when permanent).
public(package) fun available(
    self: &Domain,
    epoch: u32,
    blob_id: vector<u8>,
    size: u64,
    encoding: u8,
    deletable: Option<ID>,
): vector<u8> {
    let mut bytes = self.header(AVAILABLE, epoch);
    bytes.append(blob_id);
    bytes.append(bcs::to_bytes(&size));
    bytes.push_back(encoding);
    bytes.push_back(if (deletable.is_some()) 1 else 0);
    bytes.append(deletable.map!(|id| id.to_bytes()).destroy_or!(@0x0.to_bytes()));
    bytes
}

/// "I hold a proof that this blob's slivers do not belong to one blob": body = blob id 32.
public(package) fun inconsistent(self: &Domain, epoch: u32, blob_id: vector<u8>): vector<u8> {
    assert!(blob_id.length() == ID_LENGTH, EBlobId);
    let mut bytes = self.header(INCONSISTENT, epoch);
    bytes.append(blob_id);
    bytes
}

fun header(self: &Domain, kind: u8, epoch: u32): vector<u8> {
    let mut bytes = vector[kind, VERSION];
    bytes.append(self.chain_id);
    bytes.append(self.system.to_bytes());
    bytes.append(bcs::to_bytes(&epoch));
    bytes
}
