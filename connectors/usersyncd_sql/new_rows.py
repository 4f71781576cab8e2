"""New rows from columns: all creates of a batch are inserted together, or none of them is."""

from __future__ import annotations

from usersyncd.plugin import Creates
from usersyncd_sql.batch import Batch
from usersyncd_sql.faults import Refused
from usersyncd_sql.identity import encode
from usersyncd_sql.reasons import DROPPED


def insert_together(batch: Batch, creates: Creates) -> list[str] | None:
    """Insert a row for each create, and return the target ids. None: the table does not take all of them, and nothing
    was written; each has to be tried for itself."""
    table = batch.catalog.records(batch.writer.connection, creates.kind)
    if not table.expects_new_rows or not set(table.identity) <= set(table.written):
        return None
    try:
        rows = list(table.rows(list(creates.decoded()), creates.directory, creates.ids, table.now(batch.now)))
    except Refused:
        return None

    def work() -> None:
        if batch.writer.insert(table, table.written, rows) != len(rows):
            raise Refused(DROPPED)

    if not batch.all_at_once(work):
        return None
    places = [table.place[column] for column in table.identity]
    return [encode(table.identity, [row[place] for place in places]) for row in rows]
