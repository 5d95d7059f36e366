#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What runs inside an emulated machine for the test outside (emulated_machine.py): a request is a line of JSON on a serial
# port, an answer another one. It runs commands, and calls the methods of pathlib's paths. It is in no unit's control group,
# nor are its commands, so that whom they call takes them for people's.
import json
import os
import subprocess
import sys
from pathlib import Path

PORT = "/dev/vport0p1"


def run(asked):
    done = subprocess.run(asked["words"], input=asked["given"], capture_output=True, text=True, errors="replace", check=False,
                          timeout=asked["seconds"], cwd="/")
    return [done.returncode, done.stdout, done.stderr]


def plain(value):
    """As JSON has it: of a stat_result its fields."""
    if isinstance(value, os.stat_result):
        return {name: getattr(value, name) for name in dir(value) if name.startswith("st_")}
    return str(value) if isinstance(value, Path) else value


def call(asked):
    return plain(getattr(Path(asked["path"]), asked["method"])(*asked["arguments"], **asked["options"]))


def answer(asked):
    try:
        return {"value": run(asked) if "words" in asked else call(asked)}
    except subprocess.TimeoutExpired:
        return {"late": asked["seconds"]}
    except OSError as why:
        return {"errno": why.errno, "said": str(why)}


def main():
    Path("/sys/fs/cgroup/cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    with open(PORT, "r+b", buffering=0) as port:
        pending = b""
        while part := os.read(port.fileno(), 1 << 16):
            *lines, pending = (pending + part).split(b"\n")
            for line in lines:
                reply = json.dumps(answer(json.loads(line))).encode() + b"\n"
                while reply:
                    reply = reply[os.write(port.fileno(), reply):]


sys.exit(main())
