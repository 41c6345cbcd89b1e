// test.sh: runs the Move unit tests of packages in the real Move VM.
import { initMovePackageBuilder, testMovePackage } from "@zktx.io/sui-move-builder/full";
import path from "node:path";
import { fetcher, ownPackages, packageName, readPackage } from "./sources.mjs";

/** Turns every test whose `module::name` lacks `text` into plain test-only code: the runner has no filter of its own. */
function keepOnly(files, text) {
  const kept = {};
  for (const [name, source] of Object.entries(files)) {
    const module = source.match(/^\s*module\s+(?:\w+::)?(\w+)/m)?.[1];
    kept[name] = source.replace(/((?:#\[(?:test|expected_failure|random_test)\b[^\]]*\]\s*)+)((?:public\s+)?fun\s+(\w+))/g,
      (all, _attributes, fun, test) => (`${module}::${test}`.includes(text) ? all : `#[test_only, allow(unused_function)] ${fun}`));
  }
  return kept;
}

const args = process.argv.slice(2);
const at = args.indexOf("--filter");
const filter = at < 0 ? "" : args.splice(at, 2)[1];
const unknown = args.find((arg) => arg.startsWith("--"));
if (unknown || filter === undefined) { console.error(`test.sh: unknown option '${unknown ?? "--filter"}'`); process.exit(2); }

await initMovePackageBuilder();
let failed = false;
for (const dir of args.length ? args.map((arg) => path.resolve(arg)) : ownPackages) {
  const start = performance.now();
  const files = keepOnly(readPackage(dir, { tests: true }), filter);
  const result = await testMovePackage({ files, network: "testnet", fetcher: fetcher(dir), silenceWarnings: true });
  failed ||= !result.passed;
  if (!result.passed) console.error(result.error ?? result.output);
  const totals = result.output?.match(/Test result:.*/)?.[0].replace(/\x1b\[[0-9;]*m/g, "") ?? "no tests were run";
  console.log(`${packageName(dir)}: ${totals} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
}
process.exit(failed ? 1 : 0);
