"""A database without the index of names is migrated: a pull finds the members in it."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from tests.servers.postgres import Postgres
from usersyncd.core.digest import name, names_digest, pack, unpack
from usersyncd.state.database import Database, _engines, open_database
from usersyncd.state.tables import groups_by_name, memberships, names, target_progress

BEFORE = "0007"
ADA, BOB, STAFF, CREW = 1, 2, 3, 4
TOKENS = {ADA: "ada", BOB: "bob", STAFF: "staff", CREW: "crew"}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A directory that was read before: Ada and the crew are in staff, Bob and a stranger in the crew."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/state.db"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.database()
    old = Database(*_engines(url, None))
    with old.write() as connection:
        config = Config()
        config.set_main_option("script_location", "usersyncd.state:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)
        _fill(connection)
    old.close()
    return open_database(url)


def _fill(connection: sa.Connection) -> None:
    _insert(connection, "directories", id=7, name="acme", revision=5, users=2, groups=2, memberships=4)
    for ref, token in TOKENS.items():
        kind = int(ref in (STAFF, CREW))
        _insert(connection, "records", ref=ref, directory=7, kind=kind, id=token, digest=0, attributes="{}", revision=5)
        _insert(connection, "names", directory=7, name=name(token), ref=ref, since=1)
    _members(connection, STAFF, ["ada", "crew"], [ADA], [CREW])
    _members(connection, CREW, ["bob", "stranger"], [BOB], [])
    for target, revision in ((1, 5), (2, 4)):
        _insert(connection, "targets", id=target, name=f"app{target}")
        _insert(connection, "target_progress", directory=7, target=target, revision=revision, fingerprint="rules")


def _members(connection: sa.Connection, group: int, tokens: list[str], users: list[int], groups: list[int]) -> None:
    numbers = array("q", sorted(map(name, tokens)))
    _insert(
        connection, "memberships", ref=group, directory=7, digest=names_digest(numbers), count=len(numbers), revision=3,
        names=pack(numbers), users=pack(array("I", users)), groups=pack(array("I", groups)),
    )  # fmt: skip


def _insert(connection: sa.Connection, table: str, **values: Any) -> None:
    columns: list[sa.ColumnClause[Any]] = [sa.column(column) for column in values]
    connection.execute(sa.insert(sa.table(table, *columns)).values(values))


def test_the_groups_of_each_name_are_found(database: Database) -> None:
    query = sa.select(groups_by_name.c.directory, groups_by_name.c.name, groups_by_name.c.groups)
    with database.read() as connection:
        found = {(directory, number): list(unpack("I", refs)) for directory, number, refs in connection.execute(query)}
    assert found == {
        (7, name("ada")): [STAFF],
        (7, name("crew")): [STAFF],
        (7, name("bob")): [CREW],
        (7, name("stranger")): [CREW],
    }
    database.close()


def test_names_know_the_kind_of_their_records(database: Database) -> None:
    with database.read() as connection:
        found = {ref: kind for ref, kind in connection.execute(sa.select(names.c.ref, names.c.kind))}  # noqa: C416
        assert connection.scalar(sa.select(sa.func.count()).select_from(memberships)) == 2
    assert found == {ADA: 0, BOB: 0, STAFF: 1, CREW: 1}
    database.close()


def test_a_target_that_was_not_given_everything_is_given_all_groups_again(database: Database) -> None:
    query = sa.select(target_progress.c.target, target_progress.c.fingerprint)
    with database.read() as connection:
        found = {target: text for target, text in connection.execute(query)}  # noqa: C416
    assert found == {1: "rules", 2: ""}
    database.close()
