# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A booted Debian: systemd as process 1 in a container, over a tree that stays as it is, with our packages at hand.
#
#     with machine.make() as debian:                 # $HWVAULT_RELEASE: 12 or 13
#         debian.install()
#         debian.ok("hwvault", "status")             # what it printed; fails where the command does
#         debian.run("hwvault", "get", user="alice") # (status, output, errors), whatever the status
#         debian.write("/etc/hwvault/hwvault.toml", "...")
#
# machine.make() gives an emulated machine instead where $HWVAULT_MACHINE is `emulated` (emulated_machine.py).
# A script calls enter() before anything else: it goes on in namespaces of its own, so that machines, mounts and processes
# end with it, whatever ends it. Commands run outside of every unit of the machine; unit() runs them in one.
# Not here: memory and task limits, device nodes, a time of its own. A machine has no network.
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/system"))
from harness import expect, until  # noqa: E402

EMULATED = os.environ.get("HWVAULT_MACHINE") == "emulated"
RELEASE = "13" if EMULATED else os.environ.get("HWVAULT_RELEASE", "12")
CGROUPS = Path("/sys/fs/cgroup")
FOLDERS = Path("/mnt")  # of machines, in memory; seen by this process and what it starts alone
OWN = "hwvault-boot-"
EMULATED_SLOWDOWN = "20"  # of an emulated processor
# What a container needs so that units' sandboxes work in it as on a machine.
SANDBOXES = ("--capability=all", "--system-call-filter=bpf", "--system-call-filter=memfd_secret")


def why_not():
    """Why no machine can be booted here, in words; nothing when one can."""
    if os.geteuid() != 0:
        return "booting a machine needs root"
    needed = ("qemu-system-x86_64", "swtpm", "mke2fs") if EMULATED else ("systemd-nspawn", "nsenter")
    missing = [name for name in ("mmdebstrap", "unshare", *needed) if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False).returncode != 0:
        return "no namespaces can be made here"
    return ""


def enter():
    """Goes on in mount and process namespaces of its own, or says `skipped:` and ends."""
    why = why_not()
    if why:
        print(f"skipped: all of it: {why}")
        sys.exit()
    if os.environ.get("HWVAULT_BOOT_INSIDE") != "1":
        os.environ["HWVAULT_BOOT_INSIDE"] = "1"
        if EMULATED:
            os.environ.setdefault("HWVAULT_SLOWDOWN", EMULATED_SLOWDOWN)
        os.execvp("unshare", ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                              "/usr/bin/python3", "-B", *sys.argv])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    subprocess.run(["mount", "-t", "tmpfs", "machines", FOLDERS], check=True)
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", CGROUPS], check=True)


def said(*command):
    """The last line that a command printed."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout.splitlines()[-1]


def packages(lower=False):
    """The folder, named by their version, of our packages of this release, or of those that an upgrade starts from.

    dev/tier has built them, else they are built now.
    """
    folder = os.environ.get("HWVAULT_PACKAGES_LOWER" if lower else "HWVAULT_PACKAGES")
    if folder:
        return Path(folder)
    options = ["--debian13"] if RELEASE == "13" else []
    return Path(said("dev/package", "--as-tested", *options, *(["--version", f"{packages().name}~before"] if lower else [])))


def make():
    """The machine that a script is about."""
    if not EMULATED:
        return Machine()
    from emulated_machine import EmulatedMachine  # which is a Machine itself
    return EmulatedMachine()


class Machine:
    def __init__(self):
        self.name = OWN + secrets.token_hex(4)
        self.folder = FOLDERS / self.name
        self.cgroup = CGROUPS / self.name
        self.nspawn = None
        self.leader = 0

    def __enter__(self):
        try:
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.nspawn:
            with contextlib.suppress(ProcessLookupError):
                if self.leader:
                    os.kill(self.leader, signal.SIGKILL)  # the machine's process 1, which takes all others along
            self.nspawn.kill()
            self.nspawn.wait()
            until(lambda: not self.processes_left(), 20, "the machine's processes to end")
        self.leave_cgroup()

    # The system -----------------------------------------------------------------------------------------------------

    def boot(self):
        """The tree below an overlay in memory, and a control group of its own that systemd takes for the whole."""
        tree = os.environ.get("HWVAULT_TREE") or said("dev/machine-tree", RELEASE)
        until(self.enter_cgroup, 10, "a control group of its own")
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True)
        subprocess.run(["mount", "-t", "overlay", "overlay", self.folder / "root", "-o",
                        f"lowerdir={tree},upperdir={self.folder}/upper,workdir={self.folder}/work"], check=True)
        with open(self.folder / "console", "wb") as console:
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--boot", "--directory", self.folder / "root", "--machine", self.name,
                 "--register=no", "--keep-unit", "--private-network", "--console=pipe", *SANDBOXES,
                 f"--bind-ro={packages().parent}:/opt/packages"],
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        until(self.find_leader, 30, "the machine's process 1")
        until(lambda: self.run("systemctl", "is-system-running", "--wait")[1].strip() in ("running", "degraded"), 60, "the boot")

    def find_leader(self):
        expect(self.nspawn.poll() is None, f"systemd-nspawn ended: {self.console()}")
        with contextlib.suppress(OSError, IndexError):
            self.leader = int(Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()[0])
        return self.leader and Path(f"/proc/{self.leader}/comm").read_text().strip() == "systemd"

    def console(self):
        return (self.folder / "console").read_text(errors="replace")[-3000:]

    def processes_left(self):
        own, left = str(os.getpid()), []
        for group, _, _ in os.walk(self.cgroup):
            with contextlib.suppress(OSError):  # gone meanwhile
                left += [pid for pid in Path(group, "cgroup.procs").read_text().split() if pid != own]
        return left

    def enter_cgroup(self):
        """False where another test's machine took it for one that was left."""
        self.cgroup.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):
            (self.cgroup / "cgroup.procs").write_text("0")
            return True
        return False

    def leave_cgroup(self):
        """Out of the machine's control group, which is removed, as those of machines that were killed before it."""
        with contextlib.suppress(OSError):
            (CGROUPS / "cgroup.procs").write_text("0")
        for old in CGROUPS.glob(OWN + "*"):
            with contextlib.suppress(OSError):  # removed meanwhile
                if "populated 1" in (old / "cgroup.events").read_text():
                    continue  # another test's machine runs in it
                for group, _, _ in os.walk(old, topdown=False):
                    os.rmdir(group)

    # Commands -------------------------------------------------------------------------------------------------------

    @staticmethod
    def words(*words, user=None):
        """A command as it is run inside: as this user, with nothing of the environment out here."""
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"] if user else []
        return ["/usr/bin/env", "-i", "LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_PAGER=cat", *as_user,
                *map(str, words)]

    def command(self, *words, user=None):
        """The words that run a command in the machine, for a subprocess.Popen of one's own."""
        return ["nsenter", "--target", str(self.leader), "--all", "--", *self.words(*words, user=user)]

    def run(self, *words, user=None, given="", seconds=120):
        """(status, output, errors) of a command in the machine."""
        done = subprocess.run(self.command(*words, user=user), input=given, capture_output=True, text=True, check=False,
                              timeout=seconds)
        return done.returncode, done.stdout, done.stderr

    def ok(self, *words, **options):
        """What a command printed that must succeed."""
        status, output, errors = self.run(*words, **options)
        expect(status == 0, f"{' '.join(map(str, words))}: status {status}: {output}{errors}")
        return output

    def unit(self, name, *words, **properties):
        """(status, output, errors) of a command as the unit NAME.service, with these of its properties."""
        settings = [f"--property={key}={value}" for key, value in properties.items()]
        return self.run("systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--unit={name}", *settings, "--", *words)

    # Files and units ------------------------------------------------------------------------------------------------

    def path(self, inside):
        """A file of the machine as this process sees it. Symbolic links to absolute paths lead astray."""
        return Path(f"/proc/{self.leader}/root", str(inside).lstrip("/"))

    def write(self, inside, text, mode=0o644):
        self.path(inside).parent.mkdir(parents=True, exist_ok=True)
        self.path(inside).write_text(text)
        self.path(inside).chmod(mode)

    def drop_in(self, unit, text, name="90-test"):
        self.write(f"/etc/systemd/system/{unit}.d/{name}.conf", text)
        self.ok("systemctl", "daemon-reload")

    def property(self, unit, name):
        return self.ok("systemctl", "show", "--value", "--property", name, unit).strip()

    def active(self, unit):
        return self.property(unit, "ActiveState")

    def journal(self, unit):
        self.ok("journalctl", "--sync")
        return self.ok("journalctl", "--quiet", "--output=cat", "--unit", unit)

    # hwvault --------------------------------------------------------------------------------------------------------

    def install(self, lower=False):
        """apt install of the package, as an administrator does it; gives the version."""
        folder = packages(lower)
        self.ok("sh", "-c", f"apt-get --yes --quiet install /opt/packages/{folder.name}/hwvault_*.deb")
        return folder.name

    def reload(self):
        """Has hwvaultd read its files again, and waits until it has: systemd waits for that on Debian 13 alone."""
        def times():
            return self.journal("hwvaultd.service").count("were read again")

        before = times()
        self.ok("systemctl", "reload", "hwvaultd")
        until(lambda: times() > before, 30, "hwvaultd to read its files again")

    def add_user(self, name, *groups):
        self.ok("useradd", "--create-home", *(["--groups", ",".join(groups)] if groups else []), name)


def background(command):
    """A command that goes on by itself: subprocess.Popen, with text and pipes."""
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
