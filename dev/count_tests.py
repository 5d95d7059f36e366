#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# count_tests.py JUNIT...: adds up what ctest ran and prints `PASSED FAILED SKIPPED`.
#
# A Catch2 program counts as its test cases, one of Python's unittest as its tests, a fuzzer as one, a script as the
# lines that begin `ok:`, `FAILED:` and `skipped:`. A test that says `skipped:` did not run: it is never counted as
# passed. A program that failed counts at least one failure, whatever it printed before it died; one that did not
# start, or that ran no test, or said nothing of what it ran, is a failure.
# On standard error: why each skipped one was, and the names of the failed ones.
import re
import sys
import xml.etree.ElementTree as ElementTree

CATCH_ALL = re.compile(r"^All tests passed \(.* in (\d+) test cases?\)", re.MULTILINE)
CATCH_SOME = re.compile(r"^test cases:(.*)$", re.MULTILINE)
CATCH_NONE = re.compile(r"^No tests ran", re.MULTILINE)
CATCH_HEADER = re.compile(r"^-{79}\n(.+)\n(?:.+\n)*?-{79}$", re.MULTILINE)
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n+(.*)$", re.MULTILINE)
FUZZER = re.compile(r"^stat::number_of_executed_units:", re.MULTILINE)
SKIPPED = re.compile(r"^\s*skipped:", re.MULTILINE)
REASON = re.compile(r"(?:^\s*skipped:|^.* \.\.\. skipped) (.*)$", re.MULTILINE)


def lines_with(output, word):
    return len(re.findall(rf"^{word}:", output, re.MULTILINE))


def cases_skipped(output):
    """How many Catch2 test cases said so: below its name, each once, or on lines of their own."""
    before, *rest = CATCH_HEADER.split(output)
    named = {name for name, text in zip(rest[::2], rest[1::2]) if SKIPPED.search(text)}
    return len(SKIPPED.findall(before)) + len(named)


def catch_counts(output):
    """(passed, failed, skipped) by Catch2's last lines; None when it is not one, or died before them."""
    if CATCH_NONE.search(output):
        return 0, 1, 0
    every, some = CATCH_ALL.search(output), CATCH_SOME.search(output)
    if not every and not some:
        return None
    words = re.findall(r"(\d+) (passed|failed|skipped)", some.group(1)) if some else [(every.group(1), "passed")]
    number = {word: int(count) for count, word in words}
    passed, failed, known = (number.get(word, 0) for word in ("passed", "failed", "skipped"))
    skipped = max(known, cases_skipped(output))
    return max(0, passed - (skipped - known)), failed, skipped  # Catch2 2 counts what we skipped as passed


def unittest_counts(output):
    """(passed, failed, skipped) by the last lines of Python's unittest; None when it is not one."""
    last = UNITTEST.search(output)
    if not last:
        return None
    words = re.findall(r"(failures|errors|successes|skipped)=(\d+)", last.group(2))
    number = {word: int(count) for word, count in words}
    skipped = number.pop("skipped", 0)
    failed = sum(number.values())
    return max(0, int(last.group(1)) - failed - skipped), failed, skipped


def line_counts(output):
    return tuple(lines_with(output, word) for word in ("ok", "FAILED", "skipped"))


def count(case):
    output = case.findtext("system-out") or ""
    status = case.get("status")
    if status == "disabled" or (status == "notrun" and case.find("skipped") is not None):
        message = case.find("skipped")
        if message is not None and "SKIP" not in (message.get("message") or "SKIP"):
            return 0, 1, 0  # could not be started
        return 0, 0, max(lines_with(output, "skipped"), 1)
    counts = catch_counts(output) or unittest_counts(output) or line_counts(output)
    if status == "run" and FUZZER.search(output):
        return 1, 0, 0
    if status != "run" or sum(counts) == 0:
        return counts[0], max(counts[1], 1), counts[2]
    return counts


def tell(case, failed, skipped):
    name = case.get("name")
    if failed:
        print(f"FAILED in {name}: {failed}", file=sys.stderr)
    reasons = REASON.findall(case.findtext("system-out") or "")
    for reason in reasons or ["disabled"] * bool(skipped):
        print(f"{name}: skipped: {reason}", file=sys.stderr)


def main(files):
    totals = [0, 0, 0]
    for file in files:
        for case in ElementTree.parse(file).getroot().iter("testcase"):
            counts = count(case)
            tell(case, *counts[1:])
            totals = [total + part for total, part in zip(totals, counts)]
    print(*totals)


if __name__ == "__main__":
    main(sys.argv[1:])
