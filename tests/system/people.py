# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Callers for the end-to-end tests: users and groups that this machine does not have, units that no systemd started, and
# processes that are these. Needs root. The machine's own /etc/passwd and /etc/group are neither read nor changed: own
# ones lie over them in a mount namespace that ends with the test. A unit is a control group of its name, made by hand,
# which is what hwvaultd looks at.
import atexit
import ctypes
import json
import os
import select
import socket
import subprocess
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from harness import SLOWDOWN, expect

CLONE_NEWNS = 0x00020000
SO_PEERPIDFD = 77  # Linux 6.5
NOBODY = {"root": 0, "nobody": 65534}


@dataclass(frozen=True)
class Person:
    """Who a process is: a uid (its gid is the same), supplementary groups by gid, and the control group it runs in."""
    uid: int
    groups: tuple = ()
    cgroup: str = ""


class Etc:
    """/etc/passwd and /etc/group of the test's own; root and nobody are in them."""

    def __init__(self):
        self.missing = "" if os.geteuid() == 0 else "to be other users is for root"
        if self.missing:
            return
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
            self.missing = "no mount namespace can be made here"
            return
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        self.folder = tempfile.TemporaryDirectory(prefix="hwvault-etc-")
        Path(self.folder.name).chmod(0o755)
        self.write({}, {})
        for file in ("passwd", "group"):
            subprocess.run(["mount", "--bind", f"{self.folder.name}/{file}", f"/etc/{file}"], check=True)

    def write(self, users, groups):
        """From now on these are there, and no others: names and their numbers."""
        passwd = "".join(f"{name}:x:{uid}:{uid}::/:/usr/sbin/nologin\n" for name, uid in {**NOBODY, **users}.items())
        group = "".join(f"{name}:x:{gid}:\n" for name, gid in {**NOBODY, **groups}.items())
        # In place: what is mounted is the file, not its name.
        Path(self.folder.name, "passwd").write_text(passwd)
        Path(self.folder.name, "group").write_text(group)


class Units:
    """Control groups below a slice of the test's own; `missing` says why there are none."""

    def __init__(self):
        mounts = [Path(mount) for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
                  if Path(mount, "cgroup.controllers").exists()]
        self.missing = "" if mounts else "control group v2 is not mounted"
        self.made = []
        if mounts:
            self.root = mounts[0] / f"hwvaulttest{os.getpid()}.slice"
            try:
                self.add("")
            except OSError as failure:
                self.missing = f"control groups cannot be made here: {failure.strerror}"
        if not self.missing and not kernel_knows_peers_by_pidfd():
            self.missing = "this kernel gives no pidfd of a socket's peer (Linux 6.5)"
        atexit.register(self.remove, os.getpid())

    def add(self, group, delegated=False):
        (self.root / group).mkdir()
        self.made.append(self.root / group)
        if delegated:
            os.setxattr(self.root / group, "user.delegate", b"1")

    def enter(self, group):
        (self.root / group / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self, maker):
        for folder in reversed(self.made) if os.getpid() == maker else ():
            folder.rmdir()


def kernel_knows_peers_by_pidfd():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            os.close(ours.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD))
        except OSError:
            return False
    return True


class Parent:
    """The test, as a process of a caller has it."""

    def __init__(self, channel):
        self.channel = channel

    def tell(self, value, kind="value"):
        self.channel.sendall(json.dumps([kind, value]).encode() + b"\n")

    def wait(self):
        """Until go_on() is called over there."""
        expect(self.channel.recv(1), "the test has ended")


class Process:
    """A process that is this person, and runs `work(parent)`: what it tells, and in the end what it returns, is read with
    answer(), one value a time. An exception in it is one here."""

    def __init__(self, person, units, work):
        self.person = person
        self.socket, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self.socket.close()
            self.run(Parent(theirs), units, work)
        theirs.close()
        self.answers = self.socket.makefile("r", encoding="utf-8")

    def run(self, parent, units, work):
        try:
            if self.person.cgroup:
                units.enter(self.person.cgroup)
            os.setgroups(self.person.groups)
            os.setgid(self.person.uid)
            os.setuid(self.person.uid)
            parent.tell(work(parent))
        except BaseException:
            parent.tell(traceback.format_exc(), "failure")
        os._exit(0)

    def go_on(self):
        self.socket.sendall(b"\n")

    def answer(self, seconds=120):
        expect(select.select([self.socket], [], [], seconds * SLOWDOWN)[0], f"{self.person}: no answer within {seconds} s")
        line = self.answers.readline()
        expect(line, f"{self.person} ended without an answer")
        kind, value = json.loads(line)
        expect(kind == "value", f"in the process of {self.person}:\n{value}")
        return value

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answers.close()
        self.socket.close()
        deadline = time.monotonic() + 5
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(self.pid, 9)
            time.sleep(0.01)


def as_person(person, units, work):
    """What work() returns in a process that is this person."""
    with Process(person, units, lambda _: work()) as process:
        return process.answer()
