#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A wrong PIN is said once and never tried again, across crashes of the child and restarts of the daemon, so that no
# token is locked by it; the right PIN is taken when it comes. OpenSC's pkcs11-spy counts the logins.
import glob
import os
import re
import signal
import subprocess

from harness import Skip, Vault, check, expect, run, until

vault = Vault()
PIN = vault.folder / "hardware/pin"
spied = vault.home / "spied"


def find_spy():
    found = glob.glob("/usr/lib/*/pkcs11-spy.so") + glob.glob("/usr/lib/*/pkcs11/pkcs11-spy.so")
    if not found:
        raise Skip("there is no pkcs11-spy.so (Debian's opensc has it)")
    return found[0]


def logins():
    return len(re.findall(r"\bC_Login$", spied.read_text(errors="replace"), re.MULTILINE)) if spied.exists() else 0


def put_spy_before_the_module():
    settings = vault.folder / "hwvault.toml"
    module = re.search(r"^module = '(.*)'", settings.read_text(), re.MULTILINE).group(1)
    settings.write_text(settings.read_text().replace(f"'{module}'", f"'{find_spy()}'"))
    vault.environment.update(PKCS11SPY=module, PKCS11SPY_OUTPUT=str(spied))


def write_pin(pin):
    PIN.write_bytes(pin)
    PIN.chmod(0o600)


def log_in_by_hand():
    """What the message says to do when the device counts down: it resets the count."""
    module = vault.environment["PKCS11SPY"]
    done = subprocess.run(["pkcs11-tool", "--module", module, "--login", "--pin", "env:PIN", "--list-objects"],
                          env={**vault.environment, "PIN": right[0].decode().strip(),
                               "SOFTHSM2_CONF": str(vault.folder / "softhsm2.conf")}, capture_output=True, timeout=60)
    expect(done.returncode == 0, f"pkcs11-tool: {done.stderr.decode()}")


def wrong():
    return b"wrong-" + right[0][:4]


@check
def the_right_pin_is_used_once_a_start():
    vault.start()
    token.append(vault.token())
    right.append(PIN.read_bytes())
    vault.stop()
    put_spy_before_the_module()
    vault.start()
    expect(vault.token() == token[0], "another token behind the spy")
    expect(logins() >= 1, "the spy saw no login; what it counts is worth nothing")
    vault.stop()


@check
def a_wrong_pin_is_tried_once_and_never_again():
    write_pin(wrong())
    before = logins()
    vault.start()
    until(lambda: vault.state() == "hardware-locked", 30, "hardware-locked")
    expect(vault.error_of("Retrieve") == "HardwareLocked", "Retrieve says something else")
    expect("PIN" in vault.call("Status")["message"], "Status does not say that it is the PIN")
    expect(logins() == before + 1, f"{logins() - before} logins")
    for _ in range(3):
        killed = vault.child()
        os.kill(killed, signal.SIGKILL)
        until(lambda: vault.child() != killed, 30, "another child")
        until(lambda: vault.error_of("Retrieve") == "HardwareLocked", 30, "HardwareLocked after the child was killed")
    expect(logins() == before + 1, f"the wrong PIN was tried {logins() - before} times")


def is_locked_after_a_restart():
    before = logins()
    vault.restart()
    until(lambda: vault.state() == "hardware-locked", 30, "hardware-locked after a restart")
    expect(logins() == before, "there was a login")


@check
def a_device_that_counts_down_is_not_risked_with_another_pin_either():
    write_pin(right[0])
    is_locked_after_a_restart()
    expect("CKF_USER_PIN_COUNT_LOW" in vault.call("Status")["message"], "Status does not say why")


@check
def a_wrong_pin_is_not_tried_again_when_the_device_counts_no_longer():
    log_in_by_hand()
    write_pin(wrong())
    for _ in range(2):
        is_locked_after_a_restart()


@check
def the_log_does_not_hold_the_wrong_pin():
    expect(wrong() not in vault.log.read_bytes(), "the PIN is in the log")


@check
def the_right_pin_is_taken_when_it_comes():
    write_pin(right[0])
    vault.restart()
    vault.wait_for_state("serving")
    expect(vault.token() == token[0], "another token")


@check
def a_pin_that_others_can_read_is_not_used():
    before = logins()
    vault.stop()
    PIN.chmod(0o644)
    vault.start(settled=False)
    said = vault.error_of("Retrieve")
    expect(said in ("HardwareUnavailable", "HardwareLocked"), f"a PIN that others can read: {said}: {vault.call('Status')}")
    expect(logins() == before, "there was a login")
    vault.stop()
    PIN.chmod(0o600)
    vault.start()
    vault.wait_for_state("serving")


token, right = [], []
try:
    run()
finally:
    vault.__exit__(None, None, None)
