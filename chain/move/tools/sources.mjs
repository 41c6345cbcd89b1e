// Where Move sources come from: package folders of this repository and the Sui framework inside a pinned crate.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const toolsDir = path.dirname(fileURLToPath(import.meta.url));
export const moveDir = path.dirname(toolsDir);
export const repoDir = path.resolve(moveDir, "../..");
export const outDir = path.join(repoDir, "target/move");

// Our packages in dependency order.
export const ownPackages = ["wal", "faucet", "floe"]
  .map((name) => path.join(moveDir, name))
  .filter((dir) => fs.existsSync(path.join(dir, "Move.toml")));

/** The compiler's view of a package folder: relative path to text, tests only on request. */
export function readPackage(dir, { tests = false } = {}) {
  const files = {};
  const skipped = new Set(["build", "node_modules", ...(tests ? [] : ["tests"])]);
  const walk = (sub) => {
    for (const entry of fs.readdirSync(path.join(dir, sub), { withFileTypes: true })) {
      const name = path.posix.join(sub, entry.name);
      if (entry.isDirectory()) {
        if (!skipped.has(entry.name) && !entry.name.startsWith(".")) walk(name);
      } else if (/\.(move|toml)$/.test(entry.name)) {
        files[name] = fs.readFileSync(path.join(dir, name), "utf8");
      }
    }
  };
  walk("");
  return files;
}

export function packageName(dir) {
  const manifest = fs.readFileSync(path.join(dir, "Move.toml"), "utf8");
  const name = manifest.match(/^\s*name\s*=\s*"([^"]+)"/m);
  if (!name) throw new Error(`${dir}/Move.toml names no package`);
  return name[1];
}

/** The package folders that `dir` depends on through `{ local = "..." }`, itself first. */
export function localClosure(dir) {
  const seen = [];
  const visit = (folder) => {
    if (seen.includes(folder)) return;
    seen.push(folder);
    const manifest = fs.readFileSync(path.join(folder, "Move.toml"), "utf8");
    for (const [, local] of manifest.matchAll(/local\s*=\s*"([^"]+)"/g)) visit(path.resolve(folder, local));
  };
  visit(path.resolve(dir));
  return seen;
}

let framework;
/** The folder that holds `move-stdlib/` and `sui-framework/`. */
export function frameworkDir() {
  if (framework) return framework;
  const manifest = path.join(toolsDir, "framework/Cargo.toml");
  const args = ["metadata", "--locked", "--format-version", "1", "--manifest-path", manifest];
  const metadata = JSON.parse(execFileSync("cargo", args, { maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] }));
  const crate = metadata.packages.find((p) => p.name === "moverox-sui");
  framework = path.join(path.dirname(crate.manifest_path), "move");
  return framework;
}

/**
 * Feeds the compiler, which asks for the framework by its repository and for local packages by folder.
 * `overlay(files)` may rewrite the sources of the Sui framework before they are compiled.
 */
export function fetcher(root, overlay = (files) => files) {
  return {
    async fetch(_url, _rev, subdir) {
      const name = path.posix.basename(subdir ?? "");
      const files = readPackage(path.join(frameworkDir(), name));
      return name === "sui-framework" ? overlay(files) : files;
    },
    async fetchLocal(local) {
      const dir = path.resolve(root, local);
      return publishedElsewhere(readPackage(dir), packageName(dir));
    },
    async fetchFile(_url, _rev, file) {
      const found = path.join(frameworkDir(), file.replace(/^.*packages\//, ""));
      return fs.existsSync(found) ? fs.readFileSync(found, "utf8") : null;
    },
    getResolvedSha: (_url, rev) => rev,
  };
}

/**
 * The address under which other packages see `name` until it is published: its name in ASCII, so `wal` is
 * 0x77616c. Whoever publishes a dependent replaces this entry of its address table by the real package id.
 */
export const placeholder = (name) => "0x" + Buffer.from(name, "ascii").toString("hex");

function publishedElsewhere(files, name) {
  const address = placeholder(name);
  const manifest = files["Move.toml"].replace(new RegExp(`^(\\s*${name}\\s*=\\s*)"0x0"`, "m"), `$1"${address}"`);
  return { ...files, "Move.toml": manifest.replace(/^\[package\]$/m, `[package]\npublished-at = "${address}"`) };
}
