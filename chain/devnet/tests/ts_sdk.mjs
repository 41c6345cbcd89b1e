// The TypeScript SDK, unmodified, over gRPC-web: publish, simulate with gas selection, execute, read, page, stream.
// usage: node ts_sdk.mjs URL TOOLS PACKAGE.json      (TOOLS: the folder whose node_modules hold @mysten/sui)
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [url, tools, packageFile] = process.argv.slice(2);
const { resolve } = createRequire(path.join(tools, "package.json"));
const load = (name) => import(pathToFileURL(resolve(name)).href);
const { SuiGrpcClient } = await load("@mysten/sui/grpc");
const { Ed25519Keypair } = await load("@mysten/sui/keypairs/ed25519");
const { Transaction } = await load("@mysten/sui/transactions");
const { bcs } = await load("@mysten/sui/bcs");
const { requestSuiFromFaucetV2 } = await load("@mysten/sui/faucet");

const client = new SuiGrpcClient({ network: "localnet", baseUrl: url });
const signer = Ed25519Keypair.generate();
const me = signer.toSuiAddress();
await requestSuiFromFaucetV2({ host: url, recipient: me });

const include = { effects: true, events: true, objectTypes: true };
const run = async (build) => {
  const transaction = new Transaction();
  await build(transaction);
  const result = await client.signAndExecuteTransaction({ transaction, signer, include });
  assert.equal(result.$kind, "Transaction", JSON.stringify(result.FailedTransaction?.status));
  await client.waitForTransaction({ digest: result.Transaction.digest });
  return result.Transaction;
};
const created = ({ effects, objectTypes }, wanted) =>
  effects.changedObjects.find(({ objectId, outputState }) =>
    outputState !== "DoesNotExist" && (objectTypes[objectId] ?? "package").endsWith(wanted)).objectId;

// Publish.
const compiled = JSON.parse(readFileSync(packageFile));
const published = await run((t) => t.transferObjects([t.publish(compiled)], me));
const stall = created(published, "::stall::Stall");
const packageId = published.effects.changedObjects.find(({ outputState }) => outputState === "PackageWrite").objectId;

// Execute: objects by id only, gas picked by the server.
await run((t) => t.moveCall({ target: `${packageId}::stall::offer`, arguments: [t.object(stall), t.pure.string("tea"), t.pure.u64(300)] }));
const bought = await run((t) => {
  const [payment] = t.splitCoins(t.gas, [500]);
  const [item, change] = t.moveCall({ target: `${packageId}::stall::buy`, arguments: [t.object(stall), t.pure.string("tea"), payment] });
  t.transferObjects([item, change], me);
});
assert.equal(bought.events.length, 1);
assert.equal(bought.events[0].eventType, `${packageId}::stall::Sold`);

// A typed failure.
await assert.rejects(run((t) => {
  const [payment] = t.splitCoins(t.gas, [1]);
  const [item, change] = t.moveCall({ target: `${packageId}::stall::buy`, arguments: [t.object(stall), t.pure.string("tea"), payment] });
  t.transferObjects([item, change], me);
}), /7|abort/i);

// A view call through simulation.
const view = new Transaction();
view.setSender(me);
view.moveCall({ target: `${packageId}::stall::price`, arguments: [view.object(stall), view.pure.string("tea")] });
const simulated = await client.simulateTransaction({ transaction: view, include: { commandResults: true, effects: true } });
assert.equal(bcs.u64().parse(simulated.commandResults[0].returnValues[0].bcs), "300");

// Read: objects, balances, coins in pages, dynamic fields.
const { objects } = await client.getObjects({ objectIds: [stall, "0x6", "0xdead"], include: { content: true } });
assert.equal(objects[0].type, `${packageId}::stall::Stall`);
assert.ok(objects[2] instanceof Error);
const { balance } = await client.getBalance({ owner: me });
assert.ok(BigInt(balance.balance) > 900_000_000_000n);
const { balances } = await client.listBalances({ owner: me });
assert.equal(balances.length, 1);
const coins = [];
for (let cursor = null; ; ) {
  const page = await client.listCoins({ owner: me, limit: 2, cursor });
  coins.push(...page.objects);
  if (!page.hasNextPage) break;
  cursor = page.cursor;
}
assert.equal(coins.length, 6);
const prices = "0x" + Buffer.from(objects[0].content.slice(40, 72)).toString("hex");
const { dynamicFields } = await client.listDynamicFields({ parentId: prices });
assert.equal(dynamicFields.length, 1);
const info = await client.getCoinMetadata({ coinType: `${packageId}::stall::STALL` });
assert.equal(info.coinMetadata.symbol, "STL");

// Stream: checkpoints one after the other, and the transaction in one of them.
const wanted = new Set();
const stream = client.subscriptionService.subscribeCheckpoints({ readMask: { paths: ["sequence_number", "transactions.digest"] } });
const followed = (async () => {
  let previous;
  for await (const { cursor, checkpoint } of stream.responses) {
    if (previous !== undefined) assert.equal(cursor, previous + 1n);
    previous = cursor;
    if (checkpoint.transactions.some(({ digest }) => wanted.has(digest))) return;
  }
})();
await new Promise((wake) => setTimeout(wake, 300));
const sent = new Transaction();
sent.transferObjects([sent.splitCoins(sent.gas, [1])], me);
sent.setSender(me);
const bytes = await sent.build({ client });
wanted.add(await sent.getDigest({ client }));
const { signature } = await signer.signTransaction(bytes);
await client.executeTransaction({ transaction: bytes, signatures: [signature] });
await followed;
console.log("ok");
process.exit(0);
