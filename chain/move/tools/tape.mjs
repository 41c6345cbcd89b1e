// The BLS tape: Move tests cannot compute BLS12-381 (the test VM accepts every signature), so every native of
// `sui::bls12381` and `sui::group_ops` is replaced by a lookup of answers that were computed beforehand.
// What is not on the tape aborts with 777 in `sui::bls_tape`.
//
// A tape is text, one answer a line, all values in hex:
//   min_pk_verify SIGNATURE KEY MESSAGE = 01      min_sig_verify likewise
//   validate TYPE POINT = 01                      TYPE as in sui::bls12381: 00 scalar, 01 G1, 02 G2, 03 GT, 04 G1 whole
//   add|sub|mul|div TYPE A B = POINT              pairing TYPE A B = POINT
//   convert FROM TO POINT = POINT                 hash_to TYPE MESSAGE = POINT
//   sum TYPE POINT... = POINT                     in any order
//   multi_scalar_mul TYPE SCALARS POINTS = POINT
//   recall NAME = VALUE                           for tests: sui::bls_tape::recall(NAME)
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { repoDir } from "./sources.mjs";

const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

/** The answers that Rust gives to all that the tests of this repository ask. */
export function ownTape() {
  const args = ["run", "--quiet", "--locked", "--package", "floe-chain", "--example", "bls_tape"];
  return execFileSync("cargo", args, { cwd: repoDir, encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] });
}

/** BCS of a byte vector. */
function bcs(bytes) {
  const length = [];
  let rest = bytes.length;
  for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** The key under which an answer is found; computed the same way in Move. */
function keyOf(native, args) {
  if (native === "sum") {
    const [type, ...points] = args;
    const mixed = Buffer.alloc(32);
    for (const point of points) sha256(point).forEach((byte, i) => (mixed[i] ^= byte));
    return sha256(Buffer.concat([Buffer.from("sum"), type, mixed]));
  }
  return sha256(Buffer.concat([Buffer.from(native), ...args.map(bcs)]));
}

function parse(tape) {
  const answers = new Map();
  for (const line of tape.split("\n").filter(Boolean)) {
    const [question, result] = line.split(" = ");
    const [native, ...args] = question.split(" ");
    const key = keyOf(native, args.map((arg) => Buffer.from(arg, "hex"))).toString("hex");
    if (answers.has(key) && answers.get(key) !== result) throw new Error(`the tape contradicts itself: ${question.slice(0, 200)}`);
    answers.set(key, result);
  }
  return answers;
}

/** Answers in 256 constants by the first byte of their key; each is key 32 | length u16 LE | value, repeated. */
function tapeModule(answers) {
  const drawers = Array.from({ length: 256 }, () => "");
  for (const [key, value] of answers) {
    const length = Buffer.alloc(2);
    length.writeUInt16LE(value.length / 2);
    drawers[parseInt(key.slice(0, 2), 16)] += key + length.toString("hex") + value;
  }
  const constants = drawers.map((hex, i) => `const T${i}: vector<u8> = x"${hex}";`).join("\n");
  // The verifier refuses functions with hundreds of branches: sixteen shelves of sixteen drawers.
  const choice = (item, low, count) => count === 1 ? item(low)
    : `if (byte < ${low + count / 2}) ${choice(item, low, count / 2)} else ${choice(item, low + count / 2, count / 2)}`;
  const shelves = Array.from({ length: 16 }, (_, i) =>
    `fun shelf${i}(byte: u8): vector<u8> { ${choice((drawer) => `T${drawer}`, 16 * i, 16)} }`).join("\n");
  return `/// Generated: answers of BLS12-381 for the Move test VM, which has none.
module sui::bls_tape;

use std::hash::sha2_256;
use sui::bcs;

const ENotOnTape: u64 = 777;

${constants}

public fun recall(name: vector<u8>): vector<u8> { answer(b"recall", vector[name]) }

public(package) fun verdict(native_: vector<u8>, args: vector<vector<u8>>): bool {
    answer(native_, args) == x"01"
}

public(package) fun answer(native_: vector<u8>, args: vector<vector<u8>>): vector<u8> {
    let mut question = native_;
    args.do!(|arg| question.append(bcs::to_bytes(&arg)));
    find(sha2_256(question))
}

public(package) fun sum(type_: u8, points: &vector<vector<u8>>): vector<u8> {
    let mut mixed = 0u256;
    points.do_ref!(|point| mixed = mixed ^ bcs::new(sha2_256(*point)).peel_u256());
    let mut question = b"sum";
    question.push_back(type_);
    question.append(bcs::to_bytes(&mixed));
    find(sha2_256(question))
}

fun find(key: vector<u8>): vector<u8> {
    let drawer = drawer(key[0]);
    let mut at = 0;
    while (at < drawer.length()) {
        let length = (drawer[at + 32] as u64) + (drawer[at + 33] as u64) * 256;
        let mut same = true;
        let mut i = 0;
        while (same && i < 32) {
            same = drawer[at + i] == key[i];
            i = i + 1;
        };
        at = at + 34;
        if (same) return vector::tabulate!(length, |j| drawer[at + j]);
        at = at + length;
    };
    abort ENotOnTape
}

fun drawer(byte: u8): vector<u8> {
    let (whole, byte) = (byte, byte / 16);
    ${choice((shelf) => `shelf${shelf}(whole)`, 0, 16)}
}

${shelves}
`;
}

const lookups = {
  bls12381_min_sig_verify: "sui::bls_tape::verdict(b\"min_sig_verify\", vector[*signature, *public_key, *msg])",
  bls12381_min_pk_verify: "sui::bls_tape::verdict(b\"min_pk_verify\", vector[*signature, *public_key, *msg])",
  internal_validate: "sui::bls_tape::verdict(b\"validate\", vector[vector[type_], *bytes])",
  internal_add: "sui::bls_tape::answer(b\"add\", vector[vector[type_], *e1, *e2])",
  internal_sub: "sui::bls_tape::answer(b\"sub\", vector[vector[type_], *e1, *e2])",
  internal_mul: "sui::bls_tape::answer(b\"mul\", vector[vector[type_], *e1, *e2])",
  internal_div: "sui::bls_tape::answer(b\"div\", vector[vector[type_], *e1, *e2])",
  internal_hash_to: "sui::bls_tape::answer(b\"hash_to\", vector[vector[type_], *m])",
  internal_multi_scalar_mul: "sui::bls_tape::answer(b\"multi_scalar_mul\", vector[vector[type_], *scalars, *elements])",
  internal_pairing: "sui::bls_tape::answer(b\"pairing\", vector[vector[type_], *e1, *e2])",
  internal_convert: "sui::bls_tape::answer(b\"convert\", vector[vector[from_type_], vector[to_type_], *e])",
  internal_sum: "sui::bls_tape::sum(type_, e)",
};

/** Rewrites the framework's sources so that no native of BLS12-381 is left. */
export function overlay(tape) {
  const module = tapeModule(parse(tape));
  return (files) => {
    const rewritten = { ...files, "sources/bls_tape.move": module };
    const left = new Set(Object.keys(lookups));
    for (const file of ["sources/crypto/bls12381.move", "sources/crypto/group_ops.move"]) {
      rewritten[file] = files[file].replace(/\bnative fun (\w+)(\([^)]*\): [\w<>]+);/g, (all, name, signature) => {
        if (!left.delete(name)) throw new Error(`${file}: the tape does not know the native ${name}`);
        return `fun ${name}${signature} { ${lookups[name]} }`;
      });
      if (/^\s*(public )?native /m.test(rewritten[file])) throw new Error(`${file} still has natives under the tape`);
    }
    if (left.size) throw new Error(`the framework lacks the natives ${[...left].join(", ")}`);
    return rewritten;
  };
}
