#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill -9 of the daemon at random moments, while it opens too, under eight callers: whatever was answered holds. A
# token that was given verifies until its revocation was asked for; a revocation that was answered holds forever; the
# store opens.
import os
import random
import threading
import time

from harness import LONG, SLOWDOWN, Connection, Vault, VarlinkError, check, expect, run

KILLS = 200 if LONG else 20
CALLERS = 8
HANG = 30 * SLOWDOWN
vault = Vault()


class Caller(threading.Thread):
    """Creates, retrieves, verifies and revokes one named token, and keeps what it was told."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.token_name = name
        self.live = None     # answered, and no revocation asked for since
        self.dead = set()    # revocation answered
        self.stop = threading.Event()
        self.wrong = []

    def run(self):
        while not self.stop.is_set():
            try:
                with Connection(vault.socket, timeout=HANG) as connection:
                    while not self.stop.is_set():
                        self.step(connection)
            except TimeoutError:  # a kill closes the connection; this is no kill
                self.wrong.append(f"{self.token_name}: no answer within {HANG} s")
                return
            except (OSError, ConnectionError):
                time.sleep(0.01)  # the daemon was killed
            except VarlinkError as error:
                # AuditUnavailable: a commit has been at a busy disk for two seconds.
                if error.name not in ("HardwareUnavailable", "Busy", "AuditUnavailable"):
                    self.wrong.append(f"{self.token_name}: {error}")
                    return
                time.sleep(0.01)

    def step(self, connection):
        if self.live is None:
            self.obtain(connection)
        elif random.random() < 0.3:
            token, self.live = self.live, None
            connection.call("Revoke", name=self.token_name)
            self.dead.add(token)
        else:
            self.hold(connection, self.live, True)
        if self.dead:
            self.hold(connection, random.choice(sorted(self.dead)), False)

    def obtain(self, connection):
        if self.token_name != "default":
            try:
                connection.call("Create", name=self.token_name)
            except VarlinkError as error:
                if error.name != "AlreadyExists":
                    raise
        token = connection.call("Retrieve", name=self.token_name)["token"]
        if token in self.dead:
            self.wrong.append(f"{self.token_name}: a dead token came back")
        self.live = token

    def hold(self, connection, token, expected):
        if connection.call("Verify", token=token)["active"] != expected:
            self.wrong.append(f"{self.token_name}: a token that should be {'good' if expected else 'dead'} is not")


def revocations(callers):
    return sum(len(caller.dead) for caller in callers)


def kill_until_enough_is_revoked(callers, moments):
    """How many kills that took. Half of them may hit the opening: before these nothing waits until the vault serves. The more
    there were the longer they are apart, so that a busy machine gets something done in between too."""
    kills = 0
    while kills < KILLS or revocations(callers) < KILLS / 4:
        expect(kills < 20 * KILLS, "the callers hardly got anything done")
        time.sleep(moments.uniform(0.005, 0.3 * (1 + kills // KILLS)))
        expect(vault.daemon.poll() is None, f"hwvaultd ended by itself: {vault.log_tail()}")
        vault.kill()
        kills += 1
        vault.launch() if moments.random() < 0.5 else vault.start()
    return kills


@check
def what_was_answered_holds_after_kill_9_at_random_moments():
    seed = int(os.environ.get("HWVAULT_SEED", time.time_ns() % 1_000_000))
    print(f"HWVAULT_SEED={seed}")
    moments = random.Random(seed)
    callers = [Caller("default" if number == 0 else f"caller-{number}") for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        kills = kill_until_enough_is_revoked(callers, moments)
    finally:
        for caller in callers:
            caller.stop.set()
    for caller in callers:
        caller.join(2 * HANG)
        expect(not caller.is_alive(), f"{caller.token_name} hangs")
    wrong = [sentence for caller in callers for sentence in caller.wrong]
    expect(not wrong, f"{len(wrong)} wrong: {wrong[:5]}")
    vault.kill()
    vault.start()
    with vault.connect() as connection:
        for caller in callers:
            if caller.live:
                expect(connection.call("Verify", token=caller.live)["active"], f"{caller.token_name}: lost")
            for token in caller.dead:
                expect(not connection.call("Verify", token=token)["active"], f"{caller.token_name}: lives again")
    print(f"{kills} kills, {revocations(callers)} revocations were answered and hold")


@check
def the_vault_serves_as_before():
    vault.wait_for_state("serving")  # the device may still be told of the last revocation
    expect(vault.active(vault.token()), "the token does not verify")


with vault:
    run()
