#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# hwvault audit show: what it shows of audit files, which of their entries, and what it does with what is none.
import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from audit_trail import AuditTest, as_line, with_hashes  # noqa: E402


class Show(AuditTest):
    def setUp(self):
        super().setUp()
        lines = self.lines[:6]
        for i, change in enumerate(({}, {"verb": "Retrieve", "name": "other"}, {"user": "bob", "uid": 1001, "time": 1700100000},
                                    {"account": "user:zoe", "unit": "web.service"}, {"verb": "RevokeToken", "user": "", "token": "zzzzzzzzzz"}), start=1):
            entry = {**json.loads(lines[i]), **change}
            if not entry["user"]:
                del entry["user"]
            lines[i] = as_line(entry)
        checkpoint = next(line for line in self.lines if "checkpoint" in line)
        self.lines = with_hashes([*lines, checkpoint])
        self.put(self.lines)

    def shown(self, *arguments, code=0):
        """Which entries are shown; and with --json they are the lines of the file."""
        rows = self.audit(code, "show", self.file, *arguments).stdout.splitlines()
        self.assertTrue(rows[0].startswith("ENTRY") or rows == ["no entries"], rows)
        numbers = [int(row.split()[0]) for row in rows[1:]]
        raw = self.audit(code, "show", self.file, *arguments, "--json").stdout.splitlines()
        self.assertEqual(raw, [self.lines[number] for number in numbers])
        return numbers

    def test_everything_is_shown(self):
        self.assertEqual(self.shown(), [1, 2, 3, 4, 5, 6])
        rows = self.audit(0, "show", self.file).stdout.splitlines()
        for words in ("2023-11-14 22:13:21 UTC", "alice in deploy.service", "Revoke", "app:billing/ci", " 1 ", "owners"):
            self.assertIn(words, rows[1])
        self.assertIn("uid 1000 in deploy.service", rows[5])
        self.assertIn("checkpoint 1, epoch 9", rows[6])

    def test_it_shows_what_is_asked_for(self):
        for arguments, numbers in ((("--verb", "retrieve"), [2]), (("--verb", "revoke-token"), [5]), (("--user", "bob"), [3]),
                                   (("--user", "1001"), [3]), (("--user", "1000"), [1, 2, 4, 5]), (("--unit", "web.service"), [4]),
                                   (("--account", "user:zoe"), [4]), (("--name", "other"), [2]), (("--last", "2"), [5, 6]),
                                   (("--user", "alice", "--last", "2"), [2, 4]), (("--user", "nobody"), []),
                                   (("--since", "2023-11-15"), [3]), (("--until", "2023-11-14 22:13:22"), [1, 2]),
                                   (("--since", "2023-11-14 22:14"), [3]), (("--until", "2023-11-14T22:13:22Z"), [1, 2]),
                                   (("--since", "2023-11-14 22:13:24 UTC"), [3, 4, 5]), (("--token", "zzzzzzzzzz"), [5]),
                                   (("--verb", "checkpoint"), [6]), (("--verb", "Checkpoint", "--user", "alice"), []),
                                   (("--verb", "audit"), []), (("--since", "1d"), []), (("--until", "1d"), [1, 2, 3, 4, 5])):
            self.assertEqual(self.shown(*arguments), numbers, arguments)

    def test_moments_are_in_utc_wherever_one_is(self):
        self.environment["TZ"] = "America/New_York"
        self.assertIn("2023-11-14 22:13:21 UTC", self.audit(0, "show", self.file).stdout)
        self.assertEqual(self.shown("--until", "2023-11-14 22:13:22"), [1, 2])

    def test_what_hwvaultd_did_itself_is_said_to_be_its_own(self):
        entry = {**json.loads(self.lines[1]), "verb": "Audit", "uid": 996}
        del entry["user"], entry["unit"]
        self.put(with_hashes([self.lines[0], as_line(entry)]))
        row = self.audit(0, "show", self.file, "--verb", "Audit").stdout.splitlines()[1]
        self.assertIn(" hwvaultd  ", row)
        self.assertNotIn("996", row)

    def test_where_nothing_fits_it_says_so(self):
        self.assertEqual(self.audit(0, "show", self.file, "--user", "nobody").stdout, "no entries\n")
        self.assertEqual(self.audit(0, "show", self.file, "--user", "nobody", "--json").stdout, "")

    def test_a_long_name_moves_the_columns_after_it_no_further_than_it_must(self):
        entry = {**json.loads(self.lines[1]), "user": "zoë", "name": "n" * 24}  # four columns too long
        long = {**entry, "name": "n" * 64}
        self.put(with_hashes([self.lines[0], self.lines[1], as_line(entry), as_line(long)]))
        heading, short, fits, pushed = self.audit(0, "show", self.file).stdout.splitlines()
        for row in (short, fits):
            self.assertEqual(row.index("owners"), heading.index("RULE"), row)
            self.assertEqual(row.index("Revoke"), heading.index("VERB"), row)
        self.assertIn(f"{'n' * 64}  1  owners", pushed)

    def test_what_is_asked_wrongly_is_2(self):
        for arguments in (("--since", "yesterday"), ("--until", "2026-02-31"), ("--since", "2026-11-26x"), ("--token", "zzzz"),
                          ("--token", "zzzzzzzz-z")):
            self.audit(2, "show", self.file, *arguments)
        said = self.audit(2, "show", self.file, "--verb", "explode").stderr
        self.assertIn("These are Retrieve, Revoke, RevokeToken, Rotate, ", said)
        self.assertIn("Recover, Audit, and checkpoint.", said)
        for number in ("0", "x", "-1", "3x", "99999999999999999999"):
            self.assertEqual(self.audit(2, "show", self.file, f"--last={number}").stderr,
                             "hwvault: --last takes a number of entries, from 1.\n")
        token = "hwv_" + 59 * "x"
        said = self.audit(2, "show", self.file, "--token", token).stderr
        self.assertIn("the id of a token", said)
        self.assertNotIn(token[:14], said)
        self.audit(1, "show", self.home / "none")

    def test_a_line_that_is_none_is_named_and_the_rest_is_shown(self):
        self.lines[2] = "hwv_0123456789canary"
        self.lines[4] = "x" * 300_000
        self.put(self.lines)
        self.assertEqual(self.shown(code=1), [1, 3, 5, 6])
        said = self.audit(1, "show", self.file).stderr
        self.assertIn(f"{self.file}, line 3: This line is not JSON.", said)
        self.assertIn(f"{self.file}, line 5: This line is longer than", said)
        self.assertEqual(said.count("\n"), 2, said)
        self.assertNotIn("hwv_", said)

    def test_nothing_of_a_file_reaches_the_terminal_as_a_control_sequence(self):
        self.lines[1] = self.lines[1].replace("alice", "\\u001b[31malice")
        self.put(self.lines)
        named = self.home / "\x1b[31m.jsonl"
        self.file.rename(named)
        done = self.audit(1, "show", named)
        self.assertNotIn("\x1b", done.stdout + done.stderr)
        self.assertIn("line 2: This line is not in the form", done.stderr)

    def test_it_does_not_verify(self):
        self.lines[2] = self.lines[2].replace("alice", "mallory")
        self.put(self.lines)
        self.assertEqual(self.shown("--user", "mallory"), [2])
        self.assertIn("`verify` says whether it is true", self.audit(0, "show", "--help").stdout + self.audit(0, "--help").stdout)


if __name__ == "__main__":
    unittest.main()
