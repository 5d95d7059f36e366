#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Attacks on who is calling, each named after what it tries, against the real daemon and through every door. Those that
# need no daemon are in tests/peer/test_attacks.cpp; what everybody may do is in matrix.py.
from doors import DOORS, OF_A_TOKEN, Bus, Target
from harness import Skip, Vault, expect, run, starting_with
from people import Etc, Person, Process, Units, as_person

USERS = {"alice": 3003, "eve": 3008, "dyn": 61500, "first-dyn": 61184, "last-dyn": 65519}
GROUPS = {**USERS, "everybody": 3903}
EVERYBODY = (GROUPS["everybody"],)
RULES = """
[[deny]]
name = "barred"
unit = "barred.service"
verbs = "*"
accounts = ["user:*", "app:shop"]

[[allow]]
name = "a-dynamic-users-name"
user = ["dyn", "first-dyn", "last-dyn"]
group = ["dyn", "first-dyn", "last-dyn"]
verbs = "*"
accounts = "app:shop"
"""

etc = Etc()
units = Units()
vault = None  # with them in place


def person(name, cgroup=""):
    return Person({**USERS, "root": 0}[name], EVERYBODY, cgroup)


def name_users(**changed):
    """From now on these users are there: a number for a name that is new or another's, None for one that is gone."""
    users = {name: uid for name, uid in {**USERS, **changed}.items() if uid is not None}
    etc.write(users, {**GROUPS, **users})


def make(account, *names, owners=()):
    for name in names:
        vault.call("Create", account=account, name=name, options={"owners": owners} if owners else {})
        owners = ()


def forget(account):
    for info in vault.call("List", account=account)["infos"]:
        vault.call("Delete", account=account, name=info["name"])


def ask_all(doors, account, name, string=""):
    """Every verb on a token of an account, and on the account: [door, verb, answer] each. RevokeToken is left out: who has
    a token may kill it."""
    target = Target(account, name, string)
    verbs = [verb for verb in OF_A_TOKEN if verb != "RevokeToken" and (string or verb != "Verify")]
    return [[door, verb, vars(of.ask(verb, target))] for door, of in doors.items()
            for verb in (*verbs, "List", *(["Watch"] if door != "bus" else []))]


def open_doors():
    return {door: of(vault) for door, of in DOORS.items()}


def at_all_doors(who, account, name, string=""):
    return as_person(who, units, lambda: ask_all(open_doors(), account, name, string))


def expect_refused(said, word="AccessDenied", sentence="", sees_nothing=True):
    """All of it; List and Watch may show nothing instead."""
    for door, verb, answer in said:
        if sees_nothing and verb in ("List", "Watch") and answer["word"] == "yes":
            expect(answer["value"] == [], f"{verb} through the {door} shows {answer['value']}")
            continue
        expect(answer["word"] == word, f"{verb} through the {door}: {answer}")
        # One sentence for every string, so that it tells nothing of it.
        expect(verb == "Verify" or sentence in answer["sentence"], f"{verb} through the {door}: {answer['sentence']}")


@starting_with(name_users)
def a_door_with_a_weaker_check():
    # CVE-2019-25058: usbguard's D-Bus door let everybody do what its own rules gave to few.
    make("user:alice", "weaker")
    make("app:shop", "weaker", owners=["user:alice", "user:eve"])
    string = as_person(person("alice"), units, lambda: vault.token("weaker", "user:alice"))
    expect_refused(at_all_doors(person("eve"), "user:alice", "weaker", string))
    if units.missing:
        raise Skip(f"a caller in a unit: {units.missing}")
    # Her uid is an owner's, and a rule denies her unit: a door that looked at the uid alone would let her in.
    said = at_all_doors(person("eve", "barred.service"), "app:shop", "weaker")
    if not as_person(person("eve"), units, lambda: Bus(vault).vouches_for_processes()):
        on_bus = [answer["word"] for door, verb, answer in said if (door, verb) == ("bus", "Retrieve")]
        expect(on_bus == ["yes"], "decided as a unit through a bus that knows of none")
        said = [asked for asked in said if asked[0] != "bus"]
    expect_refused(said)


@starting_with(name_users)
def a_dynamic_user():
    # The uid is another service's tomorrow: it has no account, is no owner, and no rule's, whatever it is called.
    forget("app:shop")
    make("app:shop", "dynamic", owners=["user:alice", *(f"{kind}:{name}" for name in ("dyn", "first-dyn", "last-dyn")
                                                        for kind in ("user", "group"))])
    string = as_person(person("alice"), units, lambda: vault.token("dynamic", "app:shop"))
    for name in ("dyn", "first-dyn", "last-dyn"):
        who = person(name)
        expect_refused(at_all_doors(who, "", "default"), "InvalidArgument", "Your uid has no account of its own",
                       sees_nothing=False)
        expect_refused(at_all_doors(who, f"user:{name}", "default"))
        expect_refused(at_all_doors(who, "app:shop", "dynamic", string))
        for answer in as_person(person("root"), units, lambda name=name: [
                vars(of.ask("Create", Target(f"user:{name}", "t"))) for of in open_doors().values()]):
            expect(answer["word"] == "NotFound" and "no user of this machine that can have an account" in answer["sentence"],
                   f"an account of a dynamic user: {answer}")


def ask_when_recycled(parent):
    """What alice's process of before is told once her name is another's: it has connected while it was hers."""
    doors = open_doors()
    parent.tell("connected")
    parent.wait()
    return [ask_all(doors, "", "default"), ask_all(doors, "user:alice", "kept")]


def watch_as_another(parent):
    """What a caller hears of everything, at both doors that have a Watch, until the bell."""
    doors = [DOORS[door](vault) for door in ("socket", "library")]
    present = [door.ask("Watch", Target("*")).value for door in doors]
    parent.tell(present)
    return [door.changes_until("app:bell") for door in doors]


@starting_with(name_users)
def a_recycled_uid():
    # alice is removed, and another alice comes, with another uid.
    forget("user:alice")
    forget("app:shop")
    make("user:alice", "default", "kept")
    strings = as_person(person("alice"), units, lambda: [vault.token(), vault.token("kept")])
    make("app:bell", "anchor", owners=["group:everybody"])
    another = Person(3103, EVERYBODY)
    with Process(person("alice"), units, ask_when_recycled) as former:
        former.answer()
        name_users(alice=another.uid)
        former.go_on()
        own, by_name = former.answer()
        expect_refused(own, "InvalidArgument", "no account of its own", sees_nothing=False)
        expect_refused(by_name)
    why = "user:alice belongs to uid 3003, and that name is now uid 3103's"
    for account in ("", "user:alice"):
        for name, string in zip(("default", "kept"), strings):
            expect_refused(at_all_doors(another, account, name, string), sentence=why, sees_nothing=False)
    with Process(another, units, watch_as_another) as watcher:
        expect(watcher.answer() == [["app:bell"]] * 2, "sees the tokens of the former user")
        vault.call("Revoke", account="user:alice", name="kept")
        make("app:bell", "rung")
        expect(watcher.answer() == [[], []], "hears of the tokens of the former user")
    for answer in as_person(person("root"), units, lambda: [
            vars(of.ask(verb, Target("user:alice", "kept"))) for of in open_doors().values() for verb in ("Create", "Rotate")]):
        expect(answer["word"] == "AccessDenied" and why in answer["sentence"], f"root puts a token there: {answer}")
    # As the sentence says: an administrator deletes them; then the name has an account of its own.
    forget("user:alice")
    fresh = as_person(another, units, lambda: vault.token())
    expect(fresh not in strings, "the former user's token")
    expect([vault.active(string) for string in (*strings, fresh)] == [False, False, True], "a dead token lives")


@starting_with(name_users)
def a_recycled_uid_under_another_name():
    # alice is removed, and mallory gets her uid.
    forget("user:alice")
    strings = as_person(person("alice"), units, lambda: [vault.token()])
    name_users(alice=None, mallory=USERS["alice"])
    expect_refused(at_all_doors(person("alice"), "user:alice", "default", strings[0]))
    for door, string in as_person(person("alice"), units, lambda: [
            [door, of.ask("Retrieve", Target()).value] for door, of in open_doors().items()]):
        expect(string and string not in strings, f"alice's token, through the {door}")
    info = vault.call("Describe", account="user:mallory")["info"]
    expect(info["generation"] == 1, "an account that was there before")


if etc.missing:
    run(unless=etc.missing)
if not units.missing:
    units.add("barred.service")
vault = Vault(bus=True)
(vault.folder / "policy.d").mkdir(parents=True)
(vault.folder / "policy.d/60-attacks.toml").write_text(RULES)
with vault:
    run()
