#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whoever holds the disk changes the store: bits, rows, whole files, a write-ahead log of another time. Each is found
# at the next start and nothing is served; the untouched store is served again. A whole old store is RolledBack, and
# goes on only when an administrator accepts that.
import shutil
import sqlite3
import subprocess

from harness import Vault, check, expect, run, starting_with, until

vault = Vault()
original = vault.home / "original"
STATE = vault.folder / "state"
STORE = STATE / "store.db"


def copy_state(target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(STATE, target)


def restore(source=original):
    for file in STATE.iterdir():
        file.unlink()
    for file in source.iterdir():
        shutil.copy2(file, STATE / file.name)


def change(*statements):
    """Writes into the store as anybody with SQLite can, and leaves no log behind."""
    connection = sqlite3.connect(STORE, isolation_level=None)
    try:
        for statement, *values in statements:
            expect(connection.execute(statement, values).rowcount != 0, f"nothing was changed by {statement}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def rows(query):
    connection = sqlite3.connect(f"file:{STORE}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def flipped(blob, place=None):
    place = len(blob) // 2 if place is None else place
    return blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1:]


# All that can be asked of it besides Status.
VERBS = {"Retrieve": {}, "Revoke": {}, "RevokeToken": {"token": "hwv_" + "0" * 59}, "Rotate": {"name": "one"},
         "Verify": {"token": "hwv_" + "0" * 59}, "Create": {"name": "new"}, "Import": {"name": "new", "secret": "x"},
         "Delete": {"name": "one"}, "List": {}, "Describe": {}}
TAMPERED = {"store-tampered": "StoreTampered"}
ROLLED_BACK = {"rolled-back": "RolledBack"}


def found(why, accepted=None):
    """Starts on the changed store: it must be found, and nothing served. Leaves the original in its place."""
    accepted = accepted or TAMPERED
    vault.start()
    seen = until(lambda: vault.state() != "starting" and vault.state(), 30, "a state")
    expect(seen in accepted, f"{why}: the state is {seen}")
    for verb, parameters in VERBS.items():
        said = vault.error_of(verb, **parameters)
        expect(said == accepted[seen], f"{why}: {verb} says {said}")
    message = vault.call("Status")["message"]
    expect(message, "Status says nothing")
    vault.stop()
    restore()
    return message


def untouched():
    if vault.daemon:
        vault.kill()
    restore()


def serves():
    vault.start()
    vault.wait_for_state("serving")


def prepare():
    for name in ("one", "two", "three"):
        vault.call("Create", name=name)
        vault.token(name)
    vault.call("Import", name="of-others", secret="canary")
    vault.token()
    vault.stop()
    copy_state(original)


def each_record():
    return rows("SELECT row, body, mac, content, version FROM records ORDER BY row")


@check
def an_untouched_store_is_served():
    prepare()
    serves()
    vault.stop()
    copy_state(original)


@starting_with(untouched)
def a_flipped_bit_in_any_column_of_a_record_is_found():
    for row, body, mac, content, _ in each_record()[:3]:
        change(("UPDATE records SET body = ? WHERE row = ?", flipped(body), row))
        found(f"body of row {row}")
        change(("UPDATE records SET mac = ? WHERE row = ?", flipped(mac), row))
        found(f"mac of row {row}")
    row, content = next((row, content) for row, _, _, content, _ in each_record() if content)
    change(("UPDATE records SET content = ? WHERE row = ?", flipped(content), row))
    found("the sealed content")
    change(("UPDATE records SET version = version + 1 WHERE row = ?", row))
    found("the version")


@starting_with(untouched)
def a_flipped_bit_in_the_head_or_in_the_trail_is_found():
    for column in ("sum", "mac", "audit_head", "vault"):
        value = rows(f"SELECT {column} FROM head")[0][0]
        change((f"UPDATE head SET {column} = ?", flipped(value)))
        found(f"head.{column}")
    for column in ("epoch", "count", "time_mark", "audit_sequence", "base"):
        change((f"UPDATE head SET {column} = {column} + 1",))
        found(f"head.{column}")
    last, body = rows("SELECT sequence, body FROM events ORDER BY sequence DESC LIMIT 1")[0]
    change(("UPDATE events SET body = ? WHERE sequence = ?", flipped(body), last))
    found("the last event")


@starting_with(untouched)
def a_deleted_row_is_found():
    for row in [record[0] for record in each_record()][-2:]:
        change(("DELETE FROM records WHERE row = ?", row))
        found(f"row {row} deleted")
    change(("DELETE FROM head",))
    found("head deleted")
    change(("DELETE FROM events WHERE sequence = (SELECT max(sequence) FROM events)",))
    found("the last event deleted")


@starting_with(untouched)
def swapped_rows_are_found():
    records = each_record()
    (first, body, mac, content, version), (second, body2, mac2, content2, version2) = records[-1], records[-2]
    update = "UPDATE records SET body = ?, mac = ?, content = ?, version = ? WHERE row = ?"
    change((update, body2, mac2, content2, version2, first), (update, body, mac, content, version, second))
    change(("UPDATE records SET body = ? WHERE row = ?", body, first))  # whatever the swap of whole rows means
    found("swapped bodies")


@starting_with(untouched)
def a_doubled_row_is_found():
    change(("INSERT INTO records (kind, id, version, body, content, mac)"
            " SELECT kind, id, version, body, content, mac FROM records ORDER BY row DESC LIMIT 1",))
    found("a doubled row")


@starting_with(untouched)
def an_old_row_put_back_is_found():
    row_before = {row[0]: row for row in rows("SELECT row, kind, id, version, body, content, mac FROM records")}
    serves()
    vault.call("Create", name="four")
    token = vault.token("four")
    vault.stop()
    newest = max(row[0] for row in each_record())
    old = rows(f"SELECT version, body, content, mac FROM records WHERE row = {newest}")[0]
    serves()
    vault.call("Revoke", name="four")
    expect(not vault.active(token), "a revoked token verifies")
    vault.stop()
    copy_state(original)
    expect(newest not in row_before, "the new record took an old row")
    change(("UPDATE records SET version = ?, body = ?, content = ?, mac = ? WHERE row = ?", *old, newest))
    found("an old row put back")


@starting_with(untouched)
def a_replaced_file_is_found():
    with Vault() as other:
        other.token()
        other.stop()
        for file in STATE.iterdir():
            file.unlink()
        for file in (other.folder / "state").iterdir():
            shutil.copy2(file, STATE / file.name)
        found("the store of another vault")
        other.start()
    STORE.write_bytes(b"not a database at all" * 100)
    found("a file that is no database")
    STORE.write_bytes(STORE.read_bytes()[:5000])
    found("a file cut short")


def log_of(some_vault):
    """The write-ahead log of a vault that runs."""
    log = (some_vault.folder / "state/store.db-wal").read_bytes()
    expect(len(log) > 32, "the store has no -wal while it is open; is it in WAL mode?")
    return log


@starting_with(untouched)
def a_foreign_log_is_found():
    with Vault() as other:
        other.token()
        (STATE / "store.db-wal").write_bytes(log_of(other))
    found("the -wal of another vault")


@starting_with(untouched)
def a_log_of_another_time_is_found():
    serves()
    vault.call("Create", name="logged")
    token = vault.token("logged")
    before = log_of(vault)
    vault.call("Revoke", name="logged")
    vault.stop()
    copy_state(original)
    (STATE / "store.db-wal").write_bytes(before)
    # What it brings back may be all of one older moment: then it is the device that knows better.
    found("a -wal of another time", TAMPERED | ROLLED_BACK)
    serves()
    expect(not vault.active(token), "a revoked token verifies")


@starting_with(untouched)
def something_beside_the_tables_is_found():
    change(("CREATE TRIGGER extra AFTER INSERT ON records BEGIN DELETE FROM events; END",))
    found("a trigger")
    change(("CREATE TABLE extra (a)",))
    found("a table")


@starting_with(untouched)
def a_store_of_a_newer_schema_is_refused_and_left_as_it_was():
    change(("PRAGMA user_version = 999",))
    before = STORE.read_bytes()
    vault.start()
    until(lambda: vault.state() != "starting", 30, "a state")
    status = vault.call("Status")
    expect(status["state"] != "serving" and "version" in status["message"], f"Status says {status}")
    vault.stop()
    expect(STORE.read_bytes() == before, "the file was changed")
    restore()
    serves()
    vault.stop()


@starting_with(untouched)
def an_old_database_below_the_log_of_today_is_found():
    old = vault.home / "old"
    copy_state(old)
    serves()
    # Pages that the log of today does not have, since the store is written back at a stop.
    vault.call("Import", name="of-others", secret="x" * 100_000)
    vault.stop()
    serves()
    vault.call("Create", name="logged")
    vault.call("Revoke", name="one")
    log_of(vault)
    vault.kill()
    copy_state(original)
    shutil.copy2(old / "store.db", STORE)
    found("yesterday's database below today's -wal", TAMPERED | ROLLED_BACK)
    serves()


def revoked_since(name):
    """A store of yesterday, in which a token of this name is active that was revoked today; and that token."""
    serves()
    vault.call("Create", name=name)
    token = vault.token(name)
    epoch = vault.call("Status")["epoch"]
    vault.stop()
    old = vault.home / "old"
    copy_state(old)
    serves()
    expect(vault.call("Revoke", name=name)["info"]["rollback_protected"] is True, "the device was not told")
    vault.stop()
    copy_state(original)
    return old, token, epoch


def recover():
    return subprocess.run([*vault.command(), "recover", "--accept-rollback"],
                          env=vault.environment, capture_output=True, text=True, timeout=60)


def accept_rollback():
    accepted = recover()
    expect(accepted.returncode == 0, f"recover: {accepted.stdout}{accepted.stderr}")


@starting_with(untouched)
def nobody_recovers_beside_a_daemon_that_waits():
    old, _, _ = revoked_since("beside")
    restore(old)
    vault.start()
    vault.wait_for_state("rolled-back")
    beside = recover()
    expect(beside.returncode == 1 and "other hwvaultd" in beside.stderr, f"recover beside a daemon: {beside}")
    expect(vault.state() == "rolled-back", "the daemon was disturbed")
    vault.stop()
    restore()


@starting_with(untouched)
def a_whole_old_store_is_rolled_back_until_an_administrator_accepts_it():
    old, token, epoch = revoked_since("rolled")
    restore(old)
    message = found("yesterday's store", ROLLED_BACK)
    for number in (epoch, epoch + 1):
        expect(f"epoch {number}" in message, f"epoch {number} is not in: {message}")
    typed = f"`hwvaultd --dev {vault.folder} recover --accept-rollback`"
    expect(typed in message, f"{typed} is what helps here: {message}")
    restore(old)
    (STATE / "store.db-wal").unlink(missing_ok=True)
    found("yesterday's database alone", ROLLED_BACK)
    serves()
    expect(not vault.active(token), "a revoked token verifies")
    vault.stop()

    newer = shutil.copytree(original, vault.home / "newer")  # the one that the old one takes the place of
    restore(old)
    events = len(rows("SELECT 1 FROM events"))
    accept_rollback()
    expect(len(rows("SELECT 1 FROM events")) > events, "it is not on the record")
    serves()
    expect(vault.active(vault.token()), "not serving after the rollback was accepted")
    vault.restart()
    vault.wait_for_state("serving")
    vault.stop()
    copy_state(original)  # this is the latest one from now on
    restore(newer)
    found("the newer store, after an older one was accepted", ROLLED_BACK)


@starting_with(untouched)
def no_old_string_lives_again_after_a_rollback_was_accepted():
    serves()
    for name in ("two", "three"):  # which an earlier acceptance revoked
        vault.call("Create", name=name)
    strings = {name: vault.token(name) for name in ("default", "two", "three")}
    of_others = vault.token("of-others")
    vault.stop()
    copy_state(original)
    old, strings["revoked"], _ = revoked_since("revoked")
    restore(old)
    accept_rollback()
    serves()
    for name, token in strings.items():
        expect(not vault.active(token), f"the old string of {name} verifies")
    expect(vault.token() not in strings.values(), "an old string is given out")
    expect(vault.token("of-others") == of_others, "a secret of a third party is lost")


with vault:
    run()
