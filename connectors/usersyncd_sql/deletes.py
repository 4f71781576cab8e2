"""Deletes: memberships first, then rows. A row that does not exist is no error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from usersyncd.plugin import PROTECTED, Kind
from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.faults import is_reference, refusal
from usersyncd_sql.follow import stands_for
from usersyncd_sql.identity import Columns
from usersyncd_sql.look import by_address
from usersyncd_sql.present import Present, is_protected, present
from usersyncd_sql.reasons import UNTOUCHED
from usersyncd_sql.reflected import Key, Row
from usersyncd_sql.tables import RecordTable

KEPT = "another table refers to the row: let its foreign key follow (ON DELETE CASCADE), or keep leavers' rows"


def delete(batch: Batch, table: RecordTable, changes: Sequence[Numbered]) -> None:
    """Delete rows and their memberships."""
    rows = [item for item in present(batch, table, changes) if not _holds_protected(batch, table, item)]
    refused = {item.numbered[0]: error for item, error in batch.halve(rows, lambda some: _delete(batch, table, some))}
    for number, error in refused.items():
        batch.refuse(number, f"{refusal(error)}\n  → {KEPT}" if is_reference(error) else str(refusal(error)))
    gone = {item.numbered[0]: item.address for item in rows if item.numbered[0] not in refused}
    for number in by_address(batch.writer, table, gone, table.identity):
        batch.refuse(number, UNTOUCHED)


def _holds_protected(batch: Batch, table: RecordTable, item: Present) -> bool:
    """Whether a group has a protected member, whose membership the deletion would remove. Such a group is refused."""
    edges = batch.catalog.edges_if_any(batch.writer.connection) if batch.context.protects(Kind.USER) else None
    if table.kind is not Kind.GROUP or edges is None:
        return False
    number, change = item.numbered
    where, value = stands_for(table, edges, change.directory, item.row)
    members = [row[0] for row in batch.writer.select(edges, [edges.user], edges.fixed(where), edges.group, [value])]
    users = batch.catalog.records(batch.writer.connection, Kind.USER)
    columns, by = users.looked_at(whole=True), (edges.value[Kind.USER],)
    for _, values in batch.writer.join(users, columns, by, [(member,) for member in members]):
        row = dict(zip(columns, values, strict=True))
        if is_protected(batch, users, row):
            batch.refuse(number, f"{users.key} {row[users.key]!r} is in it: {PROTECTED}")
            return True
    return False


def _delete(batch: Batch, table: RecordTable, items: Sequence[Present]) -> None:
    _forget(batch, table, items)
    alike: dict[Columns, list[Row]] = defaultdict(list)
    for item in items:
        by, values = item.address
        alike[by].append(values)
    for by, rows in alike.items():
        batch.writer.delete_rows(table, by, rows)


def _forget(batch: Batch, table: RecordTable, items: Sequence[Present]) -> None:
    """Remove all memberships of rows that are about to be deleted."""
    if (edges := batch.catalog.edges_if_any(batch.writer.connection)) is None:
        return
    values: dict[str, list[Key]] = defaultdict(list)
    for item in items:
        where, value = stands_for(table, edges, item.numbered[1].directory, item.row)
        values[where if edges.scoped else ""].append(value)
    for where, some in values.items():
        batch.writer.delete(edges, edges.fixed(where), edges.column_of(table.kind), some)
