"""Upgrades the tables with ``set`` of the last release, where the key identified a row and memberships held keys.

The tables get the columns for the record of a row, filled from the state database. Memberships are rewritten in the
same transaction, so that no key is read as a record id. MariaDB and MySQL commit after each ALTER TABLE: there the
columns are added first, and a table without any filled row still needs the upgrade.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import sqlalchemy as sa

from usersyncd.plugin import Kind, Lookup
from usersyncd_sql import own
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.membership_table import MembershipTable, Representation
from usersyncd_sql.reflected import Key
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.write import Writer

Known = Mapping[tuple[str, Key], str]
"""Directory and key -> record id."""


def of_last_release(connection: sa.Connection, catalog: Catalog) -> list[Kind]:
    """The kinds whose table still needs the upgrade. Call it before columns are added."""
    return [kind for kind, table in catalog.own_records.items() if _is_waiting(connection, table)]


def rewrite(
    writer: Writer, catalog: Catalog, kinds: Sequence[Kind], unlinked: Callable[[Kind], Iterator[Lookup]]
) -> None:
    """Write the record of each row, and record ids into the memberships.

    A row without a record keeps NULL, and its memberships keep the key. ``unlinked``: the records of a kind.
    """
    known = {kind: _fill(writer, catalog.records(writer.connection, kind), unlinked(kind)) for kind in kinds}
    if catalog.has(writer.connection, catalog.edges_name):
        edges = catalog.edges(writer.connection)
        if any(edges.holds[kind] is Representation.RECORD for kind in kinds):
            _convert(writer, edges, known)


def index(connection: sa.Connection, catalog: Catalog, kinds: Sequence[Kind]) -> None:
    """Create the unique index on the record of a row."""
    for kind in kinds:
        table = catalog.own_records[kind]
        name = f"{table.name}_record"
        if all(found["name"] != name for found in sa.inspect(connection).get_indexes(table.name, table.schema)):
            sa.Index(name, *(table.c[column] for column in own.RECORD), unique=True).create(connection)


def _is_waiting(connection: sa.Connection, table: sa.Table) -> bool:
    inspector = sa.inspect(connection)
    if not inspector.has_table(table.name, table.schema) or not own.is_of_last_release(inspector, table):
        return False
    existing = {column["name"] for column in inspector.get_columns(table.name, table.schema)}
    if not existing.issuperset(own.RECORD):
        return True
    filled = sa.select(table.c[own.DIRECTORY]).where(table.c[own.DIRECTORY].is_not(None)).limit(1)
    return connection.dialect.name in own.MYSQL and connection.execute(filled).first() is None


def _fill(writer: Writer, table: RecordTable, lookups: Iterator[Lookup]) -> Known:
    """Write the record of each row. A key that two records have is skipped: its row is found by key later."""
    records = [(lookup.directory, lookup.id, table.adapt_key(lookup.key)) for lookup in lookups]
    claims = Counter(key for _, _, key in records)
    sure = [record for record in records if claims[record[2]] == 1]
    writer.update(table, own.RECORD, (table.key,), sure)
    return {(directory, key): record for directory, record, key in sure}


def _convert(writer: Writer, edges: MembershipTable, known: Mapping[Kind, Known]) -> None:
    """Rewrite all memberships together, so that a key that equals another record's id is converted only once."""
    users, groups = known.get(Kind.USER, {}), known.get(Kind.GROUP, {})
    found = writer.connection.execute(sa.select(*(edges.light.c[column] for column in edges.written))).all()
    rows = {
        (where, groups.get((where, group), group), users.get((where, member)) or groups.get((where, member), member))
        for where, group, member in found
    }
    writer.connection.execute(sa.delete(edges.light))
    writer.insert(edges, edges.written, rows)
