#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# count_tests.py JUNIT...: adds up what ctest ran and prints `PASSED FAILED SKIPPED`.
#
# A Catch2 program counts as its test cases, a script as the lines that begin `ok:`, `FAILED:` and `skipped:`, any
# other as one. A line that begins `skipped:` is a test that did not run: it is never counted as passed. A program
# that failed counts at least one failure, whatever it printed before it died; one that did not start is a failure.
# On standard error: why each skipped one was, and the names of the failed ones.
import re
import sys
import xml.etree.ElementTree as ElementTree

CATCH_ALL = re.compile(r"^All tests passed \(.* in (\d+) test cases?\)", re.MULTILINE)
CATCH_SOME = re.compile(r"^test cases:(.*)$", re.MULTILINE)


def lines_with(output, word):
    return len(re.findall(rf"^{word}:", output, re.MULTILINE))


def catch_counts(output):
    """(passed, failed, skipped) by Catch2's last lines; None when it is not one, or died before them."""
    every = CATCH_ALL.search(output)
    if every:
        return int(every.group(1)), 0, 0
    some = CATCH_SOME.search(output)
    if not some:
        return None
    number = {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|skipped)", some.group(1))}
    return tuple(number.get(word, 0) for word in ("passed", "failed", "skipped"))


def count(case):
    output = case.findtext("system-out") or ""
    status = case.get("status")
    skipped = lines_with(output, "skipped")
    if status == "disabled" or (status == "notrun" and case.find("skipped") is not None):
        message = case.find("skipped")
        if message is not None and "SKIP" not in (message.get("message") or "SKIP"):
            return 0, 1, 0  # could not be started
        return 0, 0, max(skipped, 1)
    catch = catch_counts(output)
    if catch:
        passed, failed, known = catch
        passed = max(0, passed - max(0, skipped - known))  # Catch2 2 counts what we skipped as passed
        skipped = max(skipped, known)
    else:
        passed, failed = lines_with(output, "ok"), lines_with(output, "FAILED")
    if status != "run":
        return passed, max(failed, 1), skipped
    if passed + failed + skipped == 0:
        passed = 1
    return passed, failed, skipped


def tell(case, failed, skipped):
    name = case.get("name")
    if failed:
        print(f"FAILED in {name}: {failed}", file=sys.stderr)
    reasons = re.findall(r"^skipped:.*$", case.findtext("system-out") or "", re.MULTILINE)
    for reason in reasons or ["skipped: disabled"] * bool(skipped):
        print(f"{name}: {reason}", file=sys.stderr)


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
