#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# hwvault audit verify and show, on files that were written as hwvaultd writes them ($WRITER, with a signing key of its
# own) and then tampered with in every way. Hashes are computed anew here, after docs/formats/audit.md alone, by code that
# shares nothing with the program's.
import base64
import hashlib
import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from fake_vault import FakeVault  # noqa: E402

PROGRAM = os.environ["HWVAULT"]
WRITER = os.environ["WRITER"]
VERBS = ["Retrieve", "Revoke", "RevokeToken", "Rotate", "Verify", "Create", "Import", "Delete", "List", "Describe", "Status",
         "Watch", "Recover", "Audit"]
ZEROS = bytes(32)


def write_trail(folder, events, files=1):
    folder.mkdir()
    subprocess.run([WRITER, folder, str(events), str(files)], check=True, timeout=120)
    return folder


def field(content):
    if isinstance(content, int):
        content = content.to_bytes(8, "little")
    if isinstance(content, str):
        content = content.encode()
    return len(content).to_bytes(4, "little") + content


def body_of(entry):
    if "body" in entry:
        return base64.b64decode(entry["body"])
    if "checkpoint" in entry:
        made = entry["checkpoint"]
        digests = [bytes.fromhex(made[key]) for key in ("previous", "audit_head", "escrow_set")]
        parts = [3, made["sequence"], digests[0], digests[1], made["epoch"], digests[2], base64.b64decode(made["signature"])]
    else:
        texts = [entry.get(key, "") for key in ("user", "unit", "invocation", "executable", "account", "name", "token")]
        verb = VERBS.index(entry["verb"]) + 1
        parts = [2, entry["time"], verb, entry["uid"], *texts, entry.get("generation", 0), entry.get("rule", "")]
    return b"".join(map(field, parts))


def as_line(entry):
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False)


def with_hashes(lines):
    """The same entries, numbered and chained anew from the first one on."""
    head, sequence, anew = ZEROS, 0, []
    for line in lines:
        entry = json.loads(line)
        if "trail" in entry:
            entry["follows"] = {"sequence": sequence, "hash": head.hex()}
        else:
            sequence += 1
            entry["sequence"] = sequence
            head = hashlib.sha256(field(head) + field(sequence) + field(body_of(entry))).digest()
            entry["hash"] = head.hex()
        anew.append(as_line(entry))
    return anew


class AuditTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory(prefix="hwvault-audit-")
        cls.one_file = write_trail(Path(cls.kept.name, "one"), 250, 1)
        cls.three_files = write_trail(Path(cls.kept.name, "three"), 250, 3)

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="hwvault-audit-")
        self.home = Path(self.folder.name)
        self.file = self.home / "audit.jsonl"
        shutil.copy(self.one_file / "audit.jsonl", self.file)
        self.key = self.one_file / "signing.pem"
        self.lines = self.file.read_text(encoding="utf-8").splitlines()
        self.environment = {**os.environ, "HWVAULT_ADDRESS": str(self.home / "none"), "TZ": "UTC"}

    def tearDown(self):
        self.folder.cleanup()

    def audit(self, code, *arguments):
        done = subprocess.run([PROGRAM, "audit", *arguments], env=self.environment, timeout=120, capture_output=True,
                              check=False, encoding="utf-8")
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout!r} {done.stderr!r}")
        return done

    def verify(self, code, *arguments):
        return self.audit(code, "verify", "--signing-key", self.key, *arguments)

    def put(self, lines):
        self.file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")

    def expect_bad(self, lines, number, words, *arguments):
        """These lines are refused, and the first bad one is named."""
        self.put(lines)
        done = self.verify(1, self.file, *arguments)
        place = f"{self.file}, line {number}: This line " if number else f"{self.file}: "
        self.assertTrue(done.stderr.startswith(f"hwvault: {place}"), done.stderr)
        self.assertIn(words, done.stderr)
        self.assertEqual(done.stdout, "")
        found = json.loads(self.verify(1, self.file, *arguments, "--json").stdout)
        self.assertEqual((found["error"], found["file"], found.get("line", 0)), ("StoreTampered", str(self.file), number))
        self.assertIn(words, found["message"])

    def head(self, number=-1):
        entry = json.loads(self.lines[number])
        return f"{entry['sequence']}:{entry['hash']}"


class Verify(AuditTest):
    def test_files_that_are_whole_are_summed_up(self):
        done = self.verify(0, self.file)
        for words in ("1 to 253", "250", "(3 checkpoints)", "entry 252, the latest", "a tail that was cut off would not be noticed"):
            self.assertIn(words, done.stdout)
        self.assertEqual(done.stderr, "")
        found = json.loads(self.verify(0, self.file, "--json").stdout)
        fingerprint = hashlib.sha256(base64.b64decode("".join(self.key.read_text().splitlines()[1:-1]))).hexdigest()
        self.assertEqual(found, {"verified": True, "first": 1, "last": 253, "head": self.head(), "events": 250, "checkpoints": 3,
                                 "unknown": 0, "trails": 1, "end_checked": False, "signed_up_to": 252, "uncovered": 0,
                                 "signed_by": [{"fingerprint": fingerprint, "checkpoints": 3}]})

    def test_hashes_are_as_the_format_says(self):
        self.assertEqual(with_hashes(self.lines), self.lines)

    def test_a_line_that_was_edited_is_named(self):
        edited = [*self.lines]
        edited[7] = edited[7].replace("alice", "mallory")
        self.expect_bad(edited, 8, "is entry 7, and its hash does not fit")

    def test_a_line_that_was_edited_with_all_hashes_after_it_is_found_at_the_next_checkpoint(self):
        edited = [*self.lines]
        edited[7] = edited[7].replace("alice", "mallory")
        self.expect_bad(with_hashes(edited), 102, "is a checkpoint of another trail")

    def test_a_line_that_was_removed_is_named(self):
        self.expect_bad(self.lines[:7] + self.lines[9:], 8, "is entry 9: entries 7 to 8 are missing before it")
        self.expect_bad(with_hashes(self.lines[:7] + self.lines[8:]), 101, "is a checkpoint of another trail")

    def test_lines_in_another_order_are_named(self):
        swapped = [*self.lines]
        swapped[7], swapped[8] = swapped[8], swapped[7]
        self.expect_bad(swapped, 8, "is entry 8: entry 7 is missing before it")
        self.expect_bad(self.lines[:20] + self.lines[5:], 21, "is entry 5, where entry 20 should be")

    def test_a_tail_that_was_cut_off_is_found_by_who_knows_the_end(self):
        end = self.head()
        self.put(self.lines[:-3])
        self.verify(0, self.file)
        self.expect_bad(self.lines[:-3], 0, "Entries 251 to 253 are missing at the end", "--head", end)
        self.expect_bad(self.lines[:-1], 0, "Entry 253 is missing at the end", "--head", end)
        self.put(self.lines)
        self.assertIn("as --head says\n", self.verify(0, self.file, "--head", end).stdout)
        self.assertTrue(json.loads(self.verify(0, self.file, "--head", end, "--json").stdout)["end_checked"])
        self.assertIn("up to entry 5, as --head says; a tail that was cut off after that would not be noticed",
                      self.verify(0, self.file, "--head", self.head(5)).stdout)
        self.assertFalse(json.loads(self.verify(0, self.file, "--head", self.head(5), "--json").stdout)["end_checked"])

    def test_a_tail_that_was_written_anew_is_found_by_who_knows_the_end(self):
        cut = self.lines[:-1]  # without the last checkpoint nothing covers the last events
        end = self.head(-2)
        cut[-1] = cut[-1].replace("alice", "mallory")
        self.put(with_hashes(cut))
        self.assertIn("no checkpoint covers the 50 entries after it yet", self.verify(0, self.file).stdout)
        self.expect_bad(with_hashes(cut), 0, "Entry 252 is another one than it was", "--head", end)

    def test_a_forged_checkpoint_is_named(self):
        number = next(i for i, line in enumerate(self.lines) if "checkpoint" in line)
        changed = [*self.lines]
        changed[number] = changed[number].replace('"epoch":9', '"epoch":8')
        self.expect_bad(with_hashes(changed), number + 1, "is checkpoint 1, and its signature is of none of the signing keys")
        self.put(self.lines)
        self.key = self.three_files / "signing.pem"  # another device's
        self.expect_bad(self.lines, number + 1, "is checkpoint 1, and its signature is of none of the signing keys")
        self.verify(0, self.file, "--signing-key", self.one_file / "signing.pem")

    def test_files_without_any_checkpoint_prove_nothing(self):
        bare = with_hashes([line for line in self.lines if "checkpoint" not in line])
        self.expect_bad(bare, 0, "No checkpoint covers an entry of the trail that ends here")
        self.assertIn("whoever can write the files", self.audit(0, "verify", "--chain-only", self.file).stdout)
        entry = json.loads(bare[-1])
        self.verify(0, self.file, "--head", f"{entry['sequence']}:{entry['hash']}")

    def test_a_trail_without_an_entry_proves_nothing_also_after_a_whole_one(self):
        bare = self.lines[0]
        self.expect_bad([bare], 0, "No checkpoint covers an entry of the trail that ends here")
        self.expect_bad([*self.lines, bare], 0, "No checkpoint covers an entry of the trail that ends here")
        self.verify(2, self.file, "--head", "0:" + 64 * "0")  # every trail follows that
        last = json.loads(self.lines[-1])
        follows = as_line({**json.loads(bare), "follows": {"sequence": last["sequence"], "hash": last["hash"]}})
        self.put([*self.lines, follows])  # the next file, just begun
        self.verify(0, self.file)

    def test_a_file_that_is_there_twice_is_named_at_its_first_line(self):
        again = self.home / "again.jsonl"
        shutil.copy(self.file, again)
        self.assertIn(f"{again}, line 1: This line begins the trail again without a recovery: the files are in another order, "
                      "one is there twice", self.verify(1, self.file, again).stderr)

    def test_what_is_no_line_is_named_and_takes_no_memory(self):
        for bad, words in (("garbage", "is not JSON"), ("{}", "has no `sequence`"), ("", "is not JSON"), ("x" * 3_000_000, "is longer than"),
                           (self.lines[7].replace(":", ": ", 1), "is not in the form that hwvaultd writes")):
            self.expect_bad(self.lines[:7] + [bad] + self.lines[8:], 8, words)
        self.expect_bad(self.lines[1:], 1, "no line before it says of which trail")

    def test_a_file_that_is_missing_between_two_is_named(self):
        self.key = self.three_files / "signing.pem"
        files = sorted(self.three_files.glob("audit-*.jsonl")) + [self.three_files / "audit.jsonl"]
        self.assertIn("1 to 253", self.verify(0, *files).stdout)
        done = self.verify(1, files[0], *files[2:])
        self.assertIn(f"{files[2]}, line 1: This line begins a file after entry", done.stderr)
        self.assertIn("are missing before it", done.stderr)
        self.assertIn(f"{files[1]}, line 1: This line begins a file after entry", self.verify(1, files[2], files[1]).stderr)
        self.assertIn("without a recovery", self.verify(1, files[1], files[0]).stderr)
        self.verify(0, *files[1:])  # the oldest are gone
        self.assertGreater(json.loads(self.verify(0, *files[1:], "--json").stdout)["first"], 80)

    def test_without_files_it_reads_those_of_the_configuration(self):
        self.key = self.three_files / "signing.pem"
        configuration = self.home / "hwvault.toml"
        configuration.write_text(f"[audit]\nfolder = '{self.three_files}'\n", encoding="utf-8")
        self.assertIn("1 to 253", self.verify(0, "--config", configuration).stdout)
        configuration.write_text(f"[audit]\nfolder = '{self.home}/none'\n", encoding="utf-8")
        self.assertIn("none", self.verify(1, "--config", configuration).stderr)
        token = "hwv_" + 59 * "x"  # pasted by mistake
        configuration.write_text(f"[audit]\n{token} = 1\n{token} = 2\n", encoding="utf-8")
        self.assertIn("line 3: ", said := self.verify(2, "--config", configuration).stderr)
        self.assertNotIn(token, said)

    def test_a_last_line_that_is_not_finished_is_left_out(self):
        self.put(self.lines)
        with self.file.open("a", encoding="utf-8") as file:
            file.write(self.lines[5][:40])
        done = self.verify(0, self.file)
        self.assertIn("its last line is not finished", done.stderr)
        self.assertIn("1 to 253", done.stdout)
        self.assertIn("is not JSON", self.verify(1, self.file, self.file).stderr)

    def test_what_is_asked_wrongly_is_2_and_says_how_to_get_the_key(self):
        self.assertIn("hwvault recover --show-signing-key", self.audit(2, "verify", self.file).stderr)
        self.verify(2, "--chain-only", self.file)
        for head in ("", "12", "12:", "x:" + "0" * 64, "12:" + "0" * 63, "12:" + "g" * 64, "-1:" + "0" * 64):
            if head:
                self.assertIn("SEQUENCE:HASH", self.verify(2, self.file, "--head", head).stderr)
        self.key = self.file
        self.verify(2, self.file)
        self.key = self.home / "p384.pem"
        subprocess.run(f"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 | openssl pkey -pubout -out {self.key}",
                       shell=True, check=True, capture_output=True)
        self.verify(2, self.file)
        self.key = self.home / "none"
        self.verify(1, self.file)
        self.key = self.one_file / "signing.pem"
        self.verify(1, self.home / "none")
        self.assertIn("Is a directory", self.verify(1, self.home).stderr)

    def test_the_key_is_taken_as_recover_prints_it(self):
        printed = self.home / "printed"
        printed.write_text("This device's signing key. Keep this.\n" + self.key.read_text())
        self.key = printed
        self.verify(0, self.file)

    def test_a_hundred_thousand_events_take_seconds(self):
        events = 10_000 if os.environ.get("SANITIZE") else 100_000
        large = write_trail(self.home / "large", events, 3)
        self.key = large / "signing.pem"
        began = time.monotonic()
        self.assertIn(f"1 to {events + events // 100}", self.verify(0, *sorted(large.glob("*.jsonl"))).stdout)
        took = time.monotonic() - began
        print(f"{events} events, {events // 100} checkpoints: verified in {took:.2f} s", file=sys.stderr)
        self.assertLess(took, 30)

    def test_on_a_terminal_it_says_how_far_it_has_come(self):
        self.put(self.lines[:50])
        pipe = self.home / "pipe"
        os.mkfifo(pipe)
        ours, theirs = pty.openpty()
        process = subprocess.Popen([PROGRAM, "audit", "verify", "--signing-key", self.key, self.file, pipe], stderr=theirs,
                                   stdout=subprocess.DEVNULL, env=self.environment)
        os.close(theirs)
        with pipe.open("w", encoding="utf-8") as writer:
            shown = b""
            while b"100 %" not in shown:
                shown += os.read(ours, 4096)
            writer.write("garbage\n")
        self.assertIn(b"Reading the audit files ... 100 %", shown)
        self.assertEqual(process.wait(timeout=60), 1)
        os.close(ours)


class BesideAVault(AuditTest):
    def setUp(self):
        super().setUp()
        self.vault = FakeVault(self.folder.name)
        self.environment["HWVAULT_ADDRESS"] = self.vault.address
        self.configuration = self.home / "hwvault.toml"
        self.configuration.write_text(f"[audit]\nfolder = '{self.home}'\n", encoding="utf-8")
        self.say(-1, 253)

    def tearDown(self):
        self.vault.close()
        super().tearDown()

    def say(self, number, written, sequence=None):
        entry = json.loads(self.lines[number])
        self.vault.status.update(audit_sequence=sequence or entry["sequence"], audit_head=entry["hash"], audit_written=written)

    def at_home(self, code):
        return self.verify(code, "--config", self.configuration)

    def test_the_end_is_what_the_vault_says(self):
        self.assertIn("as the vault says", self.at_home(0).stdout)
        self.assertEqual(self.vault.methods(), ["Status"])
        self.say(-2, 252)  # events that came after it had answered
        self.assertIn("as the vault says", self.at_home(0).stdout)

    def test_a_tail_that_was_cut_off_is_found(self):
        self.put(self.lines[:-2])
        self.assertIn("Entries 252 to 253 are missing at the end", self.at_home(1).stderr)
        self.say(-1, 251)
        self.assertIn("the vault's latest entry is not in them yet", self.at_home(0).stdout)
        self.say(-1, 252)
        self.assertIn("Entry 252 is missing at the end", self.at_home(1).stderr)

    def test_a_tail_that_was_written_anew_is_found(self):
        cut = self.lines[:-1]
        self.say(-2, 252)
        cut[-1] = cut[-1].replace("alice", "mallory")
        self.put(with_hashes(cut))
        self.assertIn("Entry 252 is another one than it was", self.at_home(1).stderr)

    def test_of_a_key_that_has_signed_nothing_that_is_said(self):
        self.key = self.three_files / "signing.pem"  # of another device
        start = self.lines[0]
        self.lines = with_hashes(line for line in self.lines if "checkpoint" not in line)
        self.put(self.lines)
        self.say(-1, 250)
        self.assertIn("(the key has signed nothing in these files)", self.at_home(0).stdout)
        self.put([start])
        self.vault.status.update(audit_sequence=0, audit_head=64 * "0", audit_written=0)
        done = self.at_home(0)
        for words in ("none", "(the key has signed nothing in these files)", "as the vault says"):
            self.assertIn(words, done.stdout)
        self.put(self.lines)  # written meanwhile, by whomever
        self.assertIn("No checkpoint covers an entry", self.at_home(1).stderr)

    def test_of_an_old_note_and_the_vault_it_is_the_vault_that_knows_the_end(self):
        note = ("--head", self.head(5))
        self.assertIn("as the vault and --head say", self.verify(0, "--config", self.configuration, *note).stdout)
        self.put(self.lines[:-2])
        self.say(-1, 251)
        self.assertIn("the vault's latest entry is not in them yet", self.verify(0, "--config", self.configuration, *note).stdout)
        self.assertFalse(json.loads(self.verify(0, "--config", self.configuration, *note, "--json").stdout)["end_checked"])

    def test_a_vault_that_is_hidden_or_older_is_no_help_and_that_is_said(self):
        self.vault.status.pop("audit_head")
        self.assertIn("would not be noticed", self.at_home(0).stdout)
        self.environment["HWVAULT_ADDRESS"] = str(self.home / "none")
        done = self.at_home(0)
        self.assertIn("would not be noticed", done.stdout)
        self.assertEqual(done.stderr, "")

    def test_of_files_that_are_named_no_vault_is_asked(self):
        self.verify(0, self.file)
        self.assertEqual(self.vault.methods(), [])


class Show(AuditTest):
    def setUp(self):
        super().setUp()
        lines = self.lines[:6]
        for i, change in enumerate(({}, {"verb": "Retrieve", "name": "other"}, {"user": "bob", "uid": 1001, "time": 1700100000},
                                    {"account": "user:zoe", "unit": "web.service"}, {"verb": "RevokeToken", "user": ""}), start=1):
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
        self.assertTrue(rows[0].startswith("ENTRY"), rows)
        numbers = [int(row.split()[0]) for row in rows[1:]]
        raw = self.audit(code, "show", self.file, *arguments, "--json").stdout.splitlines()
        self.assertEqual(raw, [self.lines[number] for number in numbers])
        return numbers

    def test_everything_is_shown(self):
        self.assertEqual(self.shown(), [1, 2, 3, 4, 5, 6])
        rows = self.audit(0, "show", self.file).stdout.splitlines()
        for words in ("2023-11-14 22:13:21", "alice in deploy.service", "Revoke", "app:billing/ci", " 1 ", "owners"):
            self.assertIn(words, rows[1])
        self.assertIn("uid 1000 in deploy.service", rows[5])
        self.assertIn("checkpoint 1, epoch 9", rows[6])

    def test_it_shows_what_is_asked_for(self):
        for arguments, numbers in ((("--verb", "retrieve"), [2]), (("--verb", "revoke-token"), [5]), (("--user", "bob"), [3]),
                                   (("--user", "1001"), [3]), (("--user", "1000"), [1, 2, 4, 5]), (("--unit", "web.service"), [4]),
                                   (("--account", "user:zoe"), [4]), (("--name", "other"), [2]), (("--last", "2"), [5, 6]),
                                   (("--user", "alice", "--last", "2"), [2, 4]), (("--user", "nobody"), []),
                                   (("--since", "2023-11-15"), [3]), (("--until", "2023-11-14 22:13:22"), [1, 2]),
                                   (("--since", "2023-11-14 22:14"), [3]), (("--since", "1d"), []), (("--until", "1d"), [1, 2, 3, 4, 5])):
            self.assertEqual(self.shown(*arguments), numbers, arguments)

    def test_what_is_asked_wrongly_is_2(self):
        for arguments in (("--verb", "explode"), ("--since", "yesterday"), ("--until", "2026-02-31"), ("--since", "2026-11-26x"),
                          ("--last", "0"), ("--last", "x")):
            self.audit(2, "show", self.file, *arguments)
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
