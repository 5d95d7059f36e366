#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# No string ever comes twice: not after delete and create, not after revoke, not for an account that is made anew.
from harness import LONG, Vault, VarlinkError, check, expect, run

ROUNDS = 500 if LONG else 40
vault = Vault()
seen = set()


def fresh(token):
    expect(token not in seen, "a string came twice")
    seen.add(token)
    return token


@check
def delete_and_create_never_gives_a_string_that_was_seen_before():
    for _ in range(ROUNDS):
        vault.call("Create", name="again")
        token = fresh(vault.token("again"))
        vault.call("Delete", name="again")
        expect(not vault.active(token), "a deleted token verifies")
        expect(vault.error_of("Retrieve", name="again") == "NotFound", "a deleted token is still there")


@check
def revoke_and_rotate_never_give_a_string_that_was_seen_before():
    fresh(vault.token())
    for _ in range(ROUNDS):
        vault.call("Revoke")
        fresh(vault.token())
    vault.call("Create", name="rotated")
    fresh(vault.token("rotated"))
    for _ in range(ROUNDS):
        vault.call("Rotate", name="rotated")
        fresh(vault.token("rotated"))


@check
def an_account_that_is_made_anew_starts_with_new_strings():
    for _ in range(5):
        for name in ("default", "rotated"):
            try:
                vault.call("Delete", name=name)
            except VarlinkError as error:
                expect(error.name == "NotFound", f"Delete: {error}")
        fresh(vault.token())


@check
def an_identifier_never_comes_twice_either():
    expect(len({token[4:14] for token in seen}) == len(seen), "two tokens have one id")


with vault:
    run()
