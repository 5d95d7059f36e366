#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# When a token was last used, over stops and crashes of hwvaultd: what was verified on the socket and what an application has
# verified in its own process alike, and whatever somebody writes into the store's file for it.
import sqlite3
import time

from doors import Library, Target
from harness import Vault, check, expect, run

vault = Vault()


def described(name):
    return vault.call("Describe", name=name)["info"]


def made(name):
    vault.call("Create", name=name)
    return vault.token(name)


def next_second():
    """So that what is used from here on is used later than what was used before. hwvaultd's clock goes by ticks of some milliseconds."""
    now = time.time()
    time.sleep(int(now) + 1.1 - now)


def edit_store(sql):
    with sqlite3.connect(vault.folder / "state/store.db") as store:
        store.execute(sql)
    store.close()


@check
def what_was_verified_on_the_socket_is_known_after_a_stop():
    token = made("socket")
    retrieved = described("socket")
    expect(retrieved["last_used_by"] == "user:root", f"{retrieved}")
    next_second()
    expect(vault.active(token), "it does not verify")
    before = described("socket")
    expect(before["last_used_at"] > retrieved["last_used_at"], f"{before}")
    vault.restart()
    expect(described("socket") == before, f"{described('socket')}, and before the stop {before}")


@check
def what_an_application_has_verified_by_itself_is_known_after_a_stop():
    token = made("process")
    library = Library(vault)
    expect(library.Verify(Target(string=token)).value, "it does not verify")
    asked = vault.call("Status")["verified"]
    next_second()
    expect(library.Verify(Target(string=token)).value, "it does not verify")
    expect(vault.call("Status")["verified"] == asked, "hwvaultd was asked")
    before = described("process")
    expect(before["last_used_at"] >= before["created_at"], f"{before}")
    vault.restart()
    expect(described("process") == before, f"{described('process')}, and before the stop {before}")


@check
def a_crash_forgets_what_came_after_the_last_stop_and_nothing_before():
    before = described("socket")
    token = vault.token("process")
    vault.restart()
    next_second()
    expect(vault.active(token), "it does not verify")
    vault.kill()
    vault.start()
    expect(described("socket") == before, f"{described('socket')}, and before the crash {before}")
    expect(described("process")["last_used_by"] == "user:root", "the Retrieve is not told, which is on the trail")


@check
def what_is_deleted_and_made_anew_was_never_used():
    made("again")
    vault.restart()
    vault.call("Delete", name="again")
    vault.call("Create", name="again")
    vault.restart()
    expect("last_used_at" not in described("again"), f"{described('again')}")


@check
def whatever_the_file_says_of_last_uses_the_vault_serves():
    token = vault.token("socket")
    for sql in ("UPDATE uses SET at = 'never'", "UPDATE uses SET at = 1 << 40", "UPDATE uses SET row = row + 1000", "DELETE FROM uses"):
        expect(vault.stop() == 0, "the exit status")
        edit_store(sql)
        vault.start()
        vault.wait_for_state("serving")
        expect(vault.active(token), f"it does not verify after {sql}")
        expect(0 <= time.time() - described("socket")["last_used_at"] < 60, f"{described('socket')} after {sql}")


with vault:
    run()
