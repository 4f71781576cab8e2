"""Why a record is refused, so that a person knows what to do."""

from __future__ import annotations

from collections.abc import Collection

from usersyncd_sql.batch import Batch
from usersyncd_sql.faults import is_unique, refusal
from usersyncd_sql.reflected import Key, Row
from usersyncd_sql.tables import RecordTable

DROPPED = (
    "the database accepted the row and did not keep it: a trigger or a policy drops it; change the trigger, or leave "
    "the record out by a rule"
)
UNTOUCHED = (
    "the row is there, and the database did not change it: row-level security or a trigger keeps it as it is; grant "
    "the user of the URL what it needs"
)


def reason(batch: Batch, table: RecordTable, row: Row, own_keys: Collection[Key], error: Exception) -> str:
    """The database's words; and where another row holds what must be unique, whose it is."""
    words = str(refusal(error))
    if not is_unique(error):
        return words
    wanted = dict(zip(table.written, row, strict=True))
    for unique in table.uniques:
        if any(wanted.get(column) is None for column in unique):
            continue
        for _, (key,) in batch.writer.join(table, [table.key], unique, [tuple(wanted[column] for column in unique)]):
            if (other := table.stored(table.key, key)) not in own_keys:
                value = ", ".join(f"`{column}` {wanted[column]!r}" for column in unique)
                return (
                    f"{value} already belongs to the row with `{table.key}` {other!r}: {words}\n"
                    "  → if that row is a leaver's, delete it or clear the value there"
                )
    return words
