#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Exactness of verification: 16 threads verify, half of them in process by the verify index, while 4 make, rotate, revoke and
# delete tokens, the daemon is killed and started, its tables are replaced as they grow, and rules come and go. Every answer
# must fit into one order of all that was answered (tests/exactness/history.h).
import getpass
import json
import os
import random
import signal
import subprocess
import time

from harness import BIN, LONG, SLOWDOWN, Skip, Vault, check, expect, run, until

SECONDS = 600 if LONG else 25
OTHER = 1  # `daemon`; 65534, `nobody`, is a user whom no rule may name
ROOM = 1024 * 0.7  # tokens that the smallest table has room for
FILLED = 500       # of these before anything begins

CHANGER = f"""[[allow]]
name = "changer"
user = "{getpass.getuser()}"
verbs = ["Create", "Retrieve", "Rotate", "Revoke", "RevokeToken", "Delete", "Describe", "Verify"]
accounts = "*"
owners = true
"""
GRANT = """[[allow]]
name = "other-verifies"
user = "daemon"
verbs = "Verify"
accounts = "*"
"""
DENIAL = """[[deny]]
name = "other-verifies-not"
user = "daemon"
verbs = "Verify"
accounts = "*"
"""


class Permission:
    """Whether the other user may verify, as the rules say, and who is told of it."""

    def __init__(self, vault, verifier, moments):
        self.vault = vault
        self.verifier = verifier
        self.moments = moments
        self.file = vault.folder / "policy.d/60-exactness.toml"
        self.granted = False
        self.turns = 0

    def digest(self):
        return self.vault.call("Status")["policy_digest"]

    def turn(self, killed):
        """Changes it, by SIGHUP or, `killed`, with a start, and tells when that was asked and when it was so."""
        before = self.digest()
        rules = self.moments.choice(("", DENIAL, GRANT + DENIAL)) if self.granted else GRANT
        fresh = self.file.with_suffix(".new")
        fresh.write_text(CHANGER + rules)
        asked = time.monotonic_ns()
        fresh.rename(self.file)
        self.vault.daemon.send_signal(signal.SIGHUP)
        if killed:
            self.vault.kill()
            self.vault.start()
        until(lambda: self.digest() != before, 30, "the new rules")
        self.granted = not self.granted
        self.turns += 1
        self.tell(f"{'granted' if self.granted else 'withdrawn'} {asked} {time.monotonic_ns()}")

    def tell(self, line):
        self.verifier.stdin.write(line + "\n")
        self.verifier.stdin.flush()


def begin(vault, *options):
    return subprocess.Popen([BIN / "exactness", vault.socket, *options], env=vault.environment, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


def end(program):
    """What it found."""
    said, _ = program.communicate(timeout=120 * SLOWDOWN)
    expect(program.returncode == 0, f"it ended with {program.returncode}")
    return json.loads(said)


def tokens(vault):
    return vault.call("Status")["tokens"]


def fill(vault):
    with vault.connect() as connection:
        for number in range(FILLED):
            token = {"account": "app:filling", "name": f"filling-{number}"}
            connection.call("Create", **token, **({} if number else {"options": {"owners": [f"user:{getpass.getuser()}"]}}))
            connection.call("Retrieve", **token)


def unsettle(vault, permission, moments):
    """Kills, starts and changes rules until the time is over and the permission came and went, then waits until the first
    table was too small; how often it killed."""
    kills = 0
    over = time.monotonic() + SECONDS
    while time.monotonic() < over or permission.turns < 3:
        time.sleep(moments.uniform(0.1, 2))
        expect(vault.daemon.poll() is None, f"hwvaultd ended by itself: {vault.log_tail()}")
        kill = moments.random() < 0.4
        if moments.random() < 0.6:
            permission.turn(killed=kill)
        elif kill:
            vault.kill()
            vault.start()
        kills += kill
    until(lambda: tokens(vault) > ROOM, 120, "more tokens than the first table had room for")
    return kills


@check
def every_verification_fits_into_one_order_of_what_was_answered():
    if os.geteuid() != 0:
        raise Skip("only root can verify as another user, too")
    seed = int(os.environ.get("HWVAULT_SEED", time.time_ns() % 1_000_000))
    print(f"HWVAULT_SEED={seed}")
    moments = random.Random(seed)
    with Vault() as vault:
        (vault.folder / "policy.d").mkdir()
        another = begin(vault, "--permitted", str(OTHER))
        permission = Permission(vault, another, moments)
        for number in range(8):
            vault.call("Create", name=f"kept-{number}")
            permission.tell(f"token {vault.token(f'kept-{number}')}")
        permission.turn(killed=False)
        fill(vault)
        threads = begin(vault)
        kills = unsettle(vault, permission, moments)
        found, permitted = end(threads), end(another)
        made = tokens(vault)
    print(f"{kills} kills, {made} tokens; {found}; as another: {permitted}")
    expect(found["wrong_count"] == 0, f"{found['wrong_count']} wrong: {found['wrong']}")
    expect(permitted["stale"] == 0, f"{permitted['stale']} answers to who was not permitted any more")
    expect(permitted["refused"] == 0, f"{permitted['refused']} good tokens were not, to who was permitted")
    expect(made > ROOM, "the first table was large enough for all")
    expect(permitted["yes"] and permitted["no"] and permitted["permissions"] > 1, "the permission did not come and go")
    expect(found["in_process"] > found["over_sockets"], "the index was hardly used")


run()
