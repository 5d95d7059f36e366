#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each test that docs/threat-model.md names exists: `FOLDER/FILE` is a script of tests/ or a source, and each sentence after it
# one of its checks or test cases.
import re
import sys
from pathlib import Path

ROOT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
DOCUMENT = ROOT / "docs/threat-model.md"


FOLDERS = "(?:system|boot|index|service)"


def checks_of(script):
    if script.suffix == ".cpp":
        return set(re.findall(r'^TEST_CASE\("([^"]*)"', script.read_text(encoding="utf-8"), re.MULTILINE))
    # A check is marked as one: @check, or a script's own mark made of it.
    found = re.findall(r"^@\w+.*\n(?:@.*\n)*def (\w+)\(", script.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.replace("_", " ") for name in found}


def named():
    """(script, sentence) of each that the table names."""
    for row in re.findall(rf"^\| .*? \| (`{FOLDERS}/.*) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE):
        for script, sentences in re.findall(rf"`({FOLDERS}/\w+)`: ([^`]*?)(?=\. `|$)", row):
            for sentence in sentences.split("; "):
                yield script, sentence.strip()


def main():
    wrong = 0
    count = 0
    for script, sentence in named():
        count += 1
        path = next((ROOT / "tests").glob(f"{script}.*"), None)
        if path is None or sentence not in checks_of(path):
            print(f"FAILED: docs/threat-model.md names `{script}`: {sentence}, which is not there")
            wrong += 1
    if count < 40:
        print(f"FAILED: docs/threat-model.md names {count} tests; is its table still read?")
        wrong += 1
    if not wrong:
        print(f"ok: the {count} tests that docs/threat-model.md names are there")
    sys.exit(1 if wrong else 0)


main()
