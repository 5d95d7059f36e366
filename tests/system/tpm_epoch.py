#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A revocation goes commit -> publish -> advance the TPM's counter -> answer. The daemon, the hardware child and the TPM
# are each killed at each moment of the advance: before the TPM is told, after it has counted, after it has answered.
# Whatever was killed: the old token is dead on every door, the counter has made one step and no other, nothing stays
# pending, and the vault goes on. And what is answered while the TPM is gone: never more than is true.
import functools
import shutil
import threading

import dbus

from configured_vault import ConfiguredVault, SimulatedTpm
from foreign import interface, sealed
from harness import VarlinkError, expect, run, starting_with, until
from tpm_proxy import ANSWERED, BEFORE, COUNTED, Proxy


class TpmBehindProxy(SimulatedTpm):
    def __init__(self, vault):
        super().__init__(vault, socket=vault.folder / "proxy.socket")
        self.proxy = Proxy(self.socket, self.tpm.socket)

    def make(self):
        self.proxy.start()
        return super().make()

    def stop(self):
        self.proxy.stop()
        super().stop()


vault = ConfiguredVault(bus=True, make_device=TpmBehindProxy)
tpm, proxy = vault.device.tpm, vault.device.proxy


class Revocation(threading.Thread):
    """Revokes the account's token meanwhile; `info` or `failure` is what came of it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.info = self.failure = None
        self.start()

    def run(self):
        try:
            self.info = vault.call("Revoke")["info"]
        except (OSError, VarlinkError) as failure:
            self.failure = failure

    def wait(self):
        self.join(60)
        expect(not self.is_alive(), "Revoke is not answered")


def set_up():
    vault.configure()
    vault.start_hardware()
    done = vault.init()
    expect(done.returncode == 0, f"hwvault init: {done}")


def all_runs():
    """Starts what an earlier check may have left dead."""
    if not tpm.process:
        tpm.start()
    if not vault.child_process:
        vault.start_hardware()
    if not vault.daemon:
        vault.launch()
    settled()


def settled():
    until(lambda: vault.socket.exists() and answered(), 60, "an answer")
    vault.wait_for_state("serving")
    until(lambda: vault.call("Status")["epoch_pending"] == 0, 30, "nothing pending")


def answered():
    try:
        return vault.state()
    except OSError:
        return None  # not listening yet


def restart_all():
    """Everything ends and begins again: what is left then is what lies on the disk and in the TPM."""
    vault.stop()
    vault.kill_hardware()
    tpm.kill()
    all_runs()


def expect_dead(token, when):
    expect(not vault.active(token), f"{when}: the socket takes a revoked token")
    active, _ = interface(vault.bus.address).Verify(dbus.types.UnixFd(sealed(token.encode())))
    expect(not active, f"{when}: the bus takes a revoked token")
    expect(vault.cli("verify", "-", given=token.encode()).returncode == 1, f"{when}: hwvault verify takes a revoked token")


def expect_good(token, when):
    expect(vault.active(token), f"{when}: the token does not verify")
    expect(vault.token() == token, f"{when}: another token")


KILL = {"daemon": vault.kill, "hardware child": vault.kill_hardware, "tpm": tpm.kill}


def killed(victim, point):
    old, steps, epoch = vault.token(), proxy.steps, vault.call("Status")["epoch"]
    hold = proxy.hold(point)
    revocation = Revocation()
    hold.wait()
    KILL[victim]()
    if victim == "daemon":
        hold.release()  # the child and the TPM are well, and go on
    else:
        hold.lose()
    revocation.wait()
    expect_honest(victim, revocation)
    for name, process in (("daemon", vault.daemon), ("hardware child", vault.child_process), ("tpm", tpm.process)):
        expect(name == victim or process.poll() is None, f"the {name} ended with the {victim}: {process and process.poll()}")

    all_runs()
    expect_dead(old, "after the start")
    expect(vault.call("Status")["epoch"] == epoch + 1, "the epoch is another")
    expect(proxy.steps == steps + 1, f"the counter has made {proxy.steps - steps} steps for one revocation")
    new = vault.token()
    expect(new != old, "the old token is given out")
    expect_good(new, "after the start")

    restart_all()
    expect_dead(old, "after a start of everything")
    expect_good(new, "after a start of everything")
    expect(proxy.steps == steps + 1, f"the counter has made {proxy.steps - steps} steps after a start of everything")


def expect_honest(victim, revocation):
    """What Revoke says when the TPM could not be heard to have counted."""
    if victim == "daemon":
        expect(isinstance(revocation.failure, ConnectionError), f"a daemon that was killed answers {revocation.info}")
    else:
        expect(revocation.info and revocation.info["rollback_protected"] is False,
               f"Revoke says {revocation.info or revocation.failure}")


def add_kill(victim, point):
    function = functools.partial(killed, victim, point)
    function.__name__ = f"the {victim} is killed when {point}"
    starting_with(all_runs)(function)


for each_victim in KILL:
    for each_point in (BEFORE, COUNTED, ANSWERED):
        add_kill(each_victim, each_point)


def copy_store(name):
    target = vault.home / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(vault.store, target)
    return target


def put_store(source):
    shutil.rmtree(vault.store)
    shutil.copytree(source, vault.store)


@starting_with(all_runs)
def an_old_disk_is_found_as_soon_as_the_tpm_knows_and_not_before():
    old, epoch = vault.token(), vault.call("Status")["epoch"]
    vault.stop()
    yesterday = copy_store("yesterday")
    vault.launch()
    settled()

    tpm.kill()
    info = vault.call("Revoke")["info"]
    expect(info["rollback_protected"] is False, "claims what the TPM was not told")
    status = vault.call("Status")
    expect(status["epoch_pending"] == 1 and status["epoch"] == epoch + 1, f"Status says {status}")
    expect_dead(old, "without a TPM")
    vault.stop()
    today = copy_store("today")

    # What was answered is no more than is true: the TPM knows nothing of it yet.
    put_store(yesterday)
    all_runs()
    expect(vault.active(old), "the old disk is not what it was")
    vault.stop()

    put_store(today)
    all_runs()
    expect_dead(old, "when the TPM is back")
    vault.stop()

    put_store(yesterday)
    vault.start()
    status = vault.call("Status")
    expect(status["state"] == "rolled-back", f"Status says {status}")
    for number in (epoch, epoch + 1):
        expect(f"epoch {number}" in status["message"], f"epoch {number} is not in: {status['message']}")
    expect(vault.error_of("Verify", token=old) == "RolledBack", "Verify on an old disk")
    vault.stop()
    put_store(today)


@starting_with(all_runs)
def revocations_without_a_tpm_are_all_told_when_it_is_back():
    old, steps = [], proxy.steps
    for name in ("one", "two", "three"):
        vault.call("Create", name=name)
        old.append(vault.token(name))
    tpm.kill()
    for name in ("one", "two", "three"):
        vault.call("Revoke", name=name)
    expect(vault.call("Status")["epoch_pending"] == 3, f"Status says {vault.call('Status')}")
    tpm.start()
    settled()
    expect(proxy.steps == steps + 3, f"the counter has made {proxy.steps - steps} steps for three revocations")
    for token in old:
        expect_dead(token, "when the TPM is back")
    restart_all()
    for token in old:
        expect_dead(token, "after a start of everything")


try:
    if not vault.missing:
        set_up()
    run(unless=vault.missing)
finally:
    vault.__exit__(None, None, None)
