"""How the database compares the values of a column: exactly, or without regard to case or padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine


class Comparison(Struct, frozen=True):
    """``exact``: equal values are identical. ``triggered``: the table has triggers, which may change what is written.
    ``type``: PostgreSQL's name of the column type, or of the type below a ``domain``, without length. ``charset`` and
    ``collation``: of a text column in MariaDB and MySQL."""

    exact: bool
    triggered: bool
    type: str = "text"
    domain: bool = False
    charset: str | None = None
    collation: str | None = None


TABLE = "to_regclass(concat_ws('.', quote_ident(CAST(:schema AS text)), quote_ident(CAST(:name AS text))))"
"""PostgreSQL's object id of a table."""

POSTGRESQL = f"""
WITH RECURSIVE base (name, sorted, type, within, of_domain) AS (
    SELECT a.attname, a.attcollation, t.oid, t.typbasetype, t.typbasetype <> 0
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = {TABLE} AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT name, sorted, t.oid, t.typbasetype, of_domain
    FROM base JOIN pg_type t ON t.oid = base.within WHERE within <> 0
)
SELECT base.name, format_type(type, -1), of_domain,
       coalesce(c.collisdeterministic, true) AND t.typname <> 'citext',
       EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = {TABLE} AND NOT g.tgisinternal)
FROM base
JOIN pg_type t ON t.oid = base.type
LEFT JOIN pg_collation c ON c.oid = sorted
WHERE within = 0
"""  # noqa: S608 - no name is in the text

MYSQL = """
SELECT column_name, character_set_name, collation_name,
       EXISTS (SELECT 1 FROM information_schema.triggers
               WHERE event_object_schema = coalesce(:schema, database()) AND event_object_table = :name)
FROM information_schema.columns
WHERE table_schema = coalesce(:schema, database()) AND table_name = :name
"""


def comparisons(
    connection: sa.Connection, table: sa.TableClause, types: Mapping[str, TypeEngine[Any]]
) -> dict[str, Comparison]:
    """How each column of a table is compared. ``types``: of all columns."""
    if connection.dialect.name == "postgresql":
        found = connection.execute(sa.text(POSTGRESQL), {"schema": table.schema, "name": table.name})
        return {column: Comparison(exact, triggered, name, domain) for column, name, domain, exact, triggered in found}
    if connection.dialect.name == "sqlite":
        loose, triggered = _sqlite_loose_indexes(connection, table), _sqlite_triggered(connection, table)
        exact = {name: name not in loose and _is_exact(connection, table, name) for name in types}
        return {name: Comparison(exact[name], triggered) for name in types}
    asked = {"schema": table.schema, "name": table.name}
    found = connection.execute(sa.text(MYSQL), asked)
    return {name: _mysql(types[name], bool(triggered), *how) for name, *how, triggered in found}


def _is_exact(connection: sa.Connection, table: sa.TableClause, column: str) -> bool:
    """Whether SQLite compares a column exactly: a text with the column's collation equals no other text."""
    preparer = connection.dialect.identifier_preparer
    held = f"SELECT {preparer.quote(column)} AS held FROM {preparer.format_table(table)} WHERE 0"  # noqa: S608
    try:
        query = f"SELECT held = 'A' OR held = 'a ' FROM ({held} UNION ALL SELECT 'a')"  # noqa: S608
        found = connection.exec_driver_sql(query).scalar_one()
    except DBAPIError:
        return False  # The application has registered its own collation.
    return not found


def _sqlite_loose_indexes(connection: sa.Connection, table: sa.TableClause) -> set[str]:
    """The columns of an SQLite table that a unique index compares in another way than byte by byte."""
    query = (
        "SELECT x.name FROM pragma_index_list(?, ?) AS i JOIN pragma_index_xinfo(i.name, ?) AS x "
        "WHERE i.\"unique\" AND x.key AND x.coll <> 'BINARY'"
    )
    schema = "main" if table.schema is None else table.schema
    return {name for (name,) in connection.exec_driver_sql(query, (table.name, schema, schema))}


def _sqlite_triggered(connection: sa.Connection, table: sa.TableClause) -> bool:
    quote = connection.dialect.identifier_preparer.quote
    schema = quote("main" if table.schema is None else table.schema)
    query = f"SELECT EXISTS (SELECT 1 FROM {schema}.sqlite_master WHERE type = 'trigger' AND tbl_name = ?)"  # noqa: S608
    return bool(connection.exec_driver_sql(query, (table.name,)).scalar_one())


def _mysql(kind: Any, triggered: bool, charset: str | None, collation: str | None) -> Comparison:
    if charset is None or collation is None or isinstance(kind, sa.Enum | sa.Uuid):
        return Comparison(exact=True, triggered=triggered)
    return Comparison(collation.endswith("_bin"), triggered, charset=charset, collation=collation)
