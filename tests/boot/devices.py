# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The simulated devices of a machine, set up as an administrator sets up real ones: hwvault.toml, a drop-in for what the
# device needs, and the PIN as an encrypted credential. $HWVAULT_TEST_HARDWARE says which: softhsm, swtpm, or tpm, the
# /dev/tpmrm0 that an emulated machine has.
import re
import secrets

from harness import HARDWARE, until

PIN_FILE = "/etc/credstore.encrypted/hwvault-pin"
HARDWARE_UNITS = ("hwvault-hardware.service", "hwvault-hardware-init.service")


def set_up(machine):
    {"softhsm": softhsm, "swtpm": swtpm, "tpm": tpm}[HARDWARE](machine)


def encrypt_pin(machine, pin):
    machine.ok("mkdir", "-p", "/etc/credstore.encrypted")
    machine.ok("systemd-creds", "encrypt", "--name=hwvault-pin", "-", PIN_FILE, given=pin)


def softhsm(machine):
    """A token in a folder of hwvault-hardware's own, which its sandbox lets it write to."""
    pin, state = f"{secrets.randbelow(10**8):08}", "/var/lib/hwvault-hardware"
    machine.write("/etc/hwvault/softhsm2.conf", f"directories.tokendir = {state}/tokens\nlog.level = ERROR\n"
                  "objectstore.backend = file\nslots.removable = false\nslots.mechanisms = ALL\n")
    machine.ok("install", "-d", "-m", "0700", "-o", "hwvault-hardware", "-g", "hwvault-hardware", state, f"{state}/tokens")
    machine.ok("env", "SOFTHSM2_CONF=/etc/hwvault/softhsm2.conf", "softhsm2-util", "--init-token", "--free", "--label=test",
               f"--pin={pin}", f"--so-pin={pin}", user="hwvault-hardware")
    slots = machine.ok("env", "SOFTHSM2_CONF=/etc/hwvault/softhsm2.conf", "softhsm2-util", "--show-slots",
                       user="hwvault-hardware")
    serial = re.search(r"Serial number:\s+([0-9a-f]+)", slots).group(1)
    machine.write("/etc/hwvault/hwvault.toml", f"""[hardware]
kind = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
serial = "{serial}"
pin_credential = "hwvault-pin"
""")
    encrypt_pin(machine, pin)
    for unit in HARDWARE_UNITS:
        machine.drop_in(unit, "[Service]\nEnvironment=SOFTHSM2_CONF=/etc/hwvault/softhsm2.conf\n", "50-hsm")


def swtpm(machine):
    """A TPM behind a socket, as a unit that is there before hwvault-hardware."""
    machine.write("/etc/systemd/system/swtpm.service", """[Service]
StateDirectory=swtpm
RuntimeDirectory=swtpm
ExecStart=/usr/bin/swtpm socket --tpm2 --tpmstate dir=/var/lib/swtpm --flags not-need-init,startup-clear \\
    --server type=unixio,path=/run/swtpm/socket,mode=0666 --ctrl type=unixio,path=/run/swtpm/socket.ctrl,mode=0666
""")
    machine.ok("systemctl", "daemon-reload")
    machine.ok("systemctl", "start", "swtpm")
    until(lambda: machine.path("/run/swtpm/socket").exists(), 10, "swtpm's socket")
    machine.write("/etc/hwvault/hwvault.toml", '[hardware]\nkind = "tpm"\ntcti = "swtpm:path=/run/swtpm/socket"\n')


def tpm(machine):
    """The machine's own, where systemd and the kernel have put it."""
    machine.write("/etc/hwvault/hwvault.toml", '[hardware]\nkind = "tpm"\n')
