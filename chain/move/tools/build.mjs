// build.sh: compiles packages to target/move/NAME.json and compares digests and abort codes with the committed ones.
import { initMovePackageBuilder, dumpMovePackage } from "@zktx.io/sui-move-builder/full";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import * as aborts from "./aborts.mjs";
import { fetcher, frameworkDir, localClosure, moveDir, outDir, ownPackages, packageName, readPackage, toolsDir } from "./sources.mjs";

const digestsFile = path.join(moveDir, "digests.json");

/** Everything that decides the bytecode of a package, in one hash. */
function inputsHash(trees) {
  const hash = createHash("sha256");
  const add = (name, text) => hash.update(`${name}\0${text.length}\0${text}`);
  for (const file of ["package-lock.json", "framework/Cargo.lock", "sources.mjs", "build.mjs"])
    add(file, fs.readFileSync(path.join(toolsDir, file), "utf8"));
  trees.forEach((files, tree) => Object.keys(files).sort().forEach((name) => add(`${tree}/${name}`, files[name])));
  return hash.digest("hex");
}

async function compile(name, input) {
  const result = await dumpMovePackage({ network: "testnet", ...input });
  if (result.error) throw new Error(`${name}: ${result.category}\n${result.error}`);
  if (result.warnings) throw new Error(`${name} compiles with warnings:\n${result.warnings}`);
  return {
    name,
    modules: result.modules,
    dependencies: result.dependencies,
    digest: Buffer.from(result.digest).toString("hex"),
  };
}

const compilePackage = (dir) =>
  compile(packageName(dir), { files: readPackage(dir), fetcher: fetcher(dir), lintFlag: "all" });

/** The framework as one unpublished package whose modules keep their own addresses 0x1 and 0x2. */
function compileFramework() {
  const manifest = `[package]
name = "framework"
edition = "2024"
implicit-dependencies = false

[addresses]
std = "0x1"
sui = "0x2"
`;
  const files = { "Move.toml": manifest };
  for (const folder of ["move-stdlib", "sui-framework"])
    for (const [name, text] of Object.entries(readPackage(path.join(frameworkDir(), folder))))
      if (name.endsWith(".move")) files[`sources/${folder}/${name}`] = text;
  const none = { fetch: async () => { throw new Error("the framework has no dependency"); }, fetchFile: async () => null, getResolvedSha: (_url, rev) => rev };
  return compile("framework", { files, fetcher: none, silenceWarnings: true });
}

/** Reuses the JSON of the last run when nothing that decides it has changed. */
async function built(name, hash, make) {
  const json = path.join(outDir, `${name}.json`);
  const stamp = path.join(outDir, `${name}.stamp`);
  if (fs.existsSync(json) && fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === hash)
    return JSON.parse(fs.readFileSync(json, "utf8"));
  await initMovePackageBuilder();
  const result = await make();
  fs.mkdirSync(outDir, { recursive: true });
  fs.writeFileSync(json, JSON.stringify(result, null, 1) + "\n");
  fs.writeFileSync(stamp, hash);
  return result;
}

const args = process.argv.slice(2);
const bless = args.includes("--bless");
const unknown = args.find((arg) => arg.startsWith("--") && arg !== "--bless");
if (unknown) { console.error(`build.sh: unknown option '${unknown}'`); process.exit(2); }
const folders = args.filter((arg) => !arg.startsWith("--")).map((dir) => path.resolve(dir));

try {
  const results = [];
  if (folders.length === 0) {
    // The framework's sources never change under one lock, so their path stands for them.
    results.push(await built("framework", inputsHash([{ framework: path.basename(path.dirname(frameworkDir())) }]), compileFramework));
  }
  for (const dir of folders.length ? folders : ownPackages)
    results.push(await built(packageName(dir), inputsHash(localClosure(dir).map((folder) => readPackage(folder))), () => compilePackage(dir)));

  for (const { name, modules, digest } of results) {
    const bytes = modules.reduce((sum, module) => sum + Buffer.from(module, "base64").length, 0);
    console.log(`${name}: ${modules.length} modules, ${bytes} bytes, digest ${digest}`);
  }
  const committed = fs.existsSync(digestsFile) ? JSON.parse(fs.readFileSync(digestsFile, "utf8")) : {};
  if (bless) {
    const blessed = { ...committed, ...Object.fromEntries(results.map((r) => [r.name, r.digest])) };
    fs.writeFileSync(digestsFile, JSON.stringify(blessed, null, 2) + "\n");
    aborts.bless();
  } else if (folders.length === 0) {
    const differing = results.filter((r) => committed[r.name] !== r.digest).map((r) => r.name);
    if (differing.length) throw new Error(`digests differ from chain/move/digests.json: ${differing.join(", ")} (intended? run build.sh --bless)`);
    const stale = aborts.stale();
    if (stale.length) throw new Error(`the abort codes in ${stale.join(" and ")} are not those of the sources (run build.sh --bless)`);
  }
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
