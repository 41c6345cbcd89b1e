#!/usr/bin/env python3
"""Turns the rows of `cargo bench -p floe-codec --bench ratios -- --json` into tables and a plot.

report.py ROWS.jsonl PLOT.svg > TABLES.md
"""

import json
import math
import sys

# Least ratios of docs/performance.md, by (name, n, bytes, tier).
MIB = 1 << 20
BARS = {
    ("encode", 1000, 256 * MIB, "avx512"): 6,
    ("encode", 1000, 32 * MIB, "avx512"): 8,
    ("encode", 1000, MIB, "avx512"): 10,
    ("encode", 100, 32 * MIB, "avx512"): 3.5,
    ("encode", 50, 32 * MIB, "avx512"): 1,
    ("encode", 25, 32 * MIB, "avx512"): 1,
    ("encode", 10, 32 * MIB, "avx512"): 1,
    ("encode", 10, MIB, "avx512"): 1,
    ("encode", 1000, 32 * MIB, "avx2"): 1.5,
    ("encode", 100, 32 * MIB, "avx2"): 1.5,
    ("decode", 1000, 32 * MIB, "avx512"): 3,
    ("decode", 100, 32 * MIB, "avx512"): 3,
}
COLORS = {"portable": "#999999", "scalar": "#cc8866", "avx2": "#4477aa", "avx512": "#117733"}


def cell(row):
    if row is None:
        return ""
    return f"{row['ours_s']:.4f} s, {row['ratio']:.2f}" + (" (slower)" if row["ratio"] < 1 else "")


def table(rows):
    """Against the crates: for each case our time and the ratio on each tier."""
    tiers = list(COLORS)
    print("| name | n | MiB | baseline | " + " | ".join(tiers) + " | bar |")
    print("|---" * (len(tiers) + 5) + "|")
    cases = {}
    for row in rows:
        cases.setdefault((row["name"], row["n"], row["bytes"]), {})[row["tier"]] = row
    for case, of_tiers in cases.items():
        verdicts = []
        for tier, row in of_tiers.items():
            if bar := BARS.get((*case, tier)):
                verdicts.append(f"{tier} {bar}, {'held' if row['ratio'] >= bar else 'missed'}")
        name, n, size = case
        baseline = f"{list(of_tiers.values())[-1]['baseline_s']:.4f} s"
        cells = [cell(of_tiers.get(tier)) for tier in tiers]
        print("| " + " | ".join([name, f"{n}", f"{size // MIB}", baseline, *cells, "; ".join(verdicts)]) + " |")


def own_table(rows):
    """Against ourselves: streams and more threads."""
    print("| name | n | MiB | threads | ours | baseline | ratio | is |")
    print("|---" * 8 + "|")
    for row in rows:
        print(
            f"| {row['name']} | {row['n']} | {row['bytes'] // MIB} | {row['threads']} | {row['ours_s']:.4f} s "
            f"| {row['baseline_s']:.4f} s | {row['ratio']:.2f} | {row['baseline']} |"
        )


def plot(rows, path):
    height, left, scale = 14 * len(rows) + 40, 230, 110

    def x(ratio):
        return left + scale * (math.log2(ratio) + 4)

    with open(path, "w") as svg:
        svg.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{x(16) + 60:.0f}" height="{height}" '
            'font-family="sans-serif" font-size="10">\n<rect width="100%" height="100%" fill="white"/>\n'
        )
        for power in range(-4, 5):
            at, label = x(2**power), f"{2**power:g}"
            svg.write(f'<path d="M{at:.0f} 20V{height - 10}" stroke="{"#000" if power == 0 else "#ddd"}"/>')
            svg.write(f'<text x="{at:.0f}" y="14" text-anchor="middle">{label}</text>\n')
        for i, row in enumerate(rows):
            y, ratio = 28 + 14 * i, max(row["ratio"], 1 / 16)
            start, end = sorted((x(1), x(ratio)))
            label = f"{row['name']} n={row['n']} {row['bytes'] // MIB} MiB {row['tier']}"
            svg.write(f'<text x="4" y="{y + 8}">{label}</text>')
            svg.write(
                f'<rect x="{start:.0f}" y="{y}" width="{end - start:.0f}" height="10" '
                f'fill="{COLORS[row["tier"]]}"/>\n'
            )
        svg.write("</svg>\n")


def main():
    source, target = sys.argv[1:]
    with open(source) as lines:
        rows = [json.loads(line) for line in lines]
    own = [row for row in rows if row["baseline"].startswith("own ")]
    rows = [row for row in rows if row not in own]
    table(rows)
    print()
    own_table(own)
    plot(rows, target)


main()
