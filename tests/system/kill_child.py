#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The hardware child crashes or hangs: verify and revoke go on, retrieve says HardwareUnavailable in time, and all is
# back when the device is, without a restart of the daemon.
import contextlib
import os
import signal
import time
from pathlib import Path

from harness import SLOWDOWN, Vault, VarlinkError, check, expect, run, until

DEADLINE = 15 * SLOWDOWN  # seconds in which a caller is told that the device does not answer: 10, and some for a busy machine
vault = Vault()


def timed(seconds, call, *arguments, **parameters):
    began = time.monotonic()
    answer = call(*arguments, **parameters)
    took = time.monotonic() - began
    expect(took < seconds, f"took {took:.1f} s")
    return answer


def retrieve_says_unavailable(name="default"):
    try:
        vault.token(name)
        return False
    except VarlinkError as error:
        expect(error.name == "HardwareUnavailable", f"not HardwareUnavailable: {error}")
        return True


def retrieve_works():
    try:
        return vault.token()
    except VarlinkError as error:
        expect(error.name == "HardwareUnavailable", f"not HardwareUnavailable: {error}")
        return None


def is_stopped(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    return False


def hang():
    pid = vault.child()
    os.kill(pid, signal.SIGSTOP)
    until(lambda: is_stopped(pid), 10, "the child to stop")
    return pid


def verifies_while_stopped(token, child):
    active = vault.active(token)
    expect(is_stopped(child), "verify waited for the child")
    return active


@check
def a_killed_child_is_started_again():
    token, daemon, child = vault.token(), vault.daemon.pid, vault.child()
    os.kill(child, signal.SIGKILL)
    expect(vault.active(token), "verify does not go on")
    again = until(retrieve_works, 30, "retrieve after the child was killed")
    expect(again == token, "another token after the child was killed")
    expect(vault.daemon.pid == daemon and vault.daemon.poll() is None, "the daemon was restarted")
    expect(vault.child() != child, "the child is the killed one")


@check
def a_pipe_that_breaks_ends_nobody():
    child = vault.child()
    for process in (child, vault.daemon.pid):
        os.kill(process, signal.SIGPIPE)  # as a write does when a device, or a reader of the log, hangs up
    vault.token()
    expect(vault.children() == [child] and vault.daemon.poll() is None, "one of them ended")


@check
def verify_and_revoke_go_on_while_the_child_hangs():
    vault.call("Create", name="named")
    token, named = vault.token(), vault.token("named")
    expect(verifies_while_stopped(token, hang()), "verify does not go on")
    info = timed(DEADLINE, vault.call, "Revoke", name="named")["info"]
    expect(info.get("rollback_protected") is False, "claims what the device was not told")
    expect(not vault.active(named), "a revoked token verifies")
    expect(vault.active(token), "verify does not go on after the revocation")
    until(retrieve_works, 60, "retrieve after the hung child")


@check
def retrieve_says_in_time_that_the_hardware_is_unavailable():
    vault.token()
    hang()
    expect(timed(DEADLINE, retrieve_says_unavailable), "retrieve was answered by a stopped child")
    until(retrieve_works, 60, "retrieve after the hung child")


@check
def revoking_default_without_the_device_kills_now_and_gives_the_successor_later():
    token = vault.token()
    hang()
    timed(DEADLINE, vault.call, "Revoke")
    expect(not vault.active(token), "a revoked token verifies")
    new = until(retrieve_works, 60, "the successor")
    expect(new != token and vault.active(new), "no good successor")


@check
def the_device_is_told_later_of_what_was_revoked_meanwhile():
    until(lambda: vault.call("Status").get("epoch_pending") in ("0", 0), 30, "nothing pending")
    expect(vault.state() == "serving", f"state {vault.state()}")


@check
def a_child_that_is_killed_again_and_again_costs_nobody_a_good_token():
    token = vault.token()
    for _ in range(5):
        with contextlib.suppress(ProcessLookupError):  # it may be the one of before, which is just ending
            os.kill(vault.child(), signal.SIGKILL)
        expect(vault.active(token), "verify does not go on")
    expect(until(retrieve_works, 60, "retrieve") == token, "another token")
    expect(vault.daemon.poll() is None, "the daemon ended")


@check
def no_child_is_left_behind():
    children = vault.children()
    expect(len(children) == 1, f"{len(children)} children")
    vault.stop()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), 10, "the child's end")


with vault:
    run()
