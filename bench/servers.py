# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The servers that dev/bench measures, each for as long as its `with`: hwvaultd on a vault of so many tokens, Redis,
# gnome-keyring. What is started here is ended here, by its process alone.
#
# Cores, in every comparison over a Unix socket: a server has the first of the cores that this process may use, with all its
# threads, and the client has the second, so that neither waits for the other's. Both peers have it alike. With one call at a
# time only one of the two works, and most of what it takes is to wake up the core that slept; so that is shown once more
# with both on one core. On the bus there are three processes, and the kernel places them. A server that is not asked sleeps.
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/system"))
import harness  # noqa: E402

BIN = harness.BIN
KEPT = ROOT / "build/bench"  # vaults and keyrings of another run
CORES = sorted(os.sched_getaffinity(0))
SERVER, CLIENT = ({CORES[0]}, {CORES[1]}) if len(CORES) > 1 else (set(CORES), set(CORES))


def give_core(pid):
    """To a server that runs: all its threads, and those that it starts later."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), SERVER)


def end(process):
    process.terminate()
    process.wait()


def made_vault(tokens, hardware=""):
    """The folder of a vault of so many tokens; made, when there is none, in some 25 s a million. `hardware`: a line more of
    that table in its hwvault.toml."""
    folder = KEPT / f"vault-{tokens}{re.sub('[^a-z]+', '-', '-' + hardware).rstrip('-')}"
    if not (folder / "whole").exists() or f"'{folder}/" not in (folder / "hwvault.toml").read_text():
        shutil.rmtree(folder, ignore_errors=True)  # half made, or made elsewhere
        KEPT.mkdir(parents=True, exist_ok=True)
        print(f"making a vault of {tokens:,} tokens", file=sys.stderr)
        subprocess.run([BIN / "bench_make_vault", folder, str(tokens), BIN / "hwvault-hardware"], check=True)
        with open(folder / "hwvault.toml", "a") as settings:  # whose last table is [hardware]
            settings.write(hardware + "\n")
        (folder / "whole").touch()
    return folder


@contextlib.contextmanager
def vault(tokens, bus=False, hardware=""):
    """hwvaultd as the system tests have it, and stopped as a service manager does."""
    folder = made_vault(tokens, hardware)
    with harness.Vault(bus=bus, folder=folder) as served:
        served.vault = folder
        state = served.state()
        harness.expect(state == "serving", f"hwvaultd says `{state}` of {folder}. Remove it, and it is made anew.")
        yield served
        served.stop()


@contextlib.contextmanager
def index_vault(tokens):
    """The socket of what hands over a verify index of so many, and does nothing else."""
    home = Path(tempfile.mkdtemp(prefix="hwvault-bench-"))
    with contextlib.ExitStack() as ending:
        ending.callback(shutil.rmtree, home)
        process = subprocess.Popen([BIN / "bench_index_vault", home / "socket", str(tokens)], stdin=subprocess.DEVNULL)
        ending.callback(end, process)
        harness.until((home / "socket").exists, 120, "the index")
        give_core(process.pid)
        yield home / "socket"


def module_of(folder):
    return tomllib.loads((folder / "hwvault.toml").read_text())["hardware"]["module"]


@contextlib.contextmanager
def least_on_bus(address, folder):
    """What answers there in the vault's place, with the device of a vault that nobody serves."""
    with contextlib.ExitStack() as ending:
        process = subprocess.Popen([BIN / "bench_bus_least", address, folder, module_of(folder)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, text=True)
        ending.callback(end, process)
        harness.expect(process.stdout.readline() == "ready\n", "bench_bus_least did not get there")
        yield


@contextlib.contextmanager
def redis():
    """Its socket. It keeps nothing on the disk, and listens nowhere else."""
    home = Path(tempfile.mkdtemp(prefix="hwvault-bench-"))
    with contextlib.ExitStack() as ending:
        ending.callback(shutil.rmtree, home)
        process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", home / "socket", "--save", "", "--appendonly",
                                    "no", "--dir", home], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        ending.callback(end, process)
        harness.until((home / "socket").exists, 10, "Redis")
        give_core(process.pid)
        yield home / "socket"


@contextlib.contextmanager
def keyring():
    """The address of a bus with gnome-keyring on it, whose login keyring is open; what is in it stays for the next run."""
    home = Path(tempfile.mkdtemp(prefix="hwvault-bench-"))
    data = KEPT / "keyring"
    data.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as ending:
        ending.callback(shutil.rmtree, home, ignore_errors=True)
        bus = harness.Bus(home)
        ending.callback(bus.stop)
        environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": bus.address, "XDG_DATA_HOME": str(data),
                       "XDG_RUNTIME_DIR": str(home), "HOME": str(home)}
        process = subprocess.Popen(["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"], env=environment,
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ending.callback(end, process)
        process.stdin.write(b"bench")  # opens the keyring
        process.stdin.close()
        harness.until(lambda: b"org.freedesktop.secrets" in names_on(bus), 10, "gnome-keyring")
        yield bus.address


def names_on(bus):
    return subprocess.run(["busctl", "--address", bus.address, "list"], stdin=subprocess.DEVNULL, capture_output=True).stdout


def memory(pid):
    """Bytes of memory of a process, its part of what it shares included."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no Pss of {pid}")


def available_memory():
    """Bytes that this machine could give to what is started now."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no MemAvailable")


def seconds_to_serve(tokens):
    """From exec until hwvaultd serves a vault of so many."""
    began = time.monotonic()
    with vault(tokens):
        return time.monotonic() - began
