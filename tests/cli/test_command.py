#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# hwvault as its users meet it: the built program against a fake vault. $HWVAULT names the program.
import contextlib
import json
import os
import pty
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from fake_vault import FakeVault, imported_bytes  # noqa: E402

PROGRAM = os.environ["HWVAULT"]
SYSTEMD = Path("/run/systemd/system").exists()


def on_terminal(address, *arguments, typed=b"", prompt=b"", sign=b"", seen=None):
    """Runs hwvault with a terminal as input, output and error; types after the prompt, and sets `seen` when the sign is
    shown. What was shown, and its code."""
    terminal, theirs = pty.openpty()
    # A shell's job in the background ignores interrupts, and so would what it starts.
    process = subprocess.Popen(["env", "--default-signal=INT", "setsid", "--ctty", "--wait", PROGRAM, *arguments],
                               stdin=theirs, stdout=theirs, stderr=theirs,
                               env={**os.environ, "HWVAULT_ADDRESS": address})
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # the child, and with it the terminal's other end, is gone
            break
        if not chunk:
            break
        shown += chunk
        if typed and prompt in shown:
            os.write(terminal, typed)
            typed = b""
        if seen and sign in shown:
            seen.set()
    os.close(terminal)
    return shown, process.wait(timeout=60)


class CommandTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="hwvault-cli-")
        self.vault = FakeVault(self.folder.name)
        self.environment = {**os.environ, "HWVAULT_ADDRESS": self.vault.address}

    def tearDown(self):
        self.vault.close()
        self.folder.cleanup()

    def run_command(self, *arguments, stdin=b""):
        return subprocess.run([PROGRAM, *arguments], input=stdin, env=self.environment, timeout=60,
                              capture_output=True, check=False)

    def expect(self, code, *arguments, stdin=b""):
        done = self.run_command(*arguments, stdin=stdin)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout!r} {done.stderr!r}")
        return done

    def file(self, name, text):
        path = Path(self.folder.name, name)
        path.write_text(text, encoding="utf-8")
        return str(path)


class Tokens(CommandTest):
    def test_get_prints_the_token_and_nothing_else(self):
        self.assertEqual(self.expect(0, "get").stdout, b"hwv_user:tester-default-1")

    def test_get_pipes_into_verify_until_it_is_revoked(self):
        token = self.expect(0, "get").stdout
        self.assertIn(b"active", self.expect(0, "verify", "-", stdin=token).stdout)
        self.expect(0, "verify", stdin=token + b"\n")
        self.expect(0, "revoke")
        self.assertEqual(self.expect(1, "verify", "-", stdin=token).stdout, b"not active\n")
        self.expect(0, "verify", "-", stdin=self.expect(0, "get").stdout)

    def test_on_a_terminal_a_newline_follows_the_token(self):
        ours, theirs = pty.openpty()
        done = subprocess.run([PROGRAM, "get"], stdout=theirs, env=self.environment, timeout=60, check=False)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # at the end
            while True:
                shown += os.read(ours, 4096)
        os.close(ours)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(shown, b"hwv_user:tester-default-1\r\n")

    def test_copy_writes_to_the_terminal_as_osc_52_and_prints_nothing(self):
        shown, code = on_terminal(self.vault.address, "get", "--copy")
        self.assertEqual(code, 0, shown)
        self.assertIn(b"\x1b]52;c;aHd2X3VzZXI6dGVzdGVyLWRlZmF1bHQtMQ==\x07", shown)
        self.assertNotIn(b"hwv_", shown)

    def test_copy_without_a_terminal_is_refused_and_prints_nothing(self):
        done = subprocess.run(["setsid", "--wait", PROGRAM, "get", "--copy"], env=self.environment, timeout=60,
                              capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, b""))

    def test_a_token_that_is_typed_is_not_shown(self):
        token = self.expect(0, "get").stdout
        shown, code = on_terminal(self.vault.address, "verify", typed=token + b"\n", prompt=b"not shown")
        self.assertEqual(code, 0, shown)
        self.assertNotIn(token, shown)
        self.assertIn(b"active", shown)

    def test_an_interrupt_at_the_prompt_ends_it(self):
        shown, code = on_terminal(self.vault.address, "verify", typed=b"\x03", prompt=b"not shown")
        self.assertEqual(code, 3, shown)
        self.assertEqual(self.vault.requests, [])

    def test_get_of_what_is_not_there_or_refused_says_no(self):
        done = self.expect(1, "get", "missing")
        self.assertEqual(done.stdout, b"")
        self.assertEqual(done.stderr, b"hwvault: user:tester has no token missing.\n")
        self.vault.instead["Retrieve"] = (b'{"error":"org.hwvault.Vault.AccessDenied","parameters":{"message":"No."}}\0')
        self.expect(1, "get")

    def test_create_carries_scopes_owners_expiry_and_description(self):
        self.expect(0, "create", "ci", "--account", "app:shop", "--scope", "read", "--scope", "write", "--expires", "90d",
                    "--description", "for CI", "--owner", "group:dev", "--owner", "unit:shop.service")
        method, parameters = self.vault.requests[-1]
        self.assertEqual(method, "Create")
        self.assertEqual(parameters["account"], "app:shop")
        self.assertEqual(parameters["options"], {"scopes": ["read", "write"], "expires_in": 90 * 86400,
                                                 "description": "for CI", "owners": ["group:dev", "unit:shop.service"]})
        self.expect(1, "create", "ci", "--account", "app:shop")

    def test_a_wrong_span_of_time_is_wrong_usage(self):
        for span in ("90", "d", "-1d", "1y", "1d2", "999999999999w", "0", "1.5h"):
            self.expect(2, "create", "x", "--expires", span)
        self.assertEqual(self.vault.requests, [])

    def test_rotate_sends_the_overlap_in_seconds_and_names_the_generation(self):
        self.expect(0, "create", "api")
        self.expect(0, "rotate", "api", "--overlap", "1h")
        self.assertEqual(self.vault.requests[-1], ("Rotate", {"name": "api", "generation": 1, "overlap_seconds": 3600}))

    def test_revoke_token_takes_the_token_from_standard_input(self):
        token = self.expect(0, "get").stdout
        self.expect(0, "revoke-token", "-", stdin=token + b"\n")
        self.expect(1, "verify", "-", stdin=token)
        self.expect(0, "revoke-token", "-", stdin=b"nobody's")

    def test_a_token_on_the_command_line_is_refused(self):
        self.expect(2, "verify", "hwv_secret")
        self.expect(2, "revoke-token", "hwv_secret")
        self.assertEqual(self.vault.requests, [])

    def test_standard_input_without_a_token_is_refused(self):
        self.expect(2, "verify", "-", stdin=b"")
        self.expect(2, "verify", "-", stdin=b"\n")
        self.expect(2, "verify", "-", stdin=b"x" * 5000)

    def test_delete_needs_a_name(self):
        self.expect(0, "create", "old")
        self.expect(2, "delete")
        self.expect(0, "delete", "old")
        self.expect(1, "delete", "old")


class Imports(CommandTest):
    def test_an_imported_secret_comes_back_byte_for_byte(self):
        for secret in (b"x", b"line\n", bytes(range(256)), b"\xff" * 1000, os.urandom(1 << 20), b"\x01" * (1 << 20)):
            self.expect(0, "import", "third", stdin=secret)
            self.assertEqual(imported_bytes(self.vault, "third"), secret)
            self.assertEqual(self.expect(0, "get", "third").stdout, secret)

    def test_nothing_and_too_much_are_refused_before_they_are_sent(self):
        self.expect(2, "import", "third", stdin=b"")
        self.expect(2, "import", "third", stdin=b"x" * ((1 << 20) + 1))
        self.assertEqual(self.vault.requests, [])

    def test_a_terminal_is_no_place_for_a_secret(self):
        _, theirs = pty.openpty()
        done = subprocess.run([PROGRAM, "import", "x"], stdin=theirs, env=self.environment, timeout=60,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"standard input", done.stderr)

    def test_json_of_a_secret_that_is_not_text_is_base64(self):
        self.expect(0, "import", "third", stdin=b"\xff\x00")
        answer = json.loads(self.expect(0, "get", "third", "--json").stdout)
        self.assertEqual((answer["token"], answer["base64"]), ("/wA=", True))


class Views(CommandTest):
    def test_list_goes_over_all_pages(self):
        for name in ("a", "b", "c", "d", "e"):
            self.expect(0, "create", name)
        self.expect(0, "create", "x", "--account", "app:shop")
        own = json.loads(self.expect(0, "list", "--json").stdout)
        self.assertEqual([token["name"] for token in own], ["a", "b", "c", "d", "e"])
        self.assertEqual(len(json.loads(self.expect(0, "--json", "list", "--all").stdout)), 6)
        text = self.expect(0, "list").stdout.decode()
        self.assertEqual(len(text.splitlines()), 6)
        self.assertTrue(text.startswith("ACCOUNT"))
        self.expect(2, "list", "--all", "--account", "app:shop")

    def test_list_finds_what_an_administrator_looks_for(self):
        day = 86400
        now = int(time.time())
        self.vault.make("user:root", "own").update(uid=0, created_at=now - 99 * day, last_used_at=now, last_used_by="user:root")
        self.vault.make("user:root", "old").update(uid=4711, created_at=now - 99 * day)
        self.vault.make("user:no-such-user-here", "gone").update(uid=4712, created_at=now, expires_at=now + day)

        def names(*arguments):
            return [token["name"] for token in json.loads(self.expect(0, "list", "--json", *arguments).stdout)]

        self.assertEqual(names("--orphans"), ["old", "gone"])  # of all accounts
        self.assertEqual(names("--orphans", "--account", "user:root"), ["old"])
        self.assertEqual(names("--all", "--unused", "90d"), ["old"])
        self.assertEqual(names("--all", "--expiring", "7d"), ["gone"])
        self.assertEqual(names("--orphans", "--unused", "90d", "--all"), ["old"])
        self.assertEqual(names("--all", "--expiring", "7d", "--unused", "90d"), [])
        self.assertEqual(self.expect(0, "list", "--unused", "1d").stdout, b"no tokens\n")
        text = self.expect(0, "list", "--all").stdout.decode()
        self.assertIn("user:root", text.splitlines()[1].split("  ")[-1])
        self.expect(2, "list", "--unused", "soon")

    def test_show_tells_what_is_known(self):
        self.expect(0, "create", "a", "--scope", "read", "--description", "one line")
        text = self.expect(0, "show", "a").stdout.decode()
        for part in ("user:tester/a", "read", "one line", "never", "2023-11-14 22:13 UTC"):
            self.assertIn(part, text)
        self.assertEqual(json.loads(self.expect(0, "show", "a", "--json").stdout)["scopes"], ["read"])

    def test_what_others_wrote_reaches_no_terminal_as_a_control_sequence(self):
        self.vault.make("", "a", options={"description": "\x1b]0;owned\x07 \u009b31m ok é"})
        text = self.expect(0, "show", "a").stdout
        self.assertNotIn(b"\x1b", text)
        self.assertNotIn(b"\x07", text)
        self.assertNotIn(b"\xc2\x9b", text)
        self.assertIn("ok é".encode(), text)
        self.vault.instead["Describe"] = (
            b'{"error":"org.hwvault.Vault.NotFound","parameters":{"message":"a \\u001b[31m b"}}\0')
        self.assertEqual(self.expect(1, "show", "a").stderr, b"hwvault: a \\x1b[31m b\n")

    def test_watch_prints_each_event_as_a_line_and_ends_when_the_vault_does(self):
        self.expect(0, "create", "a")
        done = self.expect(3, "watch", "--json")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([event.get("event") for event in events[:3]], ["present", "state-complete", "created"])
        self.assertEqual(events[3]["error"], "Unreachable")
        self.assertIn(b"present", self.expect(3, "watch").stdout)

    def test_status_says_whether_the_vault_serves(self):
        self.assertIn(b"serving", self.expect(0, "status").stdout)
        self.vault.status["state"] = "rolled-back"
        self.assertEqual(json.loads(self.expect(3, "status", "--json").stdout)["state"], "rolled-back")


class Failures(CommandTest):
    def test_each_word_of_the_contract_has_its_exit_code(self):
        codes = {"NotFound": 1, "AccessDenied": 1, "AlreadyExists": 1, "QuotaExceeded": 1, "Expired": 1,
                 "InvalidArgument": 2, "Busy": 3, "HardwareUnavailable": 3, "HardwareLocked": 3, "NotInitialised": 3,
                 "StoreTampered": 3, "RolledBack": 3, "AuditUnavailable": 3, "Internal": 3}
        for word, code in codes.items():
            self.vault.instead["Retrieve"] = (
                f'{{"error":"org.hwvault.Vault.{word}","parameters":{{"message":"Because."}}}}\0'.encode())
            done = self.expect(code, "get", "--json")
            self.assertEqual(json.loads(done.stdout), {"error": word, "message": "Because."})
            self.assertEqual(done.stderr, b"hwvault: Because.\n")

    def test_wrong_usage_is_2_and_help_is_0(self):
        for arguments in ((), ("nonsense",), ("get", "a", "b"), ("get", "--door", "window"), ("create",),
                          ("run", "--", "true"), ("run", "--env", "A=b"), ("get", "--timeout", "soon")):
            self.expect(2, *arguments)
        self.expect(0, "--help")
        self.expect(0, "get", "--help")
        self.assertIn(b"hwvault ", self.expect(0, "--version").stdout)

    def test_no_vault_is_3_with_the_address_in_one_sentence(self):
        done = self.expect(3, "get", "--address", "/nonexistent/socket")
        self.assertIn(b"/nonexistent/socket", done.stderr)
        self.assertEqual(done.stderr.count(b"\n"), 1)
        self.expect(2, "get", "--address", "/" + "x" * 200)

    def test_a_hostile_answer_is_3_and_one_clear_line(self):
        for answer in (b"", b"\0", b"garbage\0", b"[]\0", b'{"parameters":{}}\0', b"x" * (3 << 20), b"\xff\xfe\0",
                       b'{"parameters":{"token":"","info":{}}}\0', b'{"parameters":{"token":[],"info":{}}}\0',
                       b'{"parameters":{"token":"!","base64":true,"info":{}}}\0', b'{"parameters":' * 50 + b"\0",
                       b'{"parameters":{"token":"x","info":{"account":"a","name":"b","id":"c","generation":1e400}}}\0'):
            self.vault.instead["Retrieve"] = answer
            done = self.expect(3, "get")
            self.assertEqual(done.stdout, b"", answer[:40])
            self.assertEqual(done.stderr.count(b"\n"), 1, answer[:40])

    def test_what_takes_long_shows_a_sign_of_life_on_a_terminal_alone(self):
        seen, patience = threading.Event(), [30]

        def slowly(connection):
            seen.wait(patience[0])
            connection.sendall(b'{"parameters":{"active":false}}\0')
            return True

        self.vault.instead["Verify"] = slowly
        sign = b"The vault is verifying"
        shown, code = on_terminal(self.vault.address, "verify", typed=b"x\n", prompt=b"not shown", sign=sign, seen=seen)
        self.assertEqual(code, 1)
        self.assertIn(sign, shown)
        seen.clear()
        patience[0] = 1.6
        done = self.expect(1, "verify", stdin=b"x")
        self.assertEqual(done.stderr, b"")

    def test_a_silent_vault_costs_the_time_limit(self):
        self.vault.instead["Retrieve"] = lambda connection: True
        self.assertIn(b"in time", self.expect(3, "get", "--timeout", "1s").stderr)

    def test_a_revocation_whose_answer_is_lost_is_repeated_for_the_generation_that_was_meant(self):
        self.expect(0, "get")
        def lose_once(connection):
            del self.vault.instead["Revoke"]
            return False

        self.vault.instead["Revoke"] = lose_once
        self.expect(0, "revoke")
        revocations = [parameters for method, parameters in self.vault.requests if method == "Revoke"]
        self.assertEqual(revocations, [{"generation": 1}, {"generation": 1}])


class Running(CommandTest):
    def test_run_gives_the_child_the_tokens_and_its_exit_code(self):
        self.expect(0, "create", "db", "--account", "app:shop")
        script = 'printf "%s %s %s" "$A" "$B" "$C"; exit 7'
        done = self.expect(7, "run", "--env", "A=default", "--env", "B=app:shop/db", "--env", "C=", "--", "sh", "-c",
                           script)
        self.assertEqual(done.stdout, b"hwv_user:tester-default-1 hwv_app:shop-db-1 hwv_user:tester-default-1")

    def test_run_replaces_a_variable_that_is_set_and_leaves_the_others(self):
        self.environment["TOKEN"] = "old"
        self.environment["OTHER"] = "kept"
        done = self.expect(0, "run", "--env", "TOKEN=default", "--", "sh", "-c", 'printf "%s %s" "$TOKEN" "$OTHER"')
        self.assertEqual(done.stdout, b"hwv_user:tester-default-1 kept")

    def test_run_leaves_the_child_its_arguments_as_they_are(self):
        done = self.expect(0, "run", "--env", "A=default", "--", "printf", "%s|", "--json", "--", "-x", "--env")
        self.assertEqual(done.stdout, b"--json|--|-x|--env|")

    def test_run_starts_nothing_when_a_token_is_missing_or_misnamed(self):
        marker = Path(self.folder.name, "ran")
        self.expect(1, "run", "--env", "A=missing", "--", "touch", str(marker))
        for wrong in ("A", "1A=x", "A-B=x", "=x"):
            self.expect(2, "run", "--env", wrong, "--", "touch", str(marker))
        self.assertFalse(marker.exists())
        self.expect(2, "run", "--env", "A=default", "--", "/nonexistent/program")

    def test_a_secret_with_a_nul_fits_no_variable(self):
        self.expect(0, "import", "third", stdin=b"a\0b")
        self.assertIn(b"NUL", self.expect(2, "run", "--env", "A=third", "--", "true").stderr)


class Administration(CommandTest):
    CONFIGURATION = """
[hardware]
kind = "pkcs11"
module = "/etc/hostname"
serial = "c0ffee"

[credential."shop.service"."db-password"]
account = "app:shop"
name = "db"

[credential."web.service"."token"]
"""

    def test_units_lists_which_unit_is_handed_which_token(self):
        file = self.file("hwvault.toml", self.CONFIGURATION)
        listed = json.loads(self.expect(0, "units", "--config", file, "--json").stdout)
        mapped = [{key: one[key] for key in ("unit", "credential", "account", "name")} for one in listed if one["mapped"]]
        self.assertEqual(mapped,
                         [{"unit": "shop.service", "credential": "db-password", "account": "app:shop", "name": "db"},
                          {"unit": "web.service", "credential": "token", "account": "unit:web.service",
                           "name": "default"}])
        if not SYSTEMD:  # then nobody knows
            self.assertTrue(all("loads" not in one and "state" not in one for one in listed))
        self.assertIn(b"app:shop/db", self.expect(0, "units", "--config", file).stdout)
        self.expect(1, "units", "--config", "/nonexistent.toml")
        self.assertIn(b"line 1", self.expect(2, "units", "--config", self.file("bad.toml", "= 3")).stderr)

    @unittest.skipIf(SYSTEMD, "skipped: systemd runs here")
    def test_units_that_cannot_be_restarted_are_told_before_the_token_changes(self):
        self.expect(0, "create", "api")
        before = self.expect(0, "show", "api").stdout
        for option in ("--restart-units", "--reload-units"):
            self.assertIn(b"Nothing was changed", self.expect(2, "rotate", "api", option).stderr)
        self.assertIn(b"no successor", self.expect(2, "revoke", "api", "--restart-units").stderr)
        self.assertEqual(self.expect(0, "show", "api").stdout, before)

    def test_doctor_finds_a_healthy_vault_well(self):
        file = self.file("hwvault.toml", self.CONFIGURATION)
        done = self.expect(0, "doctor", "--config", file)
        for part in (b"hwvault-root", b"never extractable", b"SoftHSM v2, serial c0ffee"):
            self.assertIn(part, done.stdout)
        self.assertNotIn(b"bad ", done.stdout)

    def test_doctor_names_what_is_wrong_and_what_to_type(self):
        file = self.file("hwvault.toml", self.CONFIGURATION.replace("/etc/hostname", "/nonexistent.so"))
        self.vault.status.update(state="not-initialised", hardware_state="NotInitialised")
        findings = json.loads(self.expect(3, "doctor", "--config", file, "--json").stdout)["findings"]
        bad = {finding["what"]: finding["next"] for finding in findings if finding["verdict"] == "bad"}
        self.assertEqual(sorted(bad), ["device", "module", "vault"])
        self.assertIn("hwvault init", bad["device"])
        self.assertIn("apt install", bad["module"])

    def test_doctor_sees_that_another_token_is_used(self):
        file = self.file("hwvault.toml", self.CONFIGURATION.replace("c0ffee", "decaf"))
        self.assertIn(b"decaf", self.expect(3, "doctor", "--config", file).stdout)

    def test_doctor_goes_on_without_a_daemon(self):
        done = self.expect(3, "doctor", "--address", "/nonexistent/socket", "--config", "/nonexistent.toml")
        self.assertIn(b"No vault answers", done.stdout)

    def test_reseal_has_nothing_to_do_for_pkcs11(self):
        self.assertIn(b"Nothing to do", self.expect(0, "reseal", "--config",
                                                    self.file("hwvault.toml", self.CONFIGURATION)).stdout)

    def test_recover_wants_to_be_told_that_the_rollback_is_accepted(self):
        said = self.expect(2, "recover").stderr
        for form in (b"--accept-rollback", b"--from STORE", b"--new-recipient", b"--show-signing-key"):
            self.assertIn(form, said)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_init_and_recover_are_for_root(self):
        for arguments in (["init"], ["recover", "--accept-rollback"]):
            done = subprocess.run([PROGRAM, *arguments], user=65534, env={}, timeout=60, capture_output=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"sudo hwvault", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
