#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whoever has taken over hwvaultd gets no further: intruder.py in its place, in its exact sandbox and as its user, reaches
# neither the device nor what is hwvault-hardware's, and is signed no second head. Nor does it leave the sandbox with the help of
# others on the bus, in hwvault-hardware's place neither. Beside it, as root and in no sandbox, it gets all of it.
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
# tpm2-abrmd as the bus sees it, with a rule that lets everybody ask it.
RESOURCE_MANAGER = "com.intel.tss2.Tabrmd"
RESOURCE_MANAGER_RULES = f"""<busconfig>
  <policy user="root"><allow own="{RESOURCE_MANAGER}"/></policy>
  <policy context="default"><allow send_destination="{RESOURCE_MANAGER}"/></policy>
</busconfig>
"""
ON_THE_BUS = ("a user manager", "a unit of its own")
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


def in_the_place_of(unit, *arguments):
    """What intruder.py printed."""
    debian.drop_in(unit, "[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecReload=\nExecStart=\n"
                   f"ExecStart=/usr/bin/python3 -B {INTRUDER} {' '.join(arguments)}\n")
    debian.ok("systemctl", "start", unit)
    return debian.journal(unit)


def resource_manager():
    debian.write("/etc/dbus-1/system.d/tpm2-abrmd.conf", RESOURCE_MANAGER_RULES)
    debian.ok("systemctl", "reload", "dbus")
    debian.ok("systemd-run", "--quiet", "/usr/bin/python3", "-c", "import dbus, signal\n"
              f"dbus.SystemBus().request_name('{RESOURCE_MANAGER}')\nsignal.pause()")
    until(lambda: debian.run("busctl", "status", RESOURCE_MANAGER)[0] == 0, 20, "a resource manager")


def denied_by_the_bus(said, what):
    """That it did not get as far as who was asked."""
    return f"withheld: {what}: Call failed: Access denied" in said


def as_before(unit):
    debian.path(f"/etc/systemd/system/{unit}.d/90-test.conf").unlink()
    debian.ok("systemctl", "daemon-reload")


@check
def root_outside_of_the_sandbox_reaches_all_of_it():
    tried = outcomes(debian.ok("/usr/bin/python3", "-B", INTRUDER, child(), *there()))
    expect(len(tried) == len(there()) + 9, f"tried {tried}")
    refused = [what for what, given in tried.items() if not given and what not in SIGNATURES]
    expect(not refused, f"not even root gets {refused}")
    expect(not tried["a first signature"], "the child signs for another user than hwvaultd's")


@check
def any_other_user_is_given_a_user_manager():
    tried = outcomes(debian.ok("/usr/bin/python3", "-B", INTRUDER, user="alice"))
    expected = {"a user manager": True, "a unit of its own": False, "the TPM's resource manager": True}
    expect(tried == expected, f"tried {tried}")


@check
def in_the_place_of_hwvaultd_it_reaches_nothing():
    debian.ok("systemctl", "stop", "hwvaultd.socket", "hwvaultd-credential.socket", "hwvaultd.service")
    said = in_the_place_of("hwvaultd.service", child(), *there())
    tried = outcomes(said)
    expect(len(tried) == len(there()) + 9, f"tried {tried}")
    given = sorted(what.removeprefix("reach ") for what, is_given in tried.items() if is_given)
    expected = sorted(["a first signature", *(path for path in there() if path in OPEN_TO_ALL)])
    expect(given == expected, f"given: {given}, and not {expected}")
    for what in (*ON_THE_BUS, "another service of the bus", "the TPM's resource manager"):
        expect(denied_by_the_bus(said, what), f"{what}: it was not the bus that refused: {said}")
    for what in (*there(), "the child", "a second signature", *ON_THE_BUS):
        print(f"  withheld: {what}")


@check
def in_the_place_of_hwvault_hardware_it_does_not_leave_the_sandbox():
    debian.ok("systemctl", "stop", "hwvault-hardware.socket", "hwvault-hardware.service")
    said = in_the_place_of("hwvault-hardware.service")
    for what in ON_THE_BUS:
        expect(denied_by_the_bus(said, what), said)
        print(f"  withheld: {what}")
    expect(outcomes(said)["the TPM's resource manager"], f"a TPM behind tpm2-abrmd cannot be used: {said}")
    as_before("hwvault-hardware.service")


@check
def afterwards_the_vault_serves_as_before():
    as_before("hwvaultd.service")
    debian.ok("systemctl", "start", "hwvault-hardware.socket", "hwvaultd.socket")
    until(lambda: debian.run("hwvault", "get")[0] == 0, 20, "a token")
    expect(debian.ok("hwvault", "get") == debian.ok("hwvault", "--door", "dbus", "get"), "another token over the bus")


with debian:
    print(f"Debian {machine.RELEASE}, {HARDWARE}")
    debian.install()
    debian.add_user("alice")
    devices.set_up(debian)
    debian.write(INTRUDER, (machine.ROOT / "tests/boot/intruder.py").read_text())
    for node in () if machine.EMULATED else NODES:
        debian.ok("mknod", node, "c", "1", "3")  # stands in for a TPM's: a node that root may open
    debian.ok("systemctl", "start", "hwvault-init.service")
    debian.ok("systemctl", "enable", "--now", "hwvaultd.socket")
    debian.ok("hwvault", "get")
    resource_manager()
    run()
