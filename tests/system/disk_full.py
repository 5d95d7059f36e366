#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A full disk: changes are refused with a clear error, verify goes on, nothing that was answered is lost, and changes
# work again when there is room. The store lies on a small tmpfs, in a mount namespace of this test's own.
import ctypes
import os
import subprocess
from pathlib import Path

from harness import Skip, Vault, VarlinkError, check, expect, run

CLONE_NEWNS = 0x20000
vault = Vault()
STATE = vault.folder / "state"


def mount_small_disk():
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(CLONE_NEWNS) != 0:
        raise Skip(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    for command in (["mount", "--make-rprivate", "/"], ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "small", STATE]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"no tmpfs: {done.stderr.strip()}")


def fill():
    with open(STATE / "filler", "wb", buffering=0) as filler:
        for size in (65536, 4096, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                pass


def refused(method, **parameters):
    try:
        vault.call(method, **parameters)
    except VarlinkError as error:
        expect(error.name in ("QuotaExceeded", "AuditUnavailable"), f"{method}: {error}")
        expect("full" in error.message or "space" in error.message, f"{method} does not say that the disk is full: {error}")
        return True
    return False


@check
def a_full_disk_refuses_changes_and_loses_nothing():
    STATE.mkdir(parents=True)
    vault.folder.chmod(0o755)
    mount_small_disk()
    vault.start()
    known["default"] = vault.token()
    vault.call("Create", name="before")
    known["before"] = vault.token("before")
    fill()
    expect(any(refused("Import", name=f"big-{number}", secret="x" * 50000) for number in range(40)),
           "nothing was refused on a full disk")
    for name, token in known.items():
        expect(vault.active(token), f"{name} does not verify")
    expect(vault.call("List", account="")["infos"], "List does not work")


@check
def what_was_revoked_stays_so_and_what_was_refused_did_not_happen():
    need()
    if refused("Revoke", name="before"):
        expect(vault.active(known["before"]), "a refused revocation killed the token")
    else:
        expect(not vault.active(known.pop("before")), "a revoked token verifies")


@check
def all_works_again_when_there_is_room():
    need()
    (STATE / "filler").unlink()
    vault.call("Create", name="after")
    known["after"] = vault.token("after")
    vault.call("Revoke")
    expect(not vault.active(known["default"]), "a revoked token verifies")
    known["default"] = vault.token()


@check
def the_store_opens_after_it_was_full():
    need()
    fill()
    vault.kill()
    vault.start()
    vault.wait_for_state("serving")
    for name, token in known.items():
        expect(vault.active(token), f"{name} does not verify after the restart")
    (STATE / "filler").unlink()
    vault.wait_for_state("serving")
    vault.call("Create", name="last")


def need():
    if not known:
        raise Skip("the small disk could not be made")


known = {}
try:
    run()
finally:
    if vault.daemon:
        vault.kill()
    if Path(STATE).is_mount():
        subprocess.run(["umount", STATE], check=False)
    vault.__exit__(None, None, None)
