#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What an administrator types on a machine where systemd runs our units: init, recover, reseal, units, and rotations that
# restart the units of a token; and that hwvaultd serves again afterwards, as it did before.
import machine

machine.enter()

import json  # noqa: E402
import re  # noqa: E402

import devices  # noqa: E402
from harness import HARDWARE, check, expect, run, until  # noqa: E402

DAEMON = ("hwvaultd.socket", "hwvaultd-credential.socket", "hwvaultd.service")
STORE = "/var/lib/hwvault/store.db"
debian = machine.make()
UNITS = ("billing", "web", "idle", "broken", "mapped-only")
ASKS = "/usr/bin/hwvault get --account app:shared ci"  # as a service does that knows of hwvault


def states():
    return [debian.active(unit) for unit in DAEMON]


def served_again(before):
    until(lambda: states() == before, 20, f"the units to be as before: {before}")
    until(lambda: debian.run("hwvault", "status")[0] == 0, 20, "the vault to serve")


def root_owns_nothing():
    found = debian.ok("find", "/var/lib/hwvault", "/var/lib/hwvault-hardware", "/var/log/hwvault", "-user", "root")
    expect(found == "", f"root owns {found}")


@check
def init_makes_keys_and_store_and_leaves_a_vault_that_is_there_as_it_is():
    first = debian.ok("hwvault", "init")
    expect("made inside the device" in first, f"the keys' report: {first}")
    expect("systemctl enable --now hwvaultd.socket" in first, f"what is next: {first}")
    expect(not any(state == "active" for state in states()), "init started what was not running")
    root_owns_nothing()
    debian.ok("systemctl", "enable", "--now", "hwvaultd.socket")
    until(lambda: debian.run("hwvault", "status")[0] == 0, 20, "the vault to serve")
    token, before = debian.ok("hwvault", "get"), states()
    again = debian.run("hwvault", "init")
    expect(again[0] == 0 and "left as it is" in again[1] and "Next: `hwvault get`" in again[1], f"init again: {again}")
    expect("Stopping hwvaultd.socket" in again[2] and "Started again" in again[2], f"it says what it stops: {again}")
    served_again(before)
    expect(debian.ok("hwvault", "get") == token, "the token is another one")


@check
def init_that_fails_says_why_and_hwvaultd_serves_again():
    before = states()
    debian.drop_in("hwvault-hardware-init.service", "[Service]\nExecStart=\nExecStart=/bin/false\n")
    status, _, errors = debian.run("hwvault", "init")
    expect(status == 3 and "hwvault-init.service failed" in errors, f"init: {status} {errors}")
    served_again(before)
    debian.ok("rm", "-r", "/etc/systemd/system/hwvault-hardware-init.service.d/90-test.conf")
    devices_again()


def devices_again():
    if HARDWARE == "softhsm":
        debian.drop_in("hwvault-hardware-init.service", "[Service]\nEnvironment=SOFTHSM2_CONF=/etc/hwvault/softhsm2.conf\n")
    debian.ok("systemctl", "daemon-reload")


@check
def a_signal_that_ends_a_command_leaves_hwvaultd_as_it_was():
    before = states()
    debian.drop_in("hwvault-init.service", "[Service]\nExecStartPre=/bin/sh -c 'while [ ! -e /run/go-on ]; do sleep 0.1; done'\n")
    debian.ok("systemd-run", "--quiet", "--unit=typed", "--property=KillMode=process", "--property=RemainAfterExit=yes", "hwvault", "init")
    until(lambda: debian.active("hwvault-init.service") == "activating", 20, "init to begin")
    expect(debian.active("hwvaultd.service") == "inactive", "hwvaultd runs meanwhile")
    debian.ok("systemctl", "kill", "--kill-whom=main", "--signal=TERM", "typed")
    debian.write("/run/go-on", "")
    until(lambda: debian.property("typed.service", "SubState") in ("exited", "dead", "failed"), 30, "the command to end")
    served_again(before)
    debian.ok("rm", "-r", "/etc/systemd/system/hwvault-init.service.d", "/run/go-on")
    debian.ok("systemctl", "daemon-reload")


@check
def callers_on_the_bus_and_the_socket_do_not_disturb_it():
    script = ("while :; do busctl call org.hwvault.Vault1 /org/hwvault/Vault1 org.hwvault.Vault1 Describe ss '' '' ; "
              "hwvault get; done >/dev/null 2>&1")
    debian.ok("systemd-run", "--quiet", "--unit=busy", "/bin/sh", "-c", script)
    try:
        for _ in range(4):
            debian.ok("hwvault", "init")
            debian.ok("hwvault", "recover", "--show-signing-key")
    finally:
        debian.ok("systemctl", "stop", "busy")
    until(lambda: debian.run("hwvault", "get")[0] == 0, 20, "a vault that serves again")
    expect(debian.property("hwvaultd.service", "LoadState") == "loaded", "hwvaultd is still masked")


@check
def recover_stops_hwvaultd_and_starts_it_again_also_when_there_is_nothing_to_recover():
    before = states()
    key = debian.run("hwvault", "recover", "--show-signing-key")
    expect(key[0] == 0 and key[1].startswith("-----BEGIN PUBLIC KEY") and "Started again" in key[2], f"the signing key: {key}")
    served_again(before)
    for _ in range(6):  # as often as it takes: systemd gives up no socket of ours
        debian.ok("hwvault", "recover", "--show-signing-key")
    served_again(before)
    nothing = debian.run("hwvault", "recover", "--accept-rollback")
    expect(nothing[0] != 0 and "nothing to accept" in nothing[2], f"nothing to accept: {nothing}")
    served_again(before)
    root_owns_nothing()


@check
def a_lost_store_comes_back_where_no_unit_of_ours_runs():
    debian.ok("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "/root/recovery.key")
    debian.ok("chmod", "0600", "/root/recovery.key")
    debian.ok("openssl", "ec", "-in", "/root/recovery.key", "-pubout", "-out", "/etc/hwvault/recovery.pem")
    settings = debian.path("/etc/hwvault/hwvault.toml").read_text()
    debian.write("/etc/hwvault/hwvault.toml", settings + '\n[recovery]\nrecipient = "/etc/hwvault/recovery.pem"\n')
    changed = debian.ok("hwvault", "recover", "--new-recipient")
    debian.write("/root/signing.pem", changed[changed.index("-----BEGIN"):])
    until(lambda: debian.run("hwvault", "status")[0] == 0, 20, "the vault to serve")
    token = debian.ok("hwvault", "get")
    until(lambda: re.search(r"recovery_pending\s+0", debian.ok("hwvault", "status")), 30, "the device to sign it")
    debian.ok("systemctl", "stop", *DAEMON, "hwvault-hardware.socket", "hwvault-hardware.service")
    debian.ok("mv", STORE, "/root/lost.db")
    debian.run("find", "/var/lib/hwvault", "-type", "f", "-delete")
    done = debian.run("hwvault", "recover", "--from", "/root/lost.db", "--recovery-key", "/root/recovery.key", "--signing-key",
                      "/root/signing.pem")
    expect(done[0] == 0 and "Next: `systemctl enable --now hwvaultd.socket`" in done[1], f"recover --from: {done}")
    expect("lost-store" not in debian.ok("ls", "/var/lib/hwvault"), "the copy of the lost store is left")
    root_owns_nothing()
    debian.ok("systemctl", "start", "hwvaultd.socket", "hwvaultd-credential.socket")
    until(lambda: debian.run("hwvault", "status")[0] == 0, 20, "the vault to serve")
    expect(debian.ok("hwvault", "get") == token, "the token is another one")


@check
def reseal_runs_as_the_childs_user_and_lets_a_pin_in_and_go_again():
    if HARDWARE == "softhsm":
        expect("Nothing to do" in debian.ok("hwvault", "reseal"), "a PKCS#11 token has nothing to reseal")
        return
    before = states()
    done = debian.run("hwvault", "reseal")
    expect(done[0] == 0 and "bound anew" in done[1], f"reseal: {done}")
    settings = debian.path("/etc/hwvault/hwvault.toml").read_text()
    debian.write("/root/pin", "first-pin\n", 0o600)
    refused = debian.run("hwvault", "reseal", "--pin-file", "/root/pin")
    expect(refused[0] == 2 and "pin_credential" in refused[2], f"a PIN that no credential brings: {refused}")
    debian.write("/etc/hwvault/hwvault.toml", settings.replace("[hardware]\n", '[hardware]\npin_credential = "hwvault-pin"\n'))
    devices.encrypt_pin(debian, "first-pin")
    done = debian.run("hwvault", "reseal")
    expect(done[0] == 0 and "PIN" in done[1], f"reseal to the PIN of the credential: {done}")
    devices.encrypt_pin(debian, "second-pin")
    done = debian.run("hwvault", "reseal", "--current-pin-file", "/root/pin")
    expect(done[0] == 0, f"reseal to another PIN: {done}")
    bad = debian.run("hwvault", "reseal", "--expect", "7=$(id)")
    expect(bad[0] != 0 and "$(id)" in bad[2], f"an option reaches hwvault-hardware as it is: {bad}")
    debian.ok("systemctl", "restart", "hwvault-hardware.service")
    served_again(before)
    debian.write("/root/pin", "second-pin\n", 0o600)
    done = debian.run("hwvault", "reseal", "--no-pin", "--current-pin-file", "/root/pin")
    expect(done[0] == 0, f"reseal without a PIN: {done}")
    debian.write("/etc/hwvault/hwvault.toml", settings)
    debian.ok("systemctl", "restart", "hwvault-hardware.service")
    served_again(before)
    root_owns_nothing()


def make_units():
    """Units of one token: two that run, one of which asks for itself when it reloads, one that does not run, one that can be
    made to fail, one that loads nothing. And one of its own."""
    settings = debian.path("/etc/hwvault/hwvault.toml").read_text()
    for unit in UNITS:
        settings += f'\n[credential."{unit}.service"."api"]\naccount = "app:shared"\nname = "ci"\n'
        # `exec`: started is who has its credentials.
        lines = ["[Service]", "Type=exec", "ExecStart=/bin/sleep infinity", "StandardOutput=null"]
        lines += ["LoadCredential=api:/run/hwvault/credential.sock"] if unit != "mapped-only" else []
        lines += ["ExecStartPre=/bin/sh -c 'test ! -e /run/break'"] if unit == "broken" else []
        lines += [f"ExecReload={ASKS}"] if unit == "web" else []
        debian.write(f"/etc/systemd/system/{unit}.service", "\n".join(lines) + "\n")
    debian.write("/etc/systemd/system/own.service", "[Service]\nType=exec\nExecStart=/bin/sleep infinity\n"
                 "LoadCredential=mine:/run/hwvault/credential.sock\n")
    debian.write("/etc/hwvault/hwvault.toml", settings)
    debian.ok("systemctl", "daemon-reload")
    debian.reload()


@check
def units_shows_who_loads_which_token_and_what_each_has_of_it():
    debian.ok("hwvault", "create", "ci", "--account", "app:shared", *(f"--owner=unit:{unit}.service" for unit in UNITS))
    make_units()
    debian.ok("systemctl", "start", "billing", "web", "broken", "own")
    listed = {one["unit"]: one for one in json.loads(debian.ok("hwvault", "units", "--json"))}
    expect(listed["billing.service"] == {"unit": "billing.service", "credential": "api", "account": "app:shared", "name": "ci",
                                         "mapped": True, "loads": True, "state": "active", "handed_generation": 1,
                                         "handed_is": "current", "current_generation": 1}, f"billing: {listed}")
    expect(listed["idle.service"]["state"] == "inactive" and "handed_generation" not in listed["idle.service"], f"{listed}")
    expect(not listed["mapped-only.service"]["loads"] and listed["own.service"]["account"] == "unit:own.service", f"{listed}")
    table = debian.ok("hwvault", "units")
    expect("the unit has no LoadCredential=api:" in table and "its own default" in table and "1 (current)" in table, table)


@check
def rotate_reloads_or_restarts_the_units_of_the_token_and_says_who_has_picked_it_up():
    restarted = debian.property("own.service", "InvocationID")
    status, shown, _ = debian.run("hwvault", "rotate", "ci", "--account", "app:shared", "--reload-units", "--json")
    by_unit = {one["unit"]: one for one in json.loads(shown)["units"]}
    expect(status == 1 and by_unit["web.service"]["picked_up"] and by_unit["web.service"]["generation"] == 2, f"{status} {shown}")
    expect(not by_unit["broken.service"]["picked_up"] and not by_unit["idle.service"]["was_running"], shown)
    expect(set(by_unit) == {"billing.service", "web.service", "broken.service", "idle.service"}, shown)
    debian.ok("systemctl", "stop", "broken")
    whole = debian.run("hwvault", "rotate", "ci", "--account", "app:shared", "--restart-units")
    expect(whole[0] == 0 and whole[1].count("generation 3") == 2, f"all have it: {whole}")
    expect(debian.active("idle.service") == "inactive", "a unit that did not run was started")
    expect(debian.property("own.service", "InvocationID") == restarted, "a unit of another token was restarted")
    debian.ok("systemctl", "start", "broken")
    debian.write("/run/break", "")
    failed = debian.run("hwvault", "rotate", "ci", "--account", "app:shared", "--restart-units")
    expect(failed[0] == 1 and re.search(r"broken.service\s+not picked up\s+failed", failed[1]), f"one fails: {failed}")
    expect("4 (current)" in debian.ok("hwvault", "units"), "units shows the new generation")


@check
def units_says_of_what_each_was_handed_that_it_is_older_revoked_or_deleted():
    debian.ok("hwvault", "rotate", "ci", "--account", "app:shared")  # to 5; idle has been handed none
    debian.ok("systemctl", "restart", "web")
    debian.ok("hwvault", "revoke", "ci", "--account", "app:shared")
    listed = {one["unit"]: one for one in json.loads(debian.ok("hwvault", "units", "--json"))}
    expect(listed["web.service"]["handed_is"] == "revoked" and listed["web.service"]["revoked"], f"{listed}")
    expect(listed["billing.service"]["handed_is"] == "older" and "handed_is" not in listed["idle.service"], f"{listed}")
    table = debian.ok("hwvault", "units")
    expect("5 (revoked)" in table and "4 (older), now 5 (revoked)" in table and table.count("(current)") == 1, table)
    debian.ok("hwvault", "delete", "ci", "--account", "app:shared")
    expect("5 (deleted)" in debian.ok("hwvault", "units"), "a token that was deleted")
    owners = [f"--owner=unit:{unit}.service" for unit in UNITS]
    debian.ok("hwvault", "create", "ci", "--account", "app:shared", *owners)
    expect("5 (deleted), now 1" in debian.ok("hwvault", "units"), "a token of the same name that was made after it")
    debian.ok("systemctl", "restart", "billing")
    expect("1 (current)" in debian.ok("hwvault", "units"), "what it was handed since")


@check
def what_cannot_be_reloaded_is_told_before_anything_is_rotated():
    before = debian.ok("hwvault", "show", "ci", "--account", "app:shared")
    debian.add_user("alice")
    status, _, errors = debian.run("hwvault", "rotate", "ci", "--account", "app:shared", "--restart-units", user="alice")
    expect(status == 1 and "for root" in errors, f"alice: {status} {errors}")
    status, _, errors = debian.run("hwvault", "revoke", "ci", "--account", "app:shared", "--restart-units")
    expect(status == 2 and "no successor" in errors, f"revoke: {status} {errors}")
    expect(debian.ok("hwvault", "show", "ci", "--account", "app:shared") == before, "the token has changed")


@check
def doctor_finds_the_machine_well():
    found = {one["what"]: one for one in json.loads(debian.run("hwvault", "doctor", "--json")[1])["findings"]}
    for what in ("units", "socket", "credentials", "reasons", "users", "kernel"):
        expect(found[what]["verdict"] == "good", f"{what}: {found[what]}")


with debian:
    debian.install()
    devices.set_up(debian)
    run()
