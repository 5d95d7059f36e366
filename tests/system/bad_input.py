#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Bad input gets a clear error on that call, and nothing is lost: on the socket, on the bus, and in the files.
import base64
import json
import os
import time

import dbus
import dbus.bus

from foreign import begin, interface, sealed
from harness import INTERFACE, Vault, VarlinkError, altered, check, expect, run, until

MIB = 1 << 20
vault = Vault(bus=True)


def answer_to(raw):
    """What comes for these bytes: the error's name, the answer, or None when the connection was closed."""
    with vault.connect(timeout=20) as connection:
        connection.send_raw(raw)
        try:
            return connection.answer()
        except VarlinkError as error:
            return error.full_name
        except ConnectionError:
            return None


def bus_error(function, *arguments, timeout=20):
    try:
        function(*arguments, timeout=timeout)
    except dbus.DBusException as error:
        return error.get_dbus_name().rsplit(".", 1)[-1]
    raise AssertionError("the call should have failed")


def serving():
    expect(vault.daemon.poll() is None, "the daemon ended")
    expect(vault.active(token), "not serving afterwards")


@check
def malformed_messages_cost_their_connection_and_no_more():
    for raw in (b"\0", b"{\0", b"[]\0", b"null\0", b'{"method":1}\0', b"\xff\xfe\0", b'{"parameters":{}}\0',
                b'{"method":"' + b"x" * 1000 + b'"}\0', b"[" * 100000 + b"\0", b'{"method":"a.b","parameters":[]}\0'):
        said = answer_to(raw)
        expect(said is None or isinstance(said, str), f"{raw[:40]!r} was answered: {said}")
    serving()


@check
def an_oversized_message_is_refused():
    huge = json.dumps({"method": f"{INTERFACE}.Import", "parameters": {"name": "huge", "secret": "x" * (3 * MIB)}})
    try:
        said = answer_to(huge.encode() + b"\0")
    except OSError:
        said = None  # closed while we were still sending
    expect(said is None or isinstance(said, str), "a message of 3 MiB was taken")
    serving()


@check
def unknown_methods_and_parameters_are_named():
    expect(answer_to(b'{"method":"org.hwvault.Vault.Nothing"}\0') == "org.varlink.service.MethodNotFound", "MethodNotFound")
    expect(answer_to(b'{"method":"org.other.Interface.Do"}\0') == "org.varlink.service.InterfaceNotFound", "InterfaceNotFound")
    for parameters in ({"nonsense": 1}, {"name": 5}, {"name": ["a"]}, {"generation": "one"}):
        method = "Revoke" if "generation" in parameters else "Retrieve"
        raw = json.dumps({"method": f"{INTERFACE}.{method}", "parameters": parameters}).encode() + b"\0"
        expect(answer_to(raw) == "org.varlink.service.InvalidParameter", f"{parameters} gave {answer_to(raw)}")
    serving()


@check
def integers_outside_of_the_contract_are_refused():
    for number in (-1, 2**63, 2**64, 1.5):
        raw = json.dumps({"method": f"{INTERFACE}.Revoke", "parameters": {"generation": number}}).encode() + b"\0"
        said = answer_to(raw)
        expect(isinstance(said, str), f"generation {number} was taken: {said}")
    serving()


@check
def names_outside_of_the_grammar_are_refused():
    for name in ("Upper", "-dash", ".dot", "a/b", "a b", "ä", "a" * 65, "a\0b", "..", "*", "a\n"):
        expect(vault.error_of("Create", name=name) == "InvalidArgument", f"name {name!r}")
        expect(vault.error_of("Retrieve", name=name) == "InvalidArgument", f"name {name!r}")
    for account in ("root", "user:", "unit:x", "app:Upper", "group:root", "user:a:b", "app:" + "a" * 65, "user:../x"):
        said = vault.error_of("Describe", account=account)
        expect(said == "InvalidArgument", f"account {account!r}: {said}")
    serving()


@check
def bad_options_are_refused():
    for options in ({"scopes": ["with space"]}, {"scopes": [f"s{n}" for n in range(33)]}, {"scopes": ["x" * 65]},
                    {"description": "x" * 257}, {"description": "line\nbreak"}, {"expires_in": 10**15},
                    {"owners": ["user:root"]}):
        expect(vault.error_of("Create", name="options", options=options) == "InvalidArgument", f"{options}")
    expect(vault.error_of("Describe", name="options") == "NotFound", "a refused Create left something")


@check
def what_is_no_token_is_not_active():
    good = vault.token()
    wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
    for text in ("", "x", "hwv_", wrong, altered(good), good + "x", good[:-1], "HWV_" + good[4:], "hwv_" + "0" * 59,
                 "hwv_" + "ä" * 30, "x" * 100000):
        answer = vault.call("Verify", token=text)
        expect(answer["active"] is False and not answer.get("info"), f"{text[:70]!r} is said to be something")
    serving()


@check
def a_secret_is_from_one_byte_to_one_mebibyte():
    expect(vault.error_of("Import", name="size", secret="") == "InvalidArgument", "an empty secret was taken")
    for content in (b"x", os.urandom(MIB)):
        vault.call("Import", name="size", secret=base64.b64encode(content).decode(), base64=True)
        back = vault.call("Retrieve", name="size")
        secret = base64.b64decode(back["token"]) if back.get("base64") else back["token"].encode()
        expect(secret == content, f"{len(content)} bytes came back changed")
    over = base64.b64encode(bytes(MIB + 1)).decode()
    expect(vault.error_of("Import", name="size", secret=over, base64=True) == "InvalidArgument", "1 MiB + 1 was taken")
    expect(vault.error_of("Import", name="size", secret="no base64!", base64=True) in ("InvalidArgument", "InvalidParameter"),
           "bad base64 was taken")
    back = vault.call("Retrieve", name="size")
    expect(base64.b64decode(back["token"]) == content, "the secret that was there is gone")


@check
def the_bus_refuses_calls_of_the_wrong_type():
    bus = interface(vault.bus.address)
    expect(bus_error(bus.get_dbus_method("Retrieve"), dbus.UInt32(1)) in ("InvalidArgs", "InvalidSignature", "UnknownMethod",
                                                                         "InvalidArgument"), "Retrieve(u)")
    expect(bus_error(bus.get_dbus_method("Nothing")) == "UnknownMethod", "an unknown method")
    options = dbus.Dictionary({"nonsense": dbus.UInt32(1)}, signature="sv")
    expect(bus_error(bus.Create, "", "typed", options) == "InvalidArgument", "an unknown option")
    options = dbus.Dictionary({"scopes": dbus.UInt32(1)}, signature="sv")
    expect(bus_error(bus.Create, "", "typed", options) == "InvalidArgument", "an option of the wrong type")
    serving()


@check
def descriptors_that_never_end_are_given_up():
    bus = interface(vault.bus.address)
    silent, writer = os.pipe()
    expect(bus_error(bus.Import, "", "piped", dbus.types.UnixFd(silent), dbus.Dictionary(signature="sv"), timeout=60) ==
           "InvalidArgument", "a pipe that says nothing")
    os.close(writer)
    with open("/dev/zero", "rb") as endless:
        expect(bus_error(bus.Import, "", "piped", dbus.types.UnixFd(endless), dbus.Dictionary(signature="sv"), timeout=60) ==
               "InvalidArgument", "a file that never ends")
    serving()


@check
def a_silent_descriptor_holds_nobody_up():
    silent, writer = os.pipe()
    connection = dbus.bus.BusConnection(vault.bus.address)
    given = ("", "piped", dbus.types.UnixFd(silent), dbus.Dictionary(signature="sv"))
    times = [time.monotonic()]
    call, answers = begin(connection, "Import", "ssha{sv}", *given)
    times.append(time.monotonic())
    for _ in range(20):
        expect(vault.active(token), "a good token is refused")
        times.append(time.monotonic())
    longest = max(after - before for before, after in zip(times, times[1:]))
    expect(longest < 1.5, f"another waited {longest:.1f} s, and it is read for two")
    os.close(writer)
    call.block()
    said = answers[0].get_error_name() or ""
    expect(said.endswith(".InvalidArgument"), f"the one that gave it is told {said}")
    os.close(silent)


@check
def empty_and_oversized_descriptors_are_refused():
    bus = interface(vault.bus.address)
    for content in (b"", bytes(MIB + 1)):
        expect(bus_error(bus.Import, "", "sized", dbus.types.UnixFd(sealed(content)), dbus.Dictionary(signature="sv")) ==
               "InvalidArgument", f"{len(content)} bytes were taken")
    active, info = bus.Verify(dbus.types.UnixFd(sealed(b"")))
    expect(not active and not info, "nothing is active")
    serving()


@check
def a_device_of_another_serial_is_refused_and_nothing_deleted():
    settings = vault.folder / "hwvault.toml"
    text = settings.read_text()
    vault.stop()
    before = sorted(path.name for path in (vault.folder / "tokens").rglob("*"))
    settings.write_text("".join(line if not line.startswith("serial") else "serial = 'ffffffffffffffff'\n"
                                for line in text.splitlines(True)))
    vault.start(settled=False)
    expect(vault.error_of("Retrieve") == "HardwareUnavailable", "another device was taken")
    until(lambda: "ffffffffffffffff" in vault.call("Status")["message"], 30, "the serial in what Status says")
    vault.stop()
    expect(sorted(path.name for path in (vault.folder / "tokens").rglob("*")) == before, "something was deleted or made")
    settings.write_text(text)
    vault.start()
    serving()


with vault:
    token = vault.token()
    run()
