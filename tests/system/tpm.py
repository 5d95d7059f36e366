# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A simulated TPM that a test starts, stops and kills by itself, and tpm2-tools on it. Nobody manages the few places of a
# bare swtpm, and it serves one connection at a time: what the tools leave in it is flushed after each.
import fcntl
import os
import subprocess
from pathlib import Path

from harness import accepts, expect, until

# The storage primary of daemon/hardware/tpm/keys.cpp, made here by somebody else's program.
PRIMARY = ("-G", "ecc256:null:aes128cfb", "-a",
           "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt")


def authorization_values(folder):
    """Those of the root key, the signing key and the counter, from the file that hwvault-hardware keeps them in."""
    content = Path(folder, "authorization").read_bytes()
    mark_size = int.from_bytes(content[:4], "little")  # fields with their length: foundation/fields.h
    values = content[4 + mark_size + 4:][:96]
    return [values[start:start + 32] for start in (0, 32, 64)]


class Tpm:
    """swtpm on a folder with its state. In a `with` it runs."""

    def __init__(self, state, socket):
        self.state = Path(state)
        self.socket = Path(socket)
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)  # of one that was killed

        # One that finds the state in the hands of an earlier one ends, but listens before that.
        until(self.is_let_go_of, 10, "the end of an earlier swtpm")

        def runs():
            if self.process is None or self.process.poll() is not None:
                self.launch()
            return accepts(self.socket)

        until(runs, 10, "swtpm")

    def is_let_go_of(self):
        try:
            with open(self.state / ".lock", "r+b") as lock:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except BlockingIOError:
            return False
        return True

    def launch(self):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}",
             "--server", f"type=unixio,path={self.socket}", "--ctrl", f"type=unixio,path={self.socket}.ctrl",
             "--flags", "startup-clear"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def run(self, *command, cwd=None):
        """What a tool of tpm2-tools did."""
        environment = {**os.environ, "TPM2TOOLS_TCTI": f"swtpm:path={self.socket}", "TSS2_LOG": "all+NONE"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=cwd)
        subprocess.run(["tpm2_flushcontext", "-t"], env=environment, capture_output=True, timeout=60, check=False)
        return done

    def tool(self, *command, cwd=None):
        """What it said; it must have worked."""
        done = self.run(*command, cwd=cwd)
        expect(done.returncode == 0, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def indexes(self):
        """The NV indexes, all of them, as numbers."""
        return [int(line.split()[1], 16) for line in self.tool("tpm2_getcap", "handles-nv-index").splitlines()]
