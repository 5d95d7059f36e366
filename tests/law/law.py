#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Holds the sources to the law of rooms.py: includes run one way, a room shows only its interfaces, one library lives
# in one room, the core is pure, every file opens with its licence, nothing is too long, no file names the machine
# it was written on and no script names a host.
#
#   law.py [ROOT]          prints each violation as `file:line: rule: sentence`; exits 1 when there is one
#   law.py --sizes [ROOT]  prints how long files and functions are
#
# prove.py shows that each rule can fail.
import os
import re
import socket
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import rooms  # noqa: E402

CODE = {".h", ".hpp", ".cpp", ".c"}
SKIPPED_FOLDERS = {".git", "build", "__pycache__"}
LICENCE = "SPDX-License-Identifier: LGPL-2.1-or-later"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
RULES = ("order", "shown", "library", "asio", "pure", "root", "licence", "length", "machine", "host")


@dataclass(frozen=True)
class Violation:
    file: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.file}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Source:
    path: str  # from the root, with /
    lines: list

    @property
    def room(self):
        fitting = [room for room in rooms.MAY_INCLUDE if self.path.startswith(room + "/")]
        return max(fitting, key=len, default=None)

    @property
    def is_code(self):
        return Path(self.path).suffix in CODE

    @property
    def is_script(self):
        return Path(self.path).suffix in {".py", ".sh"} or (self.lines and self.lines[0].startswith("#!"))


def read_sources(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - SKIPPED_FOLDERS)
        for name in sorted(names):
            file = Path(folder, name)
            try:
                lines = file.read_text(encoding="utf-8").splitlines()
            except (UnicodeDecodeError, OSError):
                continue  # binary, or a socket
            yield Source(file.relative_to(root).as_posix(), lines)


def room_of(include):
    return Source(include, []).room


def check_own_include(source, line, include, tops):
    """An include of ours: from the root, in the order of the rooms, and only what the other room shows."""
    if include.split("/")[0] not in tops or "/" not in include:
        if not re.search(r"(adaptor|proxy|glue|generated)[a-z_.]*$", include):
            yield Violation(source.path, line, "root", f"'{include}' is not written from the repository root.")
        return
    target = room_of(include)
    room = source.room
    if room is None or target is None or target == room or source.path.startswith(rooms.COMPOSITION_ROOTS):
        return
    if target not in rooms.MAY_INCLUDE[room] and not source.path.startswith(rooms.CHILD_ROOTS):
        yield Violation(source.path, line, "order", f"{room} must not include {target} ('{include}').")
        return
    shown = rooms.SHOWS.get(target)
    inside = rooms.WITHIN.get(room) == target or source.path.startswith(rooms.CHILD_ROOTS)
    if shown is not None and not inside and Path(include).name not in shown:
        yield Violation(source.path, line, "shown", f"'{include}' is inside {target}; others see {sorted(shown)}.")


def check_foreign_include(source, line, include):
    for library, (pattern, homes) in rooms.LIBRARIES.items():
        if re.match(pattern, include) and not source.path.startswith(homes or ("tests/",)):
            yield Violation(source.path, line, "library", f"{library} ('{include}') belongs to {', '.join(homes) or 'tests'}.")
    waits = source.room not in rooms.WITHOUT_ASIO or source.path.startswith(rooms.ASIO_BRIDGES)
    if include.startswith("boost/asio") and not waits:
        yield Violation(source.path, line, "asio", f"{source.room} never waits; '{include}' is not for it.")
    if source.room in rooms.PURE and re.match(rooms.IMPURE, include):
        yield Violation(source.path, line, "pure", f"{source.room} is pure; '{include}' reads a clock, a file or chance.")


def check_includes(source, tops):
    if source.path.startswith("tests/") or not source.is_code:
        return
    for number, text in enumerate(source.lines, 1):
        found = INCLUDE.match(text)
        if not found:
            continue
        quote, include = found.groups()
        if quote == '"':
            yield from check_own_include(source, number, include, tops)
        yield from check_foreign_include(source, number, include)


def functions(source):
    """(line, length) of each function at the outer level: it begins where a line ends in `{`, and `}` alone ends it."""
    start = None
    for number, text in enumerate(source.lines, 1):
        if re.match(r"[A-Za-z_~)].*\{$", text) and not re.match(r"(namespace|class|struct|enum|union|extern)\b", text):
            start = number
        elif text == "}" and start is not None:
            yield start, number - start + 1
            start = None


def check_length(source):
    if not source.is_code:
        return
    if len(source.lines) > rooms.MAX_FILE_LINES:
        yield Violation(source.path, len(source.lines), "length",
                        f"{len(source.lines)} lines; a file is at most {rooms.MAX_FILE_LINES}.")
    for line, length in functions(source):
        is_test = source.lines[line - 1].startswith("TEST_CASE")
        cap = rooms.MAX_TEST_CASE_LINES if is_test else rooms.MAX_FUNCTION_LINES
        if length > cap:
            yield Violation(source.path, line, "length", f"a function of {length} lines; at most {cap}.")


def check_licence(source):
    if not (source.is_code or source.is_script):
        return
    first = source.lines[1 if source.lines and source.lines[0].startswith("#!") else 0:][:1]
    if not first or LICENCE not in first[0]:
        yield Violation(source.path, 1, "licence", f"does not open with '{LICENCE}'.")


def check_words(source, machine):
    """No file names the machine it was written on; no script downloads from a host that it names."""
    for number, text in enumerate(source.lines, 1):
        for word in machine:
            if word in text:
                yield Violation(source.path, number, "machine", "names the machine or the folder it was written in.")
        if (source.is_script or Path(source.path).name == "CMakeLists.txt") and re.search(r"\b(https?|ftp)://[a-z0-9]", text):
            yield Violation(source.path, number, "host", "a script names a host; take it from the machine's settings.")


def machine_words(root):
    folder = Path(root).resolve()
    words = {f"{folder}/"} if len(folder.parts) > 2 else set()  # one right below the root, like /src, is anybody's
    name = socket.gethostname()
    if len(name) >= 6 and name not in ("debian", "localhost"):
        words.add(name)
    return words


def violations(root):
    sources = list(read_sources(root))
    tops = {source.path.split("/")[0] for source in sources}
    machine = machine_words(root)
    for source in sources:
        yield from check_includes(source, tops)
        yield from check_length(source)
        yield from check_licence(source)
        yield from check_words(source, machine)


def print_sizes(root):
    code = [source for source in read_sources(root) if source.is_code]
    files = sorted((len(source.lines), source.path) for source in code)
    lengths = sorted((length, f"{source.path}:{line}") for source in code for line, length in functions(source))
    for what, sizes in (("files", files), ("functions", lengths)):
        if sizes:
            print(f"{len(sizes)} {what}, lines: median {statistics.median(size for size, _ in sizes):.0f},"
                  f" max {sizes[-1][0]}; longest: {', '.join(f'{where} ({size})' for size, where in sizes[:-4:-1])}")


def main(arguments):
    sizes = "--sizes" in arguments
    rest = [argument for argument in arguments if not argument.startswith("--")]
    root = rest[0] if rest else Path(__file__).resolve().parents[2]
    if sizes:
        print_sizes(root)
        return 0
    found = list(violations(root))
    for violation in found:
        print(violation)
    for rule in RULES:
        count = sum(violation.rule == rule for violation in found)
        print(f"FAILED: law: {rule}: {count} violations" if count else f"ok: law: {rule}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
