#!/usr/bin/env python3
"""Turns the rows of `cargo bench -p floe-codec --bench ratios -- --json` into a table and a plot.

report.py ROWS.jsonl PLOT.svg > TABLE.md
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


def table(rows):
    print("| name | n | MiB | threads | tier | ours, s | baseline, s | ratio | bar |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        bar = BARS.get((row["name"], row["n"], row["bytes"], row["tier"])) if row["threads"] == 1 else None
        verdict = "" if bar is None else f"{bar}, {'held' if row['ratio'] >= bar else 'missed'}"
        ratio = f"{row['ratio']:.2f}" + (" (slower)" if row["ratio"] < 1 else "")
        print(
            f"| {row['name']} | {row['n']} | {row['bytes'] // MIB} | {row['threads']} | {row['tier']} "
            f"| {row['ours_s']:.4f} | {row['baseline_s']:.4f} | {ratio} | {verdict} |"
        )


def plot(rows, path):
    rows = [row for row in rows if row["threads"] == 1]
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
    table(rows)
    plot(rows, target)


main()
