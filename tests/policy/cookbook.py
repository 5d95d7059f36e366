#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# docs/policy-cookbook.md is right: each of its rules is taken, and each of its questions gets the answer that it says.
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HWVAULT = Path(os.environ["HWVAULT_BIN"], "hwvault")


def recipes():
    """(heading, rules, questions): a question is its words and whether the answer is yes."""
    text = (ROOT / "docs/policy-cookbook.md").read_text(encoding="utf-8")
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        rules = "".join(re.findall(r"^```toml\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
        questions = re.findall(r"^explain (.*?) +# (yes|no)$", section, re.MULTILINE)
        yield section.split("\n", 1)[0], rules, [(words.split(), answer == "yes") for words, answer in questions]


def status(folder, *arguments):
    command = [HWVAULT, "policy", arguments[0], "--policy", folder, *arguments[1:]]
    environment = {**os.environ, "HWVAULT_ADDRESS": f"{folder}/no-vault"}
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False).returncode


def main():
    failed = asked = 0
    for heading, rules, questions in recipes():
        if rules and not questions:
            print(f"FAILED: {heading}: rules that no question is asked of")
            failed += 1
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "10-recipe.toml").write_text(rules, encoding="utf-8")
            wrong = [] if status(folder, "check") == 0 else ["the rules are refused"]
            wrong += [" ".join(words) for words, yes in questions if status(folder, "explain", *words) != (0 if yes else 1)]
        asked += len(questions)
        failed += bool(wrong)
        print(f"FAILED: {heading}: {'; '.join(wrong)}" if wrong else f"ok: {heading}")
    if asked < 15:
        print(f"FAILED: {asked} questions were found in the cookbook")
        failed += 1
    sys.exit(1 if failed else 0)


main()
