#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# hwvault audit verify, on files that were tampered with in every way, by themselves and beside a vault.
import base64
import hashlib
import json
import os
import pty
import shutil
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from audit_trail import PROGRAM, AuditTest, as_line, with_hashes, write_trail  # noqa: E402
from fake_vault import FakeVault  # noqa: E402


class Verify(AuditTest):
    def test_files_that_are_whole_are_summed_up(self):
        done = self.verify(0, self.file)
        for words in ("1 to 253", "250", "(3 checkpoints)", "entry 252, the latest", "a tail that was cut off would not be noticed"):
            self.assertIn(words, done.stdout)
        self.assertEqual(done.stderr, "")
        found = json.loads(self.verify(0, self.file, "--json").stdout)
        fingerprint = hashlib.sha256(base64.b64decode("".join(self.key.read_text().splitlines()[1:-1]))).hexdigest()
        self.assertEqual(found, {"verified": True, "first": 1, "last": 253, "head": self.head(), "events": 250, "checkpoints": 3,
                                 "unknown": 0, "trails": 1, "uncovered_before": 0, "end_checked": False, "signed_up_to": 252, "uncovered": 0,
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
        self.assertIn("no configuration at", self.verify(1, "--config", self.home / "none.toml").stderr)
        configuration.write_text(f"[audit]\nfolder = '{self.home}/none'\n", encoding="utf-8")
        self.assertIn("none", self.verify(1, "--config", configuration).stderr)
        token = "hwv_" + 59 * "x"  # pasted by mistake
        configuration.write_text(f"[audit]\n{token} = 1\n{token} = 2\n", encoding="utf-8")
        self.assertIn("line 3: ", said := self.verify(2, "--config", configuration).stderr)
        self.assertNotIn(token, said)

    def test_files_that_were_set_aside_are_named_and_verified_when_they_are_named(self):
        configuration = self.home / "hwvault.toml"
        configuration.write_text(f"[audit]\nfolder = '{self.home}'\n", encoding="utf-8")
        self.assertEqual(self.verify(0, "--config", configuration).stderr, "")
        aside = [self.home / f"audit-20260101T000000Z-00000000000{number}.set-aside" for number in (1, 2)]
        for file in aside:
            shutil.copy(self.file, file)
        said = self.verify(0, "--config", configuration).stderr
        self.assertIn(f"2 files were set aside, which hwvaultd found changed: {aside[0].name}, {aside[1].name}. Verify them by "
                      "naming them.", said)
        self.put(self.lines[1:])
        self.assertIn("2 files were set aside", self.verify(1, "--config", configuration).stderr)
        self.assertEqual(self.verify(0, aside[0]).stderr, "")

    def test_neither_a_pipe_nor_a_link_among_the_files_is_read(self):
        configuration = self.home / "hwvault.toml"
        configuration.write_text(f"[audit]\nfolder = '{self.home}'\n", encoding="utf-8")
        planted = self.home / "audit-20260101T000000Z-000000000001.jsonl"
        for plant in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(self.file)):
            plant(planted)
            self.assertIn(f"{planted} is no file", self.verify(1, "--config", configuration).stderr)
            self.assertIn(f"{planted} is no file", self.audit(1, "show", "--config", configuration).stderr)
            planted.unlink()

    @unittest.skipUnless(os.geteuid() == 0, "skipped: only root can become a user who may not read")
    def test_a_folder_that_one_may_not_read_says_whom_to_ask(self):
        closed = self.home / "closed"
        shutil.copytree(self.one_file, closed)
        closed.chmod(0o700)
        configuration = self.home / "hwvault.toml"
        configuration.write_text(f"[audit]\nfolder = '{closed}'\n", encoding="utf-8")
        for open_to_all in (self.home, configuration, Path(self.kept.name), self.one_file):
            open_to_all.chmod(0o755)
        self.as_user = 65534
        try:
            said = self.verify(1, "--config", configuration).stderr
        except PermissionError:
            self.skipTest("skipped: the program lies where nobody else may run it")
        self.assertIn(f"{closed} cannot be read: Permission denied. Ask as root, or as a member of the group", said)
        self.assertIn(" Ask as root", self.verify(1, closed / "audit.jsonl").stderr)

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


if __name__ == "__main__":
    unittest.main()
