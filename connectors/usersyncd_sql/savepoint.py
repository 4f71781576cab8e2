"""Savepoints: parts of a transaction that can be undone separately."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from usersyncd_sql.faults import refusal

ABORT = "let the trigger refuse a row by RAISE(ABORT, …): RAISE(ROLLBACK, …) undoes the rows of all records"
HIDDEN = "triggers must not catch errors that end the transaction, such as a deadlock; the next run tries again"


class Undone(Exception):  # noqa: N818
    """The database undid the whole transaction, not only the refused part."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"the database undid the whole batch: {reason}")
        self.remedy = remedy


@contextmanager
def savepoint(connection: sa.Connection) -> Iterator[None]:
    """Run the block in a savepoint: an error undoes the block, and is raised.

    After some errors, such as a deadlock in MariaDB, the whole transaction and its savepoints are undone. Later
    statements would belong to another transaction, so the error must not count as the error of one record. Raises
    Undone in this case.
    """
    first: Exception | None = None
    try:
        with connection.begin_nested():
            try:
                yield
            except Exception as error:
                first = error
                raise
    except Exception as error:
        if error is first:
            raise
        why = first or error
        if (reason := refusal(why)) is None:
            raise why from None
        raise Undone(reason, ABORT if connection.dialect.name == "sqlite" else HIDDEN) from why
