"""Stores which records entered or left which group in each pull, until every target has received the change."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, func, select

from usersyncd.core.digest import pack, unpack
from usersyncd.state import bulk
from usersyncd.state.tables import membership_changes, target_progress

_COLUMNS = ("directory", "revision", "ref", "users", "groups")
_NONE: array[int] = array("I")
_BEHIND = select(func.min(target_progress.c.revision)).where(
    target_progress.c.directory == bindparam("directory"), target_progress.c.fingerprint != ""
)
_DELETE = delete(membership_changes).where(
    membership_changes.c.directory == bindparam("directory"), membership_changes.c.revision <= bindparam("revision")
)


class MembershipChange(Struct, frozen=True):
    """The refs of the users and groups that entered or left a group."""

    users: array[int] = _NONE
    groups: array[int] = _NONE

    def __bool__(self) -> bool:
        return bool(self.users or self.groups)


def save(connection: Connection, directory: int, revision: int, changes: Mapping[int, MembershipChange]) -> None:
    """Store the changes of a pull, by the group's ref, and delete older changes that every target has received."""
    behind = connection.scalar(_BEHIND, {"directory": directory})
    if behind is None:  # The next delivery to each target looks at all groups.
        connection.execute(_DELETE, {"directory": directory, "revision": revision})
        return
    connection.execute(_DELETE, {"directory": directory, "revision": behind})
    rows = (
        (directory, revision, ref, pack(change.users), pack(change.groups)) for ref, change in changes.items() if change
    )
    bulk.insert(connection, membership_changes, _COLUMNS, rows)


def since(connection: Connection, directory: int, revision: int) -> list[tuple[int, MembershipChange]]:
    """The changes of the pulls after this revision, each with the group's ref. A group is listed once for each pull
    that changed it."""
    query = select(membership_changes.c.ref, membership_changes.c.users, membership_changes.c.groups).where(
        membership_changes.c.directory == directory, membership_changes.c.revision > revision
    )
    return [
        (ref, MembershipChange(unpack("I", users), unpack("I", groups)))
        for ref, users, groups in connection.execute(query)
    ]
