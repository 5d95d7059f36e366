#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Proves that dev/count_tests.py is honest: what failed, died, hung, did not start or did not run is never counted as
# passed, whatever was printed before.
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

COUNTER = Path(__file__).resolve().parents[2] / "dev/count_tests.py"

WARNING = "-" * 79 + """
A secret is wiped
""" + "-" * 79 + """
/src/tests/foundation/test_secret.cpp:157
...............................................................................

/src/tests/foundation/test_secret.cpp:160: warning:
  skipped: no device

"""
PASSED = "=" * 79 + "\nAll tests passed (9 assertions in 3 test cases)\n\n"
RAN = "test_one (Class) ... ok\n\n" + "-" * 70 + "\nRan {} tests in 0.1s\n\n{}\n"

# (what, status, how ctest marks it, output, passed, failed, skipped)
CASES = [
    ("catch passed", "run", "", "All tests passed (9 assertions in 3 test cases)", 3, 0, 0),
    ("one case", "run", "", "All tests passed (1 assertion in 1 test case)", 1, 0, 0),
    ("catch with a skip", "run", "", "skipped: no device\nAll tests passed (9 assertions in 3 test cases)", 2, 0, 1),
    ("catch that warns of a skip", "run", "", WARNING + PASSED, 2, 0, 1),
    ("catch that warns of two", "run", "", WARNING + WARNING.replace("wiped", "locked") + PASSED, 1, 0, 2),
    ("catch that warns twice of one", "run", "", WARNING + WARNING + PASSED, 2, 0, 1),
    ("catch that warns in a section", "run", "", WARNING.replace("wiped", "wiped\n  if it is") + WARNING + PASSED, 2, 0, 1),
    ("catch that ran nothing", "run", "", "=" * 79 + "\nNo tests ran\n\n", 0, 1, 0),
    ("catch failed", "fail", "<failure/>", "test cases: 5 | 3 passed | 2 failed\nassertions: 9 | 7 passed", 3, 2, 0),
    ("catch 3 skipped", "run", "", "test cases: 4 | 3 passed | 1 skipped", 3, 0, 1),
    ("catch 3 skipped and said so", "run", "", "skipped: why\ntest cases: 4 | 3 passed | 1 skipped", 3, 0, 1),
    ("died after passing", "fail", "<failure/>", "All tests passed (9 assertions in 3 test cases)", 3, 1, 0),
    ("died", "fail", "<failure/>", "", 0, 1, 0),
    ("hung", "fail", '<failure message="Timeout"/>', "ok: one", 1, 1, 0),
    ("did not start", "notrun", '<skipped message="Unable to find executable"/>', "", 0, 1, 0),
    ("skipped by its status", "notrun", '<skipped message="SKIP_RETURN_CODE=77"/>', "skipped: why", 0, 0, 1),
    ("disabled", "disabled", "", "", 0, 0, 1),
    ("script", "run", "", "ok: a\nok: b\nskipped: c: why", 2, 0, 1),
    ("script failed", "fail", "<failure/>", "ok: a\nFAILED: b\nFAILED: c", 1, 2, 0),
    ("script that skipped all", "run", "", "skipped: all: why", 0, 0, 1),
    ("script that said nothing", "run", "", "", 0, 1, 0),
    ("script that said nothing of its tests", "run", "", "HWVAULT_SEED=1\n", 0, 1, 0),
    ("unittest", "run", "", RAN.format(44, "OK"), 44, 0, 0),
    ("unittest that skipped", "run", "", RAN.format(44, "OK (skipped=3)"), 41, 0, 3),
    ("unittest failed", "fail", "<failure/>", RAN.format(9, "FAILED (failures=1, errors=2, skipped=3)"), 3, 3, 3),
    ("unittest whose class failed", "fail", "<failure/>", RAN.format(0, "FAILED (errors=1)"), 0, 1, 0),
    ("unittest that ran nothing", "run", "", RAN.format(0, "OK"), 0, 1, 0),
    ("fuzzer", "run", "", "stat::number_of_executed_units: 167687\n", 1, 0, 0),
    ("fuzzer that found something", "fail", "<failure/>", "stat::number_of_executed_units: 12\n", 0, 1, 0),
]


def counted(cases):
    body = "".join(f'<testcase name="{name}" status="{status}">{mark}<system-out>{escape(output)}</system-out></testcase>'
                   for name, status, mark, output, *_ in cases)
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as report:
        report.write(f"<testsuite>{body}</testsuite>")
        report.flush()
        done = subprocess.run([COUNTER, report.name], capture_output=True, text=True, check=True)
    return [int(number) for number in done.stdout.split()]


def main():
    failures = [f"{case[0]}: counted {counted([case])}, not {list(case[4:])}"
                for case in CASES if counted([case]) != list(case[4:])]
    if counted(CASES) != [sum(case[column] for case in CASES) for column in (4, 5, 6)]:
        failures.append("the sum is not the sum")
    for failure in failures:
        print(f"FAILED: {failure}")
    if not failures:
        print(f"ok: {len(CASES)} ways to end are counted as they are")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
