# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the end-to-end tests share: a vault of their own (the real hwvaultd in a folder of its own, with a private bus
# where it is asked for), Varlink and D-Bus clients written by hand, and a way to say what was seen.
#
# A test is a function whose name is a sentence, marked with @check; run() runs them in order and prints `ok:`,
# `FAILED:` or `skipped:` for each. Nothing sleeps for luck: until() waits for a condition with a bound. The tests
# that need longer read LONG.
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from pathlib import Path

BIN = Path(os.environ.get("HWVAULT_BIN", Path(__file__).resolve().parents[2] / "build/release/bin"))
BUS_CONFIG = Path(__file__).resolve().parents[2] / "dev/private-bus.conf"
LONG = bool(os.environ.get("HWVAULT_LONG"))
HARDWARE = os.environ.get("HWVAULT_TEST_HARDWARE", "softhsm")  # what --dev simulates: softhsm or swtpm
SLOWDOWN = float(os.environ.get("HWVAULT_SLOWDOWN", "1"))  # how much longer everything may take
INTERFACE = "org.hwvault.Vault"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

checks = []

if HARDWARE == "swtpm" and not shutil.which("swtpm"):
    print("skipped: all of it: swtpm is not installed")
    sys.exit()


class Skip(Exception):
    """What is missing, so that the test cannot run here."""


def check(function):
    checks.append(function)
    return function


def starting_with(prepare):
    """A @check that begins with prepare(), so that one that failed before does not spoil it."""
    def mark(function):
        def prepared():
            prepare()
            function()
        prepared.__name__ = function.__name__
        return check(prepared)
    return mark


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def missing(*programs):
    """What of these is not installed, in words; nothing when all is there."""
    names = [program for program in programs if not shutil.which(program)]
    return f"not installed: {', '.join(names)}" if names else ""


def run(unless=""):
    """Runs the checks and leaves with their status. `unless` says why none of them can run here."""
    failed = 0
    for function in checks:
        sentence = function.__name__.replace("_", " ")
        try:
            if unless:
                raise Skip(unless)
            function()
            print(f"ok: {sentence}", flush=True)
        except Skip as why:
            print(f"skipped: {sentence}: {why}", flush=True)
        except Exception:  # whatever it was, the others still run
            failed += 1
            print(f"FAILED: {sentence}\n{traceback.format_exc()}", flush=True)
    sys.exit(1 if failed else 0)


def until(condition, seconds, what):
    """The first true value of condition(); fails after so many seconds."""
    deadline = time.monotonic() + seconds * SLOWDOWN
    while True:
        late = time.monotonic() >= deadline  # before it is asked, so that a machine that stood still leaves it one more try
        value = condition()
        if value:
            return value
        expect(not late, f"{what}: not within {seconds} s")
        time.sleep(0.02)


def accepts(path):
    """Whether somebody listens on a Unix socket, whose file is there a moment before."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def wellformed(token):
    """Whether a string is a token by its shape and checksum, by docs/formats/token.md and nothing of ours."""
    if not re.fullmatch(r"[a-z]{2,6}_[0-9A-Za-z]{59}", token):
        return False
    number, digits = zlib.crc32(token[:-6].encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return token.endswith(digits)


def altered(token):
    """Another token with a right checksum: the same id, the secret's first character changed."""
    body = token[:14] + ("0" if token[14] != "0" else "1") + token[15:-6]
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return body + digits


class VarlinkError(Exception):
    def __init__(self, name, parameters):
        super().__init__(f"{name}: {parameters}")
        self.full_name = name
        self.name = name.rsplit(".", 1)[-1]
        self.message = parameters.get("message", "")
        self.parameters = parameters


class Connection:
    """A Varlink client in a few lines: JSON objects that end in a zero byte (UAPI.20)."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send_raw(self, message):
        self.socket.sendall(message)

    def send(self, method, parameters=None, **flags):
        name = method if "." in method else f"{INTERFACE}.{method}"
        self.send_raw(json.dumps({"method": name, "parameters": parameters or {}, **flags}).encode() + b"\0")

    def receive(self):
        """The next reply as it is; None at the end of the connection."""
        while b"\0" not in self.pending:
            part = self.socket.recv(1 << 16)
            if not part:
                return None
            self.pending += part
        message, self.pending = self.pending.split(b"\0", 1)
        return json.loads(message)

    def answer(self):
        reply = self.receive()
        if reply is None:
            raise ConnectionError("the daemon closed the connection")
        if "error" in reply:
            raise VarlinkError(reply["error"], reply.get("parameters") or {})
        return reply.get("parameters") or {}

    def call(self, method, **parameters):
        self.send(method, parameters)
        return self.answer()


class Bus:
    """A private system bus."""

    def __init__(self, folder):
        self.address = f"unix:path={folder}/bus"
        with open(Path(folder, "bus.log"), "wb") as log:
            self.process = subprocess.Popen(
                ["dbus-daemon", "--config-file", BUS_CONFIG, "--address", self.address, "--nofork", "--nopidfile"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self.runs, 10, "the private bus")

    def runs(self):
        expect(self.process.poll() is None, "the private bus ended")
        return accepts(self.address.removeprefix("unix:path="))

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Vault:
    """A vault in a folder of its own: `hwvaultd --dev`. Gone, with its folder, at the end of the `with`."""

    def __init__(self, bus=False, folder=None, hardware=HARDWARE):
        self.hardware = hardware
        self.home = Path(tempfile.mkdtemp(prefix="hwvault-test-"))
        self.home.chmod(0o755)  # other users call it too
        self.folder = Path(folder) if folder else self.home / "vault"
        self.log = self.home / "log"
        self.socket = self.folder / "run/org.hwvault.Vault"
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("DBUS_", "HWVAULT_"))}
        self.environment["HWVAULT_ADDRESS"] = str(self.socket)
        self.bus = Bus(self.home) if bus else None
        if self.bus:
            self.environment["DBUS_SYSTEM_BUS_ADDRESS"] = self.bus.address
        self.popen_options = {}  # for a daemon that inherits something
        self.daemon = None

    def __enter__(self):
        try:
            self.start()
        except BaseException as failure:
            self.__exit__(type(failure), failure, None)
            raise
        return self

    def __exit__(self, kind, value, _):
        if self.daemon:
            self.kill()
        if self.bus:
            self.bus.stop()
        if kind and not (kind is SystemExit and value.code == 0) and self.log.exists():
            print(f"the daemon's log:\n{self.log.read_text(errors='replace')[-4000:]}")
        shutil.rmtree(self.home, ignore_errors=True)

    def command(self):
        return [BIN / "hwvaultd", "--dev", self.folder, "--hardware", self.hardware]

    def launch(self, **how):
        """Starts it and does not wait. `how` goes on to Popen."""
        if self.daemon:
            self.kill()  # left over from a check that failed
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen(self.command(), env=self.environment, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.PIPE, stderr=log, cwd=self.home, **self.popen_options, **how)
        os.set_blocking(self.daemon.stdout.fileno(), False)

    def start(self, seconds=60, settled=True):
        """Starts it and waits for its `ready`; gives how many seconds that took.

        On a busy machine the device may be opened only after `ready`: `settled` waits until that is decided.
        """
        began = time.monotonic()
        self.launch()
        said = b""

        def ready():
            nonlocal said
            said += self.daemon.stdout.read() or b""
            expect(self.daemon.poll() is None, f"hwvaultd ended with {self.daemon.poll()}: {self.log_tail()}")
            return b"ready\n" in said

        until(ready, seconds, "`ready`")
        took = time.monotonic() - began
        if settled:
            until(lambda: self.state() not in ("starting", "hardware-unavailable"), seconds, "the device")
        return took

    def log_tail(self):
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self):
        """As a service manager does; gives the exit status."""
        self.daemon.terminate()
        try:
            status = self.daemon.wait(20 * SLOWDOWN)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("hwvaultd did not end within 20 s of SIGTERM") from None
        self.daemon.stdout.close()
        self.daemon = None
        return status

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()
        self.daemon.stdout.close()
        self.daemon = None

    def restart(self):
        self.stop()
        return self.start()

    def children(self):
        """The pids of hwvault-hardware below the daemon."""
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, IndexError):
                name, rest = status.read_text().split("(", 1)[1].rsplit(")", 1)
                if int(rest.split()[1]) == self.daemon.pid and name.startswith("hwvault-hardwar") and rest.split()[0] != "Z":
                    found.append(int(status.parent.name))
        return found

    def child(self):
        return until(lambda: (self.children() or [None])[0], 10, "the hardware child")

    def connect(self, timeout=60):
        return Connection(self.socket, timeout)

    def call(self, method, **parameters):
        with self.connect() as connection:
            return connection.call(method, **parameters)

    def error_of(self, method, **parameters):
        """The name of the error of a call that must fail."""
        try:
            answer = self.call(method, **parameters)
        except VarlinkError as error:
            expect(error.message or error.full_name.startswith("org.varlink."), f"{error.name} comes without a sentence")
            return error.name
        raise AssertionError(f"{method} should have failed, and answered {sorted(answer)}")

    def token(self, name="", account=""):
        return self.call("Retrieve", account=account, name=name)["token"]

    def active(self, token):
        return self.call("Verify", token=token)["active"]

    def state(self):
        return self.call("Status")["state"]

    def wait_for_state(self, state, seconds=30):
        deadline = time.monotonic() + seconds * SLOWDOWN
        status = self.call("Status")
        while status["state"] != state:
            expect(time.monotonic() < deadline, f"not {state} within {seconds} s but {status}")
            time.sleep(0.02)
            status = self.call("Status")

    def cli(self, *arguments, given=b"", wrapper=()):
        return subprocess.run([*wrapper, BIN / "hwvault", *arguments], input=given, env=self.environment,
                              capture_output=True, timeout=120, cwd="/")
