#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The matrix: every verb, by every kind of caller, on every kind of account, through every door. What is to come out is
# written down here in TABLE, after the contract and from nothing of the program's; each door must say that, and what the
# others say, to the word of the error and its sentence. Each caller is a process of its own that asks everything.
#
# A caller in a unit is its uid and groups alone on a bus that hands over no pidfd (ProcessFD: Debian 12's has none).
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from doors import DOORS, OF_A_TOKEN, Answer, Bus, Target
from harness import Skip, Vault, altered, check, expect, run, starting_with
from people import Etc, Person, Process, Units, as_person

ROOT = Path(__file__).resolve().parents[2]
GROUPS = {"hwvault-admin": 3900, "hwvault-verify": 3901, "crew": 3902, "everybody": 3903}
# The last two have a name in /etc/passwd, and have none here: their uids are a dynamic user's.
USERS = {"anna": 3001, "vera": 3002, "alice": 3003, "bob": 3004, "olga": 3005, "gus": 3006, "www": 3007, "eve": 3008,
         "dyn": 61500, "last-dyn": 65519}
# Loses its name before it asks anything: no bus lets in a uid that never had one.
LEAVER = {"leaver": 3999}
OWNERS = {"app:shop": ("user:olga", "group:crew", "unit:owner.service", "unit:runner.service", "unit:user@3003.service",
                       "user:dyn", "group:dyn", "user:nobody", "group:nobody"),
          "app:other": ("user:bob",)}
COLUMNS = ("user:alice", "user:bob", "app:shop", "app:other", "unit:web.service", "unit:billing.service")
BELL = "app:bell"  # everybody hears of this one

# A letter for each verb that a caller has on an account, in this order.
LETTERS = dict(zip("rkovcidt", ("Retrieve", "Revoke", "Rotate", "Verify", "Create", "Import", "Delete", "Describe")))
ALL, NONE = "rkovcidt", "--------"
MANAGE = "-kovc-dt"    # what is a person's
MANAGE_IT = "-kovcidt"  # an application's or a unit's
VERIFY = "---v----"
NO_ACCOUNT = ""

# Who              its own      alice's  bob's    app:shop   app:other  unit:web   unit:billing
TABLE = {
    "root":        (ALL,        MANAGE,  MANAGE,  MANAGE_IT, MANAGE_IT, MANAGE_IT, MANAGE_IT),
    "admin":       (ALL,        MANAGE,  MANAGE,  MANAGE_IT, MANAGE_IT, MANAGE_IT, MANAGE_IT),
    "verifier":    (ALL,        VERIFY,  VERIFY,  VERIFY,    VERIFY,    VERIFY,    VERIFY),
    "alice":       (ALL,        ALL,     NONE,    NONE,      NONE,      NONE,      NONE),
    "bob":         (ALL,        NONE,    ALL,     NONE,      ALL,       NONE,      NONE),
    "owner-user":  (ALL,        NONE,    NONE,    ALL,       NONE,      NONE,      NONE),
    "owner-group": (ALL,        NONE,    NONE,    ALL,       NONE,      NONE,      NONE),
    "owner-unit":  (ALL,        NONE,    NONE,    ALL,       NONE,      NONE,      NONE),
    "www":         (ALL,        NONE,    NONE,    NONE,      NONE,      NONE,      NONE),
    "web-unit":    (ALL,        NONE,    NONE,    NONE,      NONE,      ALL,       NONE),
    "dynamic":     (NO_ACCOUNT, NONE,    NONE,    NONE,      NONE,      NONE,      NONE),
    "last-dyn":    (NO_ACCOUNT, NONE,    NONE,    NONE,      NONE,      NONE,      NONE),
    "dyn-in-web":  (NO_ACCOUNT, NONE,    NONE,    NONE,      NONE,      ALL,       NONE),
    "nobody":      (NO_ACCOUNT, NONE,    NONE,    NONE,      NONE,      NONE,      NONE),
    "nameless":    (NO_ACCOUNT, NONE,    NONE,    NONE,      NONE,      NONE,      NONE),
    # A unit that delegates, and below it a group called billing.service; the same below a user's own manager.
    "delegated":   (ALL,        NONE,    NONE,    NONE,      NONE,      NONE,      NONE),
    "user-manager": (ALL,       ALL,     NONE,    NONE,      NONE,      NONE,      NONE),
    # To whom a rule (RULES) denies everything while she is in barred.service.
    "eve":         (ALL,        NONE,    NONE,    NONE,      NONE,      NONE,      NONE),
    "barred":      (NONE,       NONE,    NONE,    NONE,      NONE,      NONE,      NONE),
}
RULES = """[[deny]]
name = "barred"
unit = "barred.service"
verbs = "*"
accounts = ["user:*", "unit:*", "app:shop", "app:other"]
"""
ADMINISTRATORS = ("root", "admin")
VERIFIERS = (*ADMINISTRATORS, "verifier")
# Who may not even kill a token that it found.
MAY_NOT_FIND = ("barred",)


@dataclass(frozen=True)
class Kind:
    person: Person
    own: str = ""       # its own account
    without: str = ""   # whose row is its own where its unit is not known


def person(name, cgroup="", *groups):
    return Person({**USERS, **LEAVER, "root": 0, "nobody": 65534}[name],
                  tuple(GROUPS[group] for group in (*groups, "everybody")), cgroup)


KINDS = {
    "root": Kind(person("root"), "user:root"),
    "admin": Kind(person("anna", "", "hwvault-admin"), "user:anna"),
    "verifier": Kind(person("vera", "", "hwvault-verify"), "user:vera"),
    "alice": Kind(person("alice"), "user:alice"),
    "bob": Kind(person("bob"), "user:bob"),
    "owner-user": Kind(person("olga"), "user:olga"),
    "owner-group": Kind(person("gus", "", "crew"), "user:gus"),
    "owner-unit": Kind(person("www", "owner.service"), "user:www", "www"),
    "www": Kind(person("www"), "user:www"),
    "web-unit": Kind(person("www", "web.service"), "user:www", "www"),
    "dynamic": Kind(person("dyn")),
    "last-dyn": Kind(person("last-dyn")),
    "dyn-in-web": Kind(person("dyn", "web.service"), "", "dynamic"),
    "nobody": Kind(person("nobody")),
    "nameless": Kind(person("leaver")),
    "delegated": Kind(person("www", "runner.service/billing.service"), "user:www", "www"),
    "user-manager": Kind(person("alice", "user@3003.service/billing.service"), "user:alice", "alice"),
    "eve": Kind(person("eve"), "user:eve"),
    "barred": Kind(person("eve", "barred.service"), "user:eve", "eve"),
}
# Who reads the strings that the others show.
READERS = {"app:shop": person("olga"), "app:other": person("bob"), "unit:web.service": person("www", "web.service"),
           "unit:billing.service": person("www", "billing.service"), "user:root": person("root")}


@dataclass(frozen=True)
class Question:
    account: str    # "" for the caller's own; else a column, "*", or what the question is about
    verb: str
    target: Target


etc = Etc()
units = Units()
vault = None  # with them in place
strings = {}  # by account and name
knows_units = {}  # by door
decisions = {}  # by kind: by (account, verb): by door, an Answer
changes = {}  # by kind: by door, the accounts of which it heard


def here(name):
    """Whether it can be tried here: a kind of caller, or an account."""
    in_a_unit = name.startswith("unit:") or (name in KINDS and KINDS[name].person.cgroup)
    return not (in_a_unit and units.missing)


def accounts_there():
    """Those with tokens in them; the last ones are somebody's own."""
    return {account for account in (*COLUMNS, *(kind.own for kind in KINDS.values())) if account and here(account)}


def rights(row, own, account):
    """The letters of a row of TABLE on this account."""
    if account in ("", own):
        return TABLE[row][0]
    if account == BELL:
        return MANAGE_IT if row in ADMINISTRATORS else ALL
    if account not in COLUMNS:  # another user's
        account = "user:alice" if own == "user:bob" else "user:bob"
    return TABLE[row][1 + COLUMNS.index(account)]


def row_of(name, door):
    kind = KINDS[name]
    return kind.without if kind.without and not knows_units[door] else name


def visible(row, own):
    return sorted(account for account in {*accounts_there(), BELL} if "t" in rights(row, own, account))


def expected(name, door, question):
    """What TABLE has for it."""
    row, own = row_of(name, door), KINDS[name].own
    account, verb = question.account, question.verb
    if account == "unknown":
        if verb == "RevokeToken":
            return Answer("yes")
        return Answer("yes", False) if row in VERIFIERS else Answer("AccessDenied")
    if verb == "Status":
        return Answer("yes")
    if verb == "RevokeToken":
        return Answer("AccessDenied" if row in MAY_NOT_FIND else "yes")
    if verb in ("Subscribe", "Create with owners"):
        return Answer("yes" if row in ADMINISTRATORS else "AccessDenied")
    if verb == "GetVerifyIndex":
        return Answer("yes" if row in VERIFIERS else "AccessDenied")
    if account == "" and not own:
        return Answer("InvalidArgument")
    if verb in ("List", "Watch"):
        seen = visible(row, own) if account == "*" else [account or own] if "t" in rights(row, own, account) else []
        return Answer("yes", seen)
    if verb not in (LETTERS[letter] for letter in rights(row, own, account).replace("-", "")):
        return Answer("AccessDenied")
    return Answer("yes", True if verb in ("Retrieve", "Verify") else None)


def token_name(name, door, account):
    """Of a token that this caller asks for at this door; `account` is "" for its own, which may be a column as well."""
    return f"{name}-{door}" if account else f"{name}-{door}-own"


def questions(name, door):
    """All that a caller asks at a door, in this order; a verb that changes a token has one of its own."""
    for account in ("", *filter(here, COLUMNS)):
        of = account or KINDS[name].own
        mine = token_name(name, door, account)
        string = strings.get((of, mine), "")
        names = {"Create": f"{mine}-new", "Import": f"{mine}-import"}
        shown = {"RevokeToken": strings.get((of, f"{mine}-found"), "")}
        for verb in OF_A_TOKEN:
            if of or verb not in ("Verify", "RevokeToken"):
                yield Question(account, verb, Target(account, names.get(verb, mine), shown.get(verb, string)))
        yield Question(account, "List", Target(account))
        if door != "bus":
            yield Question(account, "Watch", Target(account))
    unknown = Target(string=altered(strings["user:bob", f"bob-{door}"]))
    yield Question("unknown", "Verify", unknown)
    yield Question("unknown", "RevokeToken", unknown)
    yield Question("app:shop", "Create with owners", Target("app:shop", "", owners=OWNERS["app:shop"]))
    yield Question("app:new", "Create with owners", Target(f"app:new-{name}-{door}", "", owners=("user:bob",)))
    yield Question("*", "List", Target("*"))
    yield Question("*", "Status", Target())
    if door == "socket":
        yield Question("*", "GetVerifyIndex", Target())
    yield Question("*", *(("Subscribe", Target()) if door == "bus" else ("Watch", Target("*"))))


def ask(door, question):
    answer = door.ask(question.verb.removesuffix(" with owners"), question.target)
    value = answer.value
    if answer.word == "yes" and question.verb == "Retrieve":
        value = value == question.target.string
    if answer.word == "yes" and question.verb in ("List", "Watch"):
        known = {*accounts_there(), BELL}
        value = sorted(known.intersection(value))
    return Answer(answer.word, value, answer.sentence)


def ask_everything(name, parent):
    """In the process of the caller. Its last questions leave it listening at each door; then it tells what it was told,
    and what it hears until the bell."""
    doors = {door: of(vault) for door, of in DOORS.items()}
    parent.tell("connected")
    parent.wait()
    said = [(door, asdict(question) | {"answer": asdict(ask(doors[door], question))})
            for door in doors for question in questions(name, door)]
    parent.tell(said)
    heard = {door: doors[door].changes_until(BELL) for door in ("socket", "library")}
    heard["bus"] = doors["bus"].changes_until(BELL) if name in ADMINISTRATORS else doors["bus"].changes_so_far()
    return heard


def many(work, values):
    """work(connection, value) for each value, on some connections at once."""
    def some(part):
        with vault.connect() as connection:
            for value in part:
                work(connection, value)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(some, [values[first::8] for first in range(8)]))


def fill_vault():
    """Makes, as root, every token that somebody will ask for, and has their strings read by those who may."""
    for account in accounts_there():
        owners = OWNERS.get(account)
        vault.call("Create", account=account, name="anchor", options={"owners": owners} if owners else {})
    asked = [(account or KINDS[name].own, token_name(name, door, account))
             for name in filter(here, KINDS) for door in DOORS for account in ("", *filter(here, COLUMNS))]
    tokens = [(account, name + end) for account, name in asked if account for end in ("", "-found")]
    vault.call("Create", account=BELL, name="anchor", options={"owners": ["group:everybody"]})
    many(lambda connection, token: connection.call("Create", account=token[0], name=token[1]), tokens)
    for account in accounts_there():
        of_it = [token for token in tokens if token[0] == account]
        reader = READERS.get(account) or person(account.removeprefix("user:"))
        read = as_person(reader, units, lambda of_it=of_it: [vault.token(name, account) for account, name in of_it])
        strings.update(zip(of_it, read))


def ring():
    for account in (*accounts_there(), BELL):
        vault.call("Create", account=account, name="rung")


def run_matrix():
    fill_vault()
    bus_knows = as_person(person("www"), units, lambda: Bus(vault).vouches_for_processes())
    knows_units.update(socket=True, library=True, bus=bus_knows)
    # All at once, each with everything there is to ask.
    processes = {name: Process(KINDS[name].person, units, lambda parent, name=name: ask_everything(name, parent))
                 for name in filter(here, KINDS)}
    for process in processes.values():
        process.answer()
    etc.write(USERS, {**GROUPS, **USERS})
    for process in processes.values():
        process.go_on()
    for name, process in processes.items():
        decisions[name] = {}
        for door, said in process.answer(300):
            asked = decisions[name].setdefault((said["account"], said["verb"]), {})
            asked[door] = Answer(**said["answer"])
    ring()
    for name, process in processes.items():
        with process:
            changes[name] = process.answer()


def expect_answers():
    expect(len(changes) == len([*filter(here, KINDS)]), "not every caller was answered")


check_answers = starting_with(expect_answers)


def differences(name):
    """Where the doors say something else than TABLE, for one kind of caller."""
    for (account, verb), said in decisions[name].items():
        for door, answer in said.items():
            wanted = expected(name, door, Question(account, verb, Target()))
            if (answer.word, answer.value) != (wanted.word, wanted.value):
                yield (f"{name}, {verb} on {account or 'its own account'}, {door}: {answer.word} {answer.value!r}"
                       f" instead of {wanted.word} {wanted.value!r}. {answer.sentence}")


def expect_the_table(names):
    wrong = [difference for name in names for difference in differences(name)]
    expect(not wrong, f"{len(wrong)} decisions:\n" + "\n".join(wrong[:40]))


@check
def every_caller_is_answered_at_every_door():
    run_matrix()
    asked = sum(len(said) for kind in decisions.values() for said in kind.values())
    print(f"    {len(decisions)} kinds of caller, {asked} decisions")


@check_answers
def every_user_is_decided_as_the_table_says_through_every_door():
    expect_the_table(name for name in decisions if not KINDS[name].person.cgroup)


@check_answers
def every_unit_is_decided_as_the_table_says_through_every_door():
    if units.missing:
        raise Skip(units.missing)
    expect_the_table(name for name in decisions if KINDS[name].person.cgroup)
    print(f"    a unit on the bus is {'a unit' if knows_units['bus'] else 'its uid, since the bus has no ProcessFD'}")


@check_answers
def the_doors_agree_also_on_the_sentence():
    wrong = []
    for name, asked in decisions.items():
        for (account, verb), said in asked.items():
            alike = {door: answer.sentence.replace(f"{name}-{door}", name) for door, answer in said.items()
                     if row_of(name, door) == name}
            if len(set(alike.values())) > 1:
                wrong.append(f"{name}, {verb} on {account}: {alike}")
    expect(not wrong, "\n".join(wrong[:20]))


@check_answers
def a_refusal_names_the_rule_to_administrators_alone():
    for name, asked in decisions.items():
        for said in asked.values():
            for door, answer in said.items():
                told = "The rule that decided" in answer.sentence
                expect(not told or name in ADMINISTRATORS, f"{name} is told the rule by {door}: {answer.sentence}")
    for door, answer in decisions["admin"]["user:alice", "Retrieve"].items():
        expect("The rule that decided: default-deny" in answer.sentence, f"{door}: {answer.sentence}")


@check_answers
def each_hears_of_what_it_may_describe_and_of_nothing_else():
    for name, heard in changes.items():
        for door, accounts in heard.items():
            row = row_of(name, door)
            is_deaf = door == "bus" and name not in ADMINISTRATORS
            wanted = [] if is_deaf else [account for account in visible(row, KINDS[name].own) if account != BELL]
            known = sorted(accounts_there().intersection(accounts))
            expect(known == wanted, f"{name} hears of {known} instead of {wanted} through the {door}")


@check_answers
def no_door_has_a_verb_that_is_not_in_the_matrix():
    asked = {verb.removesuffix(" with owners") for kind in decisions.values() for _, verb in kind}
    bus = as_person(person("root"), units, lambda: str(Bus(vault).object.Introspect(
        dbus_interface="org.freedesktop.DBus.Introspectable")))
    ours = re.search(r'<interface name="org.hwvault.Vault1">(.*?)</interface>', bus, re.DOTALL)[1]
    on_bus = set(re.findall(r'<method name="(\w+)"', ours)) | set(re.findall(r'<property name="(\w+)"', ours))
    expect(on_bus - {"Version"} == asked - {"Watch", "GetVerifyIndex"}, f"on the bus: {on_bus ^ asked}")
    described = vault.call("org.varlink.service.GetInterfaceDescription", interface="org.hwvault.Vault")["description"]
    on_socket = set(re.findall(r"^method (\w+)", described, re.MULTILINE))
    expect(on_socket == asked - {"Subscribe"}, f"on the socket: {on_socket ^ asked}")
    header = (ROOT / "libclient/include/hwvault/hwvault.h").read_text()
    in_library = set(re.findall(r"\bhwvault_(\w+)\(hwvault_client \*client", header)) - {"close", "set_timeout"}
    in_library = {"".join(part.capitalize() for part in verb.split("_")) for verb in in_library}
    in_library -= {"VerifyMany"}  # Verify, of many
    expect(in_library == asked - {"Subscribe", "GetVerifyIndex"}, f"in the library: {in_library ^ asked}")


if etc.missing:
    run(unless=etc.missing)
etc.write({**USERS, **LEAVER}, {**GROUPS, **USERS})
if not units.missing:
    for group in ("owner.service", "web.service", "billing.service", "barred.service", "user@3003.service",
                  "user@3003.service/billing.service"):
        units.add(group)
    units.add("runner.service", delegated=True)
    units.add("runner.service/billing.service")
vault = Vault(bus=True)
(vault.folder / "policy.d").mkdir(parents=True)
(vault.folder / "policy.d/60-matrix.toml").write_text(RULES)
with vault:
    run()
