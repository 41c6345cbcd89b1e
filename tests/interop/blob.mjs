// The blob format (protocol.md, "Blob format"): sizes, RedStuff8, commitments. A network of more than 64
// shards uses RedStuff16, which is not here.

import { blake3 } from '@noble/hashes/blake3.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { Reader, join, u16, u64, u8 } from './bcs.mjs';

const ascii = (text) => new TextEncoder().encode(text);
const keyed = (level) => {
  const key = blake3(new Uint8Array(), { context: ascii(`floe/${level}/1`) });
  return (bytes) => blake3(bytes, { key });
};
const hashSymbol = keyed('symbol'), hashSliver = keyed('sliver'), hashSegment = keyed('segment'), hashRoot = keyed('root');

// GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, by powers of x.
const power = new Uint8Array(510), log = new Uint8Array(256);
for (let i = 0, value = 1; i < 255; i++) {
  power[i] = power[i + 255] = value;
  log[value] = i;
  value = (value << 1) ^ (value & 0x80 ? 0x11d : 0);
}
const multiply = (a, b) => (a && b ? power[log[a] + log[b]] : 0);
const divide = (a, b) => (a ? power[log[a] + 255 - log[b]] : 0);

/** Values at `target` of the polynomials that take the bytes of `values[i]` at `points[i]`. */
function interpolate(points, values, target) {
  const result = new Uint8Array(values[0].length);
  points.forEach((point, i) => {
    let factor = 1;
    for (const other of points) {
      if (other !== point) factor = multiply(factor, divide(target ^ other, point ^ other));
    }
    const times = Uint8Array.from({ length: 256 }, (_, byte) => multiply(factor, byte));
    const bytes = values[i];
    for (let b = 0; b < result.length; b++) result[b] ^= times[bytes[b]];
  });
  return result;
}

const range = (count) => Array.from({ length: count }, (_, i) => i);
/** `known` are the symbols 0 to k - 1; the answer has all n. */
const extend = (known, n) =>
  [...known, ...range(n).slice(known.length).map((target) => interpolate(range(known.length), known, target))];

/** Everything that follows from encoding, shards and length. */
export class Layout {
  constructor(encoding, n, length) {
    if (encoding !== 1) throw new Error(`encoding ${encoding} (networks of more than 64 shards) is not known to this client`);
    if (n < 4 || n > 64) throw new Error(`${n} shards`);
    const f = Math.floor((n - 1) / 3);
    Object.assign(this, { encoding, n, length, rows: n - 2 * f, columns: n - f });
    const { rows, columns } = this;
    this.fullSymbol = Math.max(512, 64 * Math.ceil(4194304 / (64 * rows * columns)));
    this.capacity = rows * columns * this.fullSymbol;
    this.segments = Math.max(1, Math.ceil(length / this.capacity));
    if (this.segments > 2 ** 20) throw new Error(`${this.segments} segments`);
  }
  /** Source bytes and symbol size of a segment. */
  segment(index) {
    const last = index === this.segments - 1;
    const bytes = last ? this.length - index * this.capacity : this.capacity;
    const symbol = last ? Math.max(2, 2 * Math.ceil(bytes / (this.rows * this.columns) / 2)) : this.fullSymbol;
    return { bytes, symbol };
  }
  shardOf(pair, blob) {
    return Number((BigInt(pair) + BigInt(`0x${Buffer.from(blob).toString('hex')}`)) % BigInt(this.n));
  }
}

/** Metadata of one segment: still to be verified, by `blobId` over all of them. */
export function readMetadata(bytes) {
  const reader = new Reader(bytes);
  const layout = new Layout(reader.u8(), reader.u16(), Number(reader.u64()));
  const segment = reader.u32();
  const hashes = reader.list((r) => r.take(32));
  reader.list((r) => r.take(32)); // the opening: this client has all roots and needs none
  reader.end();
  if (hashes.length !== 2 * layout.n) throw new Error(`${hashes.length} sliver hashes`);
  return { layout, segment, hashes, root: hashSegment(join(...hashes)) };
}

/** The id of the blob whose segments have these roots. */
export function blobId({ encoding, n, length }, roots) {
  const header = join(u8(encoding), u16(n), u64(BigInt(length)));
  return sha256(join(ascii('floe/blob/1'), header, hashRoot(join(...roots))));
}

const symbolsOf = (sliver, size) => range(sliver.length / size).map((i) => sliver.subarray(i * size, (i + 1) * size));
const symbolHash = (symbol) => {
  const padded = new Uint8Array(64 * Math.ceil(symbol.length / 64));
  padded.set(symbol);
  return hashSymbol(padded);
};
const symbolHashes = (row, layout, size) => extend(symbolsOf(row, size), layout.n).map(symbolHash);

/** Whether `row` is primary sliver `index` of the segment. */
export function isPrimary(row, index, layout, size, hashes) {
  return Buffer.compare(hashSliver(join(...symbolHashes(row, layout, size))), hashes[2 * index]) === 0;
}

/** Source bytes of a segment from verified primary slivers, by index; throws if it is inconsistent. */
export function decode(rows, layout, { bytes, symbol }, metadata) {
  const points = [...rows.keys()].slice(0, layout.rows);
  const values = points.map((point) => rows.get(point));
  const source = range(layout.rows).map((t) => rows.get(t) ?? interpolate(points, values, t));
  const data = join(...source);
  // Encoded again, padding as zeros, it must be what the metadata commits to.
  data.fill(0, bytes);
  const clean = range(layout.rows).map((t) => data.subarray(t * source[0].length, (t + 1) * source[0].length));
  const matrix = extend(clean, layout.n).map((row) => symbolHashes(row, layout, symbol));
  const hashes = range(layout.n).flatMap((i) => [
    hashSliver(join(...matrix[i])),
    hashSliver(join(...matrix.map((row) => row[i]))),
  ]);
  if (Buffer.compare(hashSegment(join(...hashes)), metadata.root) !== 0) {
    throw new Error(`segment ${metadata.segment} is inconsistent: no reader gets bytes of it`);
  }
  return data.subarray(0, bytes);
}
