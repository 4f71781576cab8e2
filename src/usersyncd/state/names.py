"""Who is meant by an id or handle: from names to refs.

Of several records with one name the one who had it first keeps what goes by it: a newcomer takes nothing from anybody.
For a few names the database is asked; for very many, all names are loaded once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from itertools import groupby

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.core.digest import name
from usersyncd.plugin import Kind
from usersyncd.state.bulk import batched
from usersyncd.state.database import among
from usersyncd.state.spool import KIND, NUMBER
from usersyncd.state.tables import names, records

MANY = 20_000
"""From so many names on, loading them all costs less than asking for each."""
ASKED = 5_000


class Meant(Struct, frozen=True):
    """The ref that each name means, as far as it means one, and the names that are ``ambiguous``: several users have
    them, or several groups and no user."""

    refs: dict[int, int]
    ambiguous: Set[int] = frozenset()


class Names:
    """The names of one directory. ``groups`` are the refs of its groups; ``expected``: about how many names will be
    looked up."""

    def __init__(self, connection: Connection, directory: int, groups: Collection[int], expected: int) -> None:
        self._connection = connection
        self._directory = directory
        self._groups = groups
        self._all: Meant | None = None
        if expected >= MANY:
            query = select(names.c.name, names.c.ref).where(names.c.directory == directory)
            parts = connection.execute(query).partitions(10_000)
            self._all = self._one_each((number, ref) for rows in parts for number, ref in rows)

    def meant(self, wanted: Collection[int]) -> Meant:
        """Who is meant by each of these names. Of a user and a group with one name it is the user; of two users the one
        who had it first, and nobody if both came at once."""
        if self._all is not None:
            every = self._all.refs
            found = {number: every[number] for number in wanted if number in every}
            return Meant(found, self._all.ambiguous & set(wanted) if self._all.ambiguous else frozenset())
        return self._one_each(pair for some in batched(wanted, ASKED) for pair in self._ask(some))

    def _ask(self, wanted: list[int]) -> Iterable[tuple[int, int]]:
        query = select(names.c.name, names.c.ref).where(
            names.c.directory == self._directory, among(self._connection, names.c.name, wanted)
        )
        return [(number, ref) for number, ref in self._connection.execute(query)]

    def _one_each(self, pairs: Iterable[tuple[int, int]]) -> Meant:
        meant: dict[int, int] = {}
        shared: set[int] = set()
        for number, ref in pairs:
            other = meant.setdefault(number, ref)
            if other == ref:
                continue
            if other in self._groups and ref not in self._groups:
                meant[number] = ref
                shared.discard(number)
            elif (ref in self._groups) is (other in self._groups):
                shared.add(number)
        for number, holders in _holders(self._connection, self._directory, shared):
            first = _first(holders)
            if first is None:
                del meant[number]
            else:
                meant[number] = first.ref
        return Meant(meant, frozenset(shared))


class Holder(Struct, frozen=True):
    """A record that has a name, and the pull that gave it the name."""

    ref: int
    kind: Kind
    id: str
    handles: str | None
    since: int


class Shared(Struct, frozen=True):
    """A name that several records have: how it is written, their ids, and the id of the record that it means."""

    token: str
    ids: list[str]
    meant: str | None


def sharing(connection: Connection, directory: int, numbers: Collection[int]) -> dict[int, Shared]:
    """Who has each of these names."""
    found: dict[int, Shared] = {}
    for number, holders in _holders(connection, directory, numbers):
        token = next(token for token in tokens(holders[0].id, holders[0].handles) if name(token) == number)
        first = _first(holders)
        found[number] = Shared(token, sorted(holder.id for holder in holders), first.id if first else None)
    return found


def _holders(connection: Connection, directory: int, numbers: Collection[int]) -> Iterator[tuple[int, list[Holder]]]:
    query = (
        select(names.c.name, names.c.ref, records.c.kind, records.c.id, records.c.handles, names.c.since)
        .join_from(names, records, records.c.ref == names.c.ref)
        .order_by(names.c.name)
    )
    for some in batched(numbers, ASKED):
        mine = names.c.directory == directory, among(connection, names.c.name, some)
        rows = connection.execute(query.where(*mine)).all()
        for number, held in groupby(rows, lambda row: row[0]):
            yield number, [Holder(ref, KIND[kind], id_, handles, since) for _, ref, kind, id_, handles, since in held]


def _first(holders: Sequence[Holder]) -> Holder | None:
    """The one that had the name before the others; of users and groups, of the users."""
    some = [holder for holder in holders if holder.kind is Kind.USER] or holders
    first, *others = sorted(some, key=lambda holder: holder.since)
    return first if all(other.since > first.since for other in others) else None


def tokens(id_: str, handles: str | None) -> list[str]:
    """The names of a record, as they are written: its id and its handles."""
    return [id_, *msgspec.json.decode(handles, type=list[str])] if handles else [id_]


def group_ids(connection: Connection, directory: int) -> dict[int, str]:
    """The groups of a directory that are not gone: ref → id."""
    query = select(records.c.ref, records.c.id).where(
        records.c.directory == directory, records.c.kind == NUMBER[Kind.GROUP], records.c.gone_at.is_(None)
    )
    return {ref: id_ for ref, id_ in connection.execute(query)}  # noqa: C416 - rows, not pairs
