#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What only a machine with a kernel and a TPM of its own shows, and so an emulated one: the package set up as on a real
# machine, with /dev/tpmrm0; locked memory beyond a container's limit; a reboot; PCRs that move; an old disk.
# The other scripts here run in such a machine too: dev/tier, boot, in the long run.
import os

os.environ.update(HWVAULT_MACHINE="emulated", HWVAULT_TEST_HARDWARE="tpm")

import machine  # noqa: E402

machine.enter()

import hashlib  # noqa: E402
import json  # noqa: E402
import re  # noqa: E402

import devices  # noqa: E402
from harness import check, expect, run, until, wellformed  # noqa: E402

DAEMON, CHILD = "hwvaultd.service", "hwvault-hardware.service"
STORE = "/var/lib/hwvault"
PCR = "16"  # the one for debugging: nothing else extends it, and a reset of the machine is one of it
EXTENSION = hashlib.sha256(b"an update").hexdigest()
AFTER_UPDATE = hashlib.sha256(bytes(32) + bytes.fromhex(EXTENSION)).hexdigest()

debian = machine.make()
kept = {}  # tokens, by who was given them


def status():
    said = debian.run("hwvault", "status", "--json")[1]
    return json.loads(said) if said else {}


def in_state(state):
    return until(lambda: status().get("state") == state and status(), 30, f"a vault that is {state}")


def token(user=None):
    return debian.ok("hwvault", "get", user=user).strip()


def same_tokens():
    in_state("serving")
    for user, before in kept.items():
        expect(token(user) == before, f"{user} has another token")


def pid_of(unit):
    return debian.property(unit, "MainPID")


def restart(*units):
    debian.ok("systemctl", "restart", *units)


def secret_kib(unit):
    """How large its mappings of memfd_secret are."""
    maps = debian.ok("cat", f"/proc/{pid_of(unit)}/maps")
    ends = re.findall(r"^(\w+)-(\w+) .*secretmem", maps, re.MULTILINE)
    return sum(int(end, 16) - int(begin, 16) for begin, end in ends) >> 10


def locked_kib(unit):
    """How much of its memory mlock holds, by the kernel's count, which leaves out that of memfd_secret."""
    return int(re.search(r"VmLck:\s+(\d+) kB", debian.ok("cat", f"/proc/{pid_of(unit)}/status")).group(1))


def limit(unit):
    return re.search(r"Max locked memory\s+(\w+)", debian.ok("cat", f"/proc/{pid_of(unit)}/limits")).group(1)


def the_device_after(*words):
    """What Status says of the device when a command was done and hwvault-hardware has been started again."""
    debian.ok(*words)
    restart(CHILD)
    until(lambda: status().get("hardware_state", "HardwareUnavailable") != "HardwareUnavailable", 30, "an answer of the device")
    return status()


def bind_to(pcrs):
    debian.write("/etc/hwvault/hwvault.toml", f'[hardware]\nkind = "tpm"\npcrs = [{pcrs}]\n')


@check
def three_commands_set_it_up_on_the_tpm_that_the_kernel_found():
    owner = debian.ok("stat", "--format=%U:%G %a", "/dev/tpmrm0").strip()
    expect(owner == "tss:tss 660", f"/dev/tpmrm0 is {owner}")
    said = debian.ok("hwvault", "init")
    expect("TPM" in said, said)
    debian.ok("systemctl", "enable", "--now", "hwvaultd.socket")
    for user in ("root", "alice", "bob"):
        kept[user] = token(user)
        expect(wellformed(kept[user]), f"{user} got no token")
    expect(len(set(kept.values())) == 3, "two have one token")
    now = in_state("serving")
    expect(now["hardware_kind"] == "tpm", f"{now}")
    print(f"  {now['hardware_model']}, serial {now['hardware_serial']}")


@check
def only_the_child_has_the_tpm_open():
    expect("/dev/tpmrm0" in debian.ok("ls", "-l", f"/proc/{pid_of(CHILD)}/fd"), "hwvault-hardware has not")
    expect("/dev/tpm" not in debian.ok("ls", "-l", f"/proc/{pid_of(DAEMON)}/fd"), "hwvaultd has")
    expect(debian.property(CHILD, "User") == "hwvault-hardware", "as another user")


@check
def secrets_lie_in_pages_that_even_the_kernel_does_not_see():
    expect(status()["memory_lock"] == "memfd_secret", f"{status()}")
    for unit in (DAEMON, CHILD):
        expect(secret_kib(unit) > 0, f"{unit} has none")
        print(f"  {unit}: {secret_kib(unit)} KiB")


@check
def where_the_kernel_has_no_such_pages_they_are_locked_ones():
    for unit in (DAEMON, CHILD):
        debian.drop_in(unit, "[Service]\nSystemCallFilter=~memfd_secret\n")
    try:
        restart(CHILD, DAEMON)
        same_tokens()
        expect(status()["memory_lock"] == "mlock", f"{status()}")
        for unit in (DAEMON, CHILD):
            expect(secret_kib(unit) == 0 and locked_kib(unit) > 0, f"{unit}: {secret_kib(unit)}, {locked_kib(unit)} KiB")
            print(f"  {unit}: {locked_kib(unit)} KiB of {limit(unit)}")
        expect(limit(DAEMON) == "unlimited" and int(limit(CHILD)) == 64 << 20, f"limits: {limit(DAEMON)}, {limit(CHILD)}")
        debian.drop_in(DAEMON, "[Service]\nSystemCallFilter=~memfd_secret\nLimitMEMLOCK=0\n")
        restart(DAEMON)
        in_state("serving")
        expect(status()["memory_lock"] == "unlocked", f"without a right to lock: {status()['memory_lock']}")
    finally:
        for unit in (DAEMON, CHILD):
            debian.path(f"/etc/systemd/system/{unit}.d/90-test.conf").unlink()
        debian.ok("systemctl", "daemon-reload")
        restart(CHILD, DAEMON)
    same_tokens()


@check
def a_reboot_keeps_every_token_and_a_call_starts_all_again():
    debian.reboot()
    expect(debian.active(DAEMON) == "inactive", "it runs before anybody called")
    debian.run("hwvault", "status")
    same_tokens()
    for user, before in kept.items():
        expect(debian.run("hwvault", "verify", "-", given=before)[0] == 0, f"{user}'s does not verify")


@check
def a_disk_from_before_a_revocation_is_found_out_by_the_tpms_counter():
    expect(in_state("serving")["rollback_protection"] == "counter", f"{status()}")
    debian.ok("systemctl", "stop", "hwvaultd.socket", "hwvaultd-credential.socket", DAEMON)
    debian.ok("cp", "--archive", STORE, f"{STORE}.old")
    debian.ok("systemctl", "start", "hwvaultd.socket")
    debian.ok("hwvault", "revoke", user="bob")
    until(lambda: status().get("epoch_pending") in (0, "0"), 30, "the TPM to know of the revocation")
    debian.ok("systemctl", "stop", "hwvaultd.socket", "hwvaultd-credential.socket", DAEMON)
    debian.ok("mv", STORE, f"{STORE}.new")
    debian.ok("mv", f"{STORE}.old", STORE)
    debian.ok("systemctl", "start", "hwvaultd.socket")
    debian.run("hwvault", "status")
    in_state("rolled-back")
    code, output, errors = debian.run("hwvault", "get", user="alice")
    expect(code != 0 and not output, f"a token from an old disk: {errors}")
    expect(debian.run("hwvault", "verify", "-", given=kept["bob"])[0] != 0, "what was revoked is good again")
    debian.ok("systemctl", "stop", "hwvaultd.socket", "hwvaultd-credential.socket", DAEMON)
    debian.ok("rm", "-r", STORE)
    debian.ok("mv", f"{STORE}.new", STORE)
    debian.ok("systemctl", "start", "hwvaultd.socket")
    debian.run("hwvault", "status")
    in_state("serving")
    expect(debian.run("hwvault", "verify", "-", given=kept["bob"])[0] == 1, "what was revoked is good again")
    kept["bob"] = token("bob")
    same_tokens()


@check
def sealed_to_pcrs_a_restart_opens_the_keys_and_a_pcr_that_moved_does_not():
    bind_to(f"7, {PCR}")
    bound = the_device_after("hwvault", "reseal")
    expect(re.findall(r"\d+", bound["hardware_policy"]) == ["7", PCR], f"{bound}")
    same_tokens()
    moved = the_device_after("tpm2_pcrextend", f"{PCR}:sha256={EXTENSION}")
    expect(moved["hardware_state"] == "HardwareLocked" and f"PCR {PCR} moved" in moved["message"], f"{moved}")
    code, output, errors = debian.run("hwvault", "get", user="alice")
    expect(code != 0 and not output, f"a token from locked keys: {errors}")
    expect(debian.run("hwvault", "verify", "-", given=kept["alice"])[0] == 0, "Verify needs no device")
    print(f"  {moved['message']}")


@check
def a_reboot_puts_the_pcr_back_and_opens_them():
    debian.reboot()
    debian.run("hwvault", "status")
    same_tokens()


@check
def sealed_to_a_value_to_come_they_open_before_and_after_the_update():
    before = the_device_after("hwvault", "reseal", "--expect", f"{PCR}={AFTER_UPDATE}")
    expect(before["hardware_state"] == "available", f"{before}")
    after = the_device_after("tpm2_pcrextend", f"{PCR}:sha256={EXTENSION}")
    expect(after["hardware_state"] == "available", f"{after}")
    expect(the_device_after("hwvault", "reseal")["hardware_state"] == "available", f"{status()}")
    same_tokens()
    reset = the_device_after("tpm2_pcrreset", PCR)
    expect(reset["hardware_state"] == "HardwareLocked", f"the value of before the update still opens them: {reset}")
    after = the_device_after("tpm2_pcrextend", f"{PCR}:sha256={EXTENSION}")
    expect(after["hardware_state"] == "available", f"{after}")
    same_tokens()


@check
def a_pin_that_systemd_has_sealed_in_the_same_tpm_opens_them():
    debian.ok("mkdir", "-p", "/etc/credstore.encrypted")
    debian.ok("systemd-creds", "encrypt", "--with-key=tpm2", "--name=hwvault-pin", "-", devices.PIN_FILE, given="a PIN of test")
    debian.write("/etc/hwvault/hwvault.toml", '[hardware]\nkind = "tpm"\npin_credential = "hwvault-pin"\n')
    bound = the_device_after("hwvault", "reseal")
    expect((bound["hardware_state"], bound["hardware_policy"]) == ("available", "a PIN"), f"{bound}")
    same_tokens()


with debian:
    print(f"Debian {machine.RELEASE}, emulated, with a TPM of its own")
    debian.install()
    for name in ("alice", "bob"):
        debian.add_user(name)
    devices.set_up(debian)
    run()
