#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Callers in a systemd unit, here a control group of that name (root, control group v2, Linux 6.5): what is given to one,
# and that it is given to nobody who only was one.
import os

from control_groups import control_groups, enter, in_child
from harness import Connection, Skip, Vault, VarlinkError, check, expect, run

UNIT = "hwvault-test-billing.service"
vault = Vault()


def outcome_of(connection):
    """"given", or the error's name."""
    try:
        connection.call("Retrieve", account="app:billing", name="ci")
        return "given"
    except VarlinkError as error:
        return error.name


@check
def a_unit_is_given_what_is_its_own_and_not_once_it_has_left():
    done = vault.cli("create", "ci", "--account", "app:billing", "--owner", f"unit:{UNIT}")
    expect(done.returncode == 0, done.stderr)
    with control_groups(UNIT) as (outer, inner):
        def goes():
            enter(inner)
            with Connection(vault.socket) as connection:
                yield outcome_of(connection)
                enter(outer)
                yield outcome_of(connection)  # on the connection on which it was found to be the unit
                enter(inner)
                yield outcome_of(connection)

        said = in_child(goes)
        if said[0] == "AccessDenied" and [int(part) for part in os.uname().release.split(".")[:2]] < [6, 5]:
            raise Skip("the kernel hands over no pidfd (Linux 6.5)")
        expect(said == ["given", "AccessDenied", "given"], f"{said}")
    shown = vault.cli("show", "ci", "--account", "app:billing").stdout.decode()
    expect(f"by unit:{UNIT}" in shown and f"owners      unit:{UNIT}" in shown, shown)


if __name__ == "__main__":
    with vault:
        run()
