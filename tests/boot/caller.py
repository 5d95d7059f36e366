#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A client that calls without pause until SIGTERM, and then prints what came of it as JSON. Nothing is ever tried again, but
# for what libhwvault tries too: where the kernel refuses to take a call on the socket (EPIPE) it was not made, and is made on
# another connection.
#
#   caller.py socket|bus kept|fresh      one connection for all calls, or one for each
#
# On the socket it speaks Varlink by hand and waits for each answer before the next call. On the bus it uses Debian's
# python3-dbus, calls by the well-known name, and has many calls under way on a kept connection.
import json
import os
import signal
import socket
import sys
import time

ADDRESS = "/run/hwvault/org.hwvault.Vault"
NAME, PATH = "org.hwvault.Vault1", "/org/hwvault/Vault1"
BUS_PATIENCE = 60  # seconds: the bus itself holds a call for 25 where nobody can be started for it
VERIFICATIONS = 10
going_on = True


def stop(*_):
    global going_on  # pylint: disable=global-statement
    going_on = False


class Caller:
    def __init__(self, keeps):
        self.keeps = keeps
        self.connection = None
        self.answered = self.lost = self.not_taken = 0
        self.longest = 0.0
        self.errors = {}
        self.tokens = set()

    def forget(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def failed(self, how):
        self.errors[how] = self.errors.get(how, 0) + 1

    def run(self):
        while going_on:
            try:
                self.work()
            except OSError as why:
                self.lost += 1
                self.failed(str(why))
                self.forget()


class OnSocket(Caller):
    def __init__(self, keeps):
        super().__init__(keeps)
        self.token = ""

    def send(self, message):
        """On a connection that takes it."""
        for _ in range(100):
            if self.connection is None:
                self.connection = socket.socket(socket.AF_UNIX)
                self.connection.settimeout(30)
                self.connection.connect(ADDRESS)
            try:
                self.connection.sendall(message)
                return
            except BrokenPipeError:
                self.not_taken += 1
                self.connection = None
        raise ConnectionError("nobody takes the call")

    def call(self, method, **parameters):
        began = time.monotonic()
        self.send(json.dumps({"method": f"org.hwvault.Vault.{method}", "parameters": parameters}).encode() + b"\0")
        answer = b""
        while not answer.endswith(b"\0"):
            part = self.connection.recv(1 << 16)
            if not part:
                raise ConnectionError("closed without an answer")
            answer += part
        if not self.keeps:
            self.forget()
        self.longest = max(self.longest, time.monotonic() - began)
        return json.loads(answer[:-1])

    def count(self, answer):
        if "error" in answer:
            self.failed(f"{answer['error']}: {answer['parameters'].get('message')}")
        else:
            self.answered += 1
        return answer.get("parameters", {})

    def work(self):
        self.token = self.count(self.call("Retrieve")).get("token", self.token)
        self.tokens.add(self.token)
        for _ in range(VERIFICATIONS):
            if not self.count(self.call("Verify", token=self.token)).get("active", True):
                self.failed("inactive")


class OnBus(Caller):
    def call(self, method, signature, *arguments, times=1):
        """The arguments of each answer, to so many calls that are under way at once; none for one that was not answered."""
        import dbus.bus  # pylint: disable=import-outside-toplevel
        import dbus.lowlevel  # pylint: disable=import-outside-toplevel
        if self.connection is None:
            self.connection = dbus.bus.BusConnection(dbus.bus.BusConnection.TYPE_SYSTEM)
        began = time.monotonic()
        answers = []
        waiting = []
        for _ in range(times):
            message = dbus.lowlevel.MethodCallMessage(NAME, PATH, NAME, method)
            message.append(*arguments, signature=signature)
            waiting.append(self.connection.send_message_with_reply(message, answers.append, BUS_PATIENCE))
        for call in waiting:
            call.block()
        if not self.keeps:
            self.forget()
        self.longest = max(self.longest, time.monotonic() - began)
        return [self.count(answer) for answer in answers]

    def count(self, answer):
        arguments = answer.get_args_list()
        if answer.get_type() == 2:  # a method's return
            self.answered += 1
            return arguments
        if not answer.get_error_name().startswith("org.hwvault."):
            self.lost += 1
        self.failed(f"{answer.get_error_name()}: {arguments[0] if arguments else ''}")
        return []

    def work(self):
        for given in self.call("Retrieve", "ss", "", ""):
            if not given:
                continue
            token = given[0].take()
            self.tokens.add(os.pread(token, 1 << 16, 0))
            self.verify(token)
            os.close(token)

    def verify(self, token):
        at_once = VERIFICATIONS if self.keeps else 1
        for _ in range(VERIFICATIONS // at_once):
            for verified in self.call("Verify", "h", token, times=at_once):
                if verified and not verified[0]:
                    self.failed("inactive")


signal.signal(signal.SIGTERM, stop)
caller = {"socket": OnSocket, "bus": OnBus}[sys.argv[1]](sys.argv[2] == "kept")
caller.run()
print(json.dumps({"answered": caller.answered, "lost": caller.lost, "not_taken": caller.not_taken, "errors": caller.errors,
                  "longest": round(caller.longest, 2), "tokens": len(caller.tokens)}))
