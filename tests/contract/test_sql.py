"""The sql connector fulfils the contract of a target on each database."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.connectors.sql.databases import Database, ServerDatabase, SqliteDatabase
from tests.servers.mariadb import Mariadb
from tests.servers.postgres import Postgres
from usersyncd.plugin import Kind, Layout
from usersyncd.testing import Contents, TargetContract
from usersyncd_sql import SqlTarget

PASSWORD = "Tr0ub4dor"
TABLES = {Kind.USER: "users", Kind.GROUP: "groups"}


class SqlContract(TargetContract):
    target = SqlTarget

    @pytest.fixture
    def database(self) -> Database:
        raise NotImplementedError

    @pytest.fixture
    def options(self, database: Database) -> Mapping[str, Any]:
        return {"url": database.url, "create_tables": True}

    @pytest.fixture
    def refused(self) -> dict[str, Any]:
        return {"title": "half a character: \ud800"}

    @pytest.fixture
    def contents(self, database: Database, layouts: Mapping[Kind, Layout]) -> Callable[[], Contents]:
        def records(kind: Kind) -> dict[Any, Any]:
            layout = layouts[kind]
            names = [name for name in layout.attributes if name != "updatedAt"]
            columns = ", ".join(f'"{name if layout.ruled else snake_case(name)}"' for name in names)
            rows = database.sql(f'SELECT {columns} FROM "{TABLES[kind]}"')
            shapes = [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows]
            for shape in shapes:
                if "active" in shape:
                    shape["active"] = bool(shape["active"])
            return {shape[layout.key]: shape for shape in shapes}

        def read() -> Contents:
            edges = set(database.sql("SELECT group_id, member_id FROM group_members"))
            return Contents(records(Kind.USER), records(Kind.GROUP), edges)

        return read


def snake_case(name: str) -> str:
    return re.sub("([A-Z])", lambda found: "_" + found[1].lower(), name)


class TestSqlite(SqlContract):
    @pytest.fixture
    def other_options(self, tmp_path: Path) -> Mapping[str, Any]:
        return {"url": f"sqlite:///{tmp_path}/other.db", "create_tables": True}

    @pytest.fixture
    def database(self, tmp_path: Path) -> Database:
        return SqliteDatabase(tmp_path)

    @pytest.fixture
    def break_target(self, database: SqliteDatabase) -> Callable[[], object]:
        def spoil() -> None:
            for file in database.file.parent.glob("app.db*"):
                file.unlink()
            database.file.write_text("this is not a database")

        return spoil


class TestPostgresql(SqlContract):
    secrets: ClassVar[tuple[str, ...]] = (PASSWORD,)

    @pytest.fixture
    def database(self, postgres: Postgres) -> Database:
        return ServerDatabase(postgres)

    @pytest.fixture
    def options(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
        monkeypatch.setenv("APP_PASSWORD", PASSWORD)
        return {"url": database.url, "password": {"env": "APP_PASSWORD"}, "create_tables": True}

    @pytest.fixture
    def break_target(self, database: ServerDatabase, postgres: Postgres) -> Callable[[], object]:
        return lambda: postgres.sql(postgres.url("postgres"), f"DROP DATABASE {database.name} WITH (FORCE)")


class TestMariadb(SqlContract):
    secrets: ClassVar[tuple[str, ...]] = (PASSWORD,)

    @pytest.fixture
    def database(self, mariadb: Mariadb) -> Database:
        return ServerDatabase(mariadb)

    @pytest.fixture
    def options(self, database: ServerDatabase, mariadb: Mariadb, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
        mariadb.sql(database.url, f"GRANT ALL ON *.* TO app@'%' IDENTIFIED BY '{PASSWORD}'")
        monkeypatch.setenv("APP_PASSWORD", PASSWORD)
        return {"url": mariadb.url(database.name, "app"), "password": {"env": "APP_PASSWORD"}, "create_tables": True}

    @pytest.fixture
    def break_target(self, database: ServerDatabase, mariadb: Mariadb) -> Callable[[], object]:
        return lambda: mariadb.sql(mariadb.url("mysql"), f"DROP DATABASE {database.name}")
