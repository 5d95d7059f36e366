# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What dev/bench holds each path to: the one table of it. A measurement has a name, ours and a limit, or what a peer does, in one
# unit; what is wanted is of their ratio, ours to the limit. A name that ends in `/` stands for all that begin so.
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Wanted:
    words: str
    holds: Callable[[float, float], bool]  # of ours and the limit


def at_least(ratio):
    return Wanted(f"at least {ratio:g}", lambda ours, limit: ours >= ratio * limit)


def at_most(ratio):
    return Wanted(f"at most {ratio:g}", lambda ours, limit: ours <= ratio * limit)


def at_least_or_later_by(ratio, microseconds):
    """Of rates of calls one after the other: what a call is longer may also be a constant."""
    return Wanted(f"at least {ratio:g}, or {microseconds} us more",
                  lambda ours, limit: ours >= ratio * limit or 1e6 / ours - 1e6 / limit <= microseconds)


TO_BE_SEEN = None  # shown beside the others, and nothing is wanted of it

# name: (what the row says, what is wanted), in the order of the table
WANTED = {
    "verify/1000/hit": ("in-process verify, 1,000 tokens, against one SHA-256 of 53 bytes", at_most(1.5)),
    "verify/1000/miss": ("in-process verify of an unknown token, 1,000 tokens, against one SHA-256", at_most(1.5)),
    "verify/1000/many": ("in-process verify, 64 with a call, 1,000 tokens, against one SHA-256", TO_BE_SEEN),
    "verify/1000000/hit": ("in-process verify, 1,000,000 tokens, against one SHA-256", at_most(2.5)),
    "verify/1000000/miss": ("in-process verify of an unknown token, 1,000,000 tokens, against one SHA-256", at_most(3)),
    "verify/1000000/many": ("in-process verify, 64 with a call, 1,000,000 tokens, against one SHA-256", TO_BE_SEEN),
    "verify/10000000/hit": ("in-process verify, 10,000,000 tokens, against one SHA-256", at_most(4)),
    "verify/10000000/miss": ("in-process verify of an unknown token, 10,000,000 tokens, against one SHA-256", at_most(4)),
    "verify/10000000/many": ("in-process verify, 64 with a call, 10,000,000 tokens, against one SHA-256", TO_BE_SEEN),
    "verify/redis": ("in-process verify, 1,000 tokens, against Redis GET on one connection", at_least(150)),
    "load/1": ("Varlink Verify against Redis GET, 1 connection", at_least(0.95)),
    "load/1/one-core": ("Varlink Verify against Redis GET, 1 connection, client and server on one core", TO_BE_SEEN),
    "load/16": ("Varlink Verify against Redis GET, 16 connections", at_least(1.05)),
    "load/16x16/hot": ("Varlink Verify against Redis GET, 16 connections, 16 in flight, 1,000 hot tokens", at_least(1.25)),
    "load/16x16/all": ("Varlink Verify against Redis GET, 16 connections, 16 in flight, 1,000,000 tokens", at_least(1.8)),
    "open/": ("Varlink Verify against Redis GET, 16 connections, {rate} calls a second whatever comes, {rest}", TO_BE_SEEN),
    "bus/retrieve": ("D-Bus Retrieve (SoftHSM2) against Peer.Ping of the same process", at_least(0.6)),
    "bus/least": ("a sealed memfd and one C_Sign in one thread, and no vault, against hwvaultd's Peer.Ping", TO_BE_SEEN),
    "keyring/get": ("D-Bus Retrieve against gnome-keyring's GetSecret, 5,000 of each", at_least(3)),
    "keyring/create": ("D-Bus Create against gnome-keyring's CreateItem, 5,000 of each", at_least(50)),
    "revoke/alone": ("Revoke, one caller, against SQLite's durable commit of one row", at_least(0.7)),
    "revoke/least": ("SQLite's durable commit and one C_SetAttributeValue of SoftHSM2, nothing else, against the commit", TO_BE_SEEN),
    "revoke/uncounted/alone": ("Revoke with anti_rollback off, one caller, against SQLite's durable commit of one row", at_least(0.7)),
    "revoke/many": ("Revoke, 64 callers against one", at_least(10)),
    "revoke/uncounted/many": ("Revoke with anti_rollback off, 64 callers against one", at_least(10)),
    "derive/pkcs11": ("derive through the child (SoftHSM2) against raw C_Sign, each with as many in flight as suits it", at_least(0.5)),
    "derive/tpm/alone": ("derive through the child against raw TPM2_HMAC, one at a time", at_least_or_later_by(0.8, 50)),
    "derive/tpm/many": ("derive through the child against raw TPM2_HMAC, 16 in flight", at_least(0.8)),
    "verb/": ("{rest}, latency with 1,000,000 tokens against 1,000", at_most(1.5)),
    "memory": ("memory of hwvaultd a token, its index included, at 1,000,000", at_most(1)),
    "start": ("start of hwvaultd with 1,000,000 tokens, from exec until it serves", at_most(1)),
    "decision": ("a decision with 1,000 rules, the slowest shape", at_most(1)),
    "audit/": ("{rest} callers at a time, with the audit trail against without", at_least(0.5)),
}


def row(measured):
    """{path, ours, limit, unit, ratio, wanted, holds, note} of {measured, ours, limit, unit}, or of {measured, note}."""
    name = measured["measured"]
    group = name if name in WANTED else name.split("/")[0] + "/"
    words, wanted = WANTED[group]
    ours, limit = measured.get("ours"), measured.get("limit")
    known = bool(ours and limit)
    return {
        "path": words.format(rest=name[len(group):].replace("/", ", "), rate=measured.get("rate")),
        "ours": ours,
        "limit": limit,
        "unit": measured.get("unit", ""),
        "ratio": ours / limit if known else None,
        "wanted": wanted.words if wanted else None,
        "holds": (known and wanted.holds(ours, limit)) if wanted else None,
        "note": measured.get("note", ""),
    }


def position(measured):
    """Where in the table it comes."""
    name = measured["measured"]
    return list(WANTED).index(name if name in WANTED else name.split("/")[0] + "/")
