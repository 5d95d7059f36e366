#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Root recovers a lost store by hand, out of a folder that somebody may have written into who must not read what root can,
# and at a terminal that is not that store's either.
import os
import re
import shutil
import signal
import subprocess

from configured_vault import HARDWARE_SERVER, SERVER, ConfiguredVault, give
from harness import BIN, check, expect, run, until
from recovery import Keys, Terminal, at_terminal

old, new = ConfiguredVault(), ConfiguredVault()
PASSPHRASE = b"correct horse\n"


class Lost:
    """What is kept of the old machine: the store, the keys, and the string of a token."""

    folder = old.home / "kept"
    store = folder / "store.db"
    signing = old.home / "signing.pem"
    recovery = None
    token = ""


def order(store=Lost.store):
    return [*new.command(), "recover", "--from", store, "--recovery-key", Lost.recovery.private, "--signing-key", Lost.signing]


def recover(store):
    passphrase = old.home / "passphrase"
    return subprocess.run([*order(store), "--passphrase-file", passphrase], env=new.environment, capture_output=True,
                          timeout=60, check=False)


def copies():
    return sorted(file.name for file in new.store.glob("lost-store*"))


def refused(store, words):
    done = recover(store)
    expect(done.returncode == 1 and words in done.stderr.decode(), f"{store}: {done}")
    expect(copies() == [] and not (new.store / "store.db").exists(), f"left: {list(new.store.iterdir())}")


@check
def a_vault_is_lost():
    passphrase = old.home / "passphrase"
    passphrase.write_bytes(PASSPHRASE)
    passphrase.chmod(0o600)
    Lost.recovery = Keys(old.home, "recovery", passphrase=passphrase)
    for vault in (old, new):
        vault.configure()
        with open(vault.configuration, "a", encoding="utf-8") as configuration:
            configuration.write(f"[recovery]\nrecipient = '{Lost.recovery.public}'\n")
        vault.start_hardware()
    done = old.init()
    expect(done.returncode == 0 and b"Keep it on another machine" in done.stdout, f"init: {done}")
    Lost.signing.write_bytes(re.search(b"-----BEGIN.*END PUBLIC KEY-----\n", done.stdout, re.DOTALL).group())
    shown = old.administer("recover", "--show-signing-key")
    expect(shown.returncode == 0 and Lost.signing.read_bytes() == shown.stdout, f"--show-signing-key: {shown}")
    old.start()
    Lost.token = old.token()
    expect(Lost.token.startswith("acme_"), "the prefix")
    old.stop()
    old.kill_hardware()
    shutil.copytree(old.store, Lost.folder)
    new.kill_hardware()
    new.hand_over()
    keyed = subprocess.run([BIN / "hwvault-hardware", "init", "--config", new.configuration, *new.device.pin, "--state",
                            new.hardware_state], env=new.environment, capture_output=True, check=False)
    expect(keyed.returncode == 0, f"hwvault-hardware init: {keyed}")
    new.start_hardware()


@check
def recover_without_keys_names_what_it_takes():
    wanting = new.administer("recover", "--from", Lost.store)
    expect(wanting.returncode == 2 and b"three files" in wanting.stderr, f"recover without keys: {wanting}")


@check
def a_planted_link_is_not_followed():
    secret = old.home / "secret"
    secret.write_text("root's own")
    secret.chmod(0o600)
    planted = old.home / "planted"
    for link in ("store.db", "store.db-wal"):
        shutil.rmtree(planted, ignore_errors=True)
        planted.mkdir()
        if link == "store.db-wal":
            shutil.copy(Lost.store, planted)
        (planted / link).symlink_to(secret)
        give(HARDWARE_SERVER, planted)  # neither root's nor the server's
        refused(planted / "store.db", f"{planted / link} is a symbolic link")
    (planted / "store.db-wal").unlink()
    os.mkfifo(planted / "store.db-wal")
    refused(planted / "store.db", "store.db-wal is not a regular file")


@check
def a_log_of_another_user_is_none_of_the_stores():
    planted = old.home / "planted"
    (planted / "store.db-wal").unlink()
    (planted / "store.db-wal").write_text("root's own")
    refused(planted / "store.db", "belong to different users")


@check
def what_a_killed_command_left_is_removed_at_the_next_start():
    left = new.store / "lost-store.db"
    left.write_text("a lost store")
    left.chmod(0o400)
    new.start(settled=False)
    expect(copies() == [], "the copy is left")
    new.stop()


@check
def the_store_is_parsed_where_no_terminal_is_and_ctrl_c_ends_it():
    new.kill_hardware()  # whom it waits for
    terminal = Terminal(order(), new.environment)
    terminal.read_until(b"not shown")
    terminal.type(PASSPHRASE)
    until(lambda: copies() != [], 20, "the copy of the store")
    apart = int(open(f"/proc/{terminal.pid}/task/{terminal.pid}/children", encoding="ascii").read())
    until(lambda: status_of(apart)["tty"] == "0", 20, "the terminal to be left")
    expect(not any("/dev/pts" in os.readlink(f"/proc/{apart}/fd/{fd}") for fd in range(3)), "the terminal's descriptors")
    expect(status_of(apart)["uid"] != "0", "it is root")
    terminal.type(b"\x03")
    expect(os.WTERMSIG(terminal.end()) == signal.SIGINT, "how it ended")
    until(lambda: not os.path.exists(f"/proc/{apart}"), 20, "its end")
    new.start_hardware()


def status_of(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    uid = re.search(r"^Uid:\s+(\d+)", open(f"/proc/{pid}/status", encoding="ascii").read(), re.MULTILINE).group(1)
    return {"tty": fields[4], "uid": uid}


@check
def leftovers_and_a_planted_link_are_in_nobodys_way():
    for file in new.store.glob("lost-store*"):
        file.unlink()
    victim = new.store / "victim"
    victim.write_text("kept")
    (new.store / "lost-store.db").symlink_to(victim)
    (new.store / "lost-store.db-wal").write_text("old")
    (new.store / "lost-store.db-wal").chmod(0o400)
    give(SERVER, new.store)
    shown = at_terminal(order(), new.environment, PASSPHRASE)
    expect(b"not shown" in shown and PASSPHRASE.strip() not in shown, f"the terminal showed: {shown}")
    expect(b"Recovered to epoch" in shown, f"the terminal showed: {shown}")
    expect(copies() == [] and victim.read_text() == "kept", f"left: {list(new.store.iterdir())}")
    new.start()
    expect(new.token() == Lost.token and new.active(Lost.token), "another string")


try:
    run(unless=old.missing)
finally:
    old.__exit__(None, None, None)
    new.__exit__(None, None, None)
