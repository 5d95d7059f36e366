#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The rows that `dev/bench --json FILE` left, as the table of docs/speed.md.
#
#     table.py FILE
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from run import number  # noqa: E402


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rows = json.load(file)
    print("| path | ours | limit or peer | unit | ratio | wanted | |\n|---|--:|--:|---|--:|---|---|")
    for row in rows:
        verdict = {True: "holds", False: "**does not hold**", None: ""}[row["holds"]]
        cells = (row["path"], number(row["ours"]), number(row["limit"]), row["unit"], number(row["ratio"]), row["wanted"] or "",
                 verdict + (f": {row['note']}" if row["note"] else ""))
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
