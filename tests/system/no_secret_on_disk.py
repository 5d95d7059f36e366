#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Canary tokens and secrets go through every door while busctl and dbus-monitor record the bus; then every file below
# the vault's folder, both captures, the log, the command lines and the environment of its processes are searched for
# them in raw, hexadecimal and base64. The search itself is shown to find what is there.
import base64
import os
import re
import resource
import signal
import subprocess
from pathlib import Path

import dbus
import dbus.bus

from foreign import NAME, PATH, interface, read, sealed
from harness import BASE62, HARDWARE, Skip, Vault, check, expect, run, until
from tpm import authorization_values

vault = Vault(bus=True)
canaries = {}  # what: bytes


def remember(what, secret):
    canaries[what] = secret if isinstance(secret, bytes) else secret.encode()
    return secret


def forms(secret):
    """The ways in which a secret could lie in a file: raw, hexadecimal, base64 from each of three offsets."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for offset in range(3):
        whole = (3 - offset) % 3
        part = secret[whole:]
        part = part[:len(part) // 3 * 3]
        yield base64.b64encode(part)
        yield base64.urlsafe_b64encode(part)


def derived(digits):
    """The bytes that the device derived for a token: its secret part is a number in base62."""
    number = 0
    for digit in digits:
        number = number * 62 + BASE62.index(chr(digit))
    return number.to_bytes(32, "big")


def needles():
    for what, secret in canaries.items():
        parts = [secret]
        if secret.startswith(b"hwv_"):
            parts += [secret[14:57], derived(secret[14:57])]
        for form in {form for part in parts for form in forms(part)}:
            yield what, form


def search(content, where):
    for what, form in needles():
        expect(form not in content, f"{what} is in {where}")


def search_files(folder):
    searched = 0
    for file in Path(folder).rglob("*"):
        if file.is_file() and not file.is_symlink():
            search(file.read_bytes(), file.relative_to(vault.home))
            searched += 1
    return searched


class Recorder:
    """A monitor of the bus that writes what it sees into a file."""

    def __init__(self, name, *command):
        self.file = vault.home / name
        with open(self.file, "wb") as output:
            self.process = subprocess.Popen(command, env=vault.environment, stdout=output, stderr=output)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        return self.file.read_bytes()


def use_every_verb():
    bus = interface(vault.bus.address)
    descriptor, _ = bus.Retrieve("", "")
    token = remember("the token of D-Bus", read(descriptor))
    bus.Verify(dbus.types.UnixFd(sealed(token)))
    secret = remember("the imported secret", os.urandom(48))
    bus.Import("", "imported", dbus.types.UnixFd(sealed(secret)), dbus.Dictionary(signature="sv"))
    descriptor, _ = bus.Retrieve("", "imported")
    expect(read(descriptor) == secret, "the secret came back changed")
    bus.Create("", "named", dbus.Dictionary(signature="sv"))
    descriptor, _ = bus.Retrieve("", "named")
    named = remember("the named token", read(descriptor))
    bus.Rotate("", "named", dbus.UInt64(0), dbus.UInt64(60))
    bus.RevokeToken(dbus.types.UnixFd(sealed(named)))
    bus.Revoke("", "", dbus.UInt64(0))
    remember("the successor", vault.token())
    remember("the rotated token", vault.token("named"))
    vault.call("Import", name="text", secret=remember("the imported text", "canary-" + os.urandom(20).hex()))
    expect(vault.cli("verify", "-", given=canaries["the successor"]).returncode == 0, "verify")
    for nonsense in ("hwv_" + "A" * 59, canaries["the successor"].decode()[:-1] + "~"):
        vault.call("Verify", token=remember("a refused token", nonsense))


def all_record(recorders, marker):
    """Makes a call and says whether each recorder has one like it."""
    subprocess.run(["busctl", "--system", "call", NAME, PATH, NAME, "Describe", "ss", "", f"marker-{marker}"],
                   env=vault.environment, capture_output=True, timeout=30)
    return all(f"marker-{marker}".encode() in recorder.file.read_bytes() for recorder in recorders)


@check
def no_bus_capture_holds_a_secret():
    recorders = [
        Recorder("busctl.capture", "busctl", "--system", "capture"),
        Recorder("busctl.monitor", "busctl", "--system", "monitor"),
        Recorder("dbus-monitor.pcap", "dbus-monitor", "--system", "--pcap"),
        Recorder("dbus-monitor.text", "dbus-monitor", "--system"),
    ]
    until(lambda: all_record(recorders, "before"), 30, "the monitors")
    use_every_verb()
    until(lambda: all_record(recorders, "after"), 30, "the last call in each capture")
    for recorder in recorders:
        content = recorder.stop()
        expect(b"RevokeToken" in content, f"{recorder.file.name} does not have what was called")
        search(content, recorder.file.name)


@check
def no_file_holds_a_secret():
    expect(len(canaries) >= 7, "the verbs were not used")
    expect(search_files(vault.home) > 8, "there was hardly a file to search")
    vault.stop()
    search_files(vault.home)
    vault.start()


def secret_of_the_device():
    """What opens the device: the PIN, or for a TPM the authorization value of the root key."""
    if HARDWARE == "swtpm":
        return authorization_values(vault.folder / "hardware/tpm")[0]
    return (vault.folder / "hardware/pin").read_bytes().strip()


@check
def no_command_line_and_no_environment_holds_a_secret():
    pin = secret_of_the_device()
    for pid in [vault.daemon.pid, *vault.children()]:
        for name in ("cmdline", "environ"):
            content = Path(f"/proc/{pid}/{name}").read_bytes()
            search(content, f"/proc/{pid}/{name}")
            expect(pin not in content, f"what opens the device is in {name} of {pid}")


@check
def the_daemon_never_holds_what_opens_the_device():
    pin = secret_of_the_device()
    expect(len(pin) >= 4, "no PIN to search for")
    expect(pin not in vault.log.read_bytes(), "what opens the device is in the log")
    for line in Path(f"/proc/{vault.daemon.pid}/maps").read_text().splitlines():
        expect(not re.search(r"softhsm|libp11\.so|tss2", line), f"hwvaultd has mapped {line.split()[-1]}")


def abort_leaves_core(process_id, waited):
    os.kill(process_id, signal.SIGABRT)
    return os.WCOREDUMP(waited())


@check
def an_aborted_daemon_leaves_no_core_file_and_its_child_may_not():
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_CORE, unlimited)
    witness = subprocess.Popen(["sleep", "100"], cwd=vault.home)
    if not abort_leaves_core(witness.pid, lambda: os.waitpid(witness.pid, 0)[1]):
        raise Skip("this machine writes no core files, so none can be missing")
    witness.returncode = 0
    vault.restart()
    remember("a token in memory", vault.token())
    limits = Path(f"/proc/{vault.child()}/limits").read_text()
    expect(re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE), "hwvault-hardware may leave a core")
    daemon = vault.daemon
    expect(not abort_leaves_core(daemon.pid, lambda: os.waitpid(daemon.pid, 0)[1]), "the daemon left a core")
    daemon.returncode = -signal.SIGABRT
    vault.start()


@check
def the_search_finds_what_is_there():
    found = 0
    for form in forms(canaries["the successor"]):
        file = vault.home / "planted"
        file.write_bytes(b"before" + form + b"after")
        try:
            search_files(vault.home)
        except AssertionError:
            found += 1
        file.unlink()
    expect(found == 9, f"only {found} of 9 planted secrets were found")


with vault:
    run()
