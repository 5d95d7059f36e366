#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A vault as an administrator sets it up, without --dev: hwvault.toml, `hwvault init`, and the two programs started each
# by itself. Either may end and come back alone; `hwvault recover` takes an old store.
import shutil
import subprocess

from configured_vault import HARDWARE_SERVER, SERVER, ConfiguredVault, as_user
from harness import HARDWARE, check, expect, run, until

ROOT_KEY = {"softhsm": b"root key hwvault-root", "swtpm": b"root key root.pub"}[HARDWARE]

vault = ConfiguredVault()
first = []


@check
def a_daemon_without_a_store_says_to_run_init():
    vault.configure()
    vault.start_hardware()
    vault.start(settled=False)
    until(lambda: vault.state() == "not-initialised", 20, "the state not-initialised")
    expect("hwvault init" in vault.call("Status")["message"], f"the message names no command: {vault.call('Status')}")
    expect(vault.error_of("Retrieve") == "NotInitialised", "Retrieve before init")
    beside = subprocess.run([*vault.command(), "init"], env=vault.environment, capture_output=True, timeout=60)
    expect(beside.returncode == 1 and b"other hwvaultd" in beside.stderr, f"init beside a daemon that waits: {beside}")
    expect(vault.stop() == 0, "the daemon's exit status")


@check
def a_folder_that_is_missing_is_named():
    vault.store.rename(vault.folder / "elsewhere")
    done = subprocess.run([*vault.command(), "init"], env=vault.environment, capture_output=True, timeout=60)
    expect(done.returncode == 1 and f"{vault.store} of [vault] state is not there. Make it: `install -d".encode() in done.stderr, f"hwvaultd init: {done}")
    (vault.folder / "elsewhere").rename(vault.store)


@check
def hwvault_init_makes_the_keys_and_the_store():
    done = vault.init()
    expect(done.returncode == 0, f"hwvault init: {done}")
    for words in (ROOT_KEY, b"never extractable", b"made inside the device", b"start hwvaultd"):
        expect(words in done.stdout, f"`{words.decode()}` is not in {done.stdout}")
    expect((vault.store / "store.db").stat().st_mode & 0o777 == 0o600, "the mode of the store")


@check
def a_second_init_changes_nothing():
    before = (vault.store / "store.db").read_bytes()
    done = vault.init()
    expect(done.returncode == 0 and b"already, and it was left as it is" in done.stdout, f"a second init: {done}")
    expect((vault.store / "store.db").read_bytes() == before, "the store has changed")


@check
def the_vault_serves_with_the_prefix_that_was_chosen():
    vault.start()
    token = vault.token()
    expect(token.startswith("acme_") and vault.active(token), "the first token")
    done = vault.cli("get")
    expect(done.stdout.decode().strip() == token, f"hwvault get: {done.returncode} {done.stderr}")
    first.append(token)


@check
def the_hardware_child_may_end_and_come_back_alone():
    vault.kill_hardware()
    until(lambda: vault.call("Status")["hardware_state"] != "available", 20, "the child's end in Status")
    expect(vault.active(first[0]), "Verify without the child")
    expect(vault.error_of("Retrieve") == "HardwareUnavailable", "Retrieve without the child")
    vault.start_hardware()
    until(lambda: vault.call("Status")["hardware_state"] == "available", 20, "the child's return")
    expect(vault.token() == first[0], "the token after the child came back")


@check
def the_daemon_may_end_and_come_back_alone():
    vault.restart()
    expect(vault.token() == first[0], "the token after the restart")


@check
def hwvault_recover_takes_an_old_store():
    expect(vault.stop() == 0, "the daemon's exit status")
    old = vault.home / "old"
    shutil.copytree(vault.store, old)
    vault.start()
    vault.call("Revoke")
    vault.stop()
    shutil.rmtree(vault.store)
    shutil.copytree(old, vault.store)
    vault.start()
    expect(vault.state() == "rolled-back", f"the state is {vault.state()}")
    vault.stop()

    refused = vault.administer("recover")
    expect(refused.returncode != 0 and b"--accept-rollback" in refused.stderr, f"recover without the flag: {refused}")
    done = vault.administer("recover", "--accept-rollback")
    expect(done.returncode == 0 and b"on the audit trail" in done.stdout, f"hwvault recover: {done}")
    vault.start()
    vault.wait_for_state("serving")


@check
def the_configuration_is_refused_with_its_line():
    vault.stop()
    good = vault.configuration.read_text()
    vault.configuration.write_text(good.replace("dbus = false", "dbus = false\ndoor = 1"))
    line = good[:good.index("dbus")].count("\n") + 2
    done = subprocess.run(vault.command(), env=vault.environment, capture_output=True, timeout=60, **as_user(SERVER))
    expect(done.returncode == 1 and f"line {line}: `door`".encode() in done.stderr, f"a key that is not known: {done}")
    vault.configuration.write_text(good)


@check
def a_configuration_without_a_device_is_told_by_the_daemon_and_heals_by_itself():
    good = vault.configuration.read_text()
    vault.kill_hardware()
    vault.configuration.write_text(good[good.index("[vault]"):])
    vault.start_hardware()
    vault.start(settled=False)
    until(lambda: "[hardware]" in vault.call("Status")["message"], 20, "what is missing in Status")
    vault.configuration.write_text(good)
    until(lambda: vault.state() == "serving", 30, "the device")
    expect(vault.stop() == 0, "the daemon's exit status")


@check
def neither_of_the_two_serves_as_root():
    child = [vault.programs / "hwvault-hardware", "serve", "--config", vault.configuration, "--state", vault.hardware_state,
             "--listen", vault.home / "socket", "--accept-uid", "0"]
    for command, name in ((vault.command(), b"hwvaultd"), (child, b"hwvault-hardware")):
        done = subprocess.run(command, env=vault.environment, capture_output=True, timeout=60)
        expect(done.returncode in (1, 2) and name + b" does not serve as root" in done.stderr, f"{done}")


@check
def root_recovers_into_no_folder_of_its_own():
    vault.hand_over()
    shutil.chown(vault.store, "root", "root")
    done = subprocess.run([*vault.command(), "init"], env=vault.environment, capture_output=True, timeout=60)
    expect(done.returncode == 1 and f"{vault.store} of [vault] state is root's. Make it: `install -d".encode() in done.stderr, f"{done}")


@check
def what_root_made_belongs_to_those_who_serve():
    for folder, user in ((vault.store, SERVER), (vault.hardware_state, HARDWARE_SERVER)):
        subprocess.run(["chown", "-R", "root:root", folder], check=True)
        subprocess.run(["chown", f"{user}:{user}", folder], check=True)
        shutil.rmtree(folder / "tpm", ignore_errors=True)
        for file in folder.iterdir():
            file.unlink()
    for pin in vault.folder.glob("*pin"):  # which its user may not read
        shutil.chown(pin, "root", "root")
    done = vault.cli("init", "--config", vault.configuration, *vault.device.pin, "--hardware-state", vault.hardware_state)
    expect(done.returncode == 0, f"{done}")
    strangers = [str(path) for folder, user in ((vault.store, SERVER), (vault.hardware_state, HARDWARE_SERVER))
                 for path in folder.rglob("*") if path.owner() != user]
    expect((vault.store / "store.db").exists() and not strangers, f"made as root: {strangers}")


try:
    run(unless=vault.missing)
finally:
    vault.__exit__(None, None, None)
