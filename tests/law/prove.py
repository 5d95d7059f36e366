#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Proves that the law can fail: each made-up file below breaks one rule, and must be found to break exactly that
# one; the lawful ones next to them must pass. A rule without a made-up violation fails the proof.
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import law  # noqa: E402

SPDX = "// SPDX-License-Identifier: LGPL-2.1-or-later\n"
LONG_FUNCTION = "void f() {\n" + "    g();\n" * 100 + "}\n"

# (path, content, the rule that is broken)
BROKEN = [
    ("crypto/a.cpp", SPDX + '#include "os/fd.h"\n', "order"),
    ("os/a.cpp", SPDX + '#include "crypto/digest.h"\n', "order"),
    ("foundation/a.h", SPDX + '#include "crypto/digest.h"\n', "order"),
    ("daemon/vault/a.cpp", SPDX + '#include "policy/decision.h"\n', "order"),
    ("daemon/vault/b.cpp", SPDX + '#include "os/fd.h"\n', "order"),
    ("policy/a.cpp", SPDX + '#include "daemon/peer/peer.h"\n', "order"),
    ("daemon/store/a.cpp", SPDX + '#include "daemon/audit/trail.h"\n', "order"),
    ("daemon/hardware/a.cpp", SPDX + '#include "daemon/service/service.h"\n', "order"),
    ("daemon/hardware/b.cpp", SPDX + '#include "daemon/hardware/pkcs11/pkcs11.h"\n', "order"),
    ("daemon/service/a.cpp", SPDX + '#include "daemon/doors/dbus/door.h"\n', "order"),
    ("daemon/service/b.cpp", SPDX + '#include "libclient/wire/varlink.h"\n', "order"),
    ("daemon/doors/dbus/a.cpp", SPDX + '#include "daemon/doors/varlink/door.h"\n', "order"),
    ("libclient/a.cpp", SPDX + '#include "daemon/vault/names.h"\n', "order"),
    ("cli/a.cpp", SPDX + '#include "daemon/service/status.h"\n', "order"),
    ("daemon/service/c.cpp", SPDX + '#include "daemon/hardware/client.h"\n', "shown"),
    ("daemon/doors/varlink/a.cpp", SPDX + '#include "daemon/service/vault_service.h"\n', "shown"),
    ("daemon/hardware/c.cpp", SPDX + "#include <libp11.h>\n", "library"),
    ("daemon/service/d.cpp", SPDX + "#include <sqlite3.h>\n", "library"),
    ("daemon/store/b.cpp", SPDX + "#include <openssl/evp.h>\n", "library"),
    ("cli/b.cpp", SPDX + "#include <sdbus-c++/sdbus-c++.h>\n", "library"),
    ("daemon/hardware/pkcs11/a.cpp", SPDX + "#include <tss2/tss2_esys.h>\n", "library"),
    ("daemon/service/e.cpp", SPDX + "#include <spdlog/spdlog.h>\n", "library"),
    ("daemon/service/f.cpp", SPDX + "#include <catch2/catch.hpp>\n", "library"),
    ("daemon/store/c.cpp", SPDX + "#include <boost/asio/awaitable.hpp>\n", "asio"),
    ("daemon/vault/c.cpp", SPDX + "  #  include <chrono>\n", "pure"),
    ("policy/b.cpp", SPDX + "#include <sys/socket.h>\n", "pure"),
    ("os/b.cpp", SPDX + '#include "fd.h"\n', "root"),
    ("os/c.cpp", "// No licence.\n", "licence"),
    ("dev/a", "#!/bin/bash\nset -e\n", "licence"),
    ("os/d.cpp", SPDX + LONG_FUNCTION, "length"),
    ("os/e.cpp", SPDX + "// more\n" * 1000, "length"),
    ("docs/a.md", "See {root}/docs for more.\n", "machine"),
    ("dev/b", "#!/bin/bash\n" + SPDX.replace("//", "#") + "curl https" + "://example.org\n", "host"),
]

LAWFUL = [
    ("crypto/a.h", SPDX + '#include "crypto/b.h"\n#include <openssl/evp.h>\n#include "foundation/result.h"\n'),
    ("daemon/store/a.h", SPDX + '#include <sqlite3.h>\n#include "daemon/vault/record.h"\n#include "os/file.h"\n'),
    ("daemon/service/a.h", SPDX + '#include <chrono>\n#include "daemon/store/store.h"\n#include "daemon/service/limiter.h"\n'),
    ("daemon/hardware/pkcs11/a.h", SPDX + '#include <libp11.h>\n#include "daemon/hardware/device.h"\n'),
    ("daemon/doors/dbus/a.h", SPDX + '#include <sdbus-c++/sdbus-c++.h>\n#include "daemon/service/service.h"\n'),
    ("daemon/main.cpp", SPDX + '#include <spdlog/spdlog.h>\n#include "daemon/hardware/client.h"\n'),
    ("cli/bus_client.cpp", SPDX + '#include <sdbus-c++/sdbus-c++.h>\n#include "libclient/wire/varlink.h"\n'),
    ("os/a.cpp", SPDX + "void f() {\n    g();\n}\n\nvoid g() {\n    f();\n}\n"),
    ("dev/a", "#!/bin/bash\n" + SPDX.replace("//", "#")),
    ("docs/a.md", "Read on at https" + "://example.org\n"),
]


def found_in(files):
    with tempfile.TemporaryDirectory() as root:
        for top in ("crypto", "os", "foundation", "daemon", "policy", "libclient", "cli", "dev", "docs"):
            Path(root, top).mkdir()
            Path(root, top, "README").write_text("\n")  # a root where each room exists
        for path, content in files:
            file = Path(root, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content.replace("{root}", root))
        return list(law.violations(root))


def main():
    failures = []
    for path, content, rule in BROKEN:
        found = found_in([(path, content)])
        if {violation.rule for violation in found} != {rule}:
            failures.append(f"{path} breaks {rule!r}, but found was: {[str(violation) for violation in found]}")
    failures += [f"lawful, but found: {violation}" for violation in found_in(LAWFUL)]
    failures += [f"no made-up violation of {rule!r}" for rule in law.RULES if rule not in {rule for *_, rule in BROKEN}]
    for failure in failures:
        print(f"FAILED: {failure}")
    if not failures:
        print(f"ok: {len(BROKEN)} made-up violations are found, {len(LAWFUL)} lawful files pass")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
