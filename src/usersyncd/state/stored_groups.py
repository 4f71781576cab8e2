"""Reads and writes the members of groups in the snapshot, one whole group at a time."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable

from msgspec import Struct
from sqlalchemy import Connection, delete, select

from usersyncd.core.digest import pack, unpack
from usersyncd.core.graph import NOBODY
from usersyncd.state import bulk
from usersyncd.state.conditions import one_of
from usersyncd.state.database import among
from usersyncd.state.tables import memberships

NOTHING: array[int] = array("q")

_COLUMNS = ("ref", "directory", "digest", "count", "unresolved", "ambiguous", "names", "users", "groups")
_LOAD = select(*(memberships.c[name] for name in _COLUMNS if name != "directory")).where(
    one_of(memberships.c.ref, "refs")
)


class StoredGroup(Struct, frozen=True):
    """The members of a group. ``names``: the names that the directory uses for them, with their ``digest`` and
    ``count``. ``users`` and ``groups``: the refs of the records that the names mean. ``unresolved``: JSON list of the
    ids and handles that no record has. ``ambiguous``: the names that several records have."""

    ref: int
    digest: int = 0
    count: int = 0
    unresolved: str | None = None
    ambiguous: array[int] = NOTHING
    names: array[int] = NOTHING
    users: array[int] = NOBODY
    groups: array[int] = NOBODY


def load(connection: Connection, refs: Collection[int]) -> dict[int, StoredGroup]:
    """The groups with these refs. Groups whose members were never stored are left out."""
    rows = connection.execute(_LOAD, {"refs": refs}).all()
    return {
        ref: StoredGroup(
            ref, digest, count, unresolved, unpack("q", ambiguous), unpack("q", names), unpack("I", users),
            unpack("I", groups),
        )
        for ref, digest, count, unresolved, ambiguous, names, users, groups in rows
    }  # fmt: skip


def write(connection: Connection, directory: int, groups: Iterable[StoredGroup]) -> None:
    """Store these groups."""
    bulk.upsert(connection, memberships, _COLUMNS, (_row(directory, group) for group in groups))


def _row(directory: int, group: StoredGroup) -> bulk.Row:
    return (
        group.ref, directory, group.digest, group.count, group.unresolved,
        pack(group.ambiguous) if group.ambiguous else None, pack(group.names), pack(group.users), pack(group.groups),
    )  # fmt: skip


def forget(connection: Connection, refs: Collection[int]) -> None:
    """Delete the stored members of these groups."""
    connection.execute(delete(memberships).where(among(connection, memberships.c.ref, list(refs))))
