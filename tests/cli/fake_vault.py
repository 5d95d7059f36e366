# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A vault in memory that speaks org.hwvault.Vault on a Unix socket, for tests of what stands on it: honest enough to
# be used, and told to misbehave where a test wants that. No secret of it is one.
import base64
import contextlib
import json
import os
import socket
import threading
import time


class Refused(Exception):
    def __init__(self, word, message):
        super().__init__(message)
        self.word = word


class FakeVault:
    """Serves until close(). `requests` has every message as (method, parameters)."""

    def __init__(self, folder):
        self.address = os.path.join(folder, "org.hwvault.Vault")
        self.lock = threading.Lock()
        self.tokens = {}  # (account, name) -> dict
        self.requests = []
        self.instead = {}  # method -> bytes to send in place of an answer, or a callable(connection)
        self.status = {"state": "serving", "message": "The vault is serving.", "version": "0.1.0",
                       "hardware_kind": "pkcs11", "hardware_model": "SoftHSM v2", "hardware_serial": "c0ffee",
                       "hardware_state": "available", "rollback_protection": "pin-writable",
                       "memory_lock": "mlock", "epoch_pending": "0", "recovery_pending": "0"}
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.address)
        self.listener.listen(64)
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def close(self):
        # Not closed under the thread that accepts: the next vault's listener may have the same number by then.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()
        self.listener.close()

    def methods(self):
        return [method for method, _ in self.requests]

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        unread = b""
        with connection:
            while True:
                while b"\0" not in unread:
                    chunk = connection.recv(1 << 16)
                    if not chunk:
                        return
                    unread += chunk
                message, unread = unread.split(b"\0", 1)
                if not self._answer(connection, json.loads(message)):
                    return

    def _answer(self, connection, call):
        method = call["method"].rsplit(".", 1)[1]
        parameters = call.get("parameters", {})
        with self.lock:
            self.requests.append((method, parameters))
            instead = self.instead.get(method)
        if callable(instead):
            return instead(connection)
        if instead is not None:
            with contextlib.suppress(OSError):  # the client may hang up before it has read all of it
                connection.sendall(instead)
            return False
        try:
            with self.lock:
                replies = list(getattr(self, "do_" + method.lower())(**parameters))
        except Refused as refused:
            replies = [None]
            answer = {"error": "org.hwvault.Vault." + refused.word, "parameters": {"message": str(refused)}}
            connection.sendall(json.dumps(answer).encode() + b"\0")
            return True
        for reply in replies:
            connection.sendall(json.dumps(reply if method == "Watch" else {"parameters": reply}).encode() + b"\0")
        return True

    # ---- the verbs -------------------------------------------------------------------------------------------

    @staticmethod
    def key(account, name):
        return account or "user:tester", name or "default"

    def find(self, account, name):
        key = self.key(account, name)
        if key not in self.tokens:
            raise Refused("NotFound", f"{key[0]} has no token {key[1]}.")
        return self.tokens[key]

    def make(self, account, name, origin="issued", options=None):
        key = self.key(account, name)
        options = options or {}
        generation = self.tokens.get(key, {"generation": 0})["generation"] + 1
        token = {"account": key[0], "name": key[1], "id": f"id{len(self.tokens):02}{generation:06}", "origin": origin,
                 "generation": generation, "created_at": 1_700_000_000, "scopes": options.get("scopes", []),
                 "description": options.get("description", "")}
        if "expires_in" in options:
            token["expires_at"] = int(time.time()) + options["expires_in"]
        self.tokens[key] = token
        return token

    @staticmethod
    def string_of(token):
        return f"hwv_{token['account']}-{token['name']}-{token['generation']}"

    def do_retrieve(self, account="", name=""):
        if self.key(account, name) == ("user:tester", "default") and not self.tokens.get(self.key("", "")):
            self.make("", "")
        token = self.find(account, name)
        if token.get("revoked"):
            raise Refused("NotFound", "It was revoked.")
        if "secret" in token:
            yield {**token["secret"], "info": self.brief(token)}
        else:
            yield {"token": self.string_of(token), "info": self.brief(token)}

    @staticmethod
    def brief(token):
        return {key: token[key] for key in ("account", "name", "id", "generation", "expires_at", "scopes") if key in token}

    @staticmethod
    def full(token, **more):
        return {**{key: value for key, value in token.items() if key != "secret"}, **more}

    def do_revoke(self, account="", name="", generation=0):
        token = self.find(account, name)
        if generation in (0, token["generation"]):
            if token["name"] == "default":
                token = self.make(account, name)
            else:
                token["revoked"] = True
        yield {"info": self.full(token, rollback_protected=True)}

    def do_revoketoken(self, token, base64=False):
        for known in self.tokens.values():
            if self.string_of(known) == token:
                known["revoked"] = True
        yield {}

    def do_rotate(self, account="", name="", generation=0, overlap_seconds=0):
        token = self.find(account, name)
        if generation in (0, token["generation"]):
            token = self.make(account, name, options={"scopes": token["scopes"]})
        yield {"info": self.full(token, rollback_protected=False)}

    def do_verify(self, token, base64=False):
        for known in self.tokens.values():
            if self.string_of(known) == token and not known.get("revoked"):
                yield {"active": True, "info": self.brief(known)}
                return
        yield {"active": False}

    def do_create(self, account="", name="", options=None):
        if self.key(account, name) in self.tokens:
            raise Refused("AlreadyExists", "It is there.")
        yield {"info": self.full(self.make(account, name, options=options))}

    def do_import(self, account="", name="", secret="", base64=False, options=None):
        token = self.make(account, name, "imported", options)
        token["secret"] = {"token": secret, **({"base64": True} if base64 else {})}
        yield {"info": self.full(token)}

    def do_delete(self, account="", name=""):
        self.find(account, name)
        del self.tokens[self.key(account, name)]
        yield {}

    def do_list(self, account="", cursor="", limit=1000):
        account = account or "user:tester"
        tokens = [token for token in self.tokens.values() if account in ("*", token["account"])]
        start = int(cursor or 0)
        page = {"infos": [self.full(token) for token in tokens[start:start + 2]]}
        if start + 2 < len(tokens):
            page["next"] = str(start + 2)
        yield page

    def do_describe(self, account="", name=""):
        yield {"info": self.full(self.find(account, name))}

    def do_status(self):
        yield self.status

    def do_watch(self, account=""):
        for token in self.tokens.values():
            yield {"parameters": {"event": "present", "account": token["account"], "name": token["name"],
                                  "generation": token["generation"]}, "continues": True}
        yield {"parameters": {"event": "state-complete"}, "continues": True}
        yield {"parameters": {"event": "created", "account": "user:tester", "name": "later", "generation": 1}}


def imported_bytes(vault, name):
    """What a client imported under `name`, decoded."""
    secret = vault.tokens[("user:tester", name)]["secret"]
    return base64.b64decode(secret["token"]) if secret.get("base64") else secret["token"].encode()
