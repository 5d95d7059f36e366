#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whoever has taken over hwvaultd gets no further: intruder.py in its place, in its exact sandbox and as its user, reaches
# neither the device nor what is hwvault-hardware's, and is signed no second head. Beside it, as root and in no sandbox, it
# reaches all of it.
import machine

machine.enter()

import devices  # noqa: E402
from harness import HARDWARE, check, expect, run, until  # noqa: E402

INTRUDER = "/usr/local/lib/intruder.py"
NODES = ("/dev/tpm0", "/dev/tpmrm0")
STATE = "/var/lib/hwvault-hardware"
CREDENTIALS = "/run/credentials/hwvault-hardware.service"
OF_THE_DEVICE = {
    "softhsm": ("/usr/lib/softhsm/libsofthsm2.so", f"{STATE}/tokens", "/etc/hwvault/softhsm2.conf"),
    "swtpm": (f"{STATE}/tpm", f"{STATE}/tpm/authorization", "/run/swtpm/socket"),
    "tpm": (f"{STATE}/tpm", f"{STATE}/tpm/authorization"),
}
PATHS = (*NODES, STATE, devices.PIN_FILE, CREDENTIALS, *OF_THE_DEVICE[HARDWARE])
SIGNATURES = ("a first signature", "a second signature")
# The configuration of SoftHSM2 is no secret: it names a folder that cannot be reached.
OPEN_TO_ALL = ("/etc/hwvault/softhsm2.conf",)

debian = machine.make()


def outcomes(said):
    """{what was tried: whether it was given}."""
    lines = [line.split(": ", 2) for line in said.splitlines() if line.startswith(("given: ", "withheld: "))]
    return {words[1]: words[0] == "given" for words in lines}


def child():
    return debian.property("hwvault-hardware.service", "MainPID")


def there():
    return [path for path in PATHS if debian.run("test", "-e", path)[0] == 0]


@check
def root_outside_of_the_sandbox_reaches_all_of_it():
    tried = outcomes(debian.ok("/usr/bin/python3", "-B", INTRUDER, child(), *there()))
    expect(len(tried) == len(there()) + 5, f"tried {tried}")
    refused = [what for what, given in tried.items() if not given and what not in SIGNATURES]
    expect(not refused, f"not even root gets {refused}")
    expect(not tried["a first signature"], "the child signs for another user than hwvaultd's")


@check
def in_the_place_of_hwvaultd_it_reaches_nothing():
    debian.ok("systemctl", "stop", "hwvaultd.socket", "hwvaultd-credential.socket", "hwvaultd.service")
    debian.drop_in("hwvaultd.service", "[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecReload=\nExecStart=\n"
                   f"ExecStart=/usr/bin/python3 -B {INTRUDER} {child()} {' '.join(there())}\n")
    debian.ok("systemctl", "start", "hwvaultd.service")
    tried = outcomes(debian.journal("hwvaultd.service"))
    expect(len(tried) == len(there()) + 5, f"tried {tried}")
    given = sorted(what.removeprefix("reach ") for what, is_given in tried.items() if is_given)
    expected = sorted(["a first signature", *(path for path in there() if path in OPEN_TO_ALL)])
    expect(given == expected, f"given: {given}, and not {expected}")
    for what in (*there(), "the child", "a second signature"):
        print(f"  withheld: {what}")


@check
def afterwards_the_vault_serves_as_before():
    debian.path("/etc/systemd/system/hwvaultd.service.d/90-test.conf").unlink()
    debian.ok("systemctl", "daemon-reload")
    debian.ok("systemctl", "start", "hwvaultd.socket")
    until(lambda: debian.run("hwvault", "get")[0] == 0, 20, "a token")


with debian:
    print(f"Debian {machine.RELEASE}, {HARDWARE}")
    debian.install()
    devices.set_up(debian)
    debian.write(INTRUDER, (machine.ROOT / "tests/boot/intruder.py").read_text())
    for node in () if machine.EMULATED else NODES:
        debian.ok("mknod", node, "c", "1", "3")  # stands in for a TPM's: a node that root may open
    debian.ok("systemctl", "start", "hwvault-init.service")
    debian.ok("systemctl", "enable", "--now", "hwvaultd.socket")
    debian.ok("hwvault", "get")
    run()
