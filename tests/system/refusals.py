#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# When hwvaultd does not start, or goes on no longer: it says why in a sentence, and ends with a status that a service
# manager takes for a failure.
import subprocess
import tempfile
from pathlib import Path

from harness import BIN, HARDWARE, SLOWDOWN, Vault, check, expect, run


def refused(*arguments, status=2):
    """What hwvaultd says when it is started so, which must fail with this exit status: 2 is a wrong command line."""
    ended = subprocess.run([BIN / "hwvaultd", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           timeout=20 * SLOWDOWN)
    expect(ended.returncode == status, f"hwvaultd {arguments} ended with {ended.returncode}")
    return ended.stdout + ended.stderr


@check
def without_its_bus_it_ends_and_says_so():
    with Vault(bus=True) as vault:
        vault.bus.stop()
        status = vault.daemon.wait(20 * SLOWDOWN)
        expect(status == 1, f"ended with {status}")
        expect("The message bus is gone" in vault.log_tail(), "does not say why")


@check
def a_bus_that_is_not_there_at_the_start_ends_it_with_a_word():
    vault = Vault()
    vault.environment["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={vault.home}/no-bus"
    try:
        vault.launch()
        status = vault.daemon.wait(60 * SLOWDOWN)
        expect(status == 1, f"ended with {status}")
        expect("bus" in vault.log_tail(), f"does not say why: {vault.log_tail()}")
    finally:
        vault.__exit__(None, None, None)


@check
def a_device_that_is_not_known_is_refused_in_words():
    with tempfile.TemporaryDirectory() as folder:
        said = refused("--dev", f"{folder}/vault", "--hardware", "yubikey")
        expect("yubikey not in {softhsm,swtpm}" in said, said)
        expect(not list(Path(folder).iterdir()), "made a vault all the same")
    expect("--dev" in refused("--hardware", "softhsm"), "takes --hardware without --dev")


@check
def a_vault_with_the_other_device_is_refused_in_words():
    other = {"softhsm": "swtpm", "swtpm": "softhsm"}[HARDWARE]
    with Vault() as vault:
        vault.stop()
        before = sorted(vault.folder.rglob("*"))
        said = refused("--dev", str(vault.folder), "--hardware", other, status=1)
        expect(f"has the other simulated device, {HARDWARE}" in said, said)
        expect(sorted(vault.folder.rglob("*")) == before, "something was made or deleted")


@check
def a_second_daemon_on_the_same_folder_ends_and_harms_nobody():
    with Vault() as vault:
        token = vault.token()
        said = refused("--dev", str(vault.folder), status=1)
        expect("other hwvaultd" in said, said)
        for what in ("--accept-rollback", "--show-signing-key"):
            said = refused("--dev", str(vault.folder), "recover", what, status=1)
            expect("other hwvaultd" in said, f"{what}: {said}")
        vault.call("Revoke")
        expect(vault.token() != token, "the first one has lost its device")


@check
def a_configuration_that_is_wrong_is_refused_with_its_line():
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write("[vault]\nstate = '/nonexistent'\n[[limits]]\ntokens = 5\n")
        file.flush()
        said = refused("--config", file.name, status=1)
        expect("line 3: `limits` must be a table" in said, said)


run()
