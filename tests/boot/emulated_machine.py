# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A whole emulated Debian 13: a kernel, a disk and a TPM of its own, so /dev/tpmrm0, limits and PCRs are what they are on a
# real machine, and it can be rebooted. To a script it is a machine.Machine (machine.make() gives one where
# $HWVAULT_MACHINE is `emulated`); agent.py does inside what the script asks for, one thing at a time.
# It needs no KVM: the processor is emulated, and about 17 times slower. Nothing of it is left, whatever ends it.
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

from harness import SLOWDOWN, expect, until
from machine import ROOT, Machine, packages, said

DISK_SIZE = "3G"  # sparse
MEMORY = "1536M"
AGENT_UNIT = """[Unit]
Description=Hands of the test outside
[Service]
ExecStart=/usr/bin/python3 -B /usr/local/lib/agent.py
Environment=PATH=/usr/sbin:/usr/bin:/sbin:/bin
"""
# The kernel has all that it needs built in: no initramfs. A panic ends the emulator instead of waiting.
KERNEL_OPTIONS = "root=/dev/nvme0n1 rw console=ttyS0 quiet panic=-1 net.ifnames=0"


class InsidePath:
    """A path in the machine: what pathlib's can do is done inside."""

    def __init__(self, machine, path):
        self.machine, self.name = machine, str(path)

    def __getattr__(self, method):
        def call(*arguments, **options):
            value = self.machine.ask({"path": self.name, "method": method, "arguments": arguments, "options": options}, 60)
            return SimpleNamespace(**value) if isinstance(value, dict) else value
        return call

    @property
    def parent(self):
        return InsidePath(self.machine, Path(self.name).parent)


class EmulatedMachine(Machine):
    def __init__(self):
        super().__init__()
        self.disk = self.folder / "disk"
        self.emulator = self.tpm = self.port = None
        self.pending = b""

    def __exit__(self, *_):
        for process in (self.emulator, self.tpm):
            if process:
                process.kill()
                process.wait()

    # The system -----------------------------------------------------------------------------------------------------

    def boot(self):
        began = time.monotonic()
        tree = os.environ.get("HWVAULT_EMULATED_TREE") or said("dev/machine-tree", "emulated")
        self.make_disk(tree)
        made = time.monotonic()
        self.kernel = next(Path(tree, "boot").glob("vmlinuz-*"))
        self.switch_on()
        print(f"  the disk was made in {made - began:.1f} s, booted in {time.monotonic() - made:.1f} s")

    def make_disk(self, tree):
        """The tree with the packages and the agent, as an ext4 file system."""
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True)
        root = self.folder / "root"
        subprocess.run(["mount", "-t", "overlay", "overlay", root, "-o",
                        f"lowerdir={tree},upperdir={self.folder}/upper,workdir={self.folder}/work"], check=True)
        shutil.rmtree(root / "boot")
        (root / "opt/packages" / packages().name).mkdir(parents=True)
        shutil.copy(next(packages().glob("hwvault_*.deb")), root / "opt/packages" / packages().name)
        shutil.copy(ROOT / "tests/boot/agent.py", root / "usr/local/lib/agent.py")
        (root / "etc/systemd/system/agent.service").write_text(AGENT_UNIT)
        wants = root / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / "agent.service").symlink_to("../agent.service")
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, self.disk, DISK_SIZE], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["umount", root], check=True)

    def switch_on(self):
        self.start_tpm()
        serial = self.folder / "agent"
        serial.unlink(missing_ok=True)
        with open(self.folder / "console", "wb") as console:
            self.emulator = subprocess.Popen(
                ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "2", "-m", MEMORY,
                 "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                 "-kernel", self.kernel, "-append", KERNEL_OPTIONS, "-serial", "stdio",
                 "-drive", f"file={self.disk},format=raw,if=none,id=disk", "-device", "nvme,drive=disk,serial=disk",
                 "-chardev", f"socket,id=tpm,path={self.folder}/tpm.ctrl", "-tpmdev", "emulator,id=tpm0,chardev=tpm",
                 "-device", "tpm-crb,tpmdev=tpm0", "-device", "virtio-serial-pci",
                 "-chardev", f"socket,id=agent,path={serial},server=on,wait=off",
                 "-device", "virtserialport,nr=1,chardev=agent,name=agent"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        self.port, self.pending = socket.socket(socket.AF_UNIX), b""
        until(lambda: self.emulator.poll() is not None or self.port.connect_ex(str(serial)) == 0, 20, "the emulator")
        expect(self.emulator.poll() is None, f"the emulator ended: {self.console()}")
        until(lambda: self.run("systemctl", "is-system-running", "--wait")[1].strip() in ("running", "degraded"), 60, "the boot")

    def start_tpm(self):
        """A simulated TPM, whose memory outlives the machine's being switched off."""
        state, control = self.folder / "tpm", self.folder / "tpm.ctrl"
        state.mkdir(exist_ok=True)
        control.unlink(missing_ok=True)
        self.tpm = subprocess.Popen(["swtpm", "socket", "--tpm2", "--terminate", "--tpmstate", f"dir={state}",
                                     "--ctrl", f"type=unixio,path={control}"], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(control.exists, 20, "the TPM's socket")

    def reboot(self):
        """Shuts the machine down and starts it again, its TPM too, as after a loss of power."""
        self.ok("systemctl", "reboot", "--no-block")
        self.emulator.wait(120 * SLOWDOWN)
        self.tpm.wait(20 * SLOWDOWN)
        self.port.close()
        self.switch_on()

    # Commands and files ---------------------------------------------------------------------------------------------

    def ask(self, request, seconds):
        """What agent.py answers; its error where it says one."""
        self.port.settimeout((seconds + 60) * SLOWDOWN)
        try:
            self.port.sendall(json.dumps(request).encode() + b"\n")
            while b"\n" not in self.pending:
                part = self.port.recv(1 << 16)
                expect(part, f"the machine is gone: {self.console()}")
                self.pending += part
        except OSError as why:
            raise AssertionError(f"{why}: {self.console()}") from why
        line, self.pending = self.pending.split(b"\n", 1)
        answer = json.loads(line)
        if "late" in answer:
            raise subprocess.TimeoutExpired(request["words"], answer["late"])
        if "errno" in answer:
            raise OSError(answer["errno"], answer["said"])
        return answer["value"]

    def command(self, *words, user=None):
        raise NotImplementedError("an emulated machine runs one command at a time: run()")

    def run(self, *words, user=None, given="", seconds=120):
        seconds *= SLOWDOWN
        return tuple(self.ask({"words": self.words(*words, user=user), "given": given, "seconds": seconds}, seconds))

    def path(self, inside):
        return InsidePath(self, inside)
