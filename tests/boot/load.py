#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Restarts and an upgrade while clients call without pause, on the socket and on the bus: no call is lost or refused, and none is
# answered otherwise than before.
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

debian = machine.Machine()


class Load:
    """Clients at work, in a `with`; at its end what came of it is looked at."""

    def __init__(self):
        self.clients = []

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

    @staticmethod
    def judge(results):
        for where, result in zip(CLIENTS, results):
            print(f"  {' '.join(where)}: {result}")
        for result in results:
            expect("failed" not in result and not result["errors"] and result["lost"] == 0, f"calls were lost: {result}")
            expect(result["answered"] > 100 and result["tokens"] == 1, f"too few calls, or another token: {result}")


@check
def restarts_lose_no_call():
    with Load():
        for _ in range(6):
            debian.ok("systemctl", "restart", "hwvaultd.service")
            time.sleep(0.5)
        debian.ok("systemctl", "restart", "hwvault-hardware.service")
        time.sleep(0.5)
        debian.ok("systemctl", "restart", "hwvault-hardware.service", "hwvaultd.service")
        time.sleep(0.5)


@check
def an_upgrade_loses_no_call():
    before = debian.property("hwvaultd.service", "MainPID")
    token = debian.ok("hwvault", "get", user="alice")
    with Load():
        debian.install()
        time.sleep(1)
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
