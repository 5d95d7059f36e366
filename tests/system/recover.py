#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The device is lost, with every key in it. With the store and a private key that was kept elsewhere, every token comes
# back on another device, with the same string; with the wrong key, or out of a store that somebody wrote into, nothing
# does, and nothing is lost.
#
# From and to the device of HWVAULT_TEST_HARDWARE; where that is a TPM, also between it and a PKCS#11 token.
import re
import shutil
import sqlite3
import subprocess

from harness import HARDWARE, Vault, check, expect, run
from recovery import Keys, at_terminal

PAIRS = [(HARDWARE, HARDWARE)] if HARDWARE == "softhsm" else [(HARDWARE, HARDWARE), (HARDWARE, "softhsm"), ("softhsm", HARDWARE)]


class Machine(Vault):
    """A vault with a device of one kind; what is done to it while hwvaultd is stopped is offline()."""

    def __init__(self, kind):
        super().__init__(hardware=kind)

    def __enter__(self):
        return self

    @property
    def store(self):
        return self.folder / "state/store.db"

    def offline(self, *arguments):
        return subprocess.run([*self.command(), *map(str, arguments)], env=self.environment, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=120, cwd=self.home, check=False)

    def name_recipient(self, file):
        """Puts the key into hwvault.toml, in the place of the one before."""
        configuration = self.folder / "hwvault.toml"
        text = configuration.read_text().split("\n[recovery]")[0]
        configuration.write_text(text + (f"\n[recovery]\nrecipient = '{file}'\n" if file else ""))

    def set_up(self, recipient):
        """As `hwvault init` with [recovery]; gives the file with the device's signing key."""
        self.start()  # makes the device, its keys and hwvault.toml
        self.stop()
        self.store.unlink()
        self.name_recipient(recipient)
        said = self.offline("init")
        expect(said.returncode == 0, f"init: {said.stderr.decode()}")
        expect(b"Keep it on another machine" in said.stdout, f"init says: {said.stdout.decode()}")
        key = self.home / "signing.pem"
        key.write_bytes(said.stdout[said.stdout.index(b"-----BEGIN"):])
        return key

    def recover(self, lost, key, *options):
        return self.offline("recover", "--from", lost.store, "--recovery-key", key, "--signing-key", lost.signing, *options)

    def lose_device(self):
        self.stop()
        for device in ("tokens", "tpm", "hardware"):
            shutil.rmtree(self.folder / device, ignore_errors=True)


def fill(machine):
    """Tokens of every sort; gives the strings that must come back, and those that must not."""
    machine.start()
    strings = {("user:root", "default"): machine.token()}
    machine.call("Create", name="deploy", options={"scopes": ["push"], "expires_in": 86400})
    strings["user:root", "deploy"] = machine.token("deploy")
    machine.call("Create", account="app:shop", name="api", options={"owners": ["user:root"]})
    strings["app:shop", "api"] = machine.token("api", "app:shop")
    machine.call("Import", name="npm", secret="of a third party")
    strings["user:root", "npm"] = "of a third party"
    machine.call("Create", name="dead")
    dead = machine.token("dead")
    machine.call("Revoke", name="dead")
    machine.call("Create", name="idle")
    return strings, [dead]


def content_of(vault, account, name):
    return vault.call("Retrieve", account=account, name=name)["token"]


def check_all_is_back(machine, strings, dead):
    for (account, name), string in strings.items():
        expect(content_of(machine, account, name) == string, f"{account}/{name} has another string")
        if name != "npm":
            expect(machine.active(string), f"{account}/{name} does not verify")
    for string in dead:
        expect(not machine.active(string), "a revoked token lives again")
    expect(machine.call("Describe", name="deploy")["info"]["scopes"] == ["push"], "the scopes of deploy")


def check_not_readable_on_disk(machine, strings):
    for file in machine.home.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            for string in strings.values():
                expect(string.encode() not in content, f"a string lies in clear in {file.relative_to(machine.home)}")


def prepared(lost, keys):
    lost.signing = lost.set_up(keys.public)
    found = fill(lost)
    lost.lose_device()
    return found


def refused(machine, lost, key, words, *options):
    before = {file: file.read_bytes() for file in lost.store.parent.iterdir()}
    outcome = machine.recover(lost, key, *options)
    said = outcome.stderr.decode()
    expect(outcome.returncode == 1, f"recover ended with {outcome.returncode}: {said}")
    for word in words:
        expect(word in said, f"recover does not say `{word}`, but: {said}")
    expect(not machine.store.exists(), "a store was made all the same")
    after = {file: file.read_bytes() for file in lost.store.parent.iterdir()}
    expect(after == before, f"the old store was changed: {[file.name for file in before]} {[file.name for file in after]}")


@check
def every_token_comes_back_on_another_device():
    for index, (from_kind, to_kind) in enumerate(PAIRS * 2):
        key, certificate = [("EC", False), ("RSA", True)][index % 2]
        with Machine(from_kind) as lost, Machine(to_kind) as fresh:
            keys = Keys(lost.home, "recovery", key, certificate)
            strings, dead = prepared(lost, keys)
            check_not_readable_on_disk(lost, strings)
            outcome = fresh.recover(lost, keys.private)
            said = outcome.stdout.decode()
            expect(outcome.returncode == 0, f"recover: {outcome.stderr.decode()}")
            expect(re.search(r"Recovered to epoch [1-9]", said), f"the epoch is not told: {said}")
            expect("4 tokens have the strings" in said and "--revoke-all" in said, f"recover says: {said}")
            fresh.start()
            check_all_is_back(fresh, strings, dead)
            fresh.restart()
            check_all_is_back(fresh, strings, dead)
            check_not_readable_on_disk(fresh, strings)
            own = strings["user:root", "default"]
            fresh.call("Revoke")
            expect(not fresh.active(own), "a recovered token lives on after it was revoked")
            expect(fresh.active(fresh.token()) and fresh.token() != own, "no successor")


@check
def the_openssl_program_alone_gets_a_string_back():
    with Machine(PAIRS[0][0]) as lost:
        keys = Keys(lost.home, "recovery")
        strings, _ = prepared(lost, keys)
        with sqlite3.connect(f"file:{lost.store}?mode=ro", uri=True) as store:
            messages = [row[0] for row in store.execute("SELECT escrow FROM records WHERE escrow IS NOT NULL")]
        texts = [subprocess.run(["openssl", "cms", "-decrypt", "-inform", "DER", "-inkey", keys.private], input=message,
                                check=True, capture_output=True).stdout.decode() for message in messages]
        expect(len(texts) == 4, f"{len(texts)} escrows")
        for string in strings.values():
            expect(any(f'"secret":"{string}"' in text for text in texts), "a string is in no escrow")


@check
def the_wrong_key_is_named_and_nothing_is_lost():
    with Machine(PAIRS[0][0]) as lost, Machine(PAIRS[0][1]) as fresh:
        keys = Keys(lost.home, "recovery")
        strings, dead = prepared(lost, keys)
        wrong = Keys(lost.home, "wrong")
        refused(fresh, lost, wrong.private, ["wrong recovery key", "fingerprint"])
        refused(fresh, lost, keys.public, ["The recovery key", "chmod"])
        keys.public.chmod(0o600)
        refused(fresh, lost, keys.public, ["holds no private key"])
        refused(fresh, lost, lost.home / "none", ["none"])
        signing = lost.signing
        lost.signing = wrong.public
        refused(fresh, lost, keys.private, ["is not one of the signing key that was given"])
        lost.signing = wrong.private
        refused(fresh, lost, keys.private, ["The signing key", "no public key"])
        lost.signing = signing
        keys.private.chmod(0o644)
        refused(fresh, lost, keys.private, ["The recovery key", "0600"])
        keys.private.chmod(0o600)
        outcome = fresh.recover(lost, keys.private)
        expect(outcome.returncode == 0, f"the right key: {outcome.stderr.decode()}")
        again = fresh.recover(lost, keys.private)
        expect(again.returncode == 1 and b"AlreadyExists" in again.stderr, f"over a store: {again.stderr.decode()}")
        fresh.start()
        check_all_is_back(fresh, strings, dead)


@check
def a_record_that_somebody_planted_is_refused_or_left_out():
    with Machine(PAIRS[0][0]) as lost, Machine(PAIRS[0][1]) as fresh:
        keys = Keys(lost.home, "recovery")
        strings, dead = prepared(lost, keys)
        whole = lost.store.read_bytes()

        def edit(sql):
            lost.store.write_bytes(whole)
            with sqlite3.connect(lost.store) as store:
                store.execute(sql)
            store.close()

        copy = ("INSERT INTO records SELECT 1000, kind, zeroblob(16), version, body, content, mac, escrow FROM records"
                " WHERE escrow IS NOT NULL LIMIT 1")
        edit(copy)
        refused(fresh, lost, keys.private, ["not what its device signed", "planted"])
        edit("UPDATE records SET escrow = (SELECT escrow FROM records WHERE escrow IS NOT NULL ORDER BY row DESC LIMIT 1)"
             " WHERE row = (SELECT row FROM records WHERE escrow IS NOT NULL ORDER BY row LIMIT 1)")
        refused(fresh, lost, keys.private, ["Not good by themselves: user:root/default"])
        edit("DELETE FROM records WHERE row = (SELECT max(row) FROM records)")
        refused(fresh, lost, keys.private, ["not what its device signed"])
        edit(copy)
        with sqlite3.connect(lost.store) as store:
            store.execute("INSERT INTO images (round, id, image) VALUES (1000000, zeroblob(16), NULL)")
        store.close()
        outcome = fresh.recover(lost, keys.private)
        expect(outcome.returncode == 0, outcome.stderr.decode())
        expect(b"is newer than the last signature" in outcome.stdout, f"recover says: {outcome.stdout.decode()}")
        fresh.start()
        check_all_is_back(fresh, strings, dead)


@check
def a_recipient_that_is_not_the_vaults_is_refused_at_the_start():
    with Machine(PAIRS[0][0]) as machine:
        keys, other = Keys(machine.home, "recovery"), Keys(machine.home, "other")
        machine.signing = machine.set_up(keys.public)
        strings, dead = fill(machine)
        machine.stop()
        for file, words in [(other.public, "hwvault recover --new-recipient"), ("", "hwvault recover --new-recipient"),
                            (keys.private, "private key"), (machine.home / "none", "none")]:
            machine.name_recipient(file)
            machine.start()
            status = machine.call("Status")
            expect(status["state"] == "failed" and "recovery recipient" in status["message"] and words in status["message"],
                   f"with {file}: {status}")
            machine.stop()
        machine.name_recipient(keys.public)
        machine.start()
        check_all_is_back(machine, strings, dead)


@check
def an_init_whose_recipient_is_no_public_key_makes_nothing():
    with Machine(PAIRS[0][0]) as machine:
        keys = Keys(machine.home, "recovery")
        machine.start()
        machine.stop()
        machine.store.unlink()
        for file, words in [(keys.private, b"private key"), (machine.folder / "hwvault.toml", b"neither a certificate")]:
            machine.name_recipient(file)
            said = machine.offline("init")
            expect(said.returncode == 1 and words in said.stderr, f"init with {file}: {said.stderr.decode()}")
            expect(not machine.store.exists(), "a store was made all the same")


@check
def a_new_recipient_takes_the_place_of_the_old_one():
    with Machine(PAIRS[0][0]) as lost, Machine(PAIRS[0][1]) as fresh:
        keys, other = Keys(lost.home, "recovery"), Keys(lost.home, "other", "RSA")
        lost.signing = lost.set_up(keys.public)
        strings, dead = fill(lost)
        lost.stop()
        lost.name_recipient(other.public)
        said = lost.offline("recover", "--new-recipient")
        expect(said.returncode == 0 and b"4 strings" in said.stdout, f"{said.stdout.decode()}{said.stderr.decode()}")
        again = lost.offline("recover", "--new-recipient")
        expect(again.returncode == 1 and b"already" in again.stderr, f"twice: {again.stderr.decode()}")
        lost.start()
        check_all_is_back(lost, strings, dead)
        lost.lose_device()
        refused(fresh, lost, keys.private, ["wrong recovery key"])
        outcome = fresh.recover(lost, other.private)
        expect(outcome.returncode == 0, outcome.stderr.decode())
        fresh.start()
        check_all_is_back(fresh, strings, dead)


@check
def revoke_all_gives_every_issued_token_a_new_string():
    with Machine(PAIRS[0][0]) as lost, Machine(PAIRS[0][1]) as fresh:
        keys = Keys(lost.home, "recovery")
        strings, _ = prepared(lost, keys)
        outcome = fresh.recover(lost, keys.private, "--revoke-all")
        expect(outcome.returncode == 0, outcome.stderr.decode())
        expect(b"3 tokens have new strings" in outcome.stdout, f"recover says: {outcome.stdout.decode()}")
        fresh.start()
        for (account, name), string in strings.items():
            if name == "npm":
                expect(content_of(fresh, account, name) == string, "the imported secret")
                continue
            expect(not fresh.active(string), f"{account}/{name} lives on")
            expect(fresh.active(content_of(fresh, account, name)), f"{account}/{name} has no successor")


@check
def the_signing_key_is_printed_again_and_nothing_else_goes_into_the_file():
    with Machine(PAIRS[0][0]) as machine:
        keys = Keys(machine.home, "recovery")
        signing = machine.set_up(keys.public)
        said = machine.offline("recover", "--show-signing-key")
        expect(said.returncode == 0 and signing.read_bytes() == said.stdout, f"{said}")
        expect(b"Keep it on another machine" in said.stderr, f"{said}")


@check
def an_encrypted_key_takes_its_passphrase_from_a_file_or_from_the_terminal():
    with Machine(PAIRS[0][0]) as lost, Machine(PAIRS[0][1]) as fresh:
        passphrase = lost.home / "passphrase"
        passphrase.write_text("correct horse\n")
        passphrase.chmod(0o600)
        keys = Keys(lost.home, "recovery", passphrase=passphrase)
        strings, dead = prepared(lost, keys)
        refused(fresh, lost, keys.private, ["passphrase", "--passphrase-file"])  # no terminal
        wrong = lost.home / "wrong"
        wrong.write_text("battery\n")
        wrong.chmod(0o600)
        refused(fresh, lost, keys.private, ["passphrase is wrong"], "--passphrase-file", wrong)

        shown = at_terminal([*fresh.command(), "recover", "--from", lost.store, "--recovery-key", keys.private,
                             "--signing-key", lost.signing], fresh.environment, b"correct horse\n")
        expect(b"not shown" in shown and b"correct horse" not in shown, f"the terminal showed: {shown}")
        expect(b"Recovered to epoch" in shown, f"the terminal showed: {shown}")
        fresh.start()
        check_all_is_back(fresh, strings, dead)
        fresh.stop()
        fresh.store.unlink()
        outcome = fresh.recover(lost, keys.private, "--passphrase-file", passphrase)
        expect(outcome.returncode == 0, outcome.stderr.decode())


run()
