#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A client of org.hwvault.Vault1 in Debian's python3-dbus, for what busctl cannot do: send and receive descriptors.
#
#     client.py ADDRESS COMMAND [ARGUMENTS]      a secret comes in on standard input
#
# Prints one line of JSON and exits 0; an error of the bus is {"error": NAME, "message": TEXT} and exit status 1.
import fcntl
import json
import os
import sys
import time

import dbus
import dbus.bus
import dbus.lowlevel
import dbus.types

NAME = "org.hwvault.Vault1"
PATH = "/org/hwvault/Vault1"
F_ADD_SEALS, F_GET_SEALS = 1033, 1034
SEAL_SHRINK, SEAL_GROW, SEAL_WRITE = 2, 4, 8


def descriptor(kind, content):
    """A descriptor of this kind with the content; what must stay open until the answer is returned beside it."""
    if kind in ("sealed", "memfd"):
        fd = os.memfd_create("secret", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(fd, content)
        os.lseek(fd, 0, os.SEEK_SET)
        if kind == "sealed":
            fcntl.fcntl(fd, F_ADD_SEALS, SEAL_SHRINK | SEAL_GROW | SEAL_WRITE)
        return fd, None
    reader, writer = os.pipe()
    if kind == "write-end":
        return writer, reader
    if kind == "endless":
        return reader, writer
    os.write(writer, content)
    os.close(writer)
    return reader, None


def plain(value):
    """D-Bus types as JSON has them, with their signature where a test looks at it."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (bool, dbus.Boolean)):
        return bool(value)
    if isinstance(value, int):
        return int(value)
    return str(value)


def types_of(info):
    names = {dbus.String: "s", dbus.UInt64: "t", dbus.Boolean: "b", dbus.Array: "a"}
    return {str(key): names[type(value)] + str(getattr(value, "signature", "") or "") for key, value in info.items()}


class Client:
    def __init__(self, address):
        self.address = address
        self.bus = dbus.bus.BusConnection(address)

    def call(self, method, signature, *arguments):
        return self.bus.call_blocking(NAME, PATH, NAME, method, signature, arguments)

    def retrieve(self, account, name):
        token, info = self.call("Retrieve", "ss", account, name)
        fd = token.take()
        seals = fcntl.fcntl(fd, F_GET_SEALS)
        try:
            os.write(fd, b"x")
            writable = True
        except OSError:
            writable = False
        return {"content": os.pread(fd, 1 << 21, 0).decode("latin-1"), "info": plain(info), "types": types_of(info),
                "sealed": seals & 14 == 14, "writable": writable}

    def verify(self, kind):
        fd, kept = descriptor(kind, sys.stdin.buffer.read())
        began = time.monotonic()
        active, info = self.call("Verify", "h", dbus.types.UnixFd(fd))
        return {"active": bool(active), "info": plain(info), "seconds": time.monotonic() - began}

    def revoke_token(self, kind):
        fd, kept = descriptor(kind, sys.stdin.buffer.read())
        return {"info": plain(self.call("RevokeToken", "h", dbus.types.UnixFd(fd)))}

    def import_secret(self, kind, account, name):
        fd, kept = descriptor(kind, sys.stdin.buffer.read())
        options = dbus.Dictionary({"description": "imported"}, signature="sv")
        info = self.call("Import", "ssha{sv}", account, name, dbus.types.UnixFd(fd), options)
        return {"info": plain(info), "types": types_of(info)}

    def credentials(self):
        driver = "org.freedesktop.DBus"
        answer = self.bus.call_blocking(driver, "/org/freedesktop/DBus", driver, "GetConnectionCredentials", "s",
                                        (self.bus.get_unique_name(),))
        return {"keys": sorted(str(key) for key in answer)}

    def crowd(self, count):
        """`count` calls that stay under way, then one more."""
        for _ in range(int(count)):
            message = dbus.lowlevel.MethodCallMessage(NAME, PATH, NAME, "Revoke")
            message.append("", "slow", 0, signature="sst")
            self.bus.send_message(message)
        return {"info": plain(self.call("Describe", "ss", "", "one-more"))}

    def crowds(self, count, each="64"):
        """`each` calls that stay under way on each of `count` connections, then one more on another."""
        connections = [dbus.bus.BusConnection(self.address) for _ in range(int(count))]
        for connection in connections:
            # From then on it is known whose calls these are: they count as they come.
            connection.call_blocking(NAME, PATH, NAME, "Describe", "ss", ("", "first"))
            for _ in range(int(each)):
                message = dbus.lowlevel.MethodCallMessage(NAME, PATH, NAME, "Revoke")
                message.append("", "slow", 0, signature="sst")
                connection.send_message(message)
            # Answered at once: the bus gives what was sent before first.
            connection.call_blocking(NAME, PATH, "org.freedesktop.DBus.Peer", "Ping", "", ())
        return {"info": plain(self.call("Describe", "ss", "", "one-more"))}

    def burst(self, count):
        """Reads Status and makes `count` calls, says `sent` once the bus has all of them, and then what came of the calls."""
        answers = []

        def send(interface, method, answered, *arguments):
            message = dbus.lowlevel.MethodCallMessage(NAME, PATH, interface, method)
            message.append(*arguments, signature="ss")
            return self.bus.send_message_with_reply(message, answered, 30)

        send("org.freedesktop.DBus.Properties", "Get", lambda _: None, NAME, "Status")
        waiting = [send(NAME, "Describe", answers.append, "", f"t{i}") for i in range(int(count))]
        driver = "org.freedesktop.DBus"
        self.bus.call_blocking(driver, "/org/freedesktop/DBus", driver, "GetId", "", ())
        print("sent", flush=True)
        for call in waiting:
            call.block()
        refusals = [str(answer.get_error_name()) for answer in answers if isinstance(answer, dbus.lowlevel.ErrorMessage)]
        return {"answered": len(answers) - len(refusals), "refusals": refusals}

    def status_among_calls(self, count):
        """Reads Status `count` times, each while another call of ours is being answered."""
        began = time.monotonic()
        refused = 0
        for _ in range(int(count)):
            message = dbus.lowlevel.MethodCallMessage(NAME, PATH, NAME, "Describe")
            message.append("", "", signature="ss")
            self.bus.send_message(message)
            try:
                self.bus.call_blocking(NAME, PATH, "org.freedesktop.DBus.Properties", "Get", "ss", (NAME, "Status"))
            except dbus.exceptions.DBusException:
                refused += 1
        return {"refused": refused, "seconds": time.monotonic() - began}

    def create_with(self, count):
        """Create with so many options, none of which there is."""
        options = dbus.Dictionary({f"k{i}": dbus.Byte(1) for i in range(int(count))}, signature="sv")
        return {"info": plain(self.call("Create", "ssa{sv}", "", "ci", options))}

    def describe_long(self, size):
        return {"info": plain(self.call("Describe", "ss", "", "x" * int(size)))}

    def leave(self):
        """Makes a call and goes without waiting for the answer."""
        message = dbus.lowlevel.MethodCallMessage(NAME, PATH, NAME, "Revoke")
        message.append("", "slow", 0, signature="sst")
        self.bus.send_message(message)
        self.bus.flush()
        return {}


def subscribe(address, count):
    """Subscribes twice, says so, and prints the first `count` changes that it is sent."""
    import dbus.mainloop.glib
    from gi.repository import GLib

    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    loop = GLib.MainLoop()
    client = Client(address)
    seen = []

    def changed(*arguments):
        seen.append(plain(list(arguments)))
        if len(seen) == int(count):
            loop.quit()

    client.bus.add_signal_receiver(changed, "TokenChanged", NAME)
    client.call("Subscribe", "")
    client.call("Subscribe", "")
    print("subscribed", flush=True)
    GLib.timeout_add_seconds(25, loop.quit)
    loop.run()
    return {"changes": seen}


def main():
    address, command, *arguments = sys.argv[1:]
    try:
        if command == "subscribe":
            answer = subscribe(address, *arguments)
        else:
            answer = getattr(Client(address), command.replace("-", "_"))(*arguments)
    except dbus.exceptions.DBusException as error:
        print(json.dumps({"error": error.get_dbus_name(), "message": error.get_dbus_message()}))
        return 1
    print(json.dumps(answer))
    return 0


sys.exit(main())
