#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whoever has taken over a daemon: started in its unit's place, as its user and in its sandbox, it tries what it must not be
# able to do, and prints `withheld: WHAT` or `given: WHAT` for each. Started as root and outside it gets all of it, which
# shows that it tries in earnest.
#
#   intruder.py                       tries to leave the sandbox
#   intruder.py CHILD_PID PATH...     and what hwvaultd must not reach: the pid of hwvault-hardware, and files, devices, folders
#                                     and sockets that are its alone
import ctypes
import os
import socket
import stat
import struct
import subprocess
import sys

CHILD = "/run/hwvault-hardware/socket"
SIGN = 2  # the second verb of the private protocol
PTRACE_ATTACH, PTRACE_DETACH = 16, 17


def reach(path):
    """Reads a file or a device's first byte, lists a folder, connects to a socket."""
    kind = os.stat(path).st_mode
    if stat.S_ISDIR(kind):
        os.listdir(path)
    elif stat.S_ISSOCK(kind):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
    else:
        os.close(os.open(path, os.O_RDWR if stat.S_ISCHR(kind) else os.O_RDONLY))


def attach(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_ATTACH, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(pid, 0)
    libc.ptrace(PTRACE_DETACH, pid, None, None)


def read_memory(pid):
    with open(f"/proc/{pid}/mem", "rb"):
        pass


def read_environment(pid):
    with open(f"/proc/{pid}/environ", "rb") as environment:
        environment.read()


def field(content):
    return struct.pack("<I", len(content)) + content


def number(value):
    return field(struct.pack("<Q", value))


def ask(service, path, interface, method, *arguments, seconds=60):
    """A call on the system bus."""
    done = subprocess.run(["busctl", f"--timeout={seconds}", "call", service, path, interface, method, *map(str, arguments)],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PermissionError(done.stderr.strip())


def linger():
    """Has logind start the user's own systemd, outside of every sandbox and at every boot. polkit lets every user."""
    manager = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
    ask(*manager, "SetUserLinger", "ubb", os.getuid(), "true", "false")
    ask(*manager, "SetUserLinger", "ubb", os.getuid(), "false", "false")


def unit():
    ask("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "StartTransientUnit",
        "ssa(sv)a(sa(sv))", "intruder.service", "fail", 1, "ExecStart", "a(sasb)", 1, "/bin/true", 1, "/bin/true", "false", 0)


def service():
    """Has the bus start a program that it knows."""
    ask("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "StartServiceByName", "su",
        "org.freedesktop.hostname1", 0)


def resource_manager():
    """Gets a call through to a TPM's. The one that stands in for it never answers."""
    try:
        ask("com.intel.tss2.Tabrmd", "/com/intel/tss2/Tabrmd/Tss2", "com.intel.tss2.TctiTabrmd", "CreateConnection", seconds=5)
    except PermissionError as why:
        if "timed out" not in str(why):
            raise


class Child:
    """The private protocol, by hand (daemon/hardware/protocol.h)."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(CHILD)

    def sign(self, sequence, head):
        """The status of a checkpoint: 0 is a signature."""
        checkpoint = number(sequence) + field(bytes(32)) + field(head) + number(1) + field(bytes(32))
        frame = number(sequence) + number(SIGN) + field(checkpoint)
        self.socket.sendall(struct.pack("<I", len(frame)) + frame)
        size = struct.unpack("<I", self.read(4))[0]
        return struct.unpack("<Q", self.read(size)[16:24])[0]

    def read(self, size):
        content = b""
        while len(content) < size:
            part = self.socket.recv(size - len(content))
            if not part:
                raise ConnectionError("the child closed the connection")
            content += part
        return content


class Signatures:
    """Two heads for one place in the chain."""

    def __init__(self):
        self.child = None

    def ask(self, head):
        self.child = self.child or Child()
        status = self.child.sign(1 << 40, head)
        if status != 0:
            raise PermissionError(f"refused with {status}")

    def first(self):
        self.ask(b"a" * 32)

    def second(self):
        self.ask(b"b" * 32)


def main():
    attempts = [("a user manager", linger, ()), ("a unit of its own", unit, ()),
                ("the TPM's resource manager", resource_manager, ())]
    if len(sys.argv) > 1:
        pid, signatures = int(sys.argv[1]), Signatures()
        attempts += [(f"reach {path}", reach, (path,)) for path in sys.argv[2:]]
        attempts += [("another service of the bus", service, ()), ("attach to the child", attach, (pid,)),
                     ("the child's memory", read_memory, (pid,)), ("the child's environment", read_environment, (pid,)),
                     ("a first signature", signatures.first, ()), ("a second signature", signatures.second, ())]
    for what, attempt, arguments in attempts:
        try:
            attempt(*arguments)
            print(f"given: {what}", flush=True)
        except OSError as why:
            print(f"withheld: {what}: {why}", flush=True)


main()
