// test.sh: runs the Move unit tests of packages in the real Move VM, with the BLS tape in place.
import { initMovePackageBuilder, testMovePackage } from "@zktx.io/sui-move-builder/full";
import fs from "node:fs";
import path from "node:path";
import { unexpectedAborts } from "./aborts.mjs";
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

/** Runs every test `NAME_seed_1() { CALL(1...) }` for `count` seeds from `first` on: one VM each, so ids never collide. */
const seeded = (source, first, count) => source.replace(/^#\[test\]\nfun (\w+)_seed_1\(\) \{ (\w+)\(1\b(.*)\n/gm, (_, name, call, rest) =>
  Array.from({ length: count }, (_, i) => first + i).map((seed) => `#[test] fun ${name}_seed_${seed}() { ${call}(${seed}${rest} `).join("") + "\n");

function options(argv) {
  const found = { folders: [], filter: "", tapes: [], withoutTape: false, histories: 12, first: 1 };
  for (let i = 0; i < argv.length; i++) {
    const value = () => argv[++i] ?? usage(`'${argv[i - 1]}' needs a value`);
    if (argv[i] === "--filter") found.filter = value();
    else if (argv[i] === "--tape") found.tapes.push(value());
    else if (argv[i] === "--histories") found.histories = Number(value());
    else if (argv[i] === "--first") found.first = Number(value());
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

async function run(dir, filter, tape) {
  const start = performance.now();
  const files = keepOnly(readPackage(dir, { tests: true }), filter);
  for (const name in files) files[name] = seeded(files[name], first, histories);
  const result = await testMovePackage({ files, network: "testnet", fetcher: fetcher(dir, overlay(tape)), silenceWarnings: true });
  const output = (result.error ?? result.output).replace(/\x1b\[[0-9;]*m/g, "");
  const totals = output.match(/Test result:.*/)?.[0] ?? "no tests were run";
  return { passed: result.passed, output, totals: `${totals} (${((performance.now() - start) / 1000).toFixed(1)} s)` };
}

const withoutNoise = (output) => output.replace(/^\[ PASS.*\n/gm, "")
  .split(/^(?=(?:warning|error)\[)/m).filter((block) => !block.startsWith("warning[")).join("");

/** Modules in `tests/bls`: nothing they claim may hold without real answers. */
function blsModules(dir) {
  const tests = Object.entries(readPackage(dir, { tests: true })).filter(([name]) => name.startsWith("tests/bls/"));
  return tests.map(([, source]) => source.match(/^module (\w+::\w+);/m)[1]);
}

/** Runs without any answer: the tests in `tests/bls` must all abort. */
async function allAbortWithoutTape(dir) {
  const modules = blsModules(dir);
  if (modules.length === 0) return true;
  const { output } = await run(dir, "", "");
  const verdicts = [...output.matchAll(/^\[ (PASS|FAIL) +\] (\w+::\w+)::(\w+)/gm)].filter(([, , module]) => modules.includes(module));
  const passing = verdicts.filter(([, verdict]) => verdict === "PASS").map(([, , module, test]) => `${module}::${test}`);
  console.log(`${packageName(dir)}: without the tape ${verdicts.length - passing.length} of ${verdicts.length} BLS tests abort`);
  passing.forEach((test) => console.error(`passes without the tape: ${test}`));
  return verdicts.length > 0 && passing.length === 0;
}

const { folders, filter, tapes, withoutTape, histories, first } = options(process.argv.slice(2));
const everything = folders.length === 0 && filter === "";
const packages = folders.length ? folders : ownPackages;
let passed = true;
await initMovePackageBuilder();
if (!withoutTape) {
  const tape = tapes.length ? tapes.map((file) => fs.readFileSync(file, "utf8")).join("\n") : ownTape();
  for (const dir of packages) {
    const result = await run(dir, filter, tape);
    passed &&= result.passed;
    if (!result.passed) console.error(withoutNoise(result.output));
    console.log(`${packageName(dir)}: ${result.totals}`);
  }
}
if (withoutTape || everything) for (const dir of packages) passed = (await allAbortWithoutTape(dir)) && passed;
if (everything) {
  const unexpected = unexpectedAborts();
  unexpected.forEach((code) => console.error(`no test expects the abort code ${code}`));
  passed &&= unexpected.length === 0;
}
process.exit(passed ? 0 : 1);
