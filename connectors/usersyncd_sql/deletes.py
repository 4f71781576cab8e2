"""Deletes: memberships first, then rows. A row that does not exist is no error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from usersyncd.plugin import Kind, holds_protected
from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.faults import is_reference, refusal
from usersyncd_sql.follow import stands_for
from usersyncd_sql.identity import Columns
from usersyncd_sql.look import by_address
from usersyncd_sql.present import Present, present
from usersyncd_sql.protected import protected_member
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
    number, change = item.numbered
    member = protected_member(batch.writer, batch.catalog, batch.context, table, change.directory, item.row)
    if member is not None:
        batch.refuse(number, holds_protected(batch.context.layouts[Kind.USER].key, member))
    return member is not None


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
