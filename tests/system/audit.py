#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The audit trail of a running vault: what its files say, with the device's public key and nothing else, after a day's
# work, after kills, after somebody was at them; what the journal gets; and disks that hang, real ones: file systems in
# a file, frozen with fsfreeze(8). All of it in a mount namespace of this test's own.
import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
import time

from configured_vault import ConfiguredVault
from harness import Skip, VarlinkError, check, expect, missing, run, until

CLONE_NEWNS = 0x20000
MESSAGE_ID = "3cc59e8dd2444f6a9d9369fa331c6a99"

vault = ConfiguredVault()
LOG = vault.folder / "log"
CURRENT = LOG / "audit.jsonl"
KEY = vault.folder / "signing-key.pem"


class Journal:
    """What listens where the system's journal does; keeps the fields of each message."""

    def __init__(self):
        folder = "/run/systemd/journal"
        os.makedirs(folder, exist_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"{folder}/socket")
        os.chmod(f"{folder}/socket", 0o666)  # as the system's is
        self.messages = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            message = self.socket.recv(1 << 16).decode()
            self.messages.append(dict(line.split("=", 1) for line in message.splitlines() if "=" in line))


class FrozenDisk:
    """A file system in a file, mounted on `folder`, which freeze() stops until thaw()."""

    mounted = []

    def __init__(self, folder, owner_only):
        self.folder = folder
        image = vault.home / f"{folder.name}.image"
        with open(image, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        folder.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-o", "loop", image, folder], capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"no file system can be mounted from a file: {done.stderr.strip()}")
        folder.chmod(0o700 if owner_only else 0o755)
        FrozenDisk.mounted.append(self)

    def freeze(self):
        subprocess.run(["fsfreeze", "--freeze", self.folder], check=True)

    def thaw(self):
        subprocess.run(["fsfreeze", "--unfreeze", self.folder], capture_output=True)

    @classmethod
    def remove_all(cls):
        for disk in cls.mounted:
            disk.thaw()
        if vault.daemon:
            vault.kill()
        for disk in cls.mounted:
            subprocess.run(["umount", disk.folder], capture_output=True)


def own_namespace():
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(CLONE_NEWNS) != 0:
        return f"no mount namespace: {os.strerror(ctypes.get_errno())}"
    for command in (["mount", "--make-rprivate", "/"], ["mount", "-t", "tmpfs", "-o", "mode=0755", "run", "/run"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            return f"{' '.join(command)}: {done.stderr.strip()}"
    return ""


def written():
    """Waits until the files have what the trail has; the last Retrieve is on it 100 ms after its answer."""
    time.sleep(0.15)
    def all_there():
        status = vault.call("Status")
        return status["audit_written"] == status["audit_sequence"] and status
    return until(all_there, 20, "the audit files")


def verify(*arguments, key=KEY):
    done = vault.cli("audit", "verify", "--config", vault.configuration, *(["--signing-key", key] if key else []), "--json", *arguments)
    return done.returncode, done.stdout.decode() + done.stderr.decode()


def expect_good():
    written()
    status, said = verify()
    expect(status == 0, f"the trail does not verify: {said}")
    return json.loads(said.splitlines()[0])


def shown(*filters):
    done = vault.cli("audit", "show", "--config", vault.configuration, "--json", *filters)
    expect(done.returncode == 0, f"audit show: {done.stderr.decode()}")
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def work(rounds=3):
    for number in range(rounds):
        name = f"token-{time.monotonic_ns()}-{number}"
        vault.call("Create", name=name)
        vault.token(name)
        vault.call("Rotate", name=name, overlap_seconds=60)
        vault.call("Revoke", name=name)
        vault.call("Delete", name=name)
    return vault.token()


@contextlib.contextmanager
def timed_calls():
    """How many seconds each call takes, in a list."""
    call, took = vault.call, []

    def timed(*arguments, **parameters):
        began = time.monotonic()
        answer = call(*arguments, **parameters)
        took.append(time.monotonic() - began)
        return answer

    vault.call = timed
    try:
        yield took
    finally:
        vault.call = call


@check
def a_days_work_is_in_the_files_and_verifies_with_the_public_key_alone():
    vault.configure()
    vault.start_hardware()
    until(lambda: "run `hwvault init`" in vault.log_tail(), 20, "the look at the empty token")
    initialised = vault.init()
    expect(initialised.returncode == 0, initialised.stderr.decode())
    KEY.write_bytes(vault.administer("recover", "--show-signing-key").stdout)
    vault.start()
    token = work()
    expect_good()
    verbs = [line["verb"] for line in shown() if "verb" in line]
    for verb in ("Create", "Retrieve", "Rotate", "Revoke", "Delete"):
        expect(verb in verbs, f"no {verb} in the files: {verbs}")
    line = shown("--verb", "Retrieve", "--name", "default")[-1]
    expect(line["uid"] == os.getuid() and line["user"] == "root" and line["account"] == "user:root", f"{line}")
    expect(line["token"] == token[5:15] and line["rule"] and line.get("executable", "/").startswith("/"), f"{line}")
    everything = "".join(file.read_text() for file in LOG.iterdir())
    expect(token not in everything and token[15:40] not in everything, "a token is in the files")


@check
def the_journal_has_each_event_with_its_fields():
    need()
    name = f"seen-{os.getpid()}"
    vault.call("Create", name=name)
    found = until(lambda: [m for m in journal.messages if m.get("HWVAULT_NAME") == name], 10, "the journal's message")[0]
    expect(found["MESSAGE_ID"] == MESSAGE_ID and found["SYSLOG_IDENTIFIER"] == "hwvaultd", f"{found}")
    expect(found["HWVAULT_VERB"] == "Create" and found["HWVAULT_USER"] == "root" and found["HWVAULT_UID"] == "0", f"{found}")
    expect(found["HWVAULT_ACCOUNT"] == "user:root" and found["HWVAULT_RULE"] and found["PRIORITY"] == "6", f"{found}")
    written()
    line = shown("--name", name)[0]
    expect(found["HWVAULT_HASH"] == line["hash"] and found["HWVAULT_SEQUENCE"] == str(line["sequence"]), f"{found} {line}")


@check
def the_end_of_hwvaultd_is_signed_and_a_tail_that_is_cut_is_found_by_its_head():
    need()
    expect(vault.stop() == 0, "hwvaultd did not end well")
    lines = CURRENT.read_text().splitlines()
    last = json.loads(lines[-1])
    expect("checkpoint" in last, f"the last line is no checkpoint: {last}")
    status, said = verify("--head", f"{last['sequence']}:{last['hash']}")
    expect(status == 0, said)
    whole = CURRENT.read_text()
    CURRENT.write_text("\n".join(lines[:-3]) + "\n")
    status, said = verify("--head", f"{last['sequence']}:{last['hash']}")
    expect(status == 1 and "missing at the end" in said, said)
    vault.start()
    until(lambda: "cut" in vault.call("Status").get("audit_error", ""), 20, "the notice of the cut file")
    CURRENT.with_suffix(".whole").write_text(whole)
    expect_good()
    expect([line for line in shown("--verb", "Audit")], "that the file was touched is not on the trail")
    expect([file for file in LOG.iterdir() if file.suffix == ".set-aside"], "the touched file is gone")


@check
def a_file_that_is_deleted_or_replaced_under_hwvaultd_is_noticed_and_made_again():
    need()
    vault.restart()
    expect("audit_error" not in vault.call("Status"), "an error that is no more")
    before = len(shown("--verb", "Retrieve"))
    CURRENT.unlink()
    vault.token()
    until(lambda: "deleted" in vault.call("Status").get("audit_error", ""), 20, "the notice of the deleted file")
    expect_good()
    expect(len(shown("--verb", "Retrieve")) == before + 1, "lines were lost")
    CURRENT.with_suffix(".moved").hardlink_to(CURRENT)
    another = CURRENT.with_suffix(".another")
    another.write_text("something else\n")
    another.rename(CURRENT)  # in one step, lest hwvaultd looks when there is none
    vault.token()
    until(lambda: "Another file" in vault.call("Status").get("audit_error", ""), 20, "the notice of the replaced file")
    expect_good()
    log = vault.log_tail()
    expect("deleted" in log and "Another file" in log, f"the log does not say it: {log}")


@check
def whenever_hwvaultd_is_killed_the_trail_verifies_afterwards():
    need()
    for number in range(6):
        stop = threading.Event()

        def traffic():
            while not stop.is_set():
                try:
                    work(1)
                except (OSError, VarlinkError):
                    return

        workers = [threading.Thread(target=traffic) for _ in range(4)]
        for worker in workers:
            worker.start()
        time.sleep(0.1 + 0.11 * number)
        vault.kill()
        stop.set()
        for worker in workers:
            worker.join()
        vault.start()
        vault.wait_for_state("serving")
        trouble = vault.call("Status").get("audit_error")
        expect(not trouble, f"a crash is taken for tampering: {trouble}")
        expect_good()


@check
def a_log_disk_that_hangs_holds_nobody_up():
    disk = prepared_disks()["log"]
    vault.start()
    work(1)
    written()
    disk.freeze()
    try:
        with timed_calls() as took:
            token = work(1)
            vault.call("Revoke")
            expect(not vault.active(token), "a revoked token verifies")
        expect(max(took) < 5, f"callers waited for the log disk: {took}")
        until(lambda: "does not answer" in vault.call("Status").get("audit_error", ""), 30, "the notice of the hung disk")
        vault.token()
    finally:
        disk.thaw()
    expect_good()
    expect("audit_error" not in vault.call("Status"), "an error that is no more")


@check
def a_store_disk_that_hangs_refuses_in_time_and_verify_goes_on():
    disk = prepared_disks()["state"]
    if not vault.daemon:
        vault.start()
    token = vault.token()
    vault.call("Create", name="last")  # with what is due of the trail, so that the Revoke is what hangs, and is begun
    disk.freeze()
    try:
        refusals = {}

        def revoke():
            began = time.monotonic()
            refusals["Revoke"] = vault.error_of("Revoke"), time.monotonic() - began

        revoking = threading.Thread(target=revoke)
        revoking.start()
        until(lambda: "does not answer" in vault.call("Status").get("store_error", ""), 20, "the notice of the hung disk")
        began = time.monotonic()
        refusals["Retrieve"] = vault.error_of("Retrieve"), time.monotonic() - began
        expect(vault.active(token), "Verify does not go on")
        revoking.join()
    finally:
        disk.thaw()
    expect(refusals["Retrieve"][0] == "AuditUnavailable" and refusals["Retrieve"][1] < 3, f"{refusals}")
    expect(refusals["Revoke"][0] == "Busy" and refusals["Revoke"][1] < 15, f"{refusals}")
    until(lambda: "store_error" not in vault.call("Status"), 20, "the disk that answers again")
    # What had begun is made by now.
    until(lambda: not vault.active(token), 10, "the revocation that the disk had begun")
    vault.token()
    expect_good()


def need():
    if not KEY.exists():
        raise Skip("the vault could not be set up")


def prepared_disks():
    """The same vault again, its store and its log each on a disk that can be frozen."""
    need()
    if not disks:
        if missing("fsfreeze", "mkfs.ext4"):
            raise Skip(missing("fsfreeze", "mkfs.ext4"))
        if vault.daemon:
            vault.stop()
        subprocess.run(["cp", "-a", vault.store, vault.home / "kept-state"], check=True)
        subprocess.run(["cp", "-a", LOG, vault.home / "kept-log"], check=True)
        made = {"log": FrozenDisk(LOG, False), "state": FrozenDisk(vault.store, True)}
        subprocess.run(["cp", "-a", f"{vault.home}/kept-state/.", vault.store], check=True)
        subprocess.run(["cp", "-a", f"{vault.home}/kept-log/.", LOG], check=True)
        disks.update(made)
    return disks


disks = {}
why_not = vault.missing or own_namespace()
if not why_not:
    journal = Journal()
status = 1
try:
    run(unless=why_not)
except SystemExit as end:
    status = end.code
finally:
    FrozenDisk.remove_all()
    vault.__exit__(None if status == 0 else SystemExit, SystemExit(status), None)
sys.exit(status)
