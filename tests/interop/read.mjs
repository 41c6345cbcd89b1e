// Reads a blob with nothing but docs/protocol.md, over js-libp2p:
//
//   node read.mjs --anchor light.toml --node /ip4/127.0.0.1/tcp/9003/p2p/12D3... BLOB > file
//
// It follows the committees from the anchor, finds the members by their signed records, fetches rows over
// TCP, Noise and Yamux, and verifies everything against the blob's id before it writes a byte. What it
// does not do: networks of more than 64 shards, columns (k1 rows are enough, any k1), and keeping what it
// learned about committees.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { multiaddr } from '@multiformats/multiaddr';
import { Reader, join, list, same, u16, u32, u8 } from './bcs.mjs';
import { blobId, decode, isPrimary, readMetadata } from './blob.mjs';
import { checkHandover, digestOf, peerId, readAnchor, readCommittee, readRecord } from './committee.mjs';
import { Kind, ask, askRecords, start } from './wire.mjs';

const say = (text) => process.stderr.write(`${text}\n`);

/** The committee that serves now, from the anchor on. */
async function follow(connection, anchor) {
  const fetch = async (epoch) => {
    const { reply, items } = await ask(connection, Kind.getCommittee, anchor.epoch, join(u8(1), u32(epoch)), 1);
    const handover = new Reader(reply).option((r) => ({ statement: r.text(), signers: r.text(), signature: r.take(96) }));
    return { contents: items[0], handover };
  };
  const first = await fetch(anchor.epoch);
  if (!same(digestOf(first.contents), anchor.committee)) throw new Error('the node has another first committee than the anchor');
  let serving = readCommittee(first.contents);
  for (let newest = serving; ; ) {
    const next = await fetch(newest.epoch + 1).catch(() => null);
    if (!next?.handover) break;
    checkHandover(anchor, newest, next.contents, next.handover, Date.now());
    newest = readCommittee(next.contents);
    if (newest.startMs <= Date.now()) serving = newest;
  }
  return serving;
}

/** Connections to members, by position in the committee. */
async function connect(libp2p, entry, anchor, committee) {
  const connections = new Map();
  const keys = committee.members.map((member) => member.identity);
  for (const signed of await askRecords(entry, keys)) {
    const record = readRecord(anchor, committee, signed);
    if (!record) continue;
    const peer = peerId(record.identity);
    const reachable = record.addresses.map((bytes) => multiaddr(bytes)).filter((address) => /\/tcp\/\d+$/.test(address.toString()));
    for (const address of reachable) {
      try {
        const connection = await libp2p.dial(multiaddr(`${address}/p2p/${peer}`), { signal: AbortSignal.timeout(5_000) });
        connections.set(committee.members.findIndex((member) => same(member.identity, record.identity)), connection);
        break;
      } catch (error) {
        say(`${peer} is not reached: ${error.message}`);
      }
    }
  }
  return connections;
}

/** Metadata of every segment, from the first member whose metadata make up the blob's id. */
async function metadataOf(blob, connections, epoch) {
  const fetch = async (connection, first, count) => {
    const { items } = await ask(connection, Kind.getMetadata, epoch, join(blob, u32(first), u32(count)), count);
    return items.map((bytes, i) => {
      const metadata = readMetadata(bytes ?? new Uint8Array());
      if (metadata.segment !== first + i) throw new Error(`metadata of segment ${metadata.segment}`);
      return metadata;
    });
  };
  for (const connection of connections.values()) {
    try {
      const all = await fetch(connection, 0, 1);
      const { layout } = all[0];
      while (all.length < layout.segments) {
        all.push(...(await fetch(connection, all.length, Math.min(64, layout.segments - all.length))));
      }
      if (same(blobId(layout, all.map((one) => one.root)), blob)) return { layout, all };
      say(`${connection.remotePeer} gave metadata of another blob`);
    } catch (error) {
      say(`no metadata from ${connection.remotePeer}: ${error.message}`);
    }
  }
  throw new Error('nobody has metadata that make up this blob id');
}

/** Verified rows of a segment: those of the source first, others for what is missing. */
async function rowsOf(blob, layout, metadata, committee, connections) {
  const { symbol } = layout.segment(metadata.segment);
  const rows = new Map();
  const fetch = async (wanted) => {
    const byOwner = group(wanted);
    await Promise.all([...byOwner].map(async ([owner, asked]) => {
      const connection = connections.get(owner);
      if (!connection) return;
      const shards = list(asked.map((row) => u16(row.shard)));
      const body = join(blob, u8(0), shards, u32(metadata.segment), u32(1));
      try {
        const { items } = await ask(connection, Kind.getSliver, committee.epoch, body, asked.length);
        items.forEach((bytes, i) => {
          const { pair } = asked[i];
          if (bytes?.length !== layout.columns * symbol) return;
          if (isPrimary(bytes, pair, layout, symbol, metadata.hashes)) rows.set(pair, bytes);
          else say(`${connection.remotePeer} gave a wrong row ${pair}`);
        });
      } catch (error) {
        say(`no rows from ${connection.remotePeer}: ${error.message}`);
      }
    }));
  };
  const all = Array.from({ length: layout.n }, (_, pair) => {
    const shard = layout.shardOf(pair, blob);
    return { pair, shard, owner: committee.owners[shard] };
  });
  for (let next = 0; rows.size < layout.rows && next < layout.n; ) {
    const missing = layout.rows - rows.size;
    await fetch(all.slice(next, next + missing));
    next += missing;
  }
  if (rows.size < layout.rows) throw new Error(`segment ${metadata.segment}: ${rows.size} rows of ${layout.rows}`);
  return rows;
}

function group(rows) {
  const groups = new Map();
  for (const row of rows) groups.set(row.owner, [...(groups.get(row.owner) ?? []), row]);
  return groups;
}

async function main() {
  const { values, positionals } = parseArgs({
    options: { anchor: { type: 'string' }, node: { type: 'string' } },
    allowPositionals: true,
  });
  const blob = Buffer.from(positionals[0] ?? '', 'base64url');
  if (!values.anchor || !values.node || blob.length !== 32) {
    say('usage: read.mjs --anchor FILE --node MULTIADDR BLOB');
    return 2;
  }
  const anchor = readAnchor(readFileSync(values.anchor, 'utf8'));
  const libp2p = await start();
  try {
    const entry = await libp2p.dial(multiaddr(values.node));
    const committee = await follow(entry, anchor);
    const connections = await connect(libp2p, entry, anchor, committee);
    const { layout, all } = await metadataOf(blob, connections, committee.epoch);
    say(`epoch ${committee.epoch}, ${connections.size} of ${committee.members.length} members, ${layout.length} bytes in ${layout.segments} segments`);
    for (const metadata of all) {
      const rows = await rowsOf(blob, layout, metadata, committee, connections);
      const decoded = [...rows.keys()].filter((row) => row >= layout.rows).length;
      if (decoded) say(`segment ${metadata.segment}: ${decoded} source rows rebuilt from others`);
      const bytes = decode(rows, layout, layout.segment(metadata.segment), metadata);
      if (!process.stdout.write(bytes)) await new Promise((resume) => process.stdout.once('drain', resume));
    }
    return 0;
  } finally {
    await libp2p.stop();
  }
}

process.exitCode = await main().catch((error) => {
  say(error.stack);
  return 1;
});
