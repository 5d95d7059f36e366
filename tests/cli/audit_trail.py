# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Audit files that were written as hwvaultd writes them ($WRITER, with a signing key of its own), for tests to tamper with.
# Hashes are computed anew here, after docs/formats/audit.md alone, by code that shares nothing with the program's.
import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

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
    as_user = None  # a uid that the program is to have

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
                              check=False, encoding="utf-8", user=self.as_user)
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
