#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# hwvault policy: first on files alone, then beside a daemon that reads the same ones, told by SIGHUP to read them again.
import json
import os
import pwd
import shutil
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/system"))
from harness import Vault, expect, run, starting_with, until  # noqa: E402

vault = Vault()
files = vault.home / "rules"
own_name = pwd.getpwuid(os.getuid()).pw_name

CI = """[[allow]]
name = "ci"
unit = "runner@*"
group = "ci"
verbs = ["Retrieve", "Create"]
accounts = "app:ci-*"
scopes = "repo:*"
max_expiry = "1d"
rate = "20/minute"

[[deny]]
name = "no-guests"
group = "guests"
verbs = "*"
accounts = "*"
"""
BROKEN = CI.replace('verbs = "*"', 'verbs = "Read"')


def policy(code, *arguments):
    """With --policy on files alone: no vault answers at that address."""
    alone = ("--address", vault.home / "none") if "--policy" in arguments else ()
    done = vault.cli("policy", *arguments, *alone)
    expect(done.returncode == code, f"{arguments}: {done.returncode} instead of {code}; {done.stdout!r} {done.stderr!r}")
    return done


def asked(code, *arguments):
    return json.loads(policy(code, *arguments, "--json").stdout)


def explain(code, *arguments):
    return asked(code, "explain", "--policy", files, *arguments)


def anew():
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir()
    Path(files, "60-ci.toml").write_text(CI, encoding="utf-8")


@starting_with(anew)
def check_says_how_many_rules_each_file_has():
    done = policy(0, "check", "--policy", files)
    expect(b"60-ci.toml" in done.stdout and b"50-default.toml (built in)" in done.stdout, done.stdout)
    expect(done.stderr == b"", f"without a vault there is nothing to warn of: {done.stderr!r}")
    found = asked(0, "check", "--policy", files)
    expect([file["rules"] for file in found["files"]] == [6, 2] and found["rules"] == 8, f"{found}")
    expect(len(found["digest"]) == 64, f"{found}")


@starting_with(anew)
def check_says_where_a_rule_is_wrong():
    Path(files, "60-ci.toml").write_text(BROKEN, encoding="utf-8")
    where = f"{files}/60-ci.toml, line 14, column 9: "
    done = policy(1, "check", "--policy", files)
    expect(done.stderr.decode().startswith(f"hwvault: {where}"), done.stderr)
    expect(done.stdout == b"", done.stdout)
    expect(asked(1, "check", "--policy", files)["message"].startswith(where), "json")
    policy(2, "explain", "--policy", files, "--user", "alice", "Retrieve", "user:alice")
    policy(2, "check", "--policy", files / "none")


@starting_with(anew)
def explain_says_which_rule_allows_and_where_it_stands():
    why = explain(0, "--user", "nobody-known", "--unit", "runner@7.service", "retrieve", "app:ci-one/deploy")
    expect(why["allowed"] and why["rule"] == "ci" and why["line"] == 1 and why["file"] == f"{files}/60-ci.toml", f"{why}")
    expect(why["rate"] == {"calls": 20, "seconds": 60}, f"{why}")
    text = policy(0, "explain", "--policy", files, "--group", "ci", "RETRIEVE", "app:ci-one").stdout.decode()
    expect("allowed: " in text and "60-ci.toml, line 1" in text and "20 times in 60 s" in text, text)
    expect(explain(0, "--user", "alice", "revoke-token", "user:bob")["rule"] == "whoever-finds-a-token", "RevokeToken")


@starting_with(anew)
def explain_says_what_would_be_needed():
    why = explain(1, "--user", "alice", "--owner", "user:bob", "Retrieve", "app:ci-one/deploy")
    needs = {need["rule"]: need["need"] for need in why["needs"]}
    expect(why["rule"] == "default-deny" and not why["allowed"], f"{why}")
    expect("group:ci, unit:runner@*" in needs["ci"] and "user:bob" in needs["app-owner"], f"{needs}")
    text = policy(1, "explain", "--policy", files, "--user", "alice", "Retrieve", "app:ci-one")
    expect(b"No rule allows it." in text.stdout and b"To be allowed it: " in text.stdout, text.stdout)
    expect(b"--owner" in text.stderr, text.stderr)
    why = explain(1, "--user", "alice", "--group", "ci", "--group", "guests", "Retrieve", "app:ci-one")
    expect(why["rule"] == "no-guests" and why["line"] == 11, f"{why}")


@starting_with(anew)
def explain_holds_a_wish_against_the_limits():
    ci = ("--group", "ci", "Create", "app:ci-one/deploy")
    expect(explain(0, *ci, "--scope", "repo:x", "--expires", "1d")["rule"] == "ci", "within")
    for beyond in (("--scope", "repo:x"), ("--scope", "admin", "--expires", "1h"), ("--expires", "2d")):
        needs = {need["rule"]: need["need"] for need in explain(1, *ci, *beyond)["needs"]}
        expect("within 86400 seconds" in needs["ci"] or "no scopes but repo:*" in needs["ci"], f"{beyond}: {needs}")
    policy(2, "explain", "--policy", files, "--user", "alice", "Retrieve", "user:alice", "--expires", "1d")
    policy(2, "explain", "--policy", files, "--user", "alice", "Create", "user:alice", "--expires", "soon")


@starting_with(anew)
def groups_are_those_of_the_system_unless_they_are_given():
    why = explain(0, "--user", "root", "Revoke", "user:alice")
    expect("root" in why["groups"] and why["rule"] == "administrator", f"{why}")
    expect(explain(0, "--user", "root", "--group", "ci", "Retrieve", "app:ci-x")["groups"] == ["ci"], "given")


@starting_with(anew)
def who_says_by_which_rules_and_what_is_taken_away():
    found = asked(0, "who", "--policy", files, "app:ci-one/deploy", "--owner", "user:bob")
    expect([(grant["rule"], grant["who"]) for grant in found["may"]] ==
           [("app-owner", ["user:bob"]), ("ci", ["group:ci", "unit:runner@*"])], f"{found}")
    expect([grant["rule"] for grant in found["but_not"]] == ["no-guests"], f"{found}")
    text = policy(0, "who", "--policy", files, "app:new", "--verb", "create").stdout.decode()
    expect("administrator" in text and "50-default.toml (built in), line" in text, text)
    expect(b"No rule lets anybody" in policy(0, "who", "--policy", files, "app:new").stdout, "nobody")


@starting_with(anew)
def what_is_asked_wrongly_is_2():
    for wrong in ((), ("explain",), ("explain", "--user", "alice", "Retrieve"), ("explain", "Retrieve", "user:alice"),
                  ("explain", "--user", "alice", "List", "user:alice"), ("explain", "--user", "alice", "Retrieve", "alice"),
                  ("explain", "--user", "a b", "Retrieve", "user:a"), ("explain", "--unit", "web", "Retrieve", "user:a"),
                  ("who", "app:x", "--owner", "bob"), ("who", "app:x/NO"), ("who",), ("nonsense",)):
        policy(2, *wrong)


@starting_with(anew)
def the_folder_is_the_one_of_the_configuration():
    configuration = vault.home / "hwvault.toml"
    configuration.write_text(f"[vault]\npolicy = '{files}'\n", encoding="utf-8")
    expect(asked(0, "check", "--config", configuration)["rules"] == 8, "configured")
    configuration.write_text("[vault\n", encoding="utf-8")
    policy(1, "check", "--config", configuration)
    done = policy(1, "who", "app:ci-x", "--config", vault.home / "none.toml")
    expect(b"no configuration at" in done.stderr, f"{done.stderr!r}")


def reload(word):
    """SIGHUP, and waits until the daemon has said how that went."""
    seen = vault.log.read_text(errors="replace").count(word)
    vault.daemon.send_signal(signal.SIGHUP)
    until(lambda: vault.log.read_text(errors="replace").count(word) > seen, 30, word)


def serving():
    """A vault whose rules are the shipped ones."""
    shutil.rmtree(vault.folder / "policy.d", ignore_errors=True)
    reload("were read again")
    Path(vault.folder, "policy.d").mkdir()


@starting_with(serving)
def whose_an_application_is_the_vault_is_asked():
    configuration = ("--config", vault.folder / "hwvault.toml")
    done = vault.cli("create", "ci", "--account", "app:shop", "--owner", "group:shop", "--owner", "user:bob")
    expect(done.returncode == 0, done.stderr)
    done = policy(0, "who", *configuration, "app:shop/ci")
    expect(b"group:shop, user:bob" in done.stdout and b"--owner" not in done.stderr, f"{done.stdout!r} {done.stderr!r}")
    found = asked(0, "who", *configuration, "app:shop/ci")
    expect(found["owners"] == ["group:shop", "user:bob"] and found["may"][0]["rule"] == "app-owner", f"{found}")
    expect(asked(0, "explain", *configuration, "--user", "bob", "Retrieve", "app:shop")["rule"] == "app-owner", "explain")
    # What is said on the command line counts, and without a vault it must be.
    expect(asked(0, "who", *configuration, "app:shop/ci", "--owner", "user:eve")["owners"] == ["user:eve"], "said")
    done = policy(1, "explain", *configuration, "--user", "bob", "Retrieve", "app:unknown")
    expect(b"--owner" in done.stderr, done.stderr)


DENIED = f"[[deny]]\nname = 'closed'\nuser = '{own_name}'\nverbs = 'Retrieve'\naccounts = '*'\n"


@starting_with(serving)
def rules_are_in_force_from_the_reload_on_and_the_command_says_when_they_are_not():
    configuration = ("--config", vault.folder / "hwvault.toml")
    token = vault.token()
    expect(policy(0, "check", *configuration).stderr == b"", "the same rules")
    Path(vault.folder, "policy.d/10-closed.toml").write_text(DENIED, encoding="utf-8")
    expect(b"other rules in force" in policy(0, "check", *configuration).stderr, "a warning")
    expect(vault.token() == token, "not in force yet")
    reload("were read again: 7 rules")
    expect(policy(0, "check", *configuration).stderr == b"", "no warning any more")
    expect(vault.error_of("Retrieve") == "AccessDenied", "in force")
    expect(asked(1, "explain", *configuration, "--user", own_name, "Retrieve", f"user:{own_name}")["rule"] == "closed", "why")
    expect(vault.active(token), "Verify is another verb")


@starting_with(serving)
def broken_rules_leave_those_before_in_force_and_everybody_who_asks_is_told():
    configuration = ("--config", vault.folder / "hwvault.toml")
    before = vault.call("Status")["policy_digest"]
    broken = Path(vault.folder, "policy.d/10-broken.toml")
    broken.write_text(DENIED.replace("verbs", "verb"), encoding="utf-8")
    reload("stay as they were")
    status = vault.call("Status")
    expect(status["reload_error"].startswith(f"{broken}, line 4, column 1: "), f"{status}")
    expect(status["policy_digest"] == before and vault.token(), "the rules before")
    expect(b"line 4, column 1" in vault.cli("status").stdout, "hwvault status")
    policy(1, "check", *configuration)
    broken.write_text(DENIED, encoding="utf-8")
    expect(b"refused them: " in policy(0, "check", *configuration).stderr, "mended, but not read again")
    reload("were read again")
    expect("reload_error" not in vault.call("Status"), "mended")


@starting_with(serving)
def a_configuration_that_is_broken_keeps_the_rules_of_before_too_and_one_that_is_right_counts_at_once():
    configuration = vault.folder / "hwvault.toml"
    right = configuration.read_text(encoding="utf-8")
    before = vault.call("Status")["policy_digest"]
    Path(vault.folder, "policy.d/10-more.toml").write_text(
        '[[deny]]\nname = "more"\nuser = "nobody"\nverbs = "Revoke"\naccounts = "*"\n', encoding="utf-8")
    configuration.write_text(right + "\n[limits]\ntokens = 0\n", encoding="utf-8")
    reload("stay as they were")
    status = vault.call("Status")
    expect("`tokens` in [limits] must be" in status["reload_error"], f"{status}")
    expect(status["policy_digest"] == before, "the new rules are in force, the configuration beside them is not")
    configuration.write_text(right.replace("[doors]", "[limits]\ntokens = 1\n\n[doors]").replace("Vault'", "Other'"),
                             encoding="utf-8")
    reload("were read again")
    expect("[doors] socket is another now" in vault.log.read_text(errors="replace"), "what needs a restart is not said")
    expect("reload_error" not in vault.call("Status") and vault.call("Status")["policy_digest"] != before, "mended")
    expect(vault.token() and vault.error_of("Create", name="second") == "QuotaExceeded", "the new limit")
    configuration.write_text(right, encoding="utf-8")


@starting_with(serving)
def a_vault_does_not_start_with_broken_rules():
    vault.stop()
    Path(vault.folder, "policy.d/10-broken.toml").write_text("[[allow]]\n", encoding="utf-8")
    vault.launch()
    expect(vault.daemon.wait(60) == 1, "exit status")
    expect("10-broken.toml, line 1, column 1: " in vault.log_tail(), vault.log_tail())
    vault.daemon.stdout.close()
    vault.daemon = None


if __name__ == "__main__":
    with vault:
        run()
