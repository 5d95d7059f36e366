# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Stands between hwvault-hardware and a TPM: passes on what they say, counts the steps of the counter, and can hold one
# step at a point that a test names, so that something may be killed there and nowhere else.
#
# A command and an answer are a header of ten bytes, big-endian (tag u16, size u32, code u32), and what follows it
# (TPM 2.0 Part 3, 5.4). swtpm's TCTI uses PATH for these and PATH.ctrl for orders to the simulator.
import contextlib
import select
import socket
import struct
import threading
from pathlib import Path

from harness import SLOWDOWN, expect

NV_INCREMENT = 0x134  # TPM2_CC_NV_Increment, Part 2, 6.5.2
SUCCESS = 0
HEADER = 10

# The points at which a step can be held.
BEFORE = "the TPM is about to be told"
COUNTED = "the TPM has counted and its answer is under way"
ANSWERED = "the TPM has just answered"


class Hold:
    """A step that is to be held at `point`."""

    def __init__(self, point):
        self.point = point
        self.reached = threading.Event()
        self.released = threading.Event()
        self.lost = False

    def wait(self, seconds=30):
        expect(self.reached.wait(seconds * SLOWDOWN), f"no step of the counter at which {self.point}")

    def release(self):
        """What was held goes on its way."""
        self.released.set()

    def lose(self):
        """What was held is lost, and the connection with it."""
        self.lost = True
        self.released.set()


class Proxy:
    def __init__(self, path, upstream):
        self.path = Path(path)
        self.upstream = str(upstream)
        self.steps = 0  # that the TPM has made
        self.next_hold = None
        self.listeners = []

    def start(self):
        self.listen(self.path, self.upstream, self.pass_commands)
        self.listen(f"{self.path}.ctrl", f"{self.upstream}.ctrl", pass_bytes)

    def stop(self):
        for listener in self.listeners:
            listener.close()

    def hold(self, point):
        """Holds the next step at this point."""
        self.next_hold = Hold(point)
        return self.next_hold

    def listen(self, path, upstream, serve):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        self.listeners.append(listener)
        threading.Thread(target=accept, args=(listener, upstream, serve), daemon=True).start()

    def pass_commands(self, client, tpm):
        while command := read_message(client):
            counts = code_of(command) == NV_INCREMENT
            if counts:
                self.point(BEFORE)
            tpm.sendall(command)
            answer = read_message(tpm)
            if counts and answer and code_of(answer) == SUCCESS:
                self.steps += 1
                self.point(COUNTED)
            client.sendall(answer)
            if counts:
                self.point(ANSWERED)  # and not yet asked for anything else

    def point(self, name):
        hold = self.next_hold
        if not hold or hold.point != name:
            return
        self.next_hold = None
        hold.reached.set()
        hold.released.wait()
        if hold.lost:
            raise ConnectionError("lost, as the test wants it")


def accept(listener, upstream, serve):
    with contextlib.suppress(OSError):  # the end of the listener
        while True:
            client, _ = listener.accept()
            threading.Thread(target=connect, args=(client, upstream, serve), daemon=True).start()


def connect(client, upstream, serve):
    with client, socket.socket(socket.AF_UNIX) as tpm, contextlib.suppress(OSError):  # an end of either is one of both
        tpm.connect(upstream)
        serve(client, tpm)


def code_of(message):
    return struct.unpack(">I", message[6:HEADER])[0]


def read_exactly(connection, size):
    content = b""
    while len(content) < size:
        part = connection.recv(size - len(content))
        if not part:
            return b""
        content += part
    return content


def read_message(connection):
    """A whole command or answer; nothing at the end of the connection."""
    header = read_exactly(connection, HEADER)
    if not header:
        return b""
    size = struct.unpack(">I", header[2:6])[0]
    return header + read_exactly(connection, size - HEADER)


def pass_bytes(client, tpm):
    while True:
        for ready in select.select([client, tpm], [], [])[0]:
            content = ready.recv(1 << 16)
            if not content:
                return
            (tpm if ready is client else client).sendall(content)
