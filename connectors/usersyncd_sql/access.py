"""Removes the access of a leaver whose row cannot be fully written, or cannot be deleted."""

from __future__ import annotations

from usersyncd_sql import own
from usersyncd_sql.batch import Batch
from usersyncd_sql.identity import Address
from usersyncd_sql.tables import RecordTable


def take_access(batch: Batch, table: RecordTable, address: Address) -> bool:
    """Deactivate a row without writing its other columns. Returns whether that succeeded; it fails without a column for
    ``active``."""
    active = table.names.get(own.ACTIVE)
    if active is None:
        return False
    now, (by, values) = table.now(batch.now), address
    row = (table.adapted(own.ACTIVE, False), *(now[stamp] for stamp in table.stamps), *values)
    hit: list[int] = []
    error = batch.attempt(lambda: hit.append(batch.writer.update(table, [active, *table.stamps], by, [row])))
    return error is None and hit == [1]
