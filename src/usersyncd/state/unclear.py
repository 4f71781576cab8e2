"""Finds members of groups whose names cannot be resolved: no record has the name, or several records have it."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, bindparam, or_, select

from usersyncd.core.digest import unpack
from usersyncd.core.report import Skipped
from usersyncd.plugin import Kind
from usersyncd.state.names import SharedName, sharing
from usersyncd.state.tables import memberships, records

MISSING = "this directory does not list its member {0}"
AMBIGUOUS = "its member {0} is ambiguous: {1} have this name; {2}"

_UNCLEAR = (
    select(records.c.id, memberships.c.unresolved, memberships.c.ambiguous)
    .join(records, records.c.ref == memberships.c.ref)
    .where(
        memberships.c.directory == bindparam("directory"),
        or_(memberships.c.unresolved.is_not(None), memberships.c.ambiguous.is_not(None)),
    )
    .order_by(memberships.c.ref)
)
_strings = msgspec.json.Decoder(list[str]).decode


class UnclearMembers(Struct):
    """How many members are ``missing`` from the directory and how many are ``ambiguous``, and the first of them by
    name."""

    missing: int = 0
    ambiguous: int = 0
    named: list[Skipped] = []


def unclear_members(connection: Connection, directory: int, limit: int) -> UnclearMembers:
    """Count the unclear members of all groups, with up to ``limit`` of them by name."""
    unclear = UnclearMembers()
    rows = connection.execute(_UNCLEAR, {"directory": directory}).all()
    by_number = sharing(connection, directory, {number for *_, numbers in rows for number in unpack("q", numbers)})
    for id_, unresolved, ambiguous in rows:
        tokens, shared = _strings(unresolved or "[]"), [by_number[number] for number in unpack("q", ambiguous)]
        unclear.missing += len(tokens)
        unclear.ambiguous += len(shared)
        reasons = [AMBIGUOUS.format(name.token, " and ".join(name.ids), _decision(name)) for name in shared]
        reasons += [MISSING.format(token) for token in tokens]
        room = limit - len(unclear.named)
        unclear.named += [Skipped(Kind.GROUP, id_, reason) for reason in reasons[:room]]
    return unclear


def _decision(shared: SharedName) -> str:
    meant = shared.meant
    return "none of them becomes a member through it" if meant is None else f"{meant} had it first, and is the member"
