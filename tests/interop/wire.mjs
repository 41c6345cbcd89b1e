// Requests over libp2p streams (protocol.md, "Data plane" and "Small requests").

import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { Reader, count, join, list, text, u16, u32, u8 } from './bcs.mjs';

// libp2p uses it; Node has it from version 22 on.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
};

const DEADLINE_MS = 20_000;
const MAX_RESPONSE = 80 << 20;
export const Kind = { getMetadata: 3, getSliver: 4, getCommittee: 18 };

export const start = () =>
  createLibp2p({ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] });

/** One request on a stream of its own; all bytes of the answer. */
async function exchange(connection, protocol, request) {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const stream = await connection.newStream(protocol, { signal });
  const late = () => stream.abort(new Error(`no answer within ${DEADLINE_MS} ms`));
  signal.addEventListener('abort', late);
  try {
    stream.send(request);
    const closed = stream.close({ signal });
    const parts = [];
    let length = 0;
    for await (const part of stream) {
      parts.push(part.subarray());
      length += part.byteLength;
      if (length > MAX_RESPONSE) throw new Error('a response without end');
    }
    await closed;
    return new Reader(join(...parts));
  } finally {
    signal.removeEventListener('abort', late);
  }
}

/** A request of the data plane. Items come as bytes, or null where the peer has none. */
export async function ask(connection, kind, epoch, body, items) {
  const head = join(u16(kind), u32(epoch), u32(DEADLINE_MS), u8(1), u32(0), text(body));
  const answer = await exchange(connection, '/floe/data/1', join(count(head.length), head));
  const response = new Reader(answer.take(answer.count()));
  const status = response.u8();
  if (status !== 0) throw new Error(`status ${status}`);
  const reply = response.text();
  response.end();
  const found = Array.from({ length: items }, (_, index) => {
    const itemStatus = answer.u8();
    if (answer.u32() !== index) throw new Error(`item ${index} is not where it belongs`);
    const bytes = answer.take(answer.u32());
    return itemStatus === 0 ? bytes : null;
  });
  answer.end();
  return { reply, items: found };
}

/** Signed records of the peers with these identity keys, as far as the asked one knows them. */
export async function askRecords(connection, identities) {
  const body = join(u8(0), list(identities));
  const framed = await exchange(connection, '/floe/control/1', join(u32(body.length), body));
  const answer = new Reader(framed.take(framed.u32()));
  if (answer.u8() !== 2) return [];
  return answer.list((r) => ({ value: r.text(), signature: r.take(64) }));
}
