#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What hwvault keeps in a TPM and beside it, looked at with tpm2-tools: two keys that were born there and cannot leave
# it, one counter, and nothing else. Then all of that at its worst: no TPM, another one, a cleared one, a counter that
# somebody deleted or replaced, damaged blobs, a TPM that dies. Each is said in words and loses nothing.
import os
import shutil
import signal
import struct
import subprocess
from pathlib import Path

from harness import BIN, Vault, check, expect, missing, run, starting_with, until
from tpm import PRIMARY, Tpm, authorization_values

vault = Vault(hardware="swtpm")
BLOBS = vault.folder / "hardware/tpm"
TPM_STATE = vault.folder / "swtpm"
SETTINGS = vault.folder / "hwvault.toml"
UNEXTRACTABLE = "fixedtpm|fixedparent|sensitivedataorigin"
PARTS = ("hardware", "swtpm", "state")  # of a vault's folder
original = vault.home / "original"
token = []


def tpm():
    """The vault's TPM, for as long as the daemon does not run."""
    return Tpm(TPM_STATE, vault.home / "tpm")


def keep():
    """What to go back to before each check."""
    shutil.rmtree(original, ignore_errors=True)
    for part in PARTS:
        shutil.copytree(vault.folder / part, original / part, ignore=shutil.ignore_patterns("socket*", ".lock"))


def as_it_was():
    if vault.daemon:
        vault.kill()
    for part in PARTS:
        shutil.rmtree(vault.folder / part)
        shutil.copytree(original / part, vault.folder / part)


def init():
    """`hwvault-hardware init`, on the vault's TPM; the daemon does not run."""
    return subprocess.run([BIN / "hwvault-hardware", "init", "--dev", "--config", SETTINGS, "--state",
                           vault.folder / "hardware"],
                          env=vault.environment, capture_output=True, text=True, timeout=60)


def serves_the_same_token():
    vault.start()
    vault.wait_for_state("serving")
    expect(vault.token() == token[0], "another token")


def refused(state, error, *words):
    """Starts it: nothing is served, and Status, the log and hwvault doctor say why. Nothing beside the TPM is changed."""
    before = {file: file.read_bytes() for file in BLOBS.iterdir()}
    vault.start(settled=False)
    until(lambda: vault.state() == state, 30, f"the state {state}")
    message = vault.call("Status")["message"]
    for word in words:
        expect(word in message, f"`{word}` is not in what Status says: {message}")
    expect(message in vault.log.read_text(), f"the log does not say: {message}")
    for verb in ("Retrieve", "Revoke", "List"):
        expect(vault.error_of(verb) == error, f"{verb} says something else than {error}")
    doctor = vault.cli("doctor", "--config", SETTINGS)
    expect(doctor.returncode != 0 and message.encode() in doctor.stdout, f"hwvault doctor says {doctor}")
    vault.stop()
    expect({file: file.read_bytes() for file in BLOBS.iterdir()} == before, "the keys' files were changed")


@check
def both_keys_were_born_in_the_tpm_and_cannot_leave_it():
    with tpm() as chip:
        chip.tool("tpm2_createprimary", "-C", "o", *PRIMARY, "-c", vault.home / "primary")
        for key, kind in (("root", "keyedhash"), ("signing", "ecc")):
            chip.tool("tpm2_load", "-C", vault.home / "primary", "-u", BLOBS / f"{key}.pub", "-r", BLOBS / f"{key}.priv",
                      "-c", vault.home / "key")
            shown = chip.tool("tpm2_readpublic", "-c", vault.home / "key")
            expect(f"value: {UNEXTRACTABLE}" in shown and f"value: {kind}\n" in shown, f"the {key} key: {shown}")


@check
def nothing_is_kept_in_the_tpm_but_one_counter():
    with tpm() as chip:
        expect(not chip.tool("tpm2_getcap", "handles-persistent"), "there are persistent keys")
        expect(len(chip.indexes()) == 1, f"NV indexes: {chip.indexes()}")
        shown = chip.tool("tpm2_nvreadpublic")
        expect("nt=0x1|" in shown and "size: 8" in shown, f"no counter: {shown}")  # TPM2_NT_COUNTER


@check
def what_opens_the_keys_is_for_the_child_alone():
    expect(BLOBS.stat().st_mode & 0o777 == 0o700, "the folder's mode")
    for file in BLOBS.iterdir():
        expect(file.stat().st_mode & 0o777 == 0o600, f"the mode of {file.name}")


@starting_with(as_it_was)
def a_second_init_makes_nothing_new():
    with Tpm(TPM_STATE, TPM_STATE / "socket") as chip:
        indexes = chip.tool("tpm2_nvreadpublic")
        done = init()
        expect(done.returncode == 0 and "never extractable" in done.stdout, f"hwvault-hardware init: {done}")
        expect(chip.tool("tpm2_nvreadpublic") == indexes, "the NV indexes have changed")
        expect(not chip.tool("tpm2_getcap", "handles-persistent"), "there are persistent keys")
    for file in (original / "hardware/tpm").iterdir():
        expect((BLOBS / file.name).read_bytes() == file.read_bytes(), f"{file.name} has changed")
    expect(sorted(os.listdir(vault.folder / "hardware")) == sorted(os.listdir(original / "hardware")), "a new file")
    serves_the_same_token()


@starting_with(as_it_was)
def no_tpm_is_said():
    good = SETTINGS.read_text()
    nowhere = vault.home / "nowhere"
    SETTINGS.write_text(good.replace(str(TPM_STATE / "socket"), str(nowhere)))
    try:
        refused("hardware-unavailable", "HardwareUnavailable", f"swtpm:path={nowhere}", "There is no TPM at the end of it.")
    finally:
        SETTINGS.write_text(good)
    serves_the_same_token()


@starting_with(as_it_was)
def another_tpm_at_the_same_place_is_not_used():
    shutil.rmtree(TPM_STATE)
    TPM_STATE.mkdir(mode=0o700)
    refused("hardware-unavailable", "HardwareUnavailable", "is not the one that the vault was set up with",
            "Nothing of the vault was sent to it.")
    with tpm() as chip:
        expect(not chip.indexes(), "something was made in the other TPM")
    as_it_was()
    serves_the_same_token()


@starting_with(as_it_was)
def a_cleared_tpm_is_said():
    with tpm() as chip:
        chip.tool("tpm2_clear")
    refused("not-initialised", "NotInitialised", "seems to have been cleared since the vault was set up")


@starting_with(as_it_was)
def init_in_a_cleared_tpm_destroys_nothing():
    with Tpm(TPM_STATE, TPM_STATE / "socket") as chip:
        chip.tool("tpm2_clear")
        done = init()
        expect(done.returncode == 3 and "have been cleared" in done.stderr, f"hwvault-hardware init: {done}")
        expect(not chip.indexes(), "a counter was made")
    for file in (original / "hardware/tpm").iterdir():
        expect((BLOBS / file.name).read_bytes() == file.read_bytes(), f"{file.name} has changed")


def recover():
    done = subprocess.run([*vault.command(), "recover", "--accept-rollback"], env=vault.environment,
                          capture_output=True, text=True, timeout=60)
    expect(done.returncode == 0, f"recover --accept-rollback: {done}")


def make_another_counter():
    with Tpm(TPM_STATE, TPM_STATE / "socket"):
        done = init()
        expect(done.returncode == 0, f"hwvault-hardware init: {done}")


@starting_with(as_it_was)
def a_deleted_counter_is_rolled_back_until_an_administrator_makes_another():
    with tpm() as chip:
        index, = chip.indexes()
        chip.tool("tpm2_nvundefine", "-C", "o", hex(index))
    refused("rolled-back", "RolledBack", f"NV index {index:#010x}", "was deleted", "hwvault init",
            "hwvault recover --accept-rollback")
    make_another_counter()
    refused_as_old()
    recover()
    vault.start()
    vault.wait_for_state("serving")
    old = vault.token()
    info = vault.call("Revoke")["info"]
    expect(info["rollback_protected"] is True, "the new counter does not count")
    expect(not vault.active(old) and vault.active(vault.token()), "the vault does not go on")
    vault.restart()
    vault.wait_for_state("serving")


def refused_as_old():
    """With the new counter the store is older than the device, also one that is not: an administrator decides."""
    vault.start()
    vault.wait_for_state("rolled-back")
    expect(vault.error_of("Retrieve") == "RolledBack", "served before it was accepted")
    vault.stop()


def replaced(attributes, write):
    """Puts another NV index, with the same authorization value, into the place of the counter."""
    value = authorization_values(BLOBS)[2].hex()
    with tpm() as chip:
        index, = chip.indexes()
        chip.tool("tpm2_nvundefine", "-C", "o", hex(index))
        chip.tool("tpm2_nvdefine", "-C", "o", "-s", "8", "-a", attributes, "-p", f"hex:{value}", hex(index))
        write(chip, hex(index), f"hex:{value}")


@starting_with(as_it_was)
def memory_that_somebody_can_set_back_is_not_taken_for_the_counter():
    def set_to_one(chip, index, value):
        number = vault.home / "number"
        number.write_bytes(struct.pack(">Q", 1))
        chip.tool("tpm2_nvwrite", "-C", index, "-P", value, "-i", number, index)

    replaced("authread|authwrite|no_da", set_to_one)
    refused("rolled-back", "RolledBack", "was replaced by another index")
    make_another_counter()
    recover()
    serves_another_token()


@starting_with(as_it_was)
def a_counter_that_was_defined_anew_is_rolled_back():
    """It has the same name, since a name says nothing of the authorization value; but not the same value."""
    with tpm() as chip:
        index, = chip.indexes()
        chip.tool("tpm2_nvundefine", "-C", "o", hex(index))
        chip.tool("tpm2_nvdefine", "-C", "o", "-s", "8", "-a", "authread|authwrite|no_da|nt=1", "-p", "theirs", hex(index))
        chip.tool("tpm2_nvincrement", "-C", hex(index), "-P", "theirs", hex(index))
    refused("rolled-back", "RolledBack", "was deleted and defined anew")
    make_another_counter()
    recover()
    serves_another_token()


def serves_another_token():
    """What the store had issued was revoked by accepting it."""
    vault.start()
    vault.wait_for_state("serving")
    expect(not vault.active(token[0]) and vault.active(vault.token()), "the old token, or none")


def damage(name, how):
    file = BLOBS / name
    file.write_bytes(how(file.read_bytes()))


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1:]


@starting_with(as_it_was)
def a_blob_that_was_cut_short_is_named():
    for name in ("root.pub", "root.priv", "signing.pub", "signing.priv"):
        damage(name, lambda content: content[:len(content) // 2])
        refused("hardware-unavailable", "HardwareUnavailable", name, "put it back from a backup")
        as_it_was()
    serves_the_same_token()


@starting_with(as_it_was)
def a_blob_that_was_changed_is_named():
    for name in ("root", "signing"):
        damage(f"{name}.priv", lambda content: flipped(content, len(content) // 2))
        refused("hardware-unavailable", "HardwareUnavailable", f"hardware/tpm/{name}", "TPM2_RC_INTEGRITY",
                "put it back from a backup")
        as_it_was()
    damage("root.pub", lambda content: flipped(content, 9))  # fixedTPM lies in the last byte of the attributes
    refused("hardware-unavailable", "HardwareUnavailable", "root key is not one that hwvault makes")
    as_it_was()
    serves_the_same_token()


@starting_with(as_it_was)
def the_blobs_of_another_vault_are_not_taken():
    with Vault(hardware="swtpm") as other:
        other.stop()
        for name in ("root.pub", "root.priv"):
            shutil.copy(other.folder / "hardware/tpm" / name, BLOBS / name)
    refused("hardware-unavailable", "HardwareUnavailable", "is another TPM's")


def process_of_the_tpm():
    """The daemon's child that is swtpm."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = status.read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue  # it ended
        if name == "swtpm" and int(rest.split()[1]) == vault.daemon.pid:
            return int(status.parent.name)
    return None


@starting_with(as_it_was)
def a_tpm_that_dies_costs_nobody_a_token():
    serves_the_same_token()
    vault.call("Create", name="named")
    named, child = vault.token("named"), vault.child()
    os.kill(until(process_of_the_tpm, 10, "the TPM's process"), signal.SIGKILL)
    expect(vault.error_of("Retrieve") == "HardwareUnavailable", "Retrieve without a TPM")
    until(lambda: vault.call("Status")["hardware_state"] == "HardwareUnavailable", 30, "the TPM's end in Status")
    expect(vault.active(token[0]), "Verify without a TPM")
    info = vault.call("Revoke", name="named")["info"]
    expect(info["rollback_protected"] is False, "claims what the TPM was not told")
    expect(not vault.active(named), "a revoked token verifies")
    expect(vault.children() == [child], "the hardware child ended with the TPM")
    vault.stop()
    serves_the_same_token()
    until(lambda: vault.call("Status")["epoch_pending"] == 0, 30, "nothing pending")
    expect(not vault.active(named), "a revoked token lives again")


unless = missing("swtpm", "tpm2_nvdefine", "setpriv")
if unless:
    run(unless)
with vault:
    token.append(vault.token())
    vault.stop()
    keep()
    run()
