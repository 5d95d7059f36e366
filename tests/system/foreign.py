# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The D-Bus interface as a program with Debian's python3-dbus uses it: tokens travel as sealed memfds.
import fcntl
import os

import dbus
import dbus.bus
import dbus.lowlevel

NAME, PATH = "org.hwvault.Vault1", "/org/hwvault/Vault1"


def sealed(content):
    """A memfd as the contract wants it: the bytes, sealed against writing and resizing."""
    descriptor = os.memfd_create("secret", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, content)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def interface(address):
    connection = dbus.bus.BusConnection(address)
    return dbus.Interface(connection.get_object(NAME, PATH, introspect=False), NAME)


def begin(connection, method, signature, *arguments):
    """A call that the vault has, and has not answered yet. When block() has waited for it, its answer is in the list."""
    message = dbus.lowlevel.MethodCallMessage(NAME, PATH, NAME, method)
    message.append(*arguments, signature=signature)
    answers = []
    call = connection.send_message_with_reply(message, answers.append, 60)
    # What a connection sends comes in order: whoever answers this has the call.
    connection.call_blocking(NAME, PATH, "org.freedesktop.DBus.Peer", "Ping", "", ())
    return call, answers


def read(unix_fd):
    """The bytes of a descriptor that the daemon handed over."""
    descriptor = unix_fd.take()
    try:
        return os.pread(descriptor, 2 << 20, 0)
    finally:
        os.close(descriptor)
