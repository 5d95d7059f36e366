#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Restarts and an upgrade while clients call without pause, on the socket and on the bus: no call is lost or refused, and none is
# answered otherwise than before. A call waits two seconds for a device that is away: where the machine is so busy that it takes
# longer to come back, it may be refused for that.
import machine

machine.enter()

import json  # noqa: E402
import subprocess  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import devices  # noqa: E402
from harness import HARDWARE, check, expect, run, until  # noqa: E402

CALLER = "/opt/caller.py"
CLIENTS = (("socket", "kept"), ("socket", "kept"), ("socket", "fresh"), ("socket", "fresh"),
           ("bus", "kept"), ("bus", "kept"), ("bus", "kept"), ("bus", "fresh"), ("bus", "fresh"))
CHILD = "hwvault-hardware.service"
SOON = 1  # second: a device that is back as soon as that is found by hwvaultd within the two, also on a busy machine

debian = machine.Machine()


class Load:
    """Clients at work, in a `with`; at its end what came of it is looked at."""

    def __init__(self):
        self.clients = []
        self.away = 0.0  # how many seconds a start of hwvault-hardware took at most, from the end of the one before

    def __enter__(self):
        for kind in CLIENTS:
            words = debian.command("/usr/bin/python3", "-B", CALLER, *kind, user="alice")
            self.clients.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        time.sleep(1)
        return self

    def __exit__(self, kind, *_):
        for client in self.clients:
            for pid in Path(f"/proc/{client.pid}/task/{client.pid}/children").read_text().split():
                subprocess.run(["kill", "-TERM", pid], check=True)
        said = [client.communicate(timeout=60) for client in self.clients]
        if kind is None:
            self.judge([json.loads(output) if output else {"failed": errors} for output, errors in said])

    def wait_for_device(self):
        """Until it is there again after a restart: what is lost next is waited for anew."""
        until(lambda: '"hardware_state":"available"' in debian.run("hwvault", "status", "--json")[1].replace(" ", ""), 30, "the device")
        left, back = (int(debian.property(CHILD, f"Active{turn}TimestampMonotonic")) for turn in ("Exit", "Enter"))
        self.away = max(self.away, (back - left) / 1e6)

    def judge(self, results):
        print(f"  hwvault-hardware was away for {self.away:.2f} s")
        for where, result in zip(CLIENTS, results):
            print(f"  {' '.join(where)}: {result}")
        for result in results:
            refusals = [error for error in result.get("errors", {}) if self.away < SOON or "HardwareUnavailable" not in error]
            expect("failed" not in result and not refusals and result["lost"] == 0, f"calls were lost: {result}")
            expect(result["answered"] > 20 and result["tokens"] == 1, f"too few calls, or another token: {result}")


@check
def restarts_lose_no_call():
    with Load() as load:
        for _ in range(6):
            debian.ok("systemctl", "restart", "hwvaultd.service")
            time.sleep(0.5)
        debian.ok("systemctl", "restart", CHILD)
        load.wait_for_device()
        debian.ok("systemctl", "restart", CHILD, "hwvaultd.service")
        load.wait_for_device()


@check
def an_upgrade_loses_no_call():
    before = debian.property("hwvaultd.service", "MainPID")
    token = debian.ok("hwvault", "get", user="alice")
    with Load() as load:
        debian.install()
        load.wait_for_device()
    expect(debian.property("hwvaultd.service", "MainPID") != before, "hwvaultd was not restarted by the upgrade")
    expect(debian.ok("hwvault", "get", user="alice") == token, "another token after the upgrade")


with debian:
    print(f"Debian {machine.RELEASE}, {HARDWARE}")
    debian.install(lower=True)
    debian.add_user("alice")
    devices.set_up(debian)
    debian.write(CALLER, (machine.ROOT / "tests/boot/caller.py").read_text())
    debian.ok("systemctl", "start", "hwvault-init.service")
    debian.ok("systemctl", "enable", "--now", "hwvaultd.socket")
    until(lambda: debian.run("hwvault", "get", user="alice")[0] == 0, 20, "a token")
    run()
