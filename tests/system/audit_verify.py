#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The audit files of a real vault, held against the key of its real device: whole, beside the vault and without it, and
# tampered with. Every way to tamper, on made-up files: tests/cli/test_audit.py.
import json
import shutil
import subprocess

from harness import Vault, check, expect, run, until

vault = Vault()
configuration = vault.folder / "hwvault.toml"
audit_file = vault.folder / "log/audit.jsonl"
key = vault.home / "signing.pem"


def audit(code, *arguments):
    done = vault.cli("audit", *arguments)
    expect(done.returncode == code, f"{arguments}: {done.returncode}, {done.stdout!r} {done.stderr!r}")
    return done.stdout.decode(), done.stderr.decode()


def verify(code, *arguments):
    return audit(code, "verify", "--signing-key", key, *arguments)


def make_events():
    vault.token()
    vault.call("Revoke")
    vault.call("Create", name="ci", options={"scopes": ["read"]})
    vault.call("Rotate", name="ci", overlap_seconds=60)
    vault.token(name="ci")
    vault.call("Delete", name="ci")


def save_signing_key():
    """As `hwvault recover --show-signing-key` prints it, while hwvaultd is stopped."""
    said = subprocess.run([*vault.command(), "recover", "--show-signing-key"], env=vault.environment, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=120, cwd=vault.home, check=True)
    key.write_bytes(said.stdout)


@check
def files_that_hwvaultd_wrote_are_what_its_device_has_signed():
    make_events()
    expect(vault.stop() == 0, vault.log_tail())
    save_signing_key()
    summary = json.loads(verify(0, "--config", configuration, "--json")[0])
    expect(summary["signed_up_to"] >= summary["events"] >= 6 and summary["uncovered"] == 0, f"{summary}")
    expect(summary["first"] == 1 and not summary["end_checked"], f"{summary}")
    shown = audit(0, "show", "--config", configuration)[0]
    for word in ("Revoke", "Create", "Rotate", "Delete", "checkpoint 1"):
        expect(word in shown, shown)


@check
def beside_the_vault_the_end_is_the_one_that_it_knows():
    vault.start()
    make_events()
    latest = vault.call("Status")["audit_sequence"]
    until(lambda: vault.call("Status")["audit_written"] >= latest, 20, "the files")
    said, _ = verify(0, "--config", configuration)
    expect("as the vault says" in said, said)


@check
def a_line_that_was_edited_and_a_tail_that_was_cut_off_are_found():
    vault.stop()
    lines = audit_file.read_text(encoding="utf-8").splitlines(keepends=True)
    last = json.loads(lines[-1])
    head = ("--head", f"{last['sequence']}:{last['hash']}")
    copy = vault.home / "audit.jsonl"
    shutil.copy(audit_file, copy)
    verify(0, copy, *head)
    copy.write_text("".join(lines[:-1]), encoding="utf-8")
    expect(f"Entry {last['sequence']} is missing at the end" in verify(1, copy, *head)[1], "cut")
    copy.write_text("".join(lines).replace('"verb":"Delete"', '"verb":"Retrieve"'), encoding="utf-8")
    deleted = next(number for number, line in enumerate(lines, start=1) if '"Delete"' in line)
    said = verify(1, copy)[1]
    expect(f"{copy}, line {deleted}: This line is entry" in said and "was changed" in said, said)


if __name__ == "__main__":
    with vault:
        run()
