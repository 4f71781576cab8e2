"""Checks the rights of the database user before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.sql.dml import UpdateBase

from usersyncd.errors import TargetError
from usersyncd_sql import own
from usersyncd_sql.comparison import TABLE
from usersyncd_sql.faults import READ_ONLY
from usersyncd_sql.reflected import Reflected

RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")

ON_TABLE = f"""
SELECT right_ FROM unnest(CAST(:rights AS text[])) AS right_ WHERE NOT has_table_privilege({TABLE}, right_)
"""  # noqa: S608 - no name is in the text
SCHEMA = """
SELECT quote_ident(nspname) FROM pg_namespace
WHERE NOT has_schema_privilege(oid, 'USAGE')
  AND nspname = ANY (CASE WHEN CAST(:schema AS text) IS NOT NULL THEN ARRAY[CAST(:schema AS text)]
                          WHEN current_schema() IS NULL THEN ARRAY(
                              SELECT trim(BOTH ' "' FROM replace(part, '$user', current_user))
                              FROM unnest(string_to_array(current_setting('search_path'), ',')) AS part) END)
"""
"""The schema, or the schemas of the search path if the user may not use any of them: PostgreSQL hides their tables."""
SEQUENCES = f"""
SELECT DISTINCT CAST(CAST(s.oid AS regclass) AS text)
FROM pg_attrdef d
JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
JOIN pg_class s ON s.oid = p.refobjid
WHERE d.adrelid = {TABLE} AND a.attname <> ALL (CAST(:written AS text[]))
  AND CASE s.relkind WHEN 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE, UPDATE') ELSE false END
"""  # noqa: S608 - no name is in the text
"""The sequences for columns that are not written. Sequences of identity columns need no right."""


def verify_writable(connection: sa.Connection, target: str) -> None:
    """Raises TargetError for a replica, and if transactions are read-only. For MariaDB and MySQL, :func:`verify` checks
    this."""
    if connection.dialect.name != "postgresql":
        return
    if connection.exec_driver_sql("SELECT current_setting('transaction_read_only')").scalar_one() == "on":
        raise TargetError(f"target {target}: the database is read-only for this user", READ_ONLY)


def verify_schema(connection: sa.Connection, schema: str | None, target: str) -> None:
    """Raises TargetError if the user may not use the schema. Only PostgreSQL has such a right."""
    if connection.dialect.name != "postgresql":
        return
    if found := connection.execute(sa.text(SCHEMA), {"schema": schema}).scalars().all():
        _raise(connection, target, "USAGE", f"SCHEMA {found[0]}")


def verify(connection: sa.Connection, table: Reflected, written: Sequence[str], target: str) -> None:
    """Raises TargetError if the user lacks a right on a table or a sequence. SQLite has no rights."""
    if connection.dialect.name == "postgresql":
        _verify_postgresql(connection, table, written, target)
    elif connection.dialect.name in own.MYSQL:
        _try_mysql(connection, table, written)


def verify_creation(connection: sa.Connection, schema: str | None, target: str) -> None:
    """Raises TargetError if the user may not create tables. Only PostgreSQL reports this right."""
    if connection.dialect.name != "postgresql":
        return
    asked = "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname = coalesce(:schema, current_schema())"
    lacking = f"{asked} AND NOT has_schema_privilege(oid, 'CREATE')"
    if found := connection.execute(sa.text(lacking), {"schema": schema}).scalars().all():
        _raise(connection, target, "CREATE", f"SCHEMA {found[0]}")


def knows_savepoints(connection: sa.Connection, table: Reflected) -> bool:
    """Whether the table's engine can undo a refused row: MyISAM and Aria of MariaDB and MySQL cannot."""
    if connection.dialect.name not in own.MYSQL:
        return True
    asked = sa.text(
        "SELECT count(*) FROM information_schema.tables JOIN information_schema.engines USING (engine) "
        "WHERE table_schema = coalesce(:schema, database()) AND table_name = :name AND savepoints <> 'YES'"
    )
    return not connection.execute(asked, {"schema": table.light.schema, "name": table.name}).scalar_one()


def _verify_postgresql(connection: sa.Connection, table: Reflected, written: Sequence[str], target: str) -> None:
    asked = {"schema": table.light.schema, "name": table.name, "rights": list(RIGHTS)}
    if missing := connection.execute(sa.text(ON_TABLE), asked).scalars().all():
        name = connection.scalar(sa.text(f"SELECT CAST({TABLE} AS text)"), asked)
        _raise(connection, target, ", ".join(missing), str(name))
    if sequences := closed_sequences(connection, table, written):
        _raise(connection, target, "USAGE", f"SEQUENCE {', '.join(sequences)}")


def closed_sequences(connection: sa.Connection, table: Reflected, written: Sequence[str]) -> Sequence[str]:
    """The sequences of a PostgreSQL table that the user needs but may not use."""
    asked = {"schema": table.light.schema, "name": table.name, "written": list(written)}
    return connection.execute(sa.text(SEQUENCES), asked).scalars().all()


def _raise(connection: sa.Connection, target: str, right: str, on: str) -> None:
    user = connection.exec_driver_sql("SELECT quote_ident(current_user)").scalar_one()
    raise TargetError(f"target {target}: {user} may not {right} on {on}", f"GRANT {right} ON {on} TO {user}")


def _try_mysql(connection: sa.Connection, table: Reflected, written: Sequence[str]) -> None:
    """Run the statements on no row. Raises the database's error if one is not allowed."""
    for statement in of_no_row(table, written):
        connection.execute(statement)


def of_no_row(table: Reflected, written: Sequence[str]) -> Iterator[UpdateBase]:
    """Statements that insert, update and delete no row."""
    columns = [table.light.c[column] for column in written]
    none = sa.literal(1) == sa.literal(0)
    yield sa.insert(table.light).from_select(list(written), sa.select(*columns).where(none))
    yield sa.update(table.light).values({column: column for column in columns}).where(none)
    yield sa.delete(table.light).where(none)
