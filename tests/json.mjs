// Checks lines of `floe --json` against the tables of `client/cli/schema.md`.
//   node tests/json.mjs SCHEMA LINES TYPE...    every TYPE must occur
import { readFileSync } from "node:fs";

const [schema, lines, ...expected] = process.argv.slice(2);

// Rows of the tables: names in the first column, fields in the last; what is in braces is nested.
const documented = new Map();
for (const row of readFileSync(schema, "utf8").split("\n")) {
  const cells = row.split("|").map((cell) => cell.trim());
  const name = cells[1]?.match(/^`([a-z_.]+)`$/)?.[1];
  if (!name) continue;
  let flat = cells.at(-2);
  for (let before = ""; before !== flat; ) [before, flat] = [flat, flat.replace(/\{[^{}]*\}|\([^()]*\)/g, "")];
  const fields = [...flat.matchAll(/`([a-z_]+)`(\??)/g)].map(([, field, mark]) => [field, mark === "?"]);
  documented.set(name, new Map(fields));
}

const wrong = [];
const seen = new Set();
for (const text of readFileSync(lines, "utf8").split("\n").filter(Boolean)) {
  let line;
  try {
    line = JSON.parse(text);
  } catch {
    wrong.push(`no JSON: ${text}`);
    continue;
  }
  const name = line.type === "progress" ? `progress.${line.event}` : line.type;
  const fields = documented.get(name);
  if (line.v !== 1 || !fields) {
    wrong.push(`not documented: ${text}`);
    continue;
  }
  seen.add(line.type);
  for (const field of Object.keys(line)) {
    if (!["v", "type", "event"].includes(field) && !fields.has(field)) wrong.push(`'${field}' is not documented: ${text}`);
  }
  for (const [field, optional] of fields) {
    if (!optional && !(field in line)) wrong.push(`'${field}' is missing: ${text}`);
  }
}
for (const type of expected) if (!seen.has(type)) wrong.push(`nothing printed '${type}'`);
if (wrong.length > 0) {
  console.error(wrong.join("\n"));
  process.exit(1);
}
