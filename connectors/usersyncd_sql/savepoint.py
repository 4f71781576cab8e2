"""A part of a transaction that is undone alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from usersyncd_sql.faults import refusal

ABORT = "let the trigger refuse a row by RAISE(ABORT, …): RAISE(ROLLBACK, …) undoes everyone's rows"
HIDDEN = "let no trigger catch an error that ends the transaction, such as a deadlock; the next run tries again"


class Undone(Exception):  # noqa: N818
    """The database undid the whole transaction, not only the part that was refused."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"the database undid the whole batch: {reason}")
        self.remedy = remedy


@contextmanager
def savepoint(connection: sa.Connection) -> Iterator[None]:
    """Run the block in a savepoint: an error undoes the block, and is raised.

    After some errors, as a deadlock in MariaDB, the whole transaction is undone, and no savepoint is left to return to.
    What follows would be another transaction, so the error must not be taken for that of one record. Raises Undone if
    it would be.
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
