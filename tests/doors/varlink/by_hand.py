#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Speaks to the vault's socket with nothing but Python's own library: one JSON object a message, ended by a NUL."""
import json
import socket
import sys

vault = socket.socket(socket.AF_UNIX)
vault.connect(sys.argv[1])
answers = vault.makefile("rb")


def call(method, **parameters):
    vault.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
    message = b""
    while not message.endswith(b"\0"):
        message += answers.read(1) or sys.exit("the vault closed the connection")
    return json.loads(message[:-1])


token = call("org.hwvault.Vault.Retrieve")["parameters"]["token"]
assert call("org.hwvault.Vault.Verify", token=token)["parameters"]["active"] is True
assert call("org.hwvault.Vault.Verify", token="hwv_wrong")["parameters"] == {"active": False}
assert call("org.hwvault.Vault.Describe", name="missing")["error"] == "org.hwvault.Vault.NotFound"
assert "org.hwvault.Vault" in call("org.varlink.service.GetInfo")["parameters"]["interfaces"]
