"""How SQLite compares a column, which its catalogue does not contain."""

from __future__ import annotations

import sqlalchemy as sa

from usersyncd_sql.reflected import Reflected


def test_sqlite_is_asked_how_it_compares_each_column() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE person (id INTEGER PRIMARY KEY, plain TEXT, short VARCHAR(40) UNIQUE, cased TEXT COLLATE "
            "NOCASE, padded TEXT COLLATE RTRIM, indexed TEXT, partly TEXT)"
        )
        connection.exec_driver_sql("CREATE UNIQUE INDEX one ON person (indexed COLLATE NOCASE)")
        connection.exec_driver_sql("CREATE INDEX two ON person (partly COLLATE NOCASE)")
        table = Reflected(connection, sa.inspect(connection), "person", None, "app", "users")
        exact = {column for column, comparison in table.comparisons.items() if comparison.exact}
    assert exact == {"id", "plain", "short", "partly"}
