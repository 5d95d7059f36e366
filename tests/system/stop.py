#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A stop, as of a restart or an upgrade: what was asked before is answered, on both doors, and who asks later is told by
# the kernel that the call was not taken. The device is held in the middle of it.
import os
import signal
import subprocess
import time

from foreign import NAME, PATH
from harness import Vault, check, expect, run

vault = Vault(bus=True)


def on_the_bus():
    """A Retrieve on its way."""
    return subprocess.Popen(["busctl", f"--address={vault.bus.address}", "call", NAME, PATH, NAME, "Retrieve", "ss", "", ""],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def held_device():
    """The child, stopped, beside a vault that has nothing of its own to tell the device, and would not wait for it."""
    vault.token()
    vault.restart()
    child = vault.child()
    os.kill(child, signal.SIGSTOP)
    return child


def stop_in_the_middle(child, meanwhile=lambda: None):
    time.sleep(0.5)
    vault.daemon.terminate()
    time.sleep(0.5)
    meanwhile()
    os.kill(child, signal.SIGCONT)


def has_ended():
    expect(vault.daemon.wait(20) == 0, "the exit status")
    vault.start()


@check
def on_the_socket_what_was_sent_before_a_stop_is_answered_and_nothing_is_taken_afterwards():
    child = held_device()
    waiting, idle = vault.connect(), vault.connect()
    idle.call("Status")
    for _ in range(3):
        waiting.send("Retrieve")

    def refused():
        for connection in (waiting, idle):
            try:
                connection.send("Status")
                raise AssertionError("a call was taken after the stop")
            except BrokenPipeError:
                pass

    stop_in_the_middle(child, refused)
    tokens = {waiting.answer()["token"] for _ in range(3)}
    expect(len(tokens) == 1, f"{len(tokens)} tokens")
    expect(waiting.receive() is None and idle.receive() is None, "a connection stays open")
    has_ended()
    expect(vault.token() in tokens, "the token after the stop")


@check
def on_the_bus_what_was_asked_before_a_stop_is_answered():
    child = held_device()
    retrieve = on_the_bus()
    stop_in_the_middle(child)
    said, why = retrieve.communicate(timeout=20)
    expect(retrieve.returncode == 0 and said.startswith("ha{sv}"), f"{said}{why}")
    has_ended()


with vault:
    run()
