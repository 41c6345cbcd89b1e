// Reads a blob from a gateway as a page or program would, with nothing but `fetch`.
//   node tests/gateway.mjs URL ID FILE    FILE is what the blob must be
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const [url, id, file] = process.argv.slice(2);
const bytes = readFileSync(file);
const get = (headers = {}, method = "GET") => fetch(`${url}/v1/blobs/${id}`, { headers, method });
const body = async (answer) => Buffer.from(await answer.arrayBuffer());

const whole = await get();
assert.equal(whole.status, 200);
assert.equal(whole.headers.get("etag"), `"${id}"`);
assert.equal(whole.headers.get("x-content-type-options"), "nosniff");
assert.equal(whole.headers.get("access-control-allow-origin"), "*");
assert.ok((await body(whole)).equals(bytes));

const last = bytes.length - 1;
for (const [range, first, end] of [["0-0", 0, 0], ["-7", last - 6, last], [`${last >> 1}-`, last >> 1, last]]) {
  const part = await get({ range: `bytes=${range}` });
  assert.equal(part.status, 206);
  assert.equal(part.headers.get("content-range"), `bytes ${first}-${end}/${bytes.length}`);
  assert.ok((await body(part)).equals(bytes.subarray(first, end + 1)), range);
}

const head = await get({}, "HEAD");
assert.equal(head.headers.get("content-length"), `${bytes.length}`);
assert.equal((await get({ "if-none-match": `"${id}"` })).status, 304);
assert.equal((await get({ range: `bytes=${bytes.length}-` })).status, 416);

const missing = await fetch(`${url}/v1/blobs/${"A".repeat(43)}`);
assert.equal(missing.status, 404);
assert.equal((await missing.json()).code, "read.not_found");
