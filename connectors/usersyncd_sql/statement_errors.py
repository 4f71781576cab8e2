"""Distinguishes an error of a statement from an error of a record: a statement on no row fails only with the former."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.sql.dml import UpdateBase

from usersyncd_sql.faults import code, is_busy
from usersyncd_sql.membership_table import MembershipTable
from usersyncd_sql.rights import closed_sequences, of_no_row
from usersyncd_sql.savepoint import savepoint
from usersyncd_sql.tables import RecordTable


def is_of_statement(connection: sa.Connection, table: RecordTable | MembershipTable, error: BaseException) -> bool:
    """Whether statements on no row of a table fail in the same way, or sequences for its new rows are not
    accessible."""
    if any(_fails_alike(connection, statement, error) for statement in of_no_row(table, table.written)):
        return True
    return code(error) == "42501" and bool(closed_sequences(connection, table, table.written))


def _fails_alike(connection: sa.Connection, statement: UpdateBase, error: BaseException) -> bool:
    try:
        with savepoint(connection):
            connection.execute(statement)
    except sa.exc.SQLAlchemyError as found:
        if is_busy(found):
            raise
        return code(found) == code(error)
    return False
