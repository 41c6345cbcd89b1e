// Who serves (protocol.md, "Following the committees"): from a trust anchor, each committee by the
// certificate of the one before.

import { bls12_381 } from '@noble/curves/bls12-381.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { base58btc } from 'multiformats/bases/base58';
import { Reader, join, same } from './bcs.mjs';

const ascii = (text) => new TextEncoder().encode(text);
const bls = bls12_381.longSignatures;
const SUITE = 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_';

/** The keys of light.toml that are needed: one `name = value` each line. */
export function readAnchor(toml) {
  const value = (name) => {
    const found = toml.match(new RegExp(`^${name} = "?([^"\n]*)"?$`, 'm'));
    if (!found) throw new Error(`the trust anchor has no ${name}`);
    return found[1];
  };
  return {
    chain: base58btc.decode(`z${value('chain_id')}`),
    system: Buffer.from(value('system_object').slice(2), 'hex'),
    epoch: Number(value('epoch')),
    committee: Buffer.from(value('committee'), 'hex'),
    windowMs: Number(value('trust_days')) * 86_400_000,
  };
}

export const digestOf = (contents) => sha256(join(ascii('floe/committee/1'), contents));

export function readCommittee(contents) {
  const reader = new Reader(contents);
  const committee = {
    epoch: reader.u32(),
    startMs: Number(reader.u64()),
    durationMs: Number(reader.u64()),
    members: reader.list((r) => ({ node: r.take(32), weight: r.u16(), bls: r.text(), identity: r.text() })),
    owners: reader.list((r) => r.u16()),
  };
  reader.end();
  return committee;
}

/** Throws unless `certificate` is the word of a quorum of `by` for the committee of these contents. */
export function checkHandover(anchor, by, contents, { statement, signers, signature }, nowMs) {
  if (nowMs - by.startMs > anchor.windowMs) throw new Error(`epoch ${by.epoch} is too long ago to be believed: a newer anchor is needed`);
  const reader = new Reader(statement);
  const kind = reader.u8(), version = reader.u8(), chain = reader.take(32), system = reader.take(32);
  const epoch = reader.u32(), next = reader.u32(), digest = reader.take(32);
  reader.end();
  if (kind !== 6 || version !== 1) throw new Error(`a statement of kind ${kind}, version ${version}`);
  if (!same(chain, anchor.chain) || !same(system, anchor.system)) throw new Error('a certificate of another network');
  if (epoch !== by.epoch || next !== by.epoch + 1) throw new Error(`a certificate of epoch ${epoch} for ${next}`);
  if (!same(digest, digestOf(contents))) throw new Error('a certificate of another committee');
  const n = by.members.length;
  if (signers.length !== Math.ceil(n / 8)) throw new Error('a bitmap of another length');
  const signed = Array.from({ length: signers.length * 8 }, (_, i) => i).filter((i) => signers[i >> 3] & (1 << (i & 7)));
  if (signed.some((i) => i >= n)) throw new Error('a bit for nobody');
  const weight = signed.reduce((sum, i) => sum + by.members[i].weight, 0);
  if (3 * weight < 2 * by.owners.length + 1) throw new Error(`a weight of ${weight} of ${by.owners.length} is no quorum`);
  const key = bls.aggregatePublicKeys(signed.map((i) => bls12_381.G1.Point.fromBytes(by.members[i].bls)));
  if (!bls.verify(bls12_381.G2.Point.fromBytes(signature), bls.hash(statement, SUITE), key)) {
    throw new Error('a signature that does not verify');
  }
}

/** Addresses of the control plane that a member signed; null if it did not. */
export function readRecord(anchor, committee, { value, signature }) {
  const reader = new Reader(value);
  const chain = reader.take(32), system = reader.take(32), node = reader.take(32), identity = reader.take(32);
  reader.u64();
  reader.list((r) => r.text());
  const addresses = reader.list((r) => r.text());
  reader.end();
  const member = committee.members.find((known) => same(known.identity, identity) && same(known.node, node));
  const ours = same(chain, anchor.chain) && same(system, anchor.system);
  if (!member || !ours || !ed25519.verify(signature, join(ascii('floe/node-record/1'), value), identity)) return null;
  return { identity, addresses };
}

/** The peer id of an Ed25519 key: an identity multihash of the key in protobuf. */
export const peerId = (identity) => base58btc.encode(join(Uint8Array.of(0, 36, 8, 1, 18, 32), identity)).slice(1);
