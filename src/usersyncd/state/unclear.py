"""Members of groups that are not clear: nobody whom the directory lists has the name, or several records have it."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, or_, select

from usersyncd.core.digest import unpack
from usersyncd.core.report import Skipped
from usersyncd.plugin import Kind
from usersyncd.state.names import SharedName, sharing
from usersyncd.state.tables import memberships, records

MISSING = "its member {0} is nobody whom this directory lists"
AMBIGUOUS = "its member {0} is ambiguous: {1} have this name; {2}"

_strings = msgspec.json.Decoder(list[str]).decode


class UnclearMembers(Struct):
    """How many members are ``missing`` from the directory, how many are ``ambiguous``, and the first of both by
    name."""

    missing: int = 0
    ambiguous: int = 0
    named: list[Skipped] = []


def unclear_members(connection: Connection, directory: int, limit: int) -> UnclearMembers:
    """The members of groups that are not clear; ``limit`` of them by name."""
    found = UnclearMembers()
    query = (
        select(records.c.id, memberships.c.unresolved, memberships.c.ambiguous)
        .join(records, records.c.ref == memberships.c.ref)
        .where(
            memberships.c.directory == directory,
            or_(memberships.c.unresolved.is_not(None), memberships.c.ambiguous.is_not(None)),
        )
    )
    rows = connection.execute(query.order_by(memberships.c.ref)).all()
    several = sharing(connection, directory, {number for *_, numbers in rows for number in unpack("q", numbers)})
    for id_, unresolved, ambiguous in rows:
        tokens, shared = _strings(unresolved or "[]"), [several[number] for number in unpack("q", ambiguous)]
        found.missing += len(tokens)
        found.ambiguous += len(shared)
        reasons = [AMBIGUOUS.format(one.token, " and ".join(one.ids), _verdict(one)) for one in shared]
        reasons += [MISSING.format(token) for token in tokens]
        left = limit - len(found.named)
        found.named += [Skipped(Kind.GROUP, id_, reason) for reason in reasons[:left]]
    return found


def _verdict(shared: SharedName) -> str:
    meant = shared.meant
    return "none of them is a member by it" if meant is None else f"{meant} had it first, and is the member"
