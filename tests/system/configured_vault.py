# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A vault as an administrator sets it up, without --dev: hwvault.toml, `hwvault init`, and hwvaultd, hwvault-hardware and
# the device started each by itself and as a user of its own, so that each can end alone. Its device is a SoftHSM2 token
# or a simulated TPM.
import contextlib
import os
import pwd
import shutil
import subprocess

from harness import BIN, HARDWARE, Vault, missing
from tpm import Tpm

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
# Stand in for hwvault and hwvault-hardware: accounts that every Debian has, and no group of theirs.
SERVER, HARDWARE_SERVER = "daemon", "sys"


def as_user(name):
    return {"user": name, "group": name, "extra_groups": []}


def give(user, *paths):
    """Makes what is there of these, and below them, the user's."""
    uid, gid = pwd.getpwnam(user)[2:4]
    below = (os.path.join(folder, name) for path in paths for folder, folders, files in os.walk(path) for name in folders + files)
    for path in (*paths, *below):
        with contextlib.suppress(FileNotFoundError):  # a process that serves on replaces its files
            os.chown(path, uid, gid, follow_symlinks=False)


class SoftHsmToken:
    """A token with a PIN in a file."""

    missing = "" if os.path.exists(MODULE) else f"there is no {MODULE}"

    def __init__(self, vault):
        self.folder = vault.folder
        self.environment = {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}
        self.pin = ("--pin-file", self.folder / "pin")

    def files(self):
        """What the hardware child must be able to use."""
        return [self.folder / name for name in ("tokens", "softhsm2.conf")]

    def make(self):
        """Makes the device, and gives the table [hardware] for it."""
        tokens = self.folder / "tokens"
        tokens.mkdir(mode=0o700)
        (self.folder / "softhsm2.conf").write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\n")
        serial = subprocess.run(
            [BIN / "hwvault-hardware", "create-token", "--module", MODULE, *self.pin, "--so-pin-file",
             self.folder / "so-pin"],
            env={**os.environ, **self.environment}, check=True, capture_output=True, text=True).stdout.strip()
        return f'kind = "pkcs11"\nmodule = "{MODULE}"\nserial = "{serial}"\n'

    def stop(self):
        pass


class SimulatedTpm:
    """swtpm, and by choice something in between: `socket` is where hwvault-hardware looks for it."""

    missing = missing("swtpm")

    def __init__(self, vault, socket=None):
        self.environment = {}
        self.pin = ()
        self.tpm = Tpm(vault.folder / "tpm", vault.folder / "tpm.socket")
        self.socket = socket or self.tpm.socket

    def files(self):
        return [self.socket, f"{self.socket}.ctrl"]

    def make(self):
        self.tpm.start()
        return f'kind = "tpm"\ntcti = "swtpm:path={self.socket}"\n'

    def stop(self):
        self.tpm.kill()


class ConfiguredVault(Vault):
    def __init__(self, bus=False, make_device=None):
        super().__init__(bus=bus)
        self.folder.mkdir()
        self.configuration = self.folder / "hwvault.toml"
        self.hardware_state = self.folder / "hardware"
        self.hardware_socket = self.folder / "hardware-run/socket"
        self.store = self.folder / "state"
        self.socket = self.folder / "run/org.hwvault.Vault"
        self.programs = self.home / "bin"  # where other users reach them, wherever they were built
        make_device = make_device or {"softhsm": SoftHsmToken, "swtpm": SimulatedTpm}[HARDWARE]
        self.device = make_device(self)
        self.environment.update(HWVAULT_ADDRESS=str(self.socket), **self.device.environment)
        self.child_process = None
        # Why it cannot be set up here, in words.
        self.missing = "`hwvault init` is for root" if os.geteuid() != 0 else self.device.missing

    def __exit__(self, *failure):
        self.kill_hardware()
        self.device.stop()
        super().__exit__(*failure)

    def command(self):
        return [self.programs / "hwvaultd", "--config", self.configuration]

    def launch(self):
        self.hand_over()
        super().launch(**as_user(SERVER))

    def hand_over(self):
        """What tests made or put back as root is given to whom it belongs."""
        give(SERVER, self.store, self.socket.parent, self.folder / "log")
        give(HARDWARE_SERVER, self.hardware_state, self.hardware_socket.parent, *self.device.files(),
             *self.folder.glob("*pin"))

    def configure(self):
        self.programs.mkdir()
        for program in ("hwvaultd", "hwvault-hardware"):
            shutil.copy2(BIN / program, self.programs)
        for folder in (self.store, self.hardware_state, self.folder / "log"):
            folder.mkdir(mode=0o700)
        for folder in (self.socket.parent, self.hardware_socket.parent):
            folder.mkdir()
        self.configuration.write_text(f"""\
[hardware]
{self.device.make()}
[vault]
state = "{self.store}"
hardware_socket = "{self.hardware_socket}"
prefix = "acme_"

[audit]
folder = "{self.folder / 'log'}"

[doors]
socket = "{self.socket}"
dbus = {str(self.bus is not None).lower()}
""")

    def start_hardware(self):
        self.hand_over()
        with open(self.log, "ab") as log:
            self.child_process = subprocess.Popen(
                [self.programs / "hwvault-hardware", "serve", "--config", self.configuration, "--state", self.hardware_state,
                 *self.device.pin, "--listen", self.hardware_socket, "--accept-uid", SERVER],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **as_user(HARDWARE_SERVER))

    def kill_hardware(self):
        if self.child_process:
            self.child_process.kill()
            self.child_process.wait()
            self.child_process = None

    def administer(self, *arguments):
        self.hand_over()
        return self.cli(arguments[0], "--config", self.configuration, *arguments[1:])

    def init(self):
        return self.administer("init", *self.device.pin, "--hardware-state", self.hardware_state)
