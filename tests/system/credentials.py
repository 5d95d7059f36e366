#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Credentials for services that know nothing of the vault: what systemd does for LoadCredential=, done by hand from
# control groups with units' names (root, control group v2, Linux 6.5). What is refused is more than systemd takes.
import array
import contextlib
import os
import secrets
import signal
import socket
import time

from control_groups import control_groups, enter, in_child
from harness import SLOWDOWN, Skip, Vault, check, expect, run, until, wellformed

UNIT = "hwvault-test-billing.service"
MOST = 1 << 20  # of systemd (src/shared/creds-util.h)
CREDENTIALS = 24
REFUSED = "refused"

vault = Vault()


def credential_socket():
    return str(vault.folder / "run/credential.sock")


def peer_name(unit, credential):
    return f"\0{secrets.randbits(64):x}/unit/{unit}/{credential}"


def connect(name):
    """As systemd connects: with a name, and without a word."""
    client = socket.socket(socket.AF_UNIX)
    if name:
        client.bind(name)
    client.connect(credential_socket())
    client.shutdown(socket.SHUT_WR)
    return client


def read_to_end(client, seconds=60):
    client.settimeout(seconds)
    answer = b""
    while part := client.recv(1 << 18):
        answer += part
    return answer


def told(answer):
    """The answer in one word: `refused`, or what was given."""
    if len(answer) > MOST:
        return REFUSED if b"hwv_" not in answer else "a-refusal-with-a-token"
    return answer.decode() or "EMPTY"


def ask(unit=UNIT, credential="api-token"):
    return told(read_to_end(connect(peer_name(unit, credential))))


def ask_in(group, *arguments):
    def work():
        enter(group)
        yield ask(*arguments)

    return in_child(work)[0]


@contextlib.contextmanager
def notices():
    """What hwvault-notice.socket would be given."""
    path = vault.folder / "run/notice.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(64)

        def take(seconds):
            listening.settimeout(seconds)
            try:
                client, _ = listening.accept()
            except TimeoutError:
                return None
            with client:
                return read_to_end(client).decode()
        yield take
    path.unlink()


def configure(text):
    file = vault.folder / "hwvault.toml"
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")
    vault.restart()


def succeed(*arguments, given=b""):
    done = vault.cli(*arguments, given=given)
    expect(done.returncode == 0, done.stderr)


def prepare():
    if [int(part) for part in os.uname().release.split(".")[:2]] < [6, 5]:
        raise Skip("the kernel hands over no pidfd (Linux 6.5)")
    if "credential." in (vault.folder / "hwvault.toml").read_text(encoding="utf-8"):
        return
    succeed("create", "ci", "--account", "app:billing", "--owner", f"unit:{UNIT}")
    succeed("create", "db", "--account", "app:shop", "--owner", "group:nobody-has-it")
    lines = [f'[credential."{UNIT}"."ci"]\naccount = "app:billing"\nname = "ci"',
             f'[credential."{UNIT}"."db"]\naccount = "app:shop"\nname = "db"',
             f'[credential."{UNIT}"."large"]\naccount = "app:billing"\nname = "large"']
    for number in range(CREDENTIALS):
        succeed("create", f"n{number}", "--account", "app:billing")
        lines.append(f'[credential."{UNIT}"."n{number}"]\naccount = "app:billing"\nname = "n{number}"')
    configure("\n" + "\n".join(lines) + "\n")


def prepared(function):
    def with_all_prepared():
        prepare()
        function()
    with_all_prepared.__name__ = function.__name__
    return check(with_all_prepared)


@prepared
def a_unit_gets_its_own_token_and_the_one_that_the_configuration_names():
    with control_groups(UNIT) as (_, group):
        token, again, ci = ask_in(group), ask_in(group), ask_in(group, UNIT, "ci")
    shown = vault.cli("show", "ci", "--account", "app:billing").stdout.decode()
    expect(f"by unit:{UNIT}" in shown, shown)
    expect(wellformed(token) and vault.active(token), "the unit's own token")
    expect(again == token, "another token the second time")
    expect(wellformed(ci) and ci != token and vault.active(ci), "the token that is named")


@prepared
def what_is_denied_is_refused_and_the_unit_is_told_why():
    with control_groups(UNIT) as (_, group), notices() as take:
        expect(ask_in(group, UNIT, "db") == REFUSED, "not refused")
        notice = take(10)
        expect(notice, "no notice")
        expect(take(1) is None, "more than one notice")
    fields = dict(line.split("=", 1) for line in notice.splitlines())
    expect(fields["OBJECT_SYSTEMD_UNIT"] == UNIT and fields["PRIORITY"] == "3", notice)
    expect(fields["HWVAULT_CREDENTIAL"] == "db" and fields["HWVAULT_ACCOUNT"] == "app:shop", notice)
    expect(f"hwvault policy explain --unit {UNIT} retrieve app:shop/db" in fields["MESSAGE"], notice)
    said = vault.log.read_text(encoding="utf-8").count("The credential db of")
    expect(said == 1, f"the daemon said it {said} times")
    done = vault.cli("policy", "explain", "--unit", UNIT, "retrieve", "app:shop/db")
    expect(done.returncode == 1, f"what the notice says to type: {done}")


@prepared
def whoever_is_not_the_unit_gets_nothing_and_no_unit_is_told():
    other = "hwvault-test-shop.service"
    os.chmod(credential_socket(), 0o666)

    def as_nobody(group):
        def work():
            enter(group)
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            yield ask()
        return in_child(work)[0]

    def unnamed(name):
        def work():
            enter(group)
            yield told(read_to_end(connect(name)))
        return in_child(work)[0]

    with control_groups(UNIT, other) as (outer, group, other_group), notices() as take:
        for who, said in {"uid 65534 in the unit's control group": as_nobody(group),
                          "root in another unit's": ask_in(other_group), "root in no unit's": ask_in(outer),
                          "no name": unnamed(""), "another name": unnamed(f"\0hwvault{os.getpid()}"),
                          "a name of another kind": unnamed(f"\0f/user/{UNIT}/api-token"),
                          "a credential of two parts": unnamed(f"\0f/unit/{UNIT}/api/token"),
                          "a name with a line's end": unnamed(f"\0f/unit/{UNIT}/k\nMESSAGE=x")}.items():
            expect(said == REFUSED, f"{who}: {said}")
        expect(take(1) is None, "a unit was told")
    os.chmod(credential_socket(), 0o600)
    expect("MESSAGE=x" not in vault.log.read_text(encoding="utf-8"), "the log says what the peer said")


@prepared
def below_a_unit_systemd_is_believed_in_its_own_group_and_nobody_in_a_delegated_one():
    with control_groups(UNIT, f"{UNIT}/.control", f"{UNIT}/inner") as (_, group, control, inner):
        token = ask_in(control)
        expect(wellformed(token), f".control: {token}")
        os.setxattr(group, "user.delegate", b"1")
        expect(ask_in(inner) == REFUSED, "a delegated group")
        expect(ask_in(control) == token, ".control of a unit with Delegate=")


@prepared
def a_process_that_has_ended_is_no_unit():
    client = socket.socket(socket.AF_UNIX)
    client.bind(peer_name(UNIT, "api-token"))

    def work():
        enter(group)
        client.connect(credential_socket())
        yield "connected"

    with control_groups(UNIT) as (_, group):
        vault.daemon.send_signal(signal.SIGSTOP)
        in_child(work)
        vault.daemon.send_signal(signal.SIGCONT)
        expect(told(read_to_end(client)) == REFUSED, "not refused")


@prepared
def a_secret_of_the_largest_size_comes_whole_and_a_larger_one_not_at_all():
    content = secrets.token_bytes((MOST - len("large")) // 2).hex().encode()
    with control_groups(UNIT) as (_, group):
        for more, expected in ((b"", True), (b"0" * (MOST - len(content)), False)):
            succeed("import", "large", "--account", "app:billing", given=content + more)

            def work():
                enter(group)
                answer = read_to_end(connect(peer_name(UNIT, "large")))
                yield "whole" if answer == content else told(answer)[:80]

            said = in_child(work)[0]
            expect(said == ("whole" if expected else REFUSED), f"{len(content + more)} bytes: {said}")


@prepared
def fifty_units_at_once_each_get_a_token_of_their_own():
    units = [f"hwvault-test-{number}.service" for number in range(50)]
    with control_groups(*units) as (_, *groups):
        began = time.monotonic()
        reading, children = [], []
        for unit, group in zip(units, groups):
            ours, theirs = os.pipe()
            child = os.fork()
            if child == 0:
                enter(group)
                os.write(theirs, ask(unit).encode())
                os._exit(0)
            os.close(theirs)
            reading.append(ours)
            children.append(child)
        tokens = [open(ours, encoding="utf-8").read() for ours in reading]
        took = time.monotonic() - began
        for child in children:
            os.waitpid(child, 0)
    expect(all(wellformed(token) for token in tokens), f"{[token[:20] for token in tokens if not wellformed(token)]}")
    expect(len(set(tokens)) == 50, "two have the same")
    expect(took < 20 * SLOWDOWN, f"took {took:.1f} s")
    print(f"fifty first tokens at once: {took:.2f} s")


@prepared
def a_unit_with_twenty_four_credentials_has_them_in_seconds():
    with control_groups(UNIT) as (_, group):
        def work():
            enter(group)
            began = time.monotonic()
            for number in range(CREDENTIALS):
                yield str(wellformed(ask(UNIT, f"n{number}")))
            yield f"{time.monotonic() - began:.2f}"

        *good, took = in_child(work)
    expect(good == ["True"] * CREDENTIALS, f"{good}")
    expect(float(took) < 20 * SLOWDOWN, f"took {took} s")  # systemd waits for 90
    print(f"{CREDENTIALS} credentials, one after the other: {took} s")


@prepared
def a_peer_that_does_not_read_holds_up_nobody():
    with control_groups(UNIT) as (_, group):
        def work():
            enter(group)
            silent = [connect(peer_name(UNIT, "db")) for _ in range(5)]
            yield str(wellformed(ask()))
            yield from (told(read_to_end(client)) for client in silent)

        expect(in_child(work) == ["True"] + [REFUSED] * 5, "not as it should be")


@prepared
def a_device_that_hangs_for_a_while_is_waited_for():
    with control_groups(UNIT) as (_, group):
        os.kill(vault.child(), signal.SIGSTOP)  # the daemon has another one started
        expect(wellformed(ask_in(group)), "no token")


@prepared
def a_device_that_hangs_for_good_is_a_refusal_in_time():
    tokens, away = vault.folder / "tokens", vault.folder / "tokens.away"
    with control_groups(UNIT) as (_, group):
        tokens.rename(away)  # so that the child that is started in its place finds no device
        os.kill(vault.child(), signal.SIGSTOP)
        began = time.monotonic()
        said = ask_in(group)
        took = time.monotonic() - began
        away.rename(tokens)
        expect(said == REFUSED, said)
        expect(took < 45, f"took {took:.1f} s")  # systemd waits for 90
        print(f"refused after {took:.1f} s")
        until(lambda: wellformed(ask_in(group)), 60, "the token, once the device is back")


class Systemd:
    """Its part of the file descriptor store: what is kept outlives the daemon, and is handed to the next one."""

    def __init__(self):
        self.path = str(vault.home / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.kept = {}

    def listen(self, seconds=10):
        """Takes what is said until there is nothing to keep or let go of."""
        self.socket.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            while True:
                text, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(4))
                fields = dict(line.split("=", 1) for line in text.decode().splitlines())
                if "FDSTORE" in fields:
                    self.kept[fields["FDNAME"]] = array.array("i", control[0][2])[0]
                elif "FDSTOREREMOVE" in fields:
                    os.close(self.kept.pop(fields["FDNAME"]))
                else:
                    continue
                self.socket.settimeout(0.5)

    def command(self):
        """The next daemon's, with what is kept."""
        numbers = range(3, 3 + len(self.kept))
        redirections = " ".join(f"{number}<&{fd}" for number, fd in zip(numbers, self.kept.values()))
        return ["/bin/sh", "-c", f'export LISTEN_PID=$$ LISTEN_FDS={len(self.kept)} LISTEN_FDNAMES={":".join(self.kept)}; '
                f'exec "$@" {redirections}', "sh"]


@prepared
def a_daemon_that_is_killed_leaves_no_empty_credential():
    systemd = Systemd()
    vault.stop()
    vault.environment["NOTIFY_SOCKET"] = systemd.path
    vault.start()
    with control_groups(UNIT) as (_, group):
        def work():
            enter(group)
            client = connect(peer_name(UNIT, "api-token"))
            os.write(told_us, b"connected")
            yield told(read_to_end(client, 120))

        ours, told_us = os.pipe()
        os.kill(vault.child(), signal.SIGSTOP)  # so that nothing is answered
        reading, writing = os.pipe()
        asking = os.fork()
        if asking == 0:
            os.write(writing, "".join(work()).encode())
            os._exit(0)
        os.close(writing)
        os.read(ours, 64)
        systemd.listen()
        expect(len(systemd.kept) == 1, f"kept: {systemd.kept}")
        hung = vault.children()
        vault.kill()
        for child in hung:
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
        os.set_blocking(reading, False)
        time.sleep(0.5)
        with contextlib.suppress(BlockingIOError):
            raise AssertionError(f"an end was heard: {os.read(reading, 100)}")
        os.set_blocking(reading, True)
        command = vault.command
        try:
            vault.command = lambda: [*systemd.command(), *command()]
            vault.popen_options = {"pass_fds": tuple(systemd.kept.values())}
            vault.start()
        finally:
            vault.command, vault.popen_options = command, {}
        said = os.read(reading, 100).decode()
        os.waitpid(asking, 0)
    expect(said == REFUSED, said)
    systemd.listen()
    expect(not systemd.kept, f"still kept: {systemd.kept}")


if __name__ == "__main__":
    with vault:
        run()
