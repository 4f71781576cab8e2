"""A source that can read one person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from msgspec import Struct

from usersyncd.plugin.items import Record, Unread
from usersyncd.plugin.source import Source


class Person(Struct, frozen=True):
    """One user as the directory holds it now: the ``record`` exactly as a pull yields it, and the groups that have the
    user as a direct member.

    ``groups``: the id of each group -> the names, of the record's id and handles, by which a pull would list the user
    in it. Groups that a pull would leave out may be included or not: only groups of the snapshot count. ``record``
    Unread: the directory hides attributes, and neither the record nor its memberships change.
    """

    record: Record | Unread
    groups: Mapping[str, frozenset[str]] = {}


Listed = Mapping[str, frozenset[str]]
"""The id of each group that lists a person in the snapshot -> the names by which it does."""


@runtime_checkable
class PersonSource(Source, Protocol):
    """A source that can read one person."""

    async def person(self, name: str, listed: Listed) -> Person | None:
        """Read the user whose id, user name or email is ``name``, and the groups that the user is directly in.

        ``listed``: the groups that list the user in the snapshot. Every one of them that is not in the answer loses the
        user; where the membership cannot be read, repeat the names of ``listed``. None: the directory says clearly that
        it has no such user, or a pull would leave the user out. Raises AmbiguousPersonError, with the candidates, if
        several users have the name; SourceError in any other doubt, also when only a pull can read the person."""
        ...
