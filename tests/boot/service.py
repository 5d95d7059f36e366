#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# hwvaultd as systemd runs it: set up, started by whoever calls, restarted, reloaded, stuck; in a machine with a simulated
# HSM or TPM ($HWVAULT_TEST_HARDWARE).
import machine

machine.enter()

import devices  # noqa: E402
from harness import HARDWARE, SLOWDOWN, altered, check, expect, run, until, wellformed  # noqa: E402

BUS = ("org.hwvault.Vault1", "/org/hwvault/Vault1", "org.hwvault.Vault1")
RULES = "/etc/hwvault/policy.d/60-test.toml"
CONFIGURATION = "/etc/hwvault/hwvault.toml"

debian = machine.make()


def status():
    """What `hwvault status` says, word by word; nothing while it cannot."""
    lines = debian.run("hwvault", "status")[1].splitlines()
    return dict(line.split(maxsplit=1) for line in lines if len(line.split()) > 1)


def serving():
    return status().get("state") == "serving"


def pid_of(unit):
    return int(debian.property(unit, "MainPID"))


def token(user=None):
    return debian.ok("hwvault", "get", user=user).strip()


def restarted(unit, before):
    return until(lambda: debian.active(unit) == "active" and pid_of(unit) not in (0, before), 60, f"a new {unit}")


@check
def the_units_make_the_keys_and_the_store():
    debian.ok("systemctl", "start", "hwvault-init.service")
    expect(debian.path("/var/lib/hwvault/store.db").exists(), "no store was made")
    expect("made inside the device" in debian.journal("hwvault-hardware-init"), "nothing was said of the keys")


@check
def a_second_making_changes_nothing():
    before = debian.path("/var/lib/hwvault/store.db").stat().st_mtime_ns
    debian.ok("systemctl", "start", "hwvault-init.service")
    expect(debian.path("/var/lib/hwvault/store.db").stat().st_mtime_ns == before, "the store was touched")


@check
def a_call_on_the_socket_starts_it():
    debian.ok("systemctl", "enable", "--now", "hwvaultd.socket")
    expect(debian.active("hwvaultd.service") == "inactive", "hwvaultd runs before anybody called")
    debian.run("hwvault", "status")
    until(serving, 20, "a vault that serves")
    expect(debian.active("hwvaultd.service") == "active", "hwvaultd does not run")
    expect(wellformed(token()), "not a token")


@check
def a_call_on_the_bus_starts_it():
    debian.ok("systemctl", "stop", "hwvaultd.service")
    expect(debian.active("hwvaultd.service") == "inactive", "hwvaultd was not stopped")
    debian.run("busctl", "call", *BUS, "Describe", "ss", "", "")
    until(lambda: debian.active("hwvaultd.service") == "active", 20, "hwvaultd")
    until(serving, 20, "a vault that serves")
    answer = debian.ok("busctl", "call", *BUS, "Describe", "ss", "", "")
    expect("user:root" in answer, answer)


@check
def it_keeps_secrets_where_no_other_process_reads_them():
    lock = status()["memory_lock"]
    print(f"  memory_lock: {lock}")
    expect(lock in ("memfd_secret", "mlock"), lock)


@check
def two_users_are_two_callers():
    first, second = token("alice"), token("bob")
    expect(first != second, "alice and bob have one token")
    for user in ("alice", "bob"):
        expect(f"user:{user}" in debian.ok("hwvault", "show", user=user), f"{user} is somebody else")
    got, _, errors = debian.run("hwvault", "get", "--account", "user:alice", user="bob")
    expect(got == 1 and "hwv_" not in errors, f"bob was given what is alice's, or a wrong status: {got} {errors}")
    expect(debian.run("hwvault", "verify", "-", user="alice", given=altered(first))[0] == 1, "any string verifies")
    expect("user:alice" in debian.ok("hwvault", "verify", "-", user="alice", given=first), "alice's does not verify")


@check
def a_service_is_its_unit_and_not_root():
    code, output, errors = debian.unit("shop", "hwvault", "show", "--account", "unit:shop.service")
    expect("unit:shop.service" in output + errors, output + errors)
    code, output, errors = debian.unit("shop", "hwvault", "get", "--account", "unit:shop.service")
    expect(code == 0 and wellformed(output.strip()), errors)
    code, output, errors = debian.unit("other", "hwvault", "get", "--account", "unit:shop.service", User="alice")
    expect(code == 1 and not output, "another unit was given its token")


@check
def a_restart_of_both_loses_nothing():
    before = token("alice")
    for unit in ("hwvaultd.service", "hwvault-hardware.service"):
        old = pid_of(unit)
        debian.ok("systemctl", "restart", unit)
        expect(pid_of(unit) != old, f"{unit} was not restarted")
        until(serving, 20, "a vault that serves")
        expect(token("alice") == before, f"another token after the restart of {unit}")


@check
def a_broken_policy_is_told_and_the_old_one_kept():
    debian.write(RULES, 'this is = no rule\n')
    debian.run("systemctl", "reload", "hwvaultd")
    said = until(lambda: status().get("reload_error"), 30, "what is wrong with the rules")
    expect(RULES in said and "line 1" in said, said)
    expect(wellformed(token("alice")), "the old rules do not hold any more")


@check
def a_right_policy_is_taken():
    debian.write(RULES, '[[deny]]\nname = "no-bob"\nuser = "bob"\nverbs = "Retrieve"\naccounts = "*"\n')
    debian.run("systemctl", "reload", "hwvaultd")
    until(lambda: serving() and "reload_error" not in status(), 30, "rules without an error")
    expect(debian.run("hwvault", "get", user="bob")[0] == 1, "bob is not refused")
    expect(wellformed(token("alice")), "alice is refused")
    debian.path(RULES).unlink()
    debian.ok("systemctl", "reload", "hwvaultd")
    until(lambda: debian.run("hwvault", "get", user="bob")[0] == 0, 30, "bob's token")


@check
def a_broken_configuration_is_told_and_the_old_one_kept():
    good = debian.path(CONFIGURATION).read_text()
    debian.write(CONFIGURATION, good + "[doors]\nwindow = 1\n")
    try:
        debian.run("systemctl", "reload", "hwvaultd")
        said = until(lambda: status().get("reload_error"), 30, "what is wrong with the configuration")
        expect(CONFIGURATION in said and "window" in said, said)
        expect(debian.active("hwvaultd.service") == "active" and serving(), "hwvaultd went away")
    finally:
        debian.write(CONFIGURATION, good)
    debian.ok("systemctl", "reload", "hwvaultd")
    until(lambda: serving() and "reload_error" not in status(), 30, "a configuration without an error")


@check
def a_reload_keeps_no_stop():
    before = token("alice")
    for _ in range(20):
        pid = pid_of("hwvaultd.service")
        debian.ok("sh", "-c", f"kill -HUP {pid}; kill -TERM {pid}")
        until(lambda: debian.active("hwvaultd.service") == "inactive", 30, "the end of hwvaultd")
        ended = [debian.property("hwvaultd.service", name) for name in ("Result", "ExecMainPID", "ExecMainStatus")]
        expect(ended == ["success", str(pid), "0"], f"it did not end by itself, without a failure: {ended}")
        expect(token("alice") == before, "another token afterwards")  # a call on the socket, which starts it


def the_watchdog_ends(unit):
    before = token("alice")
    debian.drop_in(unit, f"[Service]\nWatchdogSec={max(5, 2 * SLOWDOWN):.0f}s\n")
    try:
        debian.ok("systemctl", "restart", unit)
        until(serving, 20, "a vault that serves")
        stuck = pid_of(unit)
        debian.ok("systemctl", "kill", "--signal=STOP", "--kill-who=main", unit)
        restarted(unit, stuck)
        expect("Watchdog timeout" in debian.journal(unit), "it was not the watchdog")
        after = until(lambda: debian.run("hwvault", "get", user="alice")[1].strip(), 20, "a token")
        expect(after == before, "another token afterwards")
    finally:
        debian.path(f"/etc/systemd/system/{unit}.d/90-test.conf").unlink()
        debian.ok("systemctl", "daemon-reload")
        debian.ok("systemctl", "restart", unit)
    until(serving, 20, "a vault that serves")


@check
def the_watchdog_ends_a_stuck_daemon_and_it_comes_back():
    the_watchdog_ends("hwvaultd.service")


@check
def the_watchdog_ends_a_stuck_hardware_child_and_it_comes_back():
    the_watchdog_ends("hwvault-hardware.service")


@check
def nothing_of_a_token_is_in_the_journal():
    debian.ok("journalctl", "--sync")
    said = debian.ok("journalctl", "--quiet", "--boot", "--output=cat")
    for user in (None, "alice", "bob"):
        expect(token(user)[14:] not in said, f"{user}'s token is in the journal")


with debian:
    print(f"Debian {machine.RELEASE}, {HARDWARE}")
    debian.install()
    for name in ("alice", "bob"):
        debian.add_user(name)
    devices.set_up(debian)
    run()
