"""Who is meant by an id or handle: from names to refs.

Of several records with one name the one who had it first keeps what goes by it: a newcomer takes nothing from anybody.
For a few names the database is asked; for very many, all names are loaded once.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from itertools import groupby

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.core.digest import name
from usersyncd.core.digest import names as numbers
from usersyncd.plugin import Kind
from usersyncd.state.bulk import batched
from usersyncd.state.columns import KIND
from usersyncd.state.database import among
from usersyncd.state.tables import names, records

MANY = 20_000
"""From so many names on, loading them all costs less than asking for each."""
ASKED = 5_000


class Meant(Struct, frozen=True):
    """The ref that each name means, as far as it means one. ``groups``: those of these refs that are groups'.
    ``ambiguous``: the names that several users have, or several groups and no user."""

    refs: dict[int, int]
    groups: Set[int]
    ambiguous: Set[int]


class NameResolver:
    """Tells who is meant by the names of one directory. ``expected``: about how many names will be looked up."""

    def __init__(self, connection: Connection, directory: int, expected: int = 0) -> None:
        self._connection = connection
        self._directory = directory
        self._expected = expected
        self._all: Meant | None = None

    def meant(self, wanted: Iterable[int]) -> Meant:
        """Who is meant by each of these names; it may tell more names. Of a user and a group with one name it is the
        user; of two users the one who had it first, and nobody if both came at once."""
        if self._all is None and self._expected >= MANY:
            self._all = self._load_all()
        if self._all is not None:
            return self._all
        return self._one_each(row for some in batched(wanted, ASKED) for row in self._ask(some))

    def _load_all(self) -> Meant:
        query = select(names.c.name, names.c.ref, names.c.kind).where(names.c.directory == self._directory)
        parts = self._connection.execute(query).partitions(10_000)
        return self._one_each((number, ref, kind) for rows in parts for number, ref, kind in rows)

    def _ask(self, wanted: list[int]) -> Iterable[tuple[int, int, int]]:
        query = select(names.c.name, names.c.ref, names.c.kind).where(
            names.c.directory == self._directory, among(self._connection, names.c.name, wanted)
        )
        return [(number, ref, kind) for number, ref, kind in self._connection.execute(query).all()]

    def _one_each(self, rows: Iterable[tuple[int, int, int]]) -> Meant:
        meant: dict[int, int] = {}
        groups: set[int] = set()
        shared: set[int] = set()
        for number, ref, kind in rows:
            if kind:
                groups.add(ref)
            other = meant.setdefault(number, ref)
            if other == ref:
                continue
            if other in groups and ref not in groups:
                meant[number] = ref
                shared.discard(number)
            elif (ref in groups) is (other in groups):
                shared.add(number)
        for number, holders in _holders(self._connection, self._directory, shared):
            first = _first(holders)
            if first is None:
                del meant[number]
            else:
                meant[number] = first.ref
        return Meant(meant, groups, frozenset(shared))


class NameHolder(Struct, frozen=True):
    """A record that has a name, and the pull that gave it the name."""

    ref: int
    kind: Kind
    id: str
    handles: str | None
    since: int


class SharedName(Struct, frozen=True):
    """A name that several records have: how it is written, their ids, and the id of the record that it means."""

    token: str
    ids: list[str]
    meant: str | None


def sharing(connection: Connection, directory: int, wanted: Collection[int]) -> dict[int, SharedName]:
    """Who has each of these names."""
    found: dict[int, SharedName] = {}
    for number, holders in _holders(connection, directory, wanted):
        token = next(token for token in tokens(holders[0].id, holders[0].handles) if name(token) == number)
        first = _first(holders)
        found[number] = SharedName(token, sorted(holder.id for holder in holders), first.id if first else None)
    return found


def _holders(connection: Connection, directory: int, wanted: Collection[int]) -> Iterator[tuple[int, list[NameHolder]]]:
    query = (
        select(names.c.name, names.c.ref, records.c.kind, records.c.id, records.c.handles, names.c.since)
        .join_from(names, records, records.c.ref == names.c.ref)
        .order_by(names.c.name)
    )
    for some in batched(wanted, ASKED):
        mine = names.c.directory == directory, among(connection, names.c.name, some)
        rows = connection.execute(query.where(*mine)).all()
        for number, held in groupby(rows, lambda row: row[0]):
            yield (
                number,
                [NameHolder(ref, KIND[kind], id_, handles, since) for _, ref, kind, id_, handles, since in held],
            )


def _first(holders: Sequence[NameHolder]) -> NameHolder | None:
    """The one that had the name before the others; of users and groups, of the users."""
    some = [holder for holder in holders if holder.kind is Kind.USER] or holders
    first, *others = sorted(some, key=lambda holder: holder.since)
    return first if all(other.since > first.since for other in others) else None


def names_of(connection: Connection, refs: Collection[int]) -> dict[int, array[int]]:
    """The names of these records, as far as they are in their directory."""
    query = select(records.c.ref, records.c.id, records.c.handles).where(records.c.gone_at.is_(None))
    return {
        ref: numbers(tokens(id_, handles)) if handles else array("q", [name(id_)])
        for some in batched(refs, ASKED)
        for ref, id_, handles in connection.execute(query.where(among(connection, records.c.ref, some))).all()
    }


def tokens(id_: str, handles: str | None) -> list[str]:
    """The names of a record, as they are written: its id and its handles."""
    return [id_, *msgspec.json.decode(handles, type=list[str])] if handles else [id_]
