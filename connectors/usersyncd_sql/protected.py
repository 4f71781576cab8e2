"""Groups with a protected member: they are not deleted, because that would remove the membership."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from usersyncd.plugin import Kind, TargetContext
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.faults import Refused
from usersyncd_sql.follow import stands_for
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.write import Writer


def protected_member(
    writer: Writer, catalog: Catalog, context: TargetContext, table: RecordTable, directory: str, row: Mapping[str, Any]
) -> str | int | None:
    """The key of a protected user in the group of this row; None if there is none."""
    if table.kind is not Kind.GROUP or not context.protects(Kind.USER):
        return None
    if (edges := catalog.edges_if_any(writer.connection)) is None:
        return None
    try:
        where, value = stands_for(table, edges, directory, row)
    except Refused:
        return None  # The memberships cannot hold the key of this group, so it has none.
    members = [found[0] for found in writer.select(edges, [edges.user], edges.fixed(where), edges.group, [value])]
    users = catalog.records(writer.connection, Kind.USER)
    columns, by = users.looked_at(whole=True), (edges.value[Kind.USER],)
    for _, values in writer.join(users, columns, by, [(member,) for member in members]):
        held = users.held(dict(zip(columns, values, strict=True)), whole=True)
        if context.protected(Kind.USER, held.key, held.attributes):
            return held.key
    return None
