# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Control groups with the names of systemd units, made by hand (root, control group v2), and processes in them.
import contextlib
import os
from pathlib import Path

from harness import Skip

SLICE = f"hwvaulttest{os.getpid()}.slice"


@contextlib.contextmanager
def control_groups(*units):
    """The slice that they lie in, and the control group of each unit."""
    mounts = [path for path in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")) if Path(path, "cgroup.procs").exists()
              and Path(path, "cgroup.controllers").exists()]
    if not mounts:
        raise Skip("control group v2 is not mounted")
    groups = [mounts[0] / SLICE] + [mounts[0] / SLICE / unit for unit in units]
    try:
        for group in groups:
            group.mkdir()
    except OSError as why:
        raise Skip(f"control groups cannot be made here: {why}") from why
    try:
        yield groups
    finally:
        for group in reversed(groups):
            group.rmdir()


def enter(group):
    Path(group, "cgroup.procs").write_text(str(os.getpid()), encoding="utf-8")


def in_child(work):
    """What work() gives, in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, " ".join(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as answers:
        said = answers.read().split()
    os.waitpid(child, 0)
    return said
