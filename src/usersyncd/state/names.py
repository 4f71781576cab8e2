"""Resolves names, the ids and handles of records, to refs.

If several records have a name, it means the one that had the name first: a new record takes no membership from another.
A few names are looked up in the database; for very many, all names are loaded once.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from itertools import groupby

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, bindparam, select

from usersyncd.core.digest import name
from usersyncd.core.digest import names as numbers
from usersyncd.plugin import Kind
from usersyncd.state.bulk import batched
from usersyncd.state.columns import KIND
from usersyncd.state.conditions import one_of
from usersyncd.state.database import among
from usersyncd.state.tables import directories, names, records

MANY = 20_000
"""From this number of names on, loading all names may cost less than looking each up."""
SHARE = 0.5
"""It does from this share of the directory's records on."""
BATCH = 5_000
"""How many names or records are looked up at a time."""

_BY_NAME = select(names.c.name, names.c.ref, names.c.kind).where(
    names.c.directory == bindparam("directory"), one_of(names.c.name, "names")
)
_BY_REF = select(records.c.ref, records.c.id, records.c.handles).where(
    records.c.gone_at.is_(None), one_of(records.c.ref, "refs")
)


class ResolvedNames(Struct, frozen=True):
    """The records that names mean. ``refs``: name → ref; a name that means no record is left out. ``groups``: those of
    these refs that are groups. ``ambiguous``: the names that several users have, or several groups and no user."""

    refs: dict[int, int]
    groups: Set[int]
    ambiguous: Set[int]


class NameResolver:
    """Resolves the names of one directory. ``expected``: about how many names will be looked up at least: if they turn
    out to be many, all are loaded as well."""

    def __init__(self, connection: Connection, directory: int, expected: int = 0) -> None:
        self._connection = connection
        self._directory = directory
        self._expected = expected
        self._all: ResolvedNames | None = None

    def resolve(self, wanted: Iterable[int]) -> ResolvedNames:
        """The records that these names mean; the answer may contain more names. If a user and a group have the same
        name, it means the user. If two users have it, it means the one that had it first, or none if both got it in the
        same pull."""
        if self._all is None and self._expected >= MANY and self._expected >= SHARE * self._size():
            self._all = self._load_all()
        if self._all is not None:
            return self._all
        missing = list(wanted)
        self._expected += len(missing)
        return self._choose(row for batch in batched(missing, BATCH) for row in self._load(batch))

    def _size(self) -> int:
        """How many records the directory had before the pull."""
        size = select(directories.c.users + directories.c.groups).where(directories.c.id == self._directory)
        return int(self._connection.scalar(size) or 0)

    def _load_all(self) -> ResolvedNames:
        query = select(names.c.name, names.c.ref, names.c.kind).where(names.c.directory == self._directory)
        parts = self._connection.execute(query).partitions(10_000)
        return self._choose((number, ref, kind) for rows in parts for number, ref, kind in rows)

    def _load(self, wanted: list[int]) -> Iterable[tuple[int, int, int]]:
        rows = self._connection.execute(_BY_NAME, {"directory": self._directory, "names": wanted}).all()
        return [(number, ref, kind) for number, ref, kind in rows]

    def _choose(self, rows: Iterable[tuple[int, int, int]]) -> ResolvedNames:
        """Choose one record for each name, from rows of name, ref and number of the kind."""
        refs: dict[int, int] = {}
        groups: set[int] = set()
        shared: set[int] = set()
        for number, ref, kind in rows:
            if kind:
                groups.add(ref)
            other = refs.setdefault(number, ref)
            if other == ref:
                continue
            if other in groups and ref not in groups:
                refs[number] = ref
                shared.discard(number)
            elif (ref in groups) is (other in groups):
                shared.add(number)
        for number, holders in _holders(self._connection, self._directory, shared):
            first = _first(holders)
            if first is None:
                del refs[number]
            else:
                refs[number] = first.ref
        return ResolvedNames(refs, groups, frozenset(shared))


class NameHolder(Struct, frozen=True):
    """A record that has a name. ``since``: the pull in which it got the name."""

    ref: int
    kind: Kind
    id: str
    handles: str | None
    since: int


class SharedName(Struct, frozen=True):
    """A name that several records have: its text, the ids of the records, and the id of the record that it means."""

    token: str
    ids: list[str]
    meant: str | None


def sharing(connection: Connection, directory: int, wanted: Collection[int]) -> dict[int, SharedName]:
    """The records that have each of these names."""
    shared: dict[int, SharedName] = {}
    for number, holders in _holders(connection, directory, wanted):
        token = next(token for token in tokens(holders[0].id, holders[0].handles) if name(token) == number)
        first = _first(holders)
        shared[number] = SharedName(token, sorted(holder.id for holder in holders), first.id if first else None)
    return shared


def _holders(connection: Connection, directory: int, wanted: Collection[int]) -> Iterator[tuple[int, list[NameHolder]]]:
    query = (
        select(names.c.name, names.c.ref, records.c.kind, records.c.id, records.c.handles, names.c.since)
        .join_from(names, records, records.c.ref == names.c.ref)
        .order_by(names.c.name)
    )
    for batch in batched(wanted, BATCH):
        matches = names.c.directory == directory, among(connection, names.c.name, batch)
        rows = connection.execute(query.where(*matches)).all()
        for number, holders in groupby(rows, lambda row: row[0]):
            yield (
                number,
                [NameHolder(ref, KIND[kind], id_, handles, since) for _, ref, kind, id_, handles, since in holders],
            )


def _first(holders: Sequence[NameHolder]) -> NameHolder | None:
    """The record that had the name before all others; groups do not count if a user has the name."""
    candidates = [holder for holder in holders if holder.kind is Kind.USER] or holders
    first, *others = sorted(candidates, key=lambda holder: holder.since)
    return first if all(other.since > first.since for other in others) else None


def names_of(connection: Connection, refs: Collection[int]) -> dict[int, array[int]]:
    """The names of these records. Records that were deleted in their directory are left out."""
    return {
        ref: numbers(tokens(id_, handles)) if handles else array("q", [name(id_)])
        for batch in batched(refs, BATCH)
        for ref, id_, handles in connection.execute(_BY_REF, {"refs": batch}).all()
    }


def tokens(id_: str, handles: str | None) -> list[str]:
    """The texts of the names of a record: its id and its handles."""
    return [id_, *msgspec.json.decode(handles, type=list[str])] if handles else [id_]
