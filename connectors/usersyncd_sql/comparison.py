"""How the database compares the values of a column: exactly, or without regard to case or padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from msgspec import Struct


class Comparison(Struct, frozen=True):
    """``exact``: equal values are identical. ``type``: PostgreSQL's name of the column type, without length.
    ``charset`` and ``collation``: of a text column in MariaDB and MySQL."""

    exact: bool
    type: str = "text"
    charset: str | None = None
    collation: str | None = None


POSTGRESQL = """
SELECT a.attname,
       CASE WHEN t.typname = 'bpchar' THEN 'bpchar' ELSE format_type(a.atttypid, NULL) END,
       coalesce(c.collisdeterministic, true) AND coalesce(b.typname, t.typname) <> 'citext'
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0)
LEFT JOIN pg_collation c ON c.oid = a.attcollation
WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
"""

MYSQL = """
SELECT column_name, character_set_name, collation_name
FROM information_schema.columns
WHERE table_schema = coalesce(:schema, database()) AND table_name = :name
"""


def comparisons(
    connection: sa.Connection, table: sa.TableClause, columns: Mapping[str, sa.Column[Any]]
) -> dict[str, Comparison]:
    """How each column of a table is compared."""
    if connection.dialect.name == "postgresql":
        quoted = connection.dialect.identifier_preparer.format_table(table)
        found = connection.execute(sa.text(POSTGRESQL), {"name": quoted})
        return {column: Comparison(exact, name) for column, name, exact in found}
    if connection.dialect.name == "sqlite":
        # SQLite reports NOCASE and RTRIM only in the CREATE TABLE text, so every text column counts as inexact.
        return {name: Comparison(not isinstance(column.type, sa.String)) for name, column in columns.items()}
    asked = {"schema": table.schema, "name": table.name}
    found = connection.execute(sa.text(MYSQL), asked)
    return {name: _mysql(columns[name].type, charset, collation) for name, charset, collation in found}


def _mysql(kind: Any, charset: str | None, collation: str | None) -> Comparison:
    if charset is None or collation is None or isinstance(kind, sa.Enum | sa.Uuid):
        return Comparison(exact=True)
    return Comparison(collation.endswith("_bin"), charset=charset, collation=collation)
