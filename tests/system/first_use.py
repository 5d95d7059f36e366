#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The main job with the command-line program: a token that is there on the first get, verifies, dies with revoke,
# outlives a restart, and is another one on another device.
from harness import Vault, check, expect, run, until, wellformed

vault = Vault()


def get(*arguments):
    answer = vault.cli("get", *arguments)
    expect(answer.returncode == 0, f"get: {answer.stderr.decode()}")
    expect(answer.stdout.count(b"\n") <= 1, "get prints more than the token")
    return answer.stdout.strip()


def verify(token):
    return vault.cli("verify", "-", given=token).returncode


@check
def the_first_get_makes_a_token_that_verifies():
    token = get()
    expect(wellformed(token.decode()), "not of the documented form")
    expect(verify(token) == 0, "does not verify")
    expect(verify(token + b"\n") == 0, "does not verify as a line")


@check
def the_same_token_comes_each_time():
    expect(get() == get(), "two gets gave two tokens")


@check
def a_revoked_token_is_refused_and_its_successor_accepted():
    old = get()
    expect(vault.cli("revoke").returncode == 0, "revoke failed")
    expect(verify(old) == 1, "the revoked token was not refused with exit status 1")
    new = get()
    expect(new != old, "the successor is the same string")
    expect(verify(new) == 0, "the successor does not verify")


@check
def whoever_finds_a_token_can_kill_it():
    leaked = get()
    answer = vault.cli("revoke-token", "-", given=leaked)
    expect(answer.returncode == 0, f"revoke-token: {answer.stderr.decode()}")
    expect(verify(leaked) == 1, "it still verifies")


@check
def the_token_outlives_a_restart_that_takes_less_than_two_seconds():
    token, revoked = get(), None
    vault.cli("revoke")
    revoked, token = token, get()
    until(lambda: vault.restart() < 2, 30, "a start in two seconds")  # the machine may be busy with other things
    expect(get() == token, "another token after the restart")
    expect(verify(token) == 0 and verify(revoked) == 1, "verify says something else after the restart")


@check
def a_secret_of_a_third_party_comes_back_byte_for_byte():
    for secret in (b"one line", bytes(range(256)) * 40, b"\0", b"ends in a newline\n"):
        answer = vault.cli("import", "third-party", given=secret)
        expect(answer.returncode == 0, f"import: {answer.stderr.decode()}")
        expect(vault.cli("get", "third-party").stdout == secret, f"{secret[:20]!r} came back changed")


@check
def another_device_gives_another_token():
    token = get()
    with Vault() as other:
        expect(other.cli("get").stdout.strip() != token, "two vaults gave the same token")
        expect(other.cli("verify", "-", given=token).returncode == 1, "the token of one vault verifies in another")


@check
def each_user_has_a_token_of_its_own():
    as_daemon = ("setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups")
    answer = vault.cli("get", wrapper=as_daemon)
    expect(answer.returncode == 0, f"another user's get: {answer.stderr.decode()}")
    expect(answer.stdout.strip() != get(), "two users have one token")
    denied = vault.cli("get", "--account", "user:root", wrapper=as_daemon)
    expect(denied.returncode == 1 and not denied.stdout, "a user reads the token of root")


with vault:
    run()
