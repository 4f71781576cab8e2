"""Deletes: memberships first, then rows. A missing row is not an error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from usersyncd.plugin import Kind, holds_protected
from usersyncd_sql import own
from usersyncd_sql.access import take_access
from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.faults import is_reference, refusal
from usersyncd_sql.follow import stands_for
from usersyncd_sql.identity import Columns
from usersyncd_sql.present import Present, present
from usersyncd_sql.protected import protected_member
from usersyncd_sql.reading import by_address
from usersyncd_sql.reasons import UNTOUCHED
from usersyncd_sql.reflected import Key, Row
from usersyncd_sql.tables import RecordTable

KEPT = "another table refers to the row: add ON DELETE CASCADE to its foreign key, or keep leavers' rows"
NAME_ACTIVE = "; or name `active` under `set`, so that the row is deactivated until it can be deleted"


def delete(batch: Batch, table: RecordTable, changes: Sequence[Numbered]) -> None:
    """Delete rows and their memberships."""
    rows = [item for item in present(batch, table, changes) if not _holds_protected(batch, table, item)]
    refused = {item.numbered[0]: error for item, error in batch.halve(rows, lambda some: _delete(batch, table, some))}
    for item in rows:
        number = item.numbered[0]
        if (error := refused.get(number)) is not None:
            kept = _kept(batch, table, item) if is_reference(error) else ""
            batch.refuse(number, f"{refusal(error)}{kept}")
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


def _kept(batch: Batch, table: RecordTable, item: Present) -> str:
    """Deactivate a user's row to which other rows refer. Returns the result and the remedy."""
    if table.kind is Kind.GROUP:
        return f"\n  → {KEPT}"
    active = table.names.get(own.ACTIVE)
    if active is None:
        return f"; the row remains, and keeps its access\n  → {KEPT}{NAME_ACTIVE}"
    is_active = table.attributes({active: item.row[active]}, whole=False)[own.ACTIVE]
    inactive = not is_active or take_access(batch, table, item.address)
    return f"; the row remains, {'inactive' if inactive else 'and keeps its access'}\n  → {KEPT}"


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
