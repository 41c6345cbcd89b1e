// test.sh: runs the Move unit tests of packages in the real Move VM, with the BLS tape in place.
import { initMovePackageBuilder, testMovePackage } from "@zktx.io/sui-move-builder/full";
import fs from "node:fs";
import path from "node:path";
import { fetcher, ownPackages, packageName, readPackage } from "./sources.mjs";
import { overlay, ownTape } from "./tape.mjs";

/** Turns every test whose `module::name` lacks `text` into plain test-only code: the runner has no filter of its own. */
function keepOnly(files, text) {
  const kept = {};
  for (const [name, source] of Object.entries(files)) {
    const module = source.match(/^\s*module\s+(?:\w+::)?(\w+)/m)?.[1];
    kept[name] = source.replace(/((?:#\[(?:test|expected_failure)\b[^\]]*\]\s*)+)((?:public\s+)?fun\s+(\w+))/g,
      (all, _attributes, fun, test) => (`${module}::${test}`.includes(text) ? all : `#[test_only, allow(unused_function)] ${fun}`));
  }
  return kept;
}

function options(argv) {
  const found = { folders: [], filter: "", tapes: [], withoutTape: false };
  for (let i = 0; i < argv.length; i++) {
    const value = () => argv[++i] ?? usage(`'${argv[i - 1]}' needs a value`);
    if (argv[i] === "--filter") found.filter = value();
    else if (argv[i] === "--tape") found.tapes.push(value());
    else if (argv[i] === "--without-tape") found.withoutTape = true;
    else if (argv[i].startsWith("-")) usage(`unknown option '${argv[i]}'`);
    else found.folders.push(path.resolve(argv[i]));
  }
  return found;
}

function usage(problem) {
  console.error(`test.sh: ${problem}; see the head of chain/move/test.sh`);
  process.exit(2);
}

const { folders, filter, tapes, withoutTape } = options(process.argv.slice(2));
const tape = withoutTape ? "" : tapes.length ? tapes.map((file) => fs.readFileSync(file, "utf8")).join("\n") : ownTape();
await initMovePackageBuilder();
let failed = false;
for (const dir of folders.length ? folders : ownPackages) {
  const start = performance.now();
  const files = keepOnly(readPackage(dir, { tests: true }), filter);
  const result = await testMovePackage({ files, network: "testnet", fetcher: fetcher(dir, overlay(tape)), silenceWarnings: true });
  failed ||= !result.passed;
  const output = (result.error ?? result.output).replace(/\x1b\[[0-9;]*m/g, "");
  if (!result.passed) console.error(output.replace(/^\[ PASS.*\n/gm, ""));
  const totals = output.match(/Test result:.*/)?.[0] ?? "no tests were run";
  console.log(`${packageName(dir)}: ${totals} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
}
process.exit(failed ? 1 : 0);
