"""Memberships: add and remove edges, and let them follow their records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from usersyncd.plugin import Change, Kind, Member
from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.faults import Refused, refusal
from usersyncd_sql.tables import EdgeTable, Key, Row

Edge = tuple[int, Member, Row]
"""The place of its change in the batch, the member, and the row."""


class End:
    """What the table of memberships holds for one end of an edge: the record's key, or what a foreign key refers to.

    References are looked up for all ``pairs`` of directory and key at once.
    """

    def __init__(self, batch: Batch, table: EdgeTable, kind: Kind, pairs: Iterable[tuple[str, Key]]) -> None:
        user = kind is Kind.USER
        self._records = batch.catalog.records(batch.writer.connection, kind)
        self._adapt = table.adapt_user if user else table.adapt_group
        self._found: dict[tuple[str, Key], list[Any]] | None = None
        if (column := table.user_ref if user else table.group_ref) is not None:
            self._adapt = self._records.adapt_key
            adapted = ((directory, key) for directory, raw in pairs for key in self._adapted(raw))
            self._found = batch.find(self._records, column, adapted)

    def value(self, directory: str, key: Key) -> Any:
        """What stands for this record. Raises Refused when no row, or more than one, does."""
        if self._found is None:
            try:
                return self._adapt(key)
            except ValueError as error:
                raise Refused(f"the column for a {self._records.kind} {error}") from None
        values = self.values(directory, key)
        if len(values) != 1:
            rows = "no row" if not values else f"{len(values)} rows"
            raise Refused(f"table `{self._records.name}` has {rows} with `{self._records.key}` {key!r}")
        return values[0]

    def of_all(self, directory: str, members: Sequence[Member]) -> list[Any] | None:
        """What stands for each of these; None when one of them has to be refused."""
        try:
            if self._found is None:
                return [self._adapt(member.key) for member in members]
            return [self.value(directory, member.key) for member in members]
        except (ValueError, Refused):
            return None

    def values(self, directory: str, key: Key) -> list[Any]:
        """Everything that stands for this record; nothing where it is not there."""
        if self._found is None:
            return self._adapted(key)
        return [value for adapted in self._adapted(key) for value in self._found.get((directory, adapted), [])]

    def _adapted(self, key: Key) -> list[Key]:
        try:
            return [self._adapt(key)]
        except ValueError:
            return []


def add(batch: Batch, changes: Sequence[Numbered]) -> None:
    """Add edges; one that is there already is no error."""
    table = batch.catalog.edges(batch.writer.connection)
    if table.cannot_insert:
        for number, _ in changes:
            batch.refuse(number, table.why_no_insert())
        return
    ends = _ends(batch, table, [change for _, change in changes])
    if table.expect_new and table.edges_are_unique:
        # Each group's rows are made while those of the one before are on their way.
        rows = (row for _, _, some in _rows(batch, table, changes, ends) for row in some)
        if batch.all_at_once(lambda: batch.writer.insert(table, table.written, rows)):
            return
    edges = [
        (number, member, row)
        for number, members, some in _rows(batch, table, changes, ends)
        for member, row in zip(members, some, strict=True)
    ]
    missing = _missing(batch, table, edges)
    table.expect_new = table.expect_new and len(missing) == len(edges)

    def work(some: Sequence[Edge]) -> None:
        batch.writer.insert(table, table.written, [row for _, _, row in some])

    for (number, member, _), error in batch.halve(missing, work):
        batch.refuse_member(number, member.id, str(refusal(error)))


def remove(batch: Batch, changes: Sequence[Numbered]) -> None:
    """Remove edges. What is not there is no error."""
    table = batch.catalog.edges(batch.writer.connection)
    groups, users = _ends(batch, table, [change for _, change in changes])

    def work(some: Sequence[Numbered]) -> None:
        for _, change in some:
            where, members = change.directory, [m for m in change.members if table.nested or m.kind is Kind.USER]
            values = [value for member in members for value in users.values(where, member.key)]
            for group in groups.values(where, change.key):
                batch.writer.delete(table, {**table.fixed(where), table.group: group}, table.user, values)

    for (number, _), error in batch.halve(changes, work):
        batch.refuse(number, str(refusal(error)))


def forget(batch: Batch, kind: Kind, directory: str, keys: Sequence[Key]) -> None:
    """Remove all edges of records that are about to be deleted."""
    if (table := batch.catalog.edges_if_any(batch.writer.connection)) is None:
        return
    end = End(batch, table, kind, [(directory, key) for key in keys])
    values = [value for key in keys for value in end.values(directory, key)]
    batch.writer.delete(table, table.fixed(directory), table.user if kind is Kind.USER else table.group, values)


def rename(batch: Batch, kind: Kind, directory: str, old: Key, new: Key) -> None:
    """Let the edges that hold a record's key follow it.

    Foreign keys need no help: they refer to what does not change, or the database cascades.
    """
    table = batch.catalog.edges_if_any(batch.writer.connection)
    if table is None or (table.user_ref if kind is Kind.USER else table.group_ref) is not None:
        return
    columns = [table.user if kind is Kind.USER else table.group]
    if kind is Kind.GROUP and table.nested:
        users = batch.catalog.records(batch.writer.connection, Kind.USER)
        if not batch.find(users, users.key, [(directory, old)]):  # a user of the same key keeps its edges
            columns.append(table.user)
    where = table.fixed(directory)
    for column in columns:
        batch.writer.update(table, [column], [*where, column], [(new, *where.values(), old)])


def _ends(batch: Batch, table: EdgeTable, changes: Sequence[Change]) -> tuple[End, End]:
    groups = End(batch, table, Kind.GROUP, ((change.directory, change.key) for change in changes))
    members = ((change.directory, member.key) for change in changes for member in change.members)
    return groups, End(batch, table, Kind.USER, members)


def _rows(
    batch: Batch, table: EdgeTable, changes: Sequence[Numbered], ends: tuple[End, End]
) -> Iterator[tuple[int, Sequence[Member], list[Row]]]:
    """For each change its place, the members that can be added, and a row for each. The rest is refused."""
    groups, users = ends
    for number, change in changes:
        where = change.directory
        try:
            group = groups.value(where, change.key)
        except Refused as error:
            batch.refuse(number, str(error))
            continue
        members: Sequence[Member] = change.members
        if not table.nested:
            members = _users_only(batch, table, number, members)
        values = users.of_all(where, members)
        if values is None:
            members, values = _without_refused(batch, number, where, members, users)
        start = (where, group) if table.scoped else (group,)
        yield number, members, [(*start, value) for value in values]


def _users_only(batch: Batch, table: EdgeTable, number: int, members: Sequence[Member]) -> list[Member]:
    for member in members:
        if member.kind is Kind.GROUP:
            reason = f"is a group, and table `{table.name}` holds users only: set memberships: flattened"
            batch.refuse_member(number, member.id, reason)
    return [member for member in members if member.kind is Kind.USER]


def _without_refused(
    batch: Batch, number: int, where: str, members: Sequence[Member], users: End
) -> tuple[list[Member], list[Any]]:
    good: list[Member] = []
    values = []
    for member in members:
        try:
            values.append(users.value(where, member.key))
            good.append(member)
        except Refused as error:
            batch.refuse_member(number, member.id, str(error))
    return good, values


def _missing(batch: Batch, table: EdgeTable, edges: Sequence[Edge]) -> list[Edge]:
    """The edges that are not in the table, each once. Asked group by group, which is how they come."""
    groups: dict[Row, dict[Key, Edge]] = defaultdict(dict)
    for edge in edges:
        groups[edge[2][:-1]].setdefault(edge[2][-1], edge)
    for start, members in groups.items():
        fixed = dict(zip(table.written, start, strict=False))
        for (user,) in batch.writer.select(table, [table.user], fixed, table.user, list(members)):
            members.pop(user, None)
    return [edge for members in groups.values() for edge in members.values()]
