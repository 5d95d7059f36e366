#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# hwvault against the real daemon, the same walk through both of its doors, and what needs a daemon besides: the
# doctor, the examples' library, and bash completion.
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/system"))
from harness import BIN, Skip, Vault, check, expect, run, until  # noqa: E402

vault = Vault(bus=True)


def hwvault(code, door, *arguments, given=b""):
    done = vault.cli(*arguments, "--door", door, given=given)
    expect(done.returncode == code, f"{arguments} by {door}: {done.returncode} instead of {code}; {done.stdout!r} {done.stderr!r}")
    return done


def walk(door):
    name = f"api-{door}"
    token = hwvault(0, door, "get").stdout
    hwvault(0, door, "verify", "-", given=token)
    hwvault(0, door, "revoke")
    hwvault(1, door, "verify", "-", given=token)
    hwvault(0, door, "verify", "-", given=hwvault(0, door, "get").stdout)

    made = json.loads(hwvault(0, door, "create", name, "--scope", "read", "--scope", "write", "--expires", "90d",
                              "--description", "for a test", "--json").stdout)
    expect(made["scopes"] == ["read", "write"] and made["description"] == "for a test", f"created {made}")
    old = hwvault(0, door, "get", name).stdout
    turned = json.loads(hwvault(0, door, "rotate", name, "--overlap", "1h", "--json").stdout)
    expect(turned["generation"] == 2, f"rotated to {turned}")
    said = json.loads(hwvault(0, door, "verify", "-", "--json", given=old).stdout)
    expect(said["active"] and said["info"]["name"] == name, f"verified {said}")
    new = hwvault(0, door, "get", name).stdout
    hwvault(0, door, "revoke", name)
    for dead in (old, new):
        hwvault(1, door, "verify", "-", given=dead)
    hwvault(1, door, "get", name)

    secret = os.urandom(1 << 20)
    hwvault(0, door, "import", f"third-{door}", given=secret)
    expect(hwvault(0, door, "get", f"third-{door}").stdout == secret, "the imported secret came back changed")
    expect(json.loads(hwvault(0, door, "show", f"third-{door}", "--json").stdout)["origin"] == "imported", "origin")
    listed = {token["name"] for token in json.loads(hwvault(0, door, "list", "--all", "--json").stdout)}
    expect({"default", name, f"third-{door}"} <= listed, f"listed {listed}")
    hwvault(0, door, "delete", f"third-{door}")
    hwvault(1, door, "show", f"third-{door}")
    hwvault(2, door, "create", "Not A Name")
    leaked = hwvault(0, door, "get").stdout
    hwvault(0, door, "revoke-token", given=leaked)
    hwvault(1, door, "verify", given=leaked)
    vault.wait_for_state("serving")  # the device may still be told of the last revocation
    expect(json.loads(hwvault(0, door, "status", "--json").stdout)["state"] == "serving", "status")


@check
def the_walk_through_the_socket():
    walk("socket")


@check
def the_walk_through_the_bus():
    walk("dbus")


@check
def both_doors_watch_what_is_there_and_then_what_changes():
    for door in ("socket", "dbus"):
        with open(vault.home / f"events-{door}", "wb") as events:
            watcher = subprocess.Popen([BIN / "hwvault", "watch", "--json", "--door", door], env=vault.environment,
                                       stdout=events, stderr=subprocess.DEVNULL)
        seen = lambda: [json.loads(line) for line in (vault.home / f"events-{door}").read_text().splitlines()]
        try:
            until(lambda: {"event": "state-complete"} in seen(), 20, f"the present state by {door}")
            hwvault(0, "socket", "create", f"watched-{door}")
            until(lambda: any(event["event"] == "created" and event["name"] == f"watched-{door}" for event in seen()), 20,
                  f"the change by {door}")
        finally:
            watcher.kill()
            watcher.wait()


@check
def the_doctor_finds_a_development_vault_well():
    done = hwvault(0, "socket", "doctor", "--config", str(vault.folder / "hwvault.toml"))
    expect(b"hwvault-root" in done.stdout and b"bad " not in done.stdout, done.stdout.decode())


@check
def the_example_runs_against_a_real_vault():
    if os.environ.get("SANITIZE"):
        raise Skip("the library needs a sanitizer's runtime, which a stranger's program has not")
    program = vault.home / "token"
    subprocess.run(["cc", "-std=c99", ROOT / "examples/token.c", "-I", ROOT / "libclient/include", "-L", BIN.parent / "lib",
                    "-lhwvault", "-o", program], check=True, timeout=120, capture_output=True)
    done = subprocess.run([program], env={**vault.environment, "LD_LIBRARY_PATH": str(BIN.parent / "lib")}, timeout=60,
                          capture_output=True, check=False)
    expect(done.returncode == 0 and done.stdout.startswith(b"active: "), f"{done.stdout!r} {done.stderr!r}")


def completions(line):
    words = line.split(" ")
    script = (f"source {ROOT}/cli/hwvault.bash-completion; COMP_WORDS=({' '.join(repr(word) for word in words)}); "
              f"COMP_CWORD={len(words) - 1}; _hwvault; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["bash", "--norc", "-c", script], env={**vault.environment, "PATH": f"{BIN}:{os.environ['PATH']}"},
                          timeout=60, capture_output=True, text=True, check=True)
    return done.stdout.split()


@check
def bash_completes_commands_options_and_names():
    hwvault(0, "socket", "create", "completed")
    expect(completions("hwvault rev") == ["revoke", "revoke-token"], completions("hwvault rev"))
    expect("--overlap" in completions("hwvault rotate --"), completions("hwvault rotate --"))
    expect(completions("hwvault get compl") == ["completed"], completions("hwvault get compl"))
    expect(completions("hwvault --door d") == ["dbus"], completions("hwvault --door d"))
    expect("user:root" in completions("hwvault get --account user"), completions("hwvault get --account user"))
    expect(completions("hwvault policy ") == ["check", "explain", "who"], completions("hwvault policy "))
    expect("--unit" in completions("hwvault policy explain --"), completions("hwvault policy explain --"))
    expect(completions("hwvault verify ") == ["-"], completions("hwvault verify "))


if __name__ == "__main__":
    with vault:
        run()
