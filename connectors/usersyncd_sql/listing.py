"""Reads all rows and memberships of the tables, and counts the rows of a directory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from usersyncd.plugin import Edge, Held, Kind
from usersyncd_sql import own
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.faults import Refused
from usersyncd_sql.follow import stands_for
from usersyncd_sql.identity import decode
from usersyncd_sql.membership_table import MembershipTable, Representation
from usersyncd_sql.reading import by_address
from usersyncd_sql.reflected import Key, Row
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.write import Writer

ROWS = 5_000
"""Rows per fetch."""
GROUPS = 200
"""Groups whose memberships are read with one query."""
REMEMBERED = 150_000
"""Maximum number of cached members, so that memory stays flat."""

Known = dict[Key, tuple[Kind, str] | None]
"""The value that represents a record in the membership table -> its kind and target id; None: no row has it."""


def rows(connection: sa.Connection, table: RecordTable, *, whole: bool) -> Iterator[list[Held]]:
    """All rows, in pages. ``whole``: with all columns."""
    columns = table.looked_at(whole=whole)
    query = sa.select(*(table.light.c[column] for column in columns))
    found = connection.execute(query, execution_options={"stream_results": True, "max_row_buffer": ROWS})
    for page in found.partitions(ROWS):
        yield [table.held(dict(zip(columns, row, strict=True)), whole=whole) for row in page]


def count(writer: Writer, table: RecordTable, directory: str) -> int | None:
    """How many rows belong to records of a directory; None: the table has no columns for that."""
    if table.record is None:
        return None
    query = sa.select(sa.func.count()).select_from(table.light).where(_of(writer, table, directory))
    return int(writer.connection.execute(query).scalar_one())


def ids(writer: Writer, table: RecordTable, directory: str) -> Iterator[Sequence[str]]:
    """The record ids of the rows of a directory, in pages."""
    for column in table.record or ():
        if column != own.DIRECTORY:
            query = sa.select(table.light.c[column]).where(_of(writer, table, directory))
            options = {"stream_results": True, "max_row_buffer": ROWS}
            found = writer.connection.execute(query, execution_options=options).scalars()
            yield from ([str(id_) for id_ in page] for page in found.partitions(ROWS))


def _of(writer: Writer, table: RecordTable, directory: str) -> sa.ColumnElement[bool]:
    return writer.equals(table, own.DIRECTORY, sa.bindparam(None, directory, type_=sa.types.NullType()))


class MembershipReader:
    """Reads memberships with the target ids of both ends. ``known``: the cache of looked-up members, by directory."""

    def __init__(self, writer: Writer, catalog: Catalog, edges: MembershipTable, known: dict[str, Known]) -> None:
        self._writer = writer
        self._edges = edges
        kinds = Kind if edges.nested else (Kind.USER,)
        self._groups = catalog.records(writer.connection, Kind.GROUP)
        self._tables = [catalog.records(writer.connection, kind) for kind in kinds]
        self._known = known

    def of(self, groups: Sequence[str]) -> Iterator[list[Edge]]:
        """The memberships of these groups, in batches. Memberships without a matching row are left out."""
        for start in range(0, len(groups), GROUPS):
            yield from self._of(groups[start : start + GROUPS])

    def _of(self, groups: Sequence[str]) -> Iterator[list[Edge]]:
        by_directory: dict[str, dict[str, str]] = defaultdict(dict)
        adapted: dict[str, list[Key]] = defaultdict(list)
        for target_id, (directory, value) in self._values(groups):
            by_directory[directory][str(value)] = target_id
            adapted[directory].append(value)
        edges = self._edges
        for directory, target_ids in by_directory.items():
            columns = [edges.group, edges.user]
            fixed = edges.fixed(directory)
            pairs = list(self._writer.select(edges, columns, fixed, edges.group, adapted[directory]))
            known = self._learn(directory, {member for _, member in pairs})
            groups_of = {group: target_ids[str(edges.stored(edges.group, group))] for group, _ in pairs}
            yield [(groups_of[group], *found) for group, member in pairs if (found := known[member]) is not None]

    def _values(self, groups: Sequence[str]) -> Iterator[tuple[str, tuple[str, Key]]]:
        """The target id of each group that exists, its directory ("" where all share the values), and the value that
        represents it."""
        addresses = {}
        for place, target_id in enumerate(groups):
            try:
                addresses[place] = decode(self._groups, target_id)
            except Refused:
                continue
        columns = [*self._groups.looked_at(whole=False), self._edges.value[Kind.GROUP]]
        for place, found in by_address(self._writer, self._groups, addresses, list(dict.fromkeys(columns))).items():
            for row in found:
                try:
                    directory, value = stands_for(self._groups, self._edges, "", row)
                except Refused:
                    continue
                yield groups[place], (directory if self._edges.scoped else "", value)

    def _learn(self, directory: str, values: set[Key]) -> Known:
        """Look up these members. If a user and a group have the same value, it is the user."""
        known = self._known.setdefault(directory, {})
        if len(known) > REMEMBERED:
            known.clear()
        unknown = values - known.keys()
        for table in self._tables:
            known.update(self._look_up(table, directory, list(unknown)))
            unknown -= known.keys()
        known.update(dict.fromkeys(unknown))
        return known

    def _look_up(
        self, table: RecordTable, directory: str, values: Sequence[Key]
    ) -> Iterator[tuple[Key, tuple[Kind, str]]]:
        edges = self._edges
        by: tuple[str, ...] = (edges.value[table.kind],)
        if edges.holds[table.kind] is Representation.RECORD and table.record is not None:
            by = table.record
        asked: list[tuple[Key, Row]] = []
        for value in values:
            try:
                wanted = table.asked_key(value) if edges.holds[table.kind] is Representation.KEY else value
            except Refused:
                continue  # the column cannot hold it
            asked.append((value, (directory, wanted) if len(by) > 1 else (wanted,)))
        columns = list(dict.fromkeys([*by, *(column for some in table.identities for column in some)]))
        for n, found in self._writer.join(table, columns, by, [row for _, row in asked]):
            row = dict(zip(columns, found, strict=True))
            value, wanted = asked[n]
            if table.agrees(by, [row[column] for column in by], wanted):
                yield value, (table.kind, table.target_id(row))
