# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The verbs of the contract as each door has them: D-Bus, Varlink by hand, and the C library in this very process. A door
# answers ask(verb, target) with an Answer, so that answers of different doors can be compared. Each door has its own
# clients here and shares none of the product's code, but for the library, which is the product.
import ctypes
import os
import time
from ctypes import byref, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass

import dbus
import dbus.bus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

from foreign import NAME, PATH, read, sealed
from harness import BIN, SLOWDOWN, Connection, VarlinkError, expect

# Those that name a token, or show one; List and Watch name an account.
OF_A_TOKEN = ("Describe", "Retrieve", "Verify", "Rotate", "Revoke", "Delete", "RevokeToken", "Create", "Import")
SECRET = "of others"  # what is imported
PATIENCE = 60 * SLOWDOWN  # seconds, for one call and for one event


@dataclass(frozen=True)
class Target:
    account: str = ""
    name: str = ""
    string: str = ""     # what Verify and RevokeToken show
    owners: tuple = ()   # that Create gives


@dataclass(frozen=True)
class Answer:
    """What a door said. `word`: "yes" or the error's. `value`: of Retrieve the string, of Verify whether it is active,
    of List and Watch the accounts that were in them."""
    word: str
    value: object = None
    sentence: str = ""


class Door:
    def ask(self, verb, target):
        """A verb that only names its token is named(); the others have a method each."""
        return getattr(self, verb)(target) if hasattr(self, verb) else self.named(verb, target)


class Socket(Door):
    """Varlink."""

    def __init__(self, vault):
        self.path = vault.socket
        self.connection = Connection(self.path, PATIENCE)
        self.stream = None

    def call(self, verb, pick=lambda answer: None, **parameters):
        try:
            return Answer("yes", pick(self.connection.call(verb, **parameters)))
        except VarlinkError as error:
            return Answer(error.name, None, error.message)

    def named(self, verb, to):
        return self.call(verb, account=to.account, name=to.name)

    def Retrieve(self, to):
        return self.call("Retrieve", lambda answer: answer["token"], account=to.account, name=to.name)

    def Verify(self, to):
        return self.call("Verify", lambda answer: answer["active"], token=to.string)

    def RevokeToken(self, to):
        return self.call("RevokeToken", token=to.string)

    def Create(self, to):
        options = {"owners": to.owners} if to.owners else {}
        return self.call("Create", account=to.account, name=to.name, options=options)

    def Import(self, to):
        return self.call("Import", account=to.account, name=to.name, secret=SECRET)

    def List(self, to):
        accounts, cursor = set(), ""
        while True:
            page = self.call("List", lambda answer: answer, account=to.account, cursor=cursor)
            if page.word != "yes":
                return page
            accounts |= {info["account"] for info in page.value["infos"]}
            cursor = page.value.get("next", "")
            if not cursor:
                return Answer("yes", sorted(accounts))

    def Status(self, _):
        return self.call("Status")

    def GetVerifyIndex(self, _):
        return self.call("GetVerifyIndex")

    def Watch(self, to):
        self.stream = Connection(self.path, PATIENCE)
        self.stream.send("Watch", {"account": to.account}, more=True)
        try:
            return Answer("yes", accounts_until(self.next_event, lambda event: event["event"] == "state-complete"))
        except VarlinkError as error:
            return Answer(error.name, None, error.message)

    def next_event(self):
        return self.stream.answer()

    def changes_until(self, account):
        return accounts_until(self.next_event, lambda event: event["account"] == account)


def accounts_until(next_event, is_last):
    accounts = set()
    while True:
        event = next_event()
        if is_last(event):
            return sorted(accounts)
        accounts.add(event["account"])


class Bus(Door):
    """D-Bus, where a token is a descriptor."""

    def __init__(self, vault):
        self.connection = dbus.bus.BusConnection(vault.bus.address, mainloop=DBusGMainLoop())
        self.object = self.connection.get_object(NAME, PATH, introspect=False)
        self.changed = []
        self.connection.add_signal_receiver(lambda account, *_: self.changed.append(str(account)), "TokenChanged", NAME)

    def call(self, verb, *arguments, pick=lambda *_: None, interface=NAME):
        try:
            answer = self.object.get_dbus_method(verb, interface)(*arguments, timeout=PATIENCE)
        except dbus.DBusException as error:
            return Answer(error.get_dbus_name().rsplit(".", 1)[-1], None, error.get_dbus_message())
        return Answer("yes", pick(*answer) if isinstance(answer, tuple) else None)

    def named(self, verb, to):
        numbers = {"Rotate": 2, "Revoke": 1}.get(verb, 0)  # generation, overlap_seconds
        return self.call(verb, to.account, to.name, *[dbus.UInt64(0)] * numbers)

    def show(self, verb, string, pick=lambda *_: None):
        descriptor = sealed(string.encode())
        try:
            return self.call(verb, dbus.types.UnixFd(descriptor), pick=pick)
        finally:
            os.close(descriptor)

    def Retrieve(self, to):
        return self.call("Retrieve", to.account, to.name, pick=lambda token, info: read(token).decode())

    def Verify(self, to):
        return self.show("Verify", to.string, lambda active, info: bool(active))

    def RevokeToken(self, to):
        return self.show("RevokeToken", to.string)

    def Create(self, to):
        options = {"owners": dbus.Array(to.owners, signature="s")} if to.owners else {}
        return self.call("Create", to.account, to.name, dbus.Dictionary(options, signature="sv"))

    def Import(self, to):
        descriptor = sealed(SECRET.encode())
        try:
            return self.call("Import", to.account, to.name, dbus.types.UnixFd(descriptor), dbus.Dictionary(signature="sv"))
        finally:
            os.close(descriptor)

    def List(self, to):
        accounts, cursor = set(), ""
        while True:
            page = self.call("List", to.account, cursor, dbus.UInt32(0), pick=lambda infos, after: (infos, str(after)))
            if page.word != "yes":
                return page
            infos, cursor = page.value
            accounts |= {str(info["account"]) for info in infos}
            if not cursor:
                return Answer("yes", sorted(accounts))

    def Status(self, _):
        return self.call("Get", NAME, "Status", interface="org.freedesktop.DBus.Properties")

    def Subscribe(self, _):
        return self.call("Subscribe")

    def changes_until(self, account):
        deadline = time.monotonic() + PATIENCE
        while account not in self.changed:
            expect(time.monotonic() < deadline, f"no TokenChanged of {account} within {PATIENCE} s")
            GLib.MainContext.default().iteration(False)
            time.sleep(0.005)
        return sorted(set(self.changed) - {account})

    def changes_so_far(self):
        """What came without being asked for, up to an answer that was asked for just now."""
        self.Status(None)
        while GLib.MainContext.default().iteration(False):
            pass
        return sorted(set(self.changed))

    def vouches_for_processes(self):
        """Whether the bus hands over pidfds; without them a caller is its uid and groups."""
        bus = self.connection.get_object("org.freedesktop.DBus", "/org/freedesktop/DBus", introspect=False)
        return "ProcessFD" in bus.GetConnectionCredentials(
            self.connection.get_unique_name(), dbus_interface="org.freedesktop.DBus")


class CTarget(ctypes.Structure):
    _fields_ = [("account", c_char_p), ("name", c_char_p), ("generation", c_uint64)]


class COptions(ctypes.Structure):
    _fields_ = [("scopes", ctypes.POINTER(c_char_p)), ("scope_count", c_size_t), ("expires_in", c_uint64),
                ("description", c_char_p), ("owners", ctypes.POINTER(c_char_p)), ("owner_count", c_size_t),
                ("secret", c_char_p), ("secret_size", c_size_t)]


class CVerification(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("active", c_int), ("scope_count", c_uint32), ("generation", c_uint64),
                ("expires_at", c_int64), ("id", c_char * 16), ("name", c_char * 72), ("account", c_char * 272),
                ("scopes", c_char * 2112)]


class CEvent(ctypes.Structure):
    _fields_ = [("event", c_char_p), ("account", c_char_p), ("name", c_char_p), ("generation", c_uint64)]


def load_library():
    library = ctypes.CDLL(str(BIN.parent / "lib/libhwvault.so.0"))
    for name in ("hwvault_error_word", "hwvault_error_message", "hwvault_info_account"):
        getattr(library, name).restype = c_char_p
    library.hwvault_info_account.argtypes = [c_void_p]
    library.hwvault_secret_data.restype = c_void_p
    library.hwvault_secret_size.restype = c_size_t
    return library


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(answer.sentence)
        self.answer = answer


class Library(Door):
    """libhwvault.so.0: <hwvault/hwvault.h> by its C interface."""

    def __init__(self, vault):
        self.c = load_library()
        self.client = c_void_p()
        self.check(self.c.hwvault_open(os.fsencode(vault.socket), byref(self.client)))
        self.check(self.c.hwvault_set_timeout(self.client, c_int64(int(PATIENCE * 1000))))
        self.watcher = c_void_p()

    def check(self, code):
        expect(code == 0, self.c.hwvault_error_message())

    def answer(self, code, value=None):
        if code == 0:
            return Answer("yes", value)
        return Answer(self.c.hwvault_error_word(code).decode(), None, self.c.hwvault_error_message().decode())

    def named(self, verb, to, *more):
        target = CTarget(to.account.encode(), to.name.encode(), 0)
        more = more or {"Describe": (None,), "Revoke": (None,), "Rotate": (c_uint64(0), None)}.get(verb, ())
        return self.answer(self.c[f"hwvault_{verb.lower()}"](self.client, byref(target), *more))

    def Retrieve(self, to):
        secret = c_void_p()
        answer = self.named("Retrieve", to, byref(secret))
        if answer.word != "yes":
            return answer
        data = ctypes.string_at(self.c.hwvault_secret_data(secret), self.c.hwvault_secret_size(secret))
        self.c.hwvault_secret_free(secret)
        return Answer("yes", data.decode())

    def Verify(self, to):
        result = CVerification(struct_size=ctypes.sizeof(CVerification))
        code = self.c.hwvault_verify(self.client, to.string.encode(), c_size_t(len(to.string)), byref(result))
        return self.answer(code, bool(result.active))

    def RevokeToken(self, to):
        return self.answer(self.c.hwvault_revoke_token(self.client, to.string.encode(), c_size_t(len(to.string))))

    def Create(self, to):
        owners = (c_char_p * len(to.owners))(*(owner.encode() for owner in to.owners)) if to.owners else None
        options = COptions(owners=owners, owner_count=len(to.owners))
        return self.named("Create", to, byref(options), None)

    def Import(self, to):
        options = COptions(secret=SECRET.encode(), secret_size=len(SECRET))
        return self.named("Import", to, byref(options), None)

    def List(self, to):
        listing, info, accounts = c_void_p(), c_void_p(), set()
        answer = self.answer(self.c.hwvault_list(self.client, to.account.encode(), byref(listing)))
        if answer.word != "yes":
            return answer
        self.check(self.c.hwvault_listing_next(listing, byref(info)))
        while info:
            accounts.add(self.c.hwvault_info_account(info).decode())
            self.check(self.c.hwvault_listing_next(listing, byref(info)))
        self.c.hwvault_listing_free(listing)
        return Answer("yes", sorted(accounts))

    def Status(self, _):
        report = c_void_p()
        answer = self.answer(self.c.hwvault_status(self.client, byref(report)))
        self.c.hwvault_report_free(report)
        return answer

    def Watch(self, to):
        self.c.hwvault_watcher_free(self.watcher)
        self.watcher = c_void_p()
        answer = self.answer(self.c.hwvault_watch(self.client, to.account.encode(), byref(self.watcher)))
        if answer.word != "yes":
            return answer
        try:
            return Answer("yes", accounts_until(self.next_event, lambda event: event["event"] == "state-complete"))
        except Refused as refused:
            return refused.answer

    def next_event(self):
        event = CEvent()
        answer = self.answer(self.c.hwvault_watcher_next(self.watcher, c_int64(int(PATIENCE * 1000)), byref(event)))
        if answer.word != "yes":
            raise Refused(answer)
        return {"event": event.event.decode(), "account": event.account.decode()}

    def changes_until(self, account):
        return accounts_until(self.next_event, lambda event: event["account"] == account)


DOORS = {"socket": Socket, "bus": Bus, "library": Library}
