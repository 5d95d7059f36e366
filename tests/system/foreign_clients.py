#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Clients that nobody here wrote: busctl, gdbus, python3-dbus, GLib's bindings, and varlinkctl where systemd has it.
import fcntl
import json
import os
import shutil
import subprocess

import dbus

from foreign import NAME, PATH, interface, read, sealed
from harness import Skip, Vault, check, expect, run, wellformed

vault = Vault(bus=True)


def tool(*arguments, wanted=0):
    if not shutil.which(arguments[0]):
        raise Skip(f"there is no {arguments[0]}")
    answer = subprocess.run(arguments, env=vault.environment, capture_output=True, text=True, timeout=60)
    expect(answer.returncode == wanted or wanted is None, f"{arguments[:3]}: {answer.stdout}{answer.stderr}")
    return answer.stdout + answer.stderr


@check
def busctl_introspects_the_interface():
    said = tool("busctl", "--system", "introspect", NAME, PATH)
    for member in ("Retrieve", "Revoke", "RevokeToken", "Rotate", "Verify", "Create", "Import", "Delete", "List",
                   "Describe", "Status", "Version", "Subscribe", "TokenChanged"):
        expect(f".{member} " in said, f"{member} is not there: {said}")


@check
def busctl_creates_lists_and_revokes():
    tool("busctl", "--system", "call", NAME, PATH, NAME, "Create", "ssa{sv}", "", "by-busctl", "1", "scopes", "as", "1", "read")
    said = tool("busctl", "--system", "--json=short", "call", NAME, PATH, NAME, "List", "ssu", "*", "", "0")
    expect("by-busctl" in said and json.loads(said)["type"] == "aa{sv}s", said)
    said = tool("busctl", "--system", "call", NAME, PATH, NAME, "Revoke", "sst", "", "by-busctl", "0")
    expect("rollback_protected" in said, said)
    expect("serving" in tool("busctl", "--system", "get-property", NAME, PATH, NAME, "Status"), "no state in Status")


@check
def busctl_is_told_what_is_wrong():
    said = tool("busctl", "--system", "call", NAME, PATH, NAME, "Describe", "ss", "", "no-such-token", wanted=1)
    expect("There is no token `no-such-token`" in said, said)


@check
def gdbus_introspects_and_calls():
    said = tool("gdbus", "introspect", "--system", "--dest", NAME, "--object-path", PATH)
    expect("RevokeToken" in said, said)
    said = tool("gdbus", "call", "--system", "--dest", NAME, "--object-path", PATH, "--method", f"{NAME}.List", "", "", "0")
    expect(said.startswith("("), said)


@check
def python_dbus_carries_tokens_as_sealed_descriptors():
    vault_interface = interface(vault.bus.address)
    descriptor, info = vault_interface.Retrieve("", "")
    number = descriptor.take()
    seals = fcntl.fcntl(number, fcntl.F_GET_SEALS)
    for seal in (fcntl.F_SEAL_WRITE, fcntl.F_SEAL_GROW, fcntl.F_SEAL_SHRINK):
        expect(seals & seal, "the token's memfd is not sealed")
    token = os.pread(number, 4096, 0)
    os.close(number)
    expect(wellformed(token.decode()), "not a token")
    expect(set(info) <= {"account", "name", "id", "generation", "expires_at", "scopes"}, f"too much: {sorted(info)}")
    outgoing = sealed(token)
    active, about = vault_interface.Verify(dbus.types.UnixFd(outgoing))
    expect(active and about["id"] == token[4:14].decode(), "a good token is refused")
    vault_interface.RevokeToken(dbus.types.UnixFd(outgoing))
    active, about = vault_interface.Verify(dbus.types.UnixFd(outgoing))
    expect(not active and not about, "a dead token verifies, or something is said about it")


@check
def python_dbus_imports_and_retrieves_a_secret():
    secret = bytes(range(256)) * 100
    vault_interface = interface(vault.bus.address)
    vault_interface.Import("", "of-others", dbus.types.UnixFd(sealed(secret)), dbus.Dictionary(signature="sv"))
    descriptor, _ = vault_interface.Retrieve("", "of-others")
    expect(read(descriptor) == secret, "the secret came back changed")


@check
def glib_calls_with_its_own_marshalling():
    try:
        from gi.repository import Gio, GLib
    except ImportError as missing:
        raise Skip(f"python3-gi is not there: {missing}") from None
    connection = Gio.DBusConnection.new_for_address_sync(
        vault.bus.address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
        None, None)
    parameters = GLib.Variant("(ss)", ("", ""))
    answer, descriptors = connection.call_with_unix_fd_list_sync(
        NAME, PATH, NAME, "Retrieve", parameters, None, Gio.DBusCallFlags.NONE, 10000, None, None)
    number = descriptors.get(answer.unpack()[0])
    expect(wellformed(os.pread(number, 4096, 0).decode()), "not a token")
    os.close(number)


@check
def varlinkctl_introspects_and_calls():
    if not shutil.which("varlinkctl"):
        raise Skip("systemd has no varlinkctl here (Debian 13 has)")
    address = f"unix:{vault.socket}"
    expect("org.hwvault.Vault" in tool("varlinkctl", "info", address), "not in info")
    expect("method Retrieve" in tool("varlinkctl", "introspect", address, "org.hwvault.Vault"), "not introspected")
    said = tool("varlinkctl", "call", address, "org.hwvault.Vault.Retrieve", '{"name":""}')
    expect(wellformed(json.loads(said)["token"]), "not a token")
    said = tool("varlinkctl", "call", address, "org.hwvault.Vault.Describe", '{"name":"no-such"}', wanted=None)
    expect("NotFound" in said, said)


with vault:
    run()
