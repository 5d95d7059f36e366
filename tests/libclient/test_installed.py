#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# libhwvault as others meet it: what it exports, and, installed into an empty prefix, whether programs build against it
# with pkg-config and with find_package, and run. $BUILD names the build folder, $LIBRARY the shared library in it,
# $SANITIZE what it was built with.
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cli"))
from fake_vault import FakeVault  # noqa: E402

BUILD = os.environ["BUILD"]
LIBRARY = os.environ["LIBRARY"]
SANITIZED = bool(os.environ.get("SANITIZE"))


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=300,
                          **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


class Library(unittest.TestCase):
    def test_it_exports_what_the_header_declares_and_nothing_else(self):
        symbols = {line.split()[-1].split("@")[0] for line in run("nm", "-D", "--defined-only", LIBRARY).splitlines()}
        header = (ROOT / "libclient/include/hwvault/hwvault.h").read_text(encoding="utf-8")
        declared = {word.split("(")[0].lstrip("*") for line in header.splitlines() if line.startswith("HWVAULT_API ")
                    for word in line.split() if word.lstrip("*").startswith("hwvault_") and "(" in word}
        self.assertGreater(len(declared), 40)
        self.assertEqual(symbols - {"HWVAULT_0"}, declared)

    def test_its_soname_is_versioned(self):
        self.assertIn("Library soname: [libhwvault.so.0]", run("readelf", "-d", LIBRARY))

    def test_the_c_header_is_clean_c99_and_stands_alone(self):
        run("cc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-fsyntax-only",
            "-I", ROOT / "libclient/include", "-x", "c", ROOT / "libclient/include/hwvault/hwvault.h")

    def test_the_c_plus_plus_header_stands_alone(self):
        run("c++", "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror",
            "-fsyntax-only", "-I", ROOT / "libclient/include", "-x", "c++", "-include",
            ROOT / "libclient/include/hwvault/hwvault.hpp", "/dev/null")


@unittest.skipIf(SANITIZED, "the library needs a sanitizer's runtime, which a stranger's program has not")
class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="hwvault-install-")
        cls.prefix = Path(cls.folder.name, "prefix")
        run("cmake", "--install", BUILD, "--prefix", cls.prefix, "--component", "library")
        cls.pkg_config = next(cls.prefix.rglob("hwvault.pc")).parent
        cls.library = cls.pkg_config.parent

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.socket = tempfile.TemporaryDirectory(prefix="hwvault-fake-")
        self.vault = FakeVault(self.socket.name)
        self.environment = {**os.environ, "HWVAULT_ADDRESS": self.vault.address, "LD_LIBRARY_PATH": str(self.library),
                            "PKG_CONFIG_PATH": str(self.pkg_config)}

    def tearDown(self):
        self.vault.close()
        self.socket.cleanup()

    def check_examples(self, token, revoke):
        self.assertEqual(run(token, env=self.environment), "active: user:tester/default, generation 1\n")
        self.assertEqual(run(revoke, env=self.environment),
                         "generation 1 is good\ngeneration 1 is dead\ngeneration 2 is good\n")

    def test_the_examples_build_with_pkg_config_and_run(self):
        flags = run("pkg-config", "--cflags", "--libs", "hwvault", env=self.environment).split()
        token, revoke = Path(self.folder.name, "token"), Path(self.folder.name, "revoke")
        strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        run("cc", "-std=c99", *strict, ROOT / "examples/token.c", *flags, "-o", token)
        run("c++", "-std=c++20", *strict, ROOT / "examples/revoke.cpp", *flags, "-o", revoke)
        self.check_examples(token, revoke)

    def test_the_examples_build_with_find_package_and_run(self):
        build = Path(self.folder.name, "build")
        run("cmake", "-G", "Ninja", "-S", ROOT / "examples", "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", build)
        self.check_examples(build / "token", build / "revoke")

    def test_the_interface_is_installed_beside_it(self):
        self.assertEqual(len(list(self.prefix.rglob("org.hwvault.Vault.varlink"))), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
