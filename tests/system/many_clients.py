#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Many at once, and some of them rude: everyone gets an answer or a clear refusal, and the daemon serves on.
import contextlib
import json
import resource
import socket
import time
from pathlib import Path

from harness import SLOWDOWN, Connection, Vault, VarlinkError, check, expect, run, until

CLIENTS = 1000
vault = Vault()


def connection():
    """A connection, or None while more wait to be accepted than the kernel lets."""
    try:
        return Connection(vault.socket)
    except BlockingIOError:
        return None


def active_or_busy(client):
    """What it is told; one whose connection is closed without a word was forgotten."""
    try:
        return client.answer()["active"]
    except VarlinkError as error:
        expect(error.name == "Busy", f"not Busy: {error}")
        return error.name


@check
def a_thousand_clients_at_once_are_each_answered():
    token = vault.token()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(until(connection, 30, "room among those that wait")) for _ in range(CLIENTS)]
        for client in clients:
            client.send("Verify", {"token": token})
        answers = [active_or_busy(client) for client in clients]
    print(f"{answers.count(True)} answered, {answers.count('Busy')} told that the vault is busy")
    expect(False not in answers, "a good token is refused under load")
    expect(answers.count(True) >= 16, "hardly anybody was answered")
    expect(vault.active(token), "not serving afterwards")


@check
def clients_that_say_nothing_hold_nobody_up():
    token = vault.token()
    with contextlib.ExitStack() as stack:
        for number in range(64):
            silent = stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
            silent.connect(str(vault.socket))
            if number % 2:
                silent.sendall(b'{"method":"org.hwvault.Vault.St')  # and never the rest
        began = time.monotonic()
        for _ in range(100):
            expect(vault.active(token), "a good token is refused")
        expect(time.monotonic() - began < 30 * SLOWDOWN, "silent clients hold the others up")


@check
def a_client_that_never_reads_holds_nobody_up():
    with Connection(vault.socket) as greedy:
        greedy.socket.settimeout(1)
        with contextlib.suppress(OSError):  # at some point the daemon stops reading from it
            for _ in range(20000):
                greedy.send("Status")
        expect(vault.state() == "serving", "not serving the others")


@contextlib.contextmanager
def without_more_memory(pid):
    """hwvaultd gets no more address space than it has, for a moment."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    before = resource.prlimit(pid, resource.RLIMIT_AS, (pages * resource.getpagesize(), resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_AS, before)


def plain_verify(token):
    return json.dumps({"method": "org.hwvault.Vault.Verify", "parameters": {"token": token}}, separators=(",", ":")).encode() + b"\0"


@check
def a_client_for_whose_replies_there_is_no_memory_costs_nobody_anything():
    good = vault.token()
    vault.call("Create", name="long", options={"scopes": [f"{number:02}" + "s" * 62 for number in range(32)]})
    large = plain_verify(vault.token("long"))
    vault.call("Create", name="revoked")
    dead = vault.token("revoked")
    vault.call("Revoke", name="revoked")
    with Connection(vault.socket, 20 * SLOWDOWN) as first, Connection(vault.socket, 20 * SLOWDOWN) as second:
        for already in range(4, 9):
            with Connection(vault.socket, 20 * SLOWDOWN) as greedy:
                expect(greedy.call("Verify", token=good)["active"], "a good token is refused")
                for _ in range(already):  # none of which it reads
                    greedy.send_raw(large * 11)
                    time.sleep(0.05)
                with without_more_memory(vault.daemon.pid):
                    greedy.send_raw(large * 27)
                    time.sleep(0.2)
            fresh = [Connection(vault.socket, 20 * SLOWDOWN) for _ in range(3)]
            for client in (first, second, first, second):
                client.send_raw(plain_verify(good))
                expect(client.answer()["info"]["name"] == "default", "another's answer")
            for client in fresh:
                with client:
                    expect(not client.call("Verify", token=dead)["active"], "a revoked token is active")
    expect(vault.daemon.poll() is None, "hwvaultd ended")


@check
def a_pipeline_is_answered_in_order():
    with Connection(vault.socket) as client:
        for number in range(50):
            client.send("Verify", {"token": f"hwv_{number:059d}"}) if number % 2 else client.send("Status")
        for number in range(50):
            answer = client.answer()
            expect(("active" in answer) == bool(number % 2), "answers are out of order")


limit = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit[0], min(4096, limit[1])), limit[1]))
with vault:
    run()
