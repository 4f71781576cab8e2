"""Temporary values for rows that exchange unique values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from usersyncd_sql.faults import Refused
from usersyncd_sql.identity import Columns
from usersyncd_sql.reflected import Reflected

SHORTEST = 8
"""Characters that a text column needs for a token that no rule produces."""


def parking(table: Reflected, unique: Columns, written: Columns, by: Columns) -> str | None:
    """The column of a unique set that can hold a temporary value; None if every column identifies the row, or has no
    free value. ``written``: the columns that rules write; ``by``: those that identify the row."""
    free = [column for column in unique if column in written and column not in by]
    return next((column for column in free if can_park(table, column)), None)


def can_park(table: Reflected, column: str) -> bool:
    """Whether the column can hold a temporary value."""
    return table.columns[column].nullable or _takes_token(table, column)


def _takes_token(table: Reflected, column: str) -> bool:
    kind = table.columns[column].type
    return isinstance(kind, sa.Integer | sa.Uuid) or _has_room(kind)


def values(connection: sa.Connection, table: Reflected, column: str) -> Iterator[Any]:
    """Temporary values: NULL if the column accepts it, otherwise :func:`tokens`.

    A column to which foreign keys refer gets no NULL: ON UPDATE CASCADE would pass it on, and the references would be
    lost. Raises Refused if such a column has no room for a token.
    """
    if table.columns[column].nullable and column not in referenced(connection, table):
        while True:
            yield None
    if not _takes_token(table, column):
        raise Refused(f"foreign keys refer to column `{column}`, which has no room for a temporary value")
    yield from tokens(connection, table, column)


def referenced(connection: sa.Connection, table: Reflected) -> frozenset[str]:
    """The columns of a table to which foreign keys of the database refer."""
    if table.referenced is None:
        inspector = sa.inspect(connection)
        own = table.light.schema
        schemas = inspector.get_schema_names() if table.backend == "postgresql" else [own]
        keys = (
            key
            for schema in schemas
            for some in inspector.get_multi_foreign_keys(schema=schema).values()
            for key in some
        )
        mine = (key for key in keys if key["referred_table"] == table.name)
        table.referenced = frozenset(column for key in mine for column in key["referred_columns"])
    return table.referenced


def tokens(connection: sa.Connection, table: Reflected, column: str) -> Iterator[Any]:
    """Distinct values that no rule produces and no row has."""
    kind = table.columns[column].type
    if isinstance(kind, sa.Integer):
        lowest = connection.execute(sa.select(sa.func.min(table.light.c[column]))).scalar_one_or_none() or 0
        for step in count(1):
            yield min(lowest, 0) - step
    length = getattr(kind, "length", None)
    while True:
        token = uuid4()
        if isinstance(kind, sa.Uuid):
            yield _uuid(token, table.backend)
        else:
            yield f"~{token.hex}"[:length]


def _has_room(kind: Any) -> bool:
    text = isinstance(kind, sa.String) and not isinstance(kind, sa.Enum)
    return text and (kind.length is None or kind.length >= SHORTEST)


def _uuid(token: UUID, backend: str) -> UUID | str:
    return token if backend == "postgresql" else str(token)
