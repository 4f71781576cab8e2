"""New rows from columns: all creates of a batch are inserted together, or none of them is."""

from __future__ import annotations

from collections.abc import Iterator

from usersyncd.plugin import Creates
from usersyncd_sql.batch import Batch
from usersyncd_sql.faults import Refused
from usersyncd_sql.identity import encode
from usersyncd_sql.reasons import DROPPED
from usersyncd_sql.reflected import Row

TOGETHER = 500
"""Rows that are made together: so many fit into the processor's cache."""


def insert_together(batch: Batch, creates: Creates) -> list[str] | None:
    """Insert a row for each create, and return the target ids. None: the table does not take all of them, and nothing
    was written; each has to be tried for itself."""
    table = batch.catalog.records(batch.writer.connection, creates.kind)
    if not table.expects_new_rows or not set(table.identity) <= set(table.written):
        return None
    places = [table.place[column] for column in table.identity]
    now = table.now(batch.now)
    given: list[str] = []

    def rows() -> Iterator[Row]:
        for start in range(0, len(creates), TOGETHER):
            some = creates[start : start + TOGETHER]
            for row in table.rows(list(some.decoded()), some.directory, some.ids, now):
                given.append(encode(table.identity, [row[place] for place in places]))
                yield row

    def work() -> None:
        if batch.writer.insert(table, table.written, rows()) != len(creates):
            raise Refused(DROPPED)

    return given if batch.all_at_once(work) else None
