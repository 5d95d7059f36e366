#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs the benches and prints the table: ours, the limit or the peer, the ratio, the ratio that is wanted (bench/wanted.py), and
# whether it holds. dev/bench builds what it needs and calls it; no time makes it fail.
#
#     run.py [--quick] [--only PART...] [--json FILE] [--series FILE]
#
# A part that cannot be measured here is in the table too, says why, and does not hold.
import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import parts  # noqa: E402
import wanted  # noqa: E402


def number(value):
    if value is None:
        return "-"
    if value >= 1e4:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def print_table(rows):
    table = [("path", "ours", "limit", "unit", "ratio", "wanted", "")]
    for row in rows:
        verdict = {True: "holds", False: "does not hold", None: ""}[row["holds"]]
        table.append((row["path"], number(row["ours"]), number(row["limit"]), row["unit"], number(row["ratio"]),
                      row["wanted"] or "-", verdict + (f": {row['note']}" if row["note"] else "")))
    widths = [max(len(line[column]) for line in table) for column in range(6)]
    for line in table:
        cells = [cell.rjust(width) if column in (1, 2, 4) else cell.ljust(width)
                 for column, (cell, width) in enumerate(zip(line, widths))]
        print("  ".join([*cells, line[6]]).rstrip())
    judged = [row for row in rows if row["holds"] is not None]
    print(f"{sum(row['holds'] for row in judged)} of {len(judged)} hold", flush=True)


def main():
    options = argparse.ArgumentParser(prog="dev/bench", description="Each path against its limit or its peer, in one run.")
    options.add_argument("--quick", action="store_true", help="fewer repetitions: a few minutes")
    options.add_argument("--only", nargs="+", choices=parts.ALL, default=list(parts.ALL), metavar="PART",
                         help=f"of {', '.join(parts.ALL)}")
    options.add_argument("--json", metavar="FILE", help="the rows, as a list of objects")
    options.add_argument("--series", metavar="FILE", help="latency and memory against the number of tokens, for bench/plot.py")
    given = options.parse_args()
    bench = parts.Bench(quick=given.quick)
    for part in given.only:
        print(f"measuring: {part}", file=sys.stderr, flush=True)
        parts.measure(bench, part)
    rows = [wanted.row(measured) for measured in sorted(bench.measured, key=wanted.position)]
    print_table(rows)
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1) + "\n")
    if given.series:
        Path(given.series).write_text(json.dumps(parts.series(bench), indent=1) + "\n")


if __name__ == "__main__":
    main()
