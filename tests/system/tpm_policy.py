#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A TPM's keys bound to a PCR and a PIN, by an administrator with `hwvault init` and `hwvault reseal`: what opens them,
# what does not and what is said then; and that no change of it changes a token.
import hashlib
import re

from configured_vault import ConfiguredVault, SimulatedTpm
from harness import check, expect, run, until

PCR = "16"  # the one for debugging, which can be reset
EXTENSION = hashlib.sha256(b"an update").hexdigest()
AFTER_UPDATE = hashlib.sha256(bytes(32) + bytes.fromhex(EXTENSION)).hexdigest()

vault = ConfiguredVault(make_device=SimulatedTpm)
tokens = []


def pin(name, content):
    file = vault.folder / name
    file.write_text(content)
    file.chmod(0o600)
    return file


def administer(*arguments):
    """With the folder of the keys, and the child stopped: a bare TPM serves one program."""
    vault.kill_hardware()
    done = vault.administer(*arguments, "--hardware-state", vault.hardware_state)
    expect(done.returncode == 0, f"{arguments}: {done}")
    return done.stdout.decode()


def start_child():
    vault.kill_hardware()
    until(lambda: vault.call("Status")["hardware_state"] == "HardwareUnavailable", 20, "the child's end in Status")
    vault.start_hardware()
    until(lambda: vault.call("Status")["hardware_state"] != "HardwareUnavailable", 20, "an answer of the device")
    return vault.call("Status")["hardware_state"]


def pcr(command, *arguments):
    vault.kill_hardware()
    vault.device.tpm.tool(command, *arguments)


def wrong_tries():
    vault.kill_hardware()
    said = vault.device.tpm.tool("tpm2_getcap", "properties-variable")
    return int(re.search(r"TPM2_PT_LOCKOUT_COUNTER: (\w+)", said).group(1), 16)


def same_token():
    expect(start_child() == "available", f"the device: {vault.call('Status')}")
    expect(vault.token() == tokens[0], "another token")


@check
def hwvault_init_binds_the_keys_to_a_pcr_and_a_pin():
    vault.configure()
    vault.device.pin = ("--pin-file", pin("pin", "1234"))
    with vault.configuration.open("r+") as file:
        text = file.read().replace("[hardware]\n", f"[hardware]\npcrs = [{PCR}]\n")
        file.seek(0)
        file.write(text)
    vault.start_hardware()
    done = vault.init()
    expect(done.returncode == 0 and f"bound to: PCR {PCR} and a PIN".encode() in done.stdout, f"init: {done}")
    vault.start()
    expect(vault.call("Status")["hardware_policy"] == f"PCR {PCR} and a PIN", f"{vault.call('Status')}")
    tokens.append(vault.token())


@check
def the_doctor_says_what_the_keys_are_bound_to_and_what_an_update_needs():
    done = vault.cli("doctor", "--config", vault.configuration)
    for words in (f"PCR {PCR} and a PIN", "hwvault reseal --expect", "fixed to this TPM"):
        expect(words in done.stdout.decode(), f"`{words}` is not in {done.stdout.decode()}")


@check
def a_pcr_that_moved_locks_the_device_and_is_named():
    pcr("tpm2_pcrextend", f"{PCR}:sha256={EXTENSION}")
    expect(start_child() == "HardwareLocked", f"the device: {vault.call('Status')}")
    expect(f"PCR {PCR} moved" in vault.call("Status")["message"], f"{vault.call('Status')}")
    expect(vault.active(tokens[0]), "Verify while the device is locked")
    expect(vault.error_of("Retrieve") == "HardwareLocked", "Retrieve while the device is locked")
    vault.restart()
    expect(vault.state() == "hardware-locked", f"after a restart: {vault.state()}")
    expect(f"PCR {PCR} moved" in vault.call("Status")["message"], f"{vault.call('Status')}")


@check
def a_pcr_that_is_back_opens_them_again():
    pcr("tpm2_pcrreset", PCR)
    expect(start_child() == "available", f"the device: {vault.call('Status')}")
    vault.wait_for_state("serving")
    same_token()


@check
def sealed_to_a_value_to_come_they_open_before_the_update_and_after_it():
    administer("reseal", *vault.device.pin, "--expect", f"{PCR}={AFTER_UPDATE}")
    same_token()
    pcr("tpm2_pcrextend", f"{PCR}:sha256={EXTENSION}")
    same_token()
    administer("reseal", *vault.device.pin)
    same_token()
    pcr("tpm2_pcrreset", PCR)
    expect(start_child() == "HardwareLocked", "the values of before the update still open them")
    pcr("tpm2_pcrextend", f"{PCR}:sha256={EXTENSION}")
    same_token()


@check
def an_expected_value_of_another_pcr_or_of_no_form_is_refused():
    for value in (f"7={AFTER_UPDATE}", f"{PCR}=0123", AFTER_UPDATE, f"{PCR}={'g' * 64}", "=", ""):
        done = vault.administer("reseal", *vault.device.pin, "--hardware-state", vault.hardware_state, "--expect", value)
        expect(done.returncode != 0 and b"--expect" in done.stderr, f"--expect {value}: {done}")
    same_token()


@check
def another_pin_takes_the_place_of_the_old_one():
    old = vault.device.pin
    vault.device.pin = ("--pin-file", pin("new-pin", "5678"))
    administer("reseal", *vault.device.pin, "--current-pin-file", old[1])
    same_token()
    vault.device.pin = old
    for _ in range(2):  # the second time it is on record, and not tried
        expect(start_child() == "HardwareLocked", "the old PIN still opens them")
    expect(wrong_tries() == 1, f"the TPM counts {wrong_tries()} wrong tries")
    vault.device.pin = ("--pin-file", vault.folder / "new-pin")
    same_token()


@check
def they_can_be_let_go_of_both():
    vault.configuration.write_text(vault.configuration.read_text().replace(f"pcrs = [{PCR}]\n", ""))
    forgotten = vault.administer("reseal", "--current-pin-file", vault.folder / "new-pin", "--hardware-state",
                                 vault.hardware_state)
    expect(forgotten.returncode != 0 and b"--no-pin" in forgotten.stderr, f"a PIN that was left out: {forgotten}")
    administer("reseal", "--no-pin", "--current-pin-file", vault.folder / "new-pin")
    vault.device.pin = ()
    same_token()
    expect(vault.call("Status")["hardware_policy"] == "none", f"{vault.call('Status')}")
    pcr("tpm2_pcrextend", f"{PCR}:sha256={EXTENSION}")
    same_token()


try:
    run(unless=vault.missing)
finally:
    vault.__exit__(None, None, None)
