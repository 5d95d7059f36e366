#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A stop, as of a restart or an upgrade: what was asked before is answered, on both doors, and who asks later is told by
# the kernel that the call was not taken. The device is held in the middle of it.
import os
import signal

import dbus.bus

from foreign import NAME, begin, read
from harness import Vault, check, expect, run, until

vault = Vault(bus=True)


def held_device():
    """The child, stopped, beside a vault that has nothing of its own to tell the device, and would not wait for it."""
    vault.token()
    vault.restart()
    child = vault.child()
    os.kill(child, signal.SIGSTOP)
    return child


def takes_no_more(connection):
    try:
        connection.socket.send(b"")
    except BrokenPipeError:
        return True
    return False


def has_ended():
    expect(vault.daemon.wait(20) == 0, "the exit status")
    vault.start()


@check
def on_the_socket_what_was_sent_before_a_stop_is_answered_and_nothing_is_taken_afterwards():
    child = held_device()
    waiting, idle = vault.connect(), vault.connect()
    for _ in range(3):
        waiting.send("Retrieve")
    idle.call("Status")
    vault.daemon.terminate()
    for connection in (waiting, idle):
        until(lambda: takes_no_more(connection), 10, "the stop")
    os.kill(child, signal.SIGCONT)
    tokens = {waiting.answer()["token"] for _ in range(3)}
    expect(len(tokens) == 1, f"{len(tokens)} tokens")
    expect(waiting.receive() is None and idle.receive() is None, "a connection stays open")
    has_ended()
    expect(vault.token() in tokens, "the token after the stop")


@check
def on_the_bus_what_was_asked_before_a_stop_is_answered():
    child = held_device()
    connection = dbus.bus.BusConnection(vault.bus.address)
    call, answers = begin(connection, "Retrieve", "ss", "", "")
    vault.daemon.terminate()
    until(lambda: not connection.name_has_owner(NAME), 10, "the stop")
    os.kill(child, signal.SIGCONT)
    call.block()
    said = answers[0].get_args_list()
    expect(answers[0].get_signature() == "ha{sv}", f"{said}")
    token = read(said[0]).decode()
    has_ended()
    expect(vault.token() == token, "the token after the stop")


with vault:
    run()
