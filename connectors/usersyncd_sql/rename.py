"""Renames a directory in the tables whose rows have a directory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa

from usersyncd.errors import TargetError
from usersyncd.plugin import Kind
from usersyncd_sql import own
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.identity import Columns, encode
from usersyncd_sql.reflected import Reflected

Renamed = dict[Kind, dict[str, str]]
"""For each kind: target id before -> target id now."""


def rename(
    connection: sa.Connection, catalog: Catalog, old: str, new: str, target_ids: Mapping[Kind, Sequence[str]]
) -> Renamed:
    """Write the new name into all rows. Returns the target ids that contain it. Raises TargetError if a record has rows
    with both names."""
    found: Renamed = {}
    for kind in Kind:
        table = catalog.records_if_any(connection, kind)
        if table is not None and table.record is not None:
            _rename(connection, table, table.record, old, new)
            found[kind] = dict(_renamed(target_ids.get(kind, ()), old, new))
    edges = catalog.edges_if_any(connection)
    if edges is not None and edges.scoped:
        _rename(connection, edges, edges.written, old, new)
    return found


def _rename(connection: sa.Connection, table: Reflected, record: Columns, old: str, new: str) -> None:
    """``record``: the columns that identify a row."""
    directory = table.light.c[own.DIRECTORY]
    rest = [column for column in record if column != own.DIRECTORY]
    other = table.light.alias()
    same = (other.c[column] == table.light.c[column] for column in rest)
    both = sa.select(*(table.light.c[column] for column in rest)).where(
        directory == old, sa.exists().where(other.c[own.DIRECTORY] == new, *same)
    )
    if (row := connection.execute(both.limit(1)).first()) is not None:
        raise TargetError(
            f"table `{table.name}` has a row of both directories {old} and {new} for {', '.join(map(str, row))}, so "
            f"{old} cannot be renamed",
            f"delete the rows of {new}, or remove `was` from the configuration: then they are two directories",
        )
    connection.execute(sa.update(table.light).where(directory == old).values({own.DIRECTORY: new}))


def _renamed(target_ids: Sequence[str], old: str, new: str) -> Iterator[tuple[str, str]]:
    for target_id in target_ids:
        named = json.loads(target_id)
        if named.get(own.DIRECTORY) == old:
            yield target_id, encode(tuple(named), list((named | {own.DIRECTORY: new}).values()))
