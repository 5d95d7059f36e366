#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A client that calls without pause until SIGTERM, and then prints what came of it as JSON. It speaks Varlink by hand and
# does what libhwvault does: where the kernel refuses to take a call (EPIPE) it was not made, and is made on another connection.
# Nothing else is ever tried again.
#
#   caller.py kept|fresh      one connection for all calls, or one for each
import json
import signal
import socket
import sys
import time

ADDRESS = "/run/hwvault/org.hwvault.Vault"
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
            self.connection.close()
            self.connection = None
        self.longest = max(self.longest, time.monotonic() - began)
        return json.loads(answer[:-1])

    def count(self, answer):
        error = answer.get("error")
        if error:
            self.errors[f"{error}: {answer['parameters'].get('message')}"] = self.errors.get(error, 0) + 1
        else:
            self.answered += 1
        return answer.get("parameters", {})

    def run(self):
        token = ""
        while going_on:
            try:
                token = self.count(self.call("Retrieve")).get("token", token)
                self.tokens.add(token)
                for _ in range(10):
                    if not self.count(self.call("Verify", token=token)).get("active", True):
                        self.errors["inactive"] = self.errors.get("inactive", 0) + 1
            except OSError as why:
                self.lost += 1
                self.errors[str(why)] = self.errors.get(str(why), 0) + 1
                self.connection = None


signal.signal(signal.SIGTERM, stop)
caller = Caller(sys.argv[1] == "kept")
caller.run()
print(json.dumps({"answered": caller.answered, "lost": caller.lost, "not_taken": caller.not_taken, "errors": caller.errors,
                  "longest": round(caller.longest, 2), "tokens": len(caller.tokens)}))
