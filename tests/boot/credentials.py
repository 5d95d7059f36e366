#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that know nothing of hwvault, and have LoadCredential= alone: each gets its token or does not start, and then its
# own journal says why. Nobody but the service manager is given anything.
import machine

machine.enter()

import time  # noqa: E402

import devices  # noqa: E402
from harness import HARDWARE, SLOWDOWN, check, expect, run, until, wellformed  # noqa: E402

SOCKET = "/run/hwvault/credential.sock"
CONFIGURATION = "/etc/hwvault/hwvault.toml"
REFUSED = "243"  # EXIT_CREDENTIALS of systemd.exec(5)
MANY = 50
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

debian = machine.make()


def service(name, *credentials, command="cp $CREDENTIALS_DIRECTORY/* $RUNTIME_DIRECTORY", **properties):
    """Writes NAME.service, a stock one-shot that leaves what it was given in /run/NAME."""
    lines = [f"LoadCredential={credential}:{SOCKET}" for credential in credentials]
    lines += [f"{key}={value}" for key, value in properties.items()]
    settings = "\n".join(lines)
    debian.write(f"/etc/systemd/system/{name}.service",
                 "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nRuntimeDirectory=%N\nRuntimeDirectoryPreserve=yes\n"
                 f"ExecStart=/bin/sh -c 'rm -f $RUNTIME_DIRECTORY/*; {command}'\n{settings}\n")


def reload_units():
    debian.ok("systemctl", "daemon-reload")


def given(name, credential):
    file = debian.path(f"/run/{name}/{credential}")
    return file.read_text() if file.exists() else None


def forget(name):
    """What it was given before."""
    debian.ok("rm", "-rf", f"/run/{name}")


def active(token):
    return debian.run("hwvault", "verify", "-", given=token)[1].startswith("active")


def configure(text):
    file = debian.path(CONFIGURATION)
    debian.write(CONFIGURATION, file.read_text() + text)
    debian.reload()


@check
def a_stock_service_reads_its_token():
    service("billing", "api-token", User="alice")
    reload_units()
    debian.ok("systemctl", "start", "billing")
    token = given("billing", "api-token")
    expect(token and wellformed(token) and active(token), f"not a token: {len(token or '')} bytes")
    expect("unit:billing.service" in debian.ok("hwvault", "verify", "-", given=token), "another account's")


@check
def a_service_reads_what_the_configuration_maps_it_to():
    debian.ok("hwvault", "create", "db", "--account", "app:shop", "--owner", "unit:shop.service")
    configure('\n[credential."shop.service"."db-password"]\naccount = "app:shop"\nname = "db"\n')
    service("shop", "db-password", "api-token")
    reload_units()
    debian.ok("systemctl", "start", "shop")
    expect("app:shop" in debian.ok("hwvault", "verify", "-", given=given("shop", "db-password")), "another token than the mapped one")
    expect("unit:shop.service" in debian.ok("hwvault", "verify", "-", given=given("shop", "api-token")), "its own beside it")


@check
def a_denied_service_fails_and_its_journal_says_why():
    configure('\n[credential."thief.service"."db-password"]\naccount = "app:shop"\nname = "db"\n')
    service("thief", "db-password")
    reload_units()
    expect(debian.run("systemctl", "start", "thief")[0] != 0, "it was started")
    expect(debian.property("thief", "ExecMainStatus") == REFUSED, "it did not fail with 243/CREDENTIALS")
    expect(given("thief", "db-password") is None, "it ran, and was given something")
    said = until(lambda: [line for line in debian.journal("thief").splitlines() if "hwvault policy explain" in line], 30, "the reason")
    expect("app:shop" in said[0] and "db-password" in said[0], said[0])
    print(f"  {said[0]}")


@check
def a_forged_name_of_uid_65534_gets_nothing():
    client = ("import socket, sys\nconnection = socket.socket(socket.AF_UNIX)\nconnection.settimeout(20)\n"
              "connection.bind('\\0f00/unit/billing.service/api-token')\n"
              f"connection.connect('{SOCKET}')\n"
              "content = b''\nwhile part := connection.recv(1 << 16):\n    content += part\n"
              "print('token' if b'hwv_' in content else 'nothing')\n")
    debian.write("/usr/local/lib/forger.py", client)
    status, said, errors = debian.run(*NOBODY, "/usr/bin/python3", "/usr/local/lib/forger.py")
    expect(status != 0 and "PermissionError" in errors, f"connected: {said}{errors}")
    debian.ok("chmod", "0666", SOCKET)  # the socket's mode is one of two defences
    before = debian.journal("billing")
    status, said, errors = debian.run(*NOBODY, "/usr/bin/python3", "/usr/local/lib/forger.py")
    expect((status, said.strip()) == (0, "nothing"), f"{said}{errors}")
    expect(debian.journal("billing") == before, "a forger writes in the unit's journal")
    status, said, errors = debian.run("/usr/bin/python3", "/usr/local/lib/forger.py")
    expect((status, said.strip()) == (0, "nothing"), f"root outside of the unit: {said}{errors}")
    debian.ok("chmod", "0600", SOCKET)


@check
def fifty_services_at_once_get_theirs():
    names = [f"many-{number}" for number in range(MANY)]
    for name in names:
        service(name, "api-token")
    debian.write("/etc/systemd/system/many.target", "[Unit]\nWants=" + " ".join(f"{name}.service" for name in names) + "\n")
    reload_units()
    began = time.monotonic()
    debian.ok("systemctl", "start", "many.target")
    debian.ok("systemctl", "start", *names)
    took = time.monotonic() - began
    tokens = {given(name, "api-token") for name in names}
    expect(len(tokens) == MANY and all(token and wellformed(token) for token in tokens), f"{len(tokens)} tokens")
    print(f"  {MANY} services: {took:.2f} s")


@check
def a_service_with_24_credentials_starts_in_seconds():
    service("heavy", *(f"token-{number}" for number in range(24)))
    reload_units()
    began = time.monotonic()
    debian.ok("systemctl", "start", "heavy")
    took = time.monotonic() - began
    expect(all(wellformed(given("heavy", f"token-{number}") or "") for number in range(24)), "not all of them")
    expect(took < 20 * SLOWDOWN, f"took {took:.1f} s")
    print(f"  24 credentials: {took:.2f} s")


@check
def a_service_that_starts_while_hwvaultd_is_restarted_gets_its_token():
    for _ in range(3):
        forget("billing")
        debian.ok("systemctl", "restart", "--no-block", "hwvaultd")
        debian.ok("systemctl", "start", "billing")
        expect(wellformed(given("billing", "api-token") or ""), "no token")
        until(lambda: debian.active("hwvaultd") == "active", 20, "hwvaultd")


@check
def a_crash_of_hwvaultd_leaves_no_empty_credential():
    before = debian.property("hwvaultd", "MainPID")
    forget("billing")
    debian.ok("systemctl", "kill", "--signal=STOP", "--kill-who=main", "hwvault-hardware")
    debian.ok("systemctl", "start", "--no-block", "billing")
    until(lambda: debian.property("hwvaultd", "NFileDescriptorStore") != "0", 30, "the connection in systemd's store")
    debian.ok("systemctl", "kill", "--signal=KILL", "--kill-who=main", "hwvaultd")
    debian.ok("systemctl", "kill", "--signal=CONT", "--kill-who=main", "hwvault-hardware")
    until(lambda: debian.active("billing") in ("failed", "inactive"), 60, "the unit's end")
    expect(given("billing", "api-token") in (None, ""), "it was given something")
    expect(debian.active("billing") == "failed" and debian.property("billing", "ExecMainStatus") == REFUSED,
           "the unit was started with an empty credential")
    expect(debian.property("hwvaultd", "MainPID") != before, "hwvaultd was not restarted")
    until(lambda: debian.property("hwvaultd", "NFileDescriptorStore") == "0", 30, "an empty store")


@check
def units_are_listed_with_what_they_consume():
    said = debian.ok("hwvault", "units")
    for words in ("billing.service", "app:shop/db", "db-password"):
        expect(words in said, said)


@check
def a_rotation_reaches_the_units_that_consume_the_token():
    service("server", "api-token", command="cp $CREDENTIALS_DIRECTORY/* $RUNTIME_DIRECTORY; exec sleep infinity", Type="exec")
    reload_units()
    debian.ok("systemctl", "start", "server")
    until(lambda: given("server", "api-token"), 30, "a token")
    old = given("server", "api-token")
    said = debian.ok("hwvault", "revoke", "--account", "unit:server.service", "--restart-units")
    expect("server.service" in said and "billing" not in said, said)
    new = until(lambda: given("server", "api-token") != old and given("server", "api-token"), 30, "another token")
    expect(wellformed(new) and active(new) and not active(old), "the old token")
    status, said, _ = debian.run("hwvault", "revoke", "--account", "unit:server.service", "--reload-units")
    expect(status == 1 and "server.service" in said, f"a service without a reload: {status} {said}")


with debian:
    print(f"Debian {machine.RELEASE}, {HARDWARE}")
    debian.install()
    debian.add_user("alice")
    devices.set_up(debian)
    debian.ok("systemctl", "start", "hwvault-init.service")
    debian.ok("systemctl", "enable", "--now", "hwvaultd.socket")
    run()
