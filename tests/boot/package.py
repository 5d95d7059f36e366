#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The package's life on a machine with a simulated HSM: installed, upgraded from a lower version with a vault that serves,
# removed, installed again over what is left, purged.
import machine

machine.enter()

import devices  # noqa: E402
from harness import check, expect, run, until, wellformed  # noqa: E402

UNITS = ("hwvaultd.service", "hwvaultd.socket", "hwvaultd-credential.socket", "hwvault-hardware.service",
         "hwvault-hardware.socket", "hwvault-notice.socket", "hwvault-init.service", "hwvault-hardware-init.service")
BUS = ("org.hwvault.Vault1", "/org/hwvault/Vault1", "org.hwvault.Vault1")
SERVICES = ("hwvaultd.service", "hwvault-hardware.service")
OTHERS = ("hwvault-init.service", "hwvault-hardware-init.service", "hwvault-notice@.service")
SOCKETS = ("hwvaultd.socket", "hwvaultd-credential.socket", "hwvault-hardware.socket")
STATE = ("/var/lib/hwvault", "/var/lib/hwvault-hardware", "/var/log/hwvault", devices.PIN_FILE)
# In the machine, asks again and again on connections of its own, until its input ends; prints what failed. A call that the
# kernel refuses to take (EPIPE) was not made, and is made on another connection, as libhwvault does.
CALLER = """
import json, os, select, socket, sys
question = json.dumps({"method": "org.hwvault.Vault.Retrieve", "parameters": {}}).encode() + bytes(1)
asked, failed = 0, []
def taken():
    for _ in range(100):
        caller = socket.socket(socket.AF_UNIX)
        caller.settimeout(30)
        caller.connect("/run/hwvault/org.hwvault.Vault")
        try:
            caller.sendall(question)
            return caller
        except BrokenPipeError:
            caller.close()
    raise ConnectionError("nobody takes the call")
while not select.select([0], [], [], 0.01)[0]:
    try:
        with taken() as caller:
            answer = caller.recv(65536)
            if b'"token"' not in answer:
                failed.append(repr(answer[:200]) if b'error' in answer else 'no answer')
    except OSError as why:
        failed.append(repr(why))
    asked += 1
print(asked, len(failed), failed[:3])
"""

debian = machine.Machine()
before = {}


def version():
    return debian.ok("dpkg-query", "--show", "--showformat", "${Version}", "hwvault")


def numbers(unit_property, units):
    return [debian.property(unit, unit_property) for unit in units]


@check
def apt_installs_it_and_starts_nothing():
    before["version"] = debian.install(lower=True)
    expect(version() == before["version"], version())
    for unit in UNITS:
        expect(debian.property(unit, "LoadState") == "loaded", f"{unit} is not there")
        expect(debian.active(unit) == "inactive", f"{unit} was started")
    for unit in SOCKETS[:2]:
        expect(debian.run("systemctl", "is-enabled", unit)[1].strip() == "disabled", f"{unit} was enabled")


@check
def the_users_groups_and_folders_are_there():
    for user in ("hwvault", "hwvault-hardware"):
        fields = debian.ok("getent", "passwd", user).strip().split(":")
        expect(int(fields[2]) < 1000 and fields[5] == "/nonexistent" and fields[6].endswith("nologin"), str(fields))
    for group in ("hwvault-admin", "hwvault-verify"):
        debian.ok("getent", "group", group)
    for folder in ("/etc/hwvault", "/etc/hwvault/policy.d", "/run/hwvault"):
        found = debian.path(folder).stat()
        expect((found.st_uid, found.st_mode & 0o7777) == (0, 0o755), f"{folder} has {found}")


@check
def the_manual_completion_and_programs_are_there():
    for file in ("/usr/sbin/hwvaultd", "/usr/libexec/hwvault/hwvault-hardware", "/usr/bin/hwvault", "/etc/hwvault/hwvault.toml",
                 "/usr/share/bash-completion/completions/hwvault", "/usr/share/dbus-1/system-services/org.hwvault.Vault1.service",
                 "/usr/share/doc/hwvault/README.Debian", "/usr/share/doc/hwvault/drop-ins/network-hsm.conf"):
        expect(debian.path(file).exists(), f"{file} is missing")
    files = debian.ok("dpkg-query", "--listfiles", "hwvault").split()
    for page in ("man1/hwvault.1.gz", "man5/hwvault.toml.5.gz", "man5/hwvault-policy.5.gz", "man8/hwvaultd.8.gz"):
        expect(f"/usr/share/man/{page}" in files, f"{page} is missing")
    for program in ("hwvault", "hwvaultd"):
        expect(debian.ok(program, "--version").strip(), f"{program} does not run")


@check
def systemd_finds_nothing_to_say_of_the_units():
    output = "".join(debian.run("systemd-analyze", "verify", "--man=no", *UNITS, "hwvault-notice@test.service")[1:])
    expect(not output.strip(), output)


@check
def each_service_is_exposed_by_at_most_one_in_ten():
    worst = 0.0
    for unit in SERVICES + OTHERS:
        line = debian.ok("systemd-analyze", "security", "--no-pager", unit).strip().splitlines()[-1]
        print(f"  {line.lstrip('→ ')}")
        worst = max(worst, float(line.split(":")[1].split()[0]))
    expect(worst <= 1.0, f"{worst} of 10")


@check
def it_is_set_up_with_two_commands():
    devices.softhsm(debian)
    debian.ok("hwvault", "init")
    debian.ok("systemctl", "enable", "--now", "hwvaultd.socket")
    before["token"] = debian.ok("hwvault", "get").strip()
    before["shop"] = debian.unit("shop", "hwvault", "get", "--account", "unit:shop.service")[1]
    expect(wellformed(before["token"]) and wellformed(before["shop"].strip()), "no tokens")


@check
def an_upgrade_restarts_both_and_loses_no_call_and_no_token():
    pids, sockets = numbers("MainPID", SERVICES), numbers("InvocationID", SOCKETS)
    caller = machine.background(debian.command("/usr/bin/python3", "-c", CALLER))
    until(lambda: debian.run("hwvault", "status")[0] == 0, 10, "an answer")
    debian.install()
    until(lambda: debian.run("hwvault", "get")[0] == 0, 20, "a token")
    asked, failed, which = caller.communicate("\n", timeout=60)[0].split(maxsplit=2)
    print(f"  {asked} calls meanwhile, {failed} failed")
    expect(version() != before["version"], "nothing was upgraded")
    for unit, old, new in zip(SERVICES, pids, numbers("MainPID", SERVICES)):
        expect(new not in ("0", old), f"{unit} was not restarted")
    expect(numbers("InvocationID", SOCKETS) == sockets, "a socket was restarted, too")
    expect(failed == "0", which)
    expect(debian.ok("hwvault", "get").strip() == before["token"], "another token")
    expect(debian.unit("shop", "hwvault", "get", "--account", "unit:shop.service")[1] == before["shop"], "another unit's token")


@check
def removing_it_stops_all_and_leaves_every_file():
    calls = machine.background(debian.command(
        "sh", "-c", f"while [ ! -e /run/enough ]; do busctl call {' '.join(BUS)} Describe ss '' ''; done >/dev/null 2>&1"))
    debian.ok("apt-get", "--yes", "remove", "hwvault")  # with a caller who would start it again
    debian.write("/run/enough", "")
    calls.wait(60)
    for unit in SERVICES + SOCKETS + ("hwvault-notice.socket",):
        expect(debian.active(unit) in ("inactive", "failed"), f"{unit} is {debian.active(unit)}")
    expect(not debian.path("/usr/sbin/hwvaultd").exists(), "the daemon is still there")
    for path in STATE + ("/etc/hwvault/hwvault.toml",):
        expect(debian.path(path).exists(), f"{path} is gone")


@check
def installed_again_it_is_the_same_vault():
    debian.install()
    debian.ok("systemctl", "enable", "--now", "hwvaultd.socket")
    until(lambda: debian.run("hwvault", "get")[0] == 0, 20, "a token")
    expect(debian.ok("hwvault", "get").strip() == before["token"], "another token")


@check
def purging_it_deletes_the_vault_and_keeps_the_users():
    debian.ok("apt-get", "--yes", "purge", "hwvault")
    for path in STATE + ("/etc/hwvault",):
        expect(not debian.path(path).exists(), f"{path} is left")
    for user in ("hwvault", "hwvault-hardware"):
        debian.ok("getent", "passwd", user)
    links = debian.ok("find", "/etc/systemd/system", "-name", "*hwvaultd*", "-type", "l")
    expect(not links, links)


with debian:
    print(f"Debian {machine.RELEASE}")
    run()
