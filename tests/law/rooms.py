# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The law itself, as data: which room may include which, what of a room others may see, and which library belongs
# to which room (docs/design.md, "Rooms"). law.py holds the sources to it. A new room or library is added here.

BOTTOM = {"foundation"}
CORE = BOTTOM | {"crypto", "daemon/vault", "policy"}
LOW = CORE | {"os"}
SIBLINGS = {"daemon/peer", "daemon/hardware", "daemon/store", "daemon/audit"}
INDEX = {"daemon/index", "libclient/index"}
SERVICE = LOW | SIBLINGS | INDEX | {"daemon/service"}

# A room is the longest of these that a file's path starts with. A room may always include itself.
MAY_INCLUDE = {
    "foundation": set(),
    "crypto": BOTTOM,
    "os": BOTTOM,
    "daemon/vault": BOTTOM | {"crypto"},
    "policy": BOTTOM | {"crypto", "daemon/vault"},
    "policy/files": LOW,
    "daemon/peer": LOW,
    "daemon/hardware": LOW,
    "daemon/hardware/pkcs11": LOW | {"daemon/hardware"},
    "daemon/hardware/tpm": LOW | {"daemon/hardware"},
    "daemon/store": LOW,
    "daemon/audit": LOW,
    "daemon/index": BOTTOM | {"crypto", "os"} | {"libclient/index"},
    "daemon/service": LOW | SIBLINGS | INDEX,
    "daemon/doors/credential": SERVICE,
    "daemon/doors/dbus": SERVICE | {"libclient/wire"},
    "daemon/doors/varlink": SERVICE | {"libclient/wire"},
    "libclient": BOTTOM | {"crypto", "os"},
    "libclient/include": set(),
    "libclient/index": BOTTOM | {"crypto", "os"},
    "libclient/wire": BOTTOM | {"crypto", "os"},
    "cli": LOW | {"daemon/audit", "policy/files", "libclient", "libclient/include", "libclient/wire"},
}
MAY_INCLUDE["libclient"] |= {"libclient/include", "libclient/index", "libclient/wire"}

# Where everything meets: these files name concrete types, and include what they like of our own.
COMPOSITION_ROOTS = ("daemon/main", "daemon/development", "daemon/settings")
# The child's own composition root: these pick the backend.
CHILD_ROOTS = ("daemon/hardware/child/main.", "daemon/hardware/child/commands.")

# What a room shows to the others: interfaces and values, never an implementation. Rooms that are not named show all.
SHOWS = {
    "daemon/peer": {"peer.h"},
    "daemon/hardware": {"hardware.h", "device.h"},
    "daemon/hardware/pkcs11": set(),
    "daemon/hardware/tpm": set(),
    "daemon/store": {"store.h", "salvage.h"},
    "daemon/audit": {"entry.h", "files.h", "line.h", "sink.h", "trail.h", "verifier.h"},
    "daemon/service": {"service.h", "status.h"},
    "daemon/doors/credential": {"door.h", "descriptor_store.h", "mapping.h", "peer_name.h"},
}
# Below a room of its own, a backend sees all of the room above it.
WITHIN = {"daemon/hardware/pkcs11": "daemon/hardware", "daemon/hardware/tpm": "daemon/hardware"}

# library: (what its includes look like, the path prefixes that may include it). What is called raw in bench/ is the limit that
# a room which uses the library is held against.
LIBRARIES = {
    "PKCS#11 and libp11": (r"(libp11|p11_err|pkcs11[a-z]*)\.h$|p11-kit/|pkcs11/|p11/", ("daemon/hardware/pkcs11/", "bench/raw_module")),
    "tpm2-tss": (r"tss2/", ("daemon/hardware/tpm/",)),
    "sdbus-c++": (r"sdbus-c\+\+/", ("daemon/doors/dbus/", "cli/bus_client", "cli/unit_bus")),
    "SQLite": (r"sqlite3", ("daemon/store/", "bench/raw_commit")),
    "OpenSSL": (r"openssl/", ("crypto/", "daemon/hardware/pkcs11/", "bench/raw_digest")),
    "libdeflate": (r"libdeflate\.h", ("crypto/token_text",)),
    "libcap-ng": (r"cap-ng\.h", ("os/identity",)),
    "sd-journal": (r"systemd/sd-journal", ("daemon/audit/journal",)),
    "spdlog": (r"spdlog/", ("daemon/doors/", "daemon/main", "daemon/hardware/child/main")),
    "CLI11": (r"CLI/", ("cli/", "daemon/main", "daemon/hardware/child/main")),
    "toml++": (r"toml\+\+/", ("daemon/settings", "daemon/hardware/child/config", "policy/parser", "cli/")),
    "Catch2": (r"catch2/|tests/", ()),
}

# Rooms that never wait: no event loop. Two files are for those who do: the bridge for calls that block, and turns.
ASIO_BRIDGES = ("os/blocking.", "os/turns.", "os/asio.")
WITHOUT_ASIO = {"foundation", "crypto", "os", "policy", "daemon/vault", "daemon/store", "daemon/audit", "libclient/include"}
# The pure rooms: no file, socket, clock, thread or chance.
PURE = {"daemon/vault", "policy"}
IMPURE = (r"(chrono|ctime|time\.h|sys/.*|unistd\.h|fcntl\.h|poll\.h|fstream|iostream|filesystem|thread|mutex|random|"
          r"condition_variable|future)$")

# Caps on size, well above what is aimed at (a function fits on a screen, a file is read in one sitting).
MAX_FUNCTION_LINES = 60
MAX_TEST_CASE_LINES = 120  # with all its sections
MAX_FILE_LINES = 500
