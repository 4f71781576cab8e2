"""Everything that the tables hold: rows, memberships, and how many rows belong to a directory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from usersyncd.plugin import Edge, Held, Kind
from usersyncd_sql import own
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.edges import EdgeTable, Holds
from usersyncd_sql.faults import Refused
from usersyncd_sql.follow import stands_for
from usersyncd_sql.identity import decode
from usersyncd_sql.look import by_address
from usersyncd_sql.reflected import Key, Row
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.write import Writer

ROWS = 5_000
"""Rows that are fetched together."""
GROUPS = 200
"""Groups whose memberships are read together."""
REMEMBERED = 150_000
"""How many members are remembered at a time, so that memory stays flat."""

Place = tuple[str, Key]
"""A directory ("" where all share the values), and the value that represents a record in the membership table."""


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
    mine = writer.equals(table, own.DIRECTORY, sa.bindparam(None, directory, type_=sa.types.NullType()))
    return int(writer.connection.execute(sa.select(sa.func.count()).select_from(table.light).where(mine)).scalar_one())


class Edges:
    """Reads memberships, and tells both ends by their target ids."""

    def __init__(self, writer: Writer, catalog: Catalog, edges: EdgeTable) -> None:
        self._writer = writer
        self._edges = edges
        kinds = Kind if edges.nested else (Kind.USER,)
        self._groups = catalog.records(writer.connection, Kind.GROUP)
        self._tables = [catalog.records(writer.connection, kind) for kind in kinds]
        self._known: dict[Place, tuple[Kind, str] | None] = {}

    def of(self, groups: Sequence[str]) -> Iterator[list[Edge]]:
        """The memberships of these groups, in batches. What refers to no row is left out."""
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
            found = self._writer.select(edges, columns, edges.fixed(directory), edges.group, adapted[directory])
            pairs = [
                (target_ids[str(edges.stored(edges.group, group))], (directory, member)) for group, member in found
            ]
            self._learn({place for _, place in pairs})
            known = ((group, self._known[place]) for group, place in pairs)
            yield [(group, *member) for group, member in known if member is not None]

    def _values(self, groups: Sequence[str]) -> Iterator[tuple[str, Place]]:
        """The target id of each group that exists, with what represents it."""
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

    def _learn(self, places: set[Place]) -> None:
        """Look these members up. Of a user and a group with the same value it is the user."""
        if len(self._known) > REMEMBERED:
            self._known.clear()
        unknown = list(places - self._known.keys())
        for table in self._tables:
            found = dict(self._look_up(table, unknown))
            self._known.update(found)
            unknown = [place for place in unknown if place not in found]
        self._known.update(dict.fromkeys(unknown))

    def _look_up(self, table: RecordTable, places: Sequence[Place]) -> Iterator[tuple[Place, tuple[Kind, str]]]:
        edges = self._edges
        by: tuple[str, ...] = (edges.value[table.kind],)
        if edges.holds[table.kind] is Holds.RECORD and table.record is not None:
            by = table.record
        asked: list[tuple[Place, Row]] = []
        for place in places:
            try:
                value = table.asked_key(place[1]) if edges.holds[table.kind] is Holds.KEY else place[1]
            except Refused:
                continue  # the column cannot hold it
            asked.append((place, (place[0], value) if len(by) > 1 else (value,)))
        columns = list(dict.fromkeys([*by, *(column for some in table.identities for column in some)]))
        for n, values in self._writer.join(table, columns, by, [row for _, row in asked]):
            row = dict(zip(columns, values, strict=True))
            place, wanted = asked[n]
            if table.agrees(by, [row[column] for column in by], wanted):
                yield place, (table.kind, table.target_id(row))
