// The abort codes of our packages, read from the constants that define them: for clients as aborts.json, for people
// as the table in README.md, and for the tests as a list of what they must reach.
import fs from "node:fs";
import path from "node:path";
import { moveDir, ownPackages, packageName, readPackage } from "./sources.mjs";

const jsonFile = path.join(moveDir, "aborts.json");
const readmeFile = path.join(moveDir, "README.md");
const tableMarks = ["<!-- abort codes: written by build.sh --bless -->\n", "<!-- end of abort codes -->"];

/** { package: { module: { code: { name, meaning } } } } */
export function aborts() {
  const found = {};
  for (const dir of ownPackages) {
    for (const source of Object.values(readPackage(dir))) {
      const module = source.match(/^module \w+::(\w+);/m)?.[1];
      for (const [, docs, name, code] of source.matchAll(/((?:^\/\/\/.*\n)+)const (E[A-Z]\w*): u64 = (\d+);/gm)) {
        const codes = ((found[packageName(dir)] ??= {})[module] ??= {});
        if (codes[code]) throw new Error(`${module}: ${name} and ${codes[code].name} share the code ${code}`);
        codes[code] = { name, meaning: docs.replace(/^\/\/\/ ?/gm, "").trim().replace(/\n/g, " ") };
      }
      for (const [, name] of source.matchAll(/const (E[A-Z]\w*): u64/g))
        if (!Object.values(found[packageName(dir)]?.[module] ?? {}).some((code) => code.name === name))
          throw new Error(`${module}: the abort code ${name} lacks a doc comment`);
    }
  }
  return found;
}

/** Names of the codes that no test expects. */
export function unexpectedAborts() {
  const expected = new Set();
  for (const dir of ownPackages)
    for (const source of Object.values(readPackage(dir, { tests: true })))
      for (const [, code] of source.matchAll(/expected_failure\(abort_code\s*=\s*([\w:]+)/g)) expected.add(code.split("::").slice(-2).join("::"));
  return Object.values(aborts()).flatMap((modules) => Object.entries(modules).flatMap(([module, codes]) =>
    Object.values(codes).map(({ name }) => `${module}::${name}`).filter((code) => !expected.has(code))));
}

const json = () => JSON.stringify(aborts(), null, 1) + "\n";

function table() {
  const rows = Object.entries(aborts()).flatMap(([name, modules]) => Object.entries(modules).flatMap(([module, codes]) =>
    Object.entries(codes).map(([code, abort]) => `| \`${name}::${module}\` | ${code} | \`${abort.name}\` | ${abort.meaning} |`)));
  return ["| module | code | name | meaning |", "|---|---|---|---|", ...rows, ""].join("\n");
}

function readmeWithTable() {
  const readme = fs.readFileSync(readmeFile, "utf8");
  const [start, end] = tableMarks.map((mark) => readme.indexOf(mark));
  return readme.slice(0, start + tableMarks[0].length) + table() + readme.slice(end);
}

export function bless() {
  fs.writeFileSync(jsonFile, json());
  fs.writeFileSync(readmeFile, readmeWithTable());
}

/** The committed files that no longer say what the sources say. */
export function stale() {
  return [[jsonFile, json], [readmeFile, readmeWithTable]]
    .filter(([file, wanted]) => !fs.existsSync(file) || fs.readFileSync(file, "utf8") !== wanted())
    .map(([file]) => path.basename(file));
}
