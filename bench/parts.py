# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The parts of dev/bench: each starts the servers that it compares, runs the programs that measure, and keeps what they say.
import json
import os
import statistics
import subprocess
import sys
import traceback

import servers
from servers import BIN

FEW, KEYRING, MANY, MOST = 1_000, 5_000, 1_000_000, 10_000_000  # tokens
MEMORY_FOR_MOST = 4 << 30  # bytes
SERIES = (FEW, 10_000, 100_000, MANY)


class Bench:
    def __init__(self, quick):
        self.quick = quick
        self.turns = 8 if quick else 30
        self.measured = []

    def program(self, name, *arguments, cores=frozenset(servers.CORES)):
        """Runs it and keeps its measurements. What else it says is passed on."""
        run = subprocess.run([BIN / name, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                             check=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
        return self.keep(run.stdout)

    def keep(self, output):
        found = []
        for line in output.splitlines():
            if line.startswith('{"measured"'):
                found.append(json.loads(line))
            else:
                print(line, file=sys.stderr)
        self.measured += found
        return found

    def unmeasured(self, names, why):
        self.measured += [{"measured": name, "note": why} for name in names]

    def load(self, name, vault, redis, tokens, connections, in_flight, cores=servers.CLIENT):
        return self.program("bench_load", name, vault.vault, vault.socket, redis, tokens, connections, in_flight, self.turns,
                            cores=cores)[0]


def load(bench):
    """Varlink against Redis."""
    with servers.vault(MANY) as vault, servers.redis() as redis:
        servers.give_core(vault.daemon.pid)
        bench.program("bench_load", "--fill", vault.vault, redis, MANY)
        bench.load("load/1", vault, redis, FEW, 1, 1)
        bench.load("load/1/one-core", vault, redis, FEW, 1, 1, cores=servers.SERVER)
        sixteen = bench.load("load/16", vault, redis, FEW, 16, 1)
        bench.load("load/16x16/hot", vault, redis, FEW, 16, 16)
        bench.load("load/16x16/all", vault, redis, MANY, 16, 16)
        rate = int(min(sixteen["ours"], sixteen["limit"]) / 2)
        for found in bench.program("bench_load", "--open", "open", vault.vault, vault.socket, redis, FEW, 16, rate, bench.turns,
                                   cores=servers.CLIENT):
            found["rate"] = f"{rate:,}"


def verify(bench):
    """libhwvault within the process of who verifies."""
    repetitions = 5 if bench.quick else 15
    for tokens in (FEW, MANY):
        with servers.vault(tokens) as vault:
            servers.give_core(vault.daemon.pid)
            found = bench.program("bench_verify", vault.vault, vault.socket, repetitions, cores=servers.CLIENT)
            if tokens == FEW and "ours" in found[0]:
                with servers.redis() as redis:
                    bench.program("bench_load", "--fill", vault.vault, redis, FEW)
                    alone = bench.load("load/1", vault, redis, FEW, 1, 1)
                bench.measured.remove(alone)
                bench.measured.append({"measured": "verify/redis", "ours": 1e9 / found[0]["ours"], "limit": alone["limit"],
                                       "unit": "/s"})
    verify_of_most(bench, repetitions)


def verify_of_most(bench, repetitions):
    """A vault has 2,000,000 tokens at most: this is an index alone."""
    free = servers.available_memory()
    if free < MEMORY_FOR_MOST:
        bench.unmeasured([f"verify/{MOST}/hit", f"verify/{MOST}/miss"],
                         f"needs {MEMORY_FOR_MOST >> 20:,} MiB of memory, and {free >> 20:,} are to be had")
        return
    with servers.index_vault(MOST) as socket:
        bench.program("bench_verify", "--derived", MOST, socket, repetitions, cores=servers.CLIENT)


def bus(bench):
    """The D-Bus door against the bus itself, and against gnome-keyring."""
    with servers.vault(KEYRING, bus=True) as vault:
        bench.program("bench_bus", "retrieve", vault.bus.address, bench.turns)
        with servers.least_on_bus(vault.bus.address, servers.made_vault(FEW)):
            bench.program("bench_bus", "least", vault.bus.address, bench.turns)
        with servers.keyring() as keyring:
            bench.program("bench_bus", "keyring", vault.bus.address, keyring, KEYRING, bench.turns)


def revoke(bench):
    """As hwvaultd is by itself, where the device's counter makes a step for each commit; and without, for what is left then."""
    with servers.vault(FEW) as vault:
        bench.program("bench_revoke", "revoke", vault.socket, bench.turns)
    with servers.vault(FEW, hardware="anti_rollback = 'off'") as vault:
        bench.program("bench_revoke", "revoke/uncounted", vault.socket, bench.turns)


def sign(bench):
    """SoftHSM2 itself, in a vault that nobody serves meanwhile."""
    folder = servers.made_vault(FEW)
    bench.program("bench_sign", folder, servers.module_of(folder), BIN / "hwvault-hardware", bench.turns)


def compare_verbs(bench, tokens):
    """All on one core, so that neither vault has the luck of being where the client is. The hardware child has the other one."""
    with servers.vault(FEW) as small, servers.vault(tokens) as large:
        for vault in small, large:
            servers.give_core(vault.daemon.pid)
        return bench.program("bench_verbs", 200 if bench.quick else 800, large.vault, small.vault, cores=servers.SERVER)


def verbs(bench):
    compare_verbs(bench, MANY)


def size(bench):
    """What a million tokens take of the daemon's memory, and of its start."""
    with servers.vault(0) as empty:
        nothing = servers.memory(empty.daemon.pid)
    with servers.vault(MANY) as full:
        each = (servers.memory(full.daemon.pid) - nothing) / MANY
    bench.measured.append({"measured": "memory", "ours": each, "limit": 256, "unit": "B"})
    bench.measured.append({"measured": "start", "ours": start(bench, MANY), "limit": 3, "unit": "s"})


def start(bench, tokens):
    return statistics.median(servers.seconds_to_serve(tokens) for _ in range(3 if bench.quick else 7))


def derive(bench):
    bench.program("bench_derive", BIN / "hwvault-hardware")


def decision(bench):
    bench.program("bench_decision")


def audit(bench):
    bench.program("bench_audit", BIN / "hwvault-hardware")


ALL = {part.__name__: part for part in (verify, load, bus, revoke, sign, verbs, size, derive, decision, audit)}

# What a part measures, so that where it fails that is in the table.
NAMES = {
    "verify": ("verify/1000/hit", "verify/1000/miss", "verify/1000000/hit", "verify/1000000/miss", "verify/10000000/hit",
               "verify/10000000/miss", "verify/redis"),
    "bus": ("bus/retrieve", "bus/least", "keyring/get", "keyring/create"),
    "load": ("load/1", "load/16", "load/16x16/hot", "load/16x16/all"),
    "revoke": ("revoke/alone", "revoke/many", "revoke/uncounted/alone", "revoke/uncounted/many"),
    "sign": ("derive/pkcs11", "revoke/least"),
    "verbs": ("verb/",),
    "size": ("memory", "start"),
    "derive": ("derive/tpm/alone", "derive/tpm/many"),
    "decision": ("decision",),
    "audit": ("audit/",),
}


def measure(bench, name):
    part = ALL[name]
    try:
        part(bench)
    except Exception as failure:
        traceback.print_exc()
        known = {measured["measured"] for measured in bench.measured}
        bench.unmeasured([missing for missing in NAMES[name] if missing not in known], f"not measured: {failure}")


def series(bench):
    """Latency in microseconds, memory in bytes and the seconds of a start, by the number of tokens: for bench/plot.py."""
    latencies = {}
    for tokens in SERIES[1:]:
        found = compare_verbs(bench, tokens)
        latencies[tokens] = {measured["measured"].removeprefix("verb/"): measured["ours"] for measured in found}
        latencies.setdefault(FEW, {measured["measured"].removeprefix("verb/"): measured["limit"] for measured in found})
    points = []
    for tokens in SERIES:
        with servers.vault(tokens) as vault:
            memory = servers.memory(vault.daemon.pid)
        points.append({"tokens": tokens, "memory": memory, "start": start(bench, tokens), "latency": latencies[tokens]})
    return points
