# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What recovery takes of a person: a key pair, as one makes it, and a passphrase that is typed.
import os
import pty
import subprocess

KEYS = {"EC": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "RSA": ["-algorithm", "RSA"]}


class Keys:
    """A recovery key pair, made as a person makes it, in a folder of its own."""

    def __init__(self, home, name, kind="EC", certificate=False, passphrase=None):
        self.private = home / f"{name}.key"
        self.public = home / f"{name}.pem"
        encryption = ["-aes256", "-pass", f"file:{passphrase}"] if passphrase else []
        subprocess.run(["openssl", "genpkey", *KEYS[kind], *encryption, "-out", self.private], check=True, capture_output=True)
        self.private.chmod(0o600)
        passin = ["-passin", f"file:{passphrase}"] if passphrase else []
        if certificate:
            public = ["req", "-x509", "-new", "-key", self.private, *passin, "-subj", "/CN=recovery", "-days", "1"]
        else:
            public = ["pkey", "-in", self.private, *passin, "-pubout"]
        subprocess.run(["openssl", *public, "-out", self.public], check=True, capture_output=True)


class Terminal:
    """A command at a terminal of its own, where it leads the session. `shown` is what it has shown so far."""

    def __init__(self, arguments, environment):
        self.shown = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(arguments[0], [str(argument) for argument in arguments], environment)

    def read_until(self, words):
        """Whether they came before the command let go of the terminal."""
        while words not in self.shown:
            try:
                part = os.read(self.fd, 4096)
            except OSError:  # the other end is gone
                return False
            self.shown += part
        return True

    def type(self, text):
        os.write(self.fd, text)

    def end(self):
        """Waits for it; gives how it ended, as os.waitpid() does."""
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return status


def at_terminal(arguments, environment, passphrase):
    """Types the passphrase when it is asked for, and gives what was shown."""
    terminal = Terminal(arguments, environment)
    terminal.read_until(b"not shown")
    terminal.type(passphrase)  # echo is off before it asks
    terminal.read_until(b"\0")
    terminal.end()
    return terminal.shown
