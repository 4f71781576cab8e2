"""A state database is migrated to the newest version when it is opened, by one of several processes, or not used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from tests.servers.postgres import Postgres
from tests.state.processes import SPAWN, open_all
from usersyncd.errors import StateError
from usersyncd.state import migrations
from usersyncd.state.database import NEWEST, open_database
from usersyncd.state.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


def test_the_migrations_create_the_tables_of_the_metadata(state: str) -> None:
    database = open_database(state)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_the_migrations_create_the_same_tables_without_rowid(tmp_path: Path) -> None:
    """Alembic does not compare this: a table without rowid is stored by its primary key."""

    def without_rowid(engine: sa.Engine) -> set[str]:
        with engine.connect() as connection:
            return set(connection.scalars(sa.text("SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%'")))

    database = open_database(f"sqlite:///{tmp_path}/state.db")
    wanted = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metadata.create_all(wanted)
    assert without_rowid(database.engine) == without_rowid(wanted)
    database.close()
    wanted.dispose()


def test_a_database_at_the_newest_version_needs_no_alembic(tmp_path: Path) -> None:
    """Importing Alembic would double the start of every command."""
    url = f"sqlite:///{tmp_path}/state.db"
    open_database(url).close()
    program = "import sys; from usersyncd.state.database import open_database; open_database(sys.argv[1]).close(); "
    subprocess.run([sys.executable, "-c", program + "assert 'alembic' not in sys.modules", url], check=True)
    assert ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head() == NEWEST


def test_a_newer_database_is_refused_and_left_alone(state: str) -> None:
    database = open_database(state)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError) as raised:
        open_database(state)
    assert f"{database} is of version 9999, which a newer usersyncd has written" in raised.value.message
    assert raised.value.remedy == "run the newer usersyncd again, or restore the state database from before the upgrade"
    with database.read() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "9999"
    database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_several_processes_open_an_empty_database_at_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        urls = [f"sqlite:///{tmp_path}/{number}/state.db" for number in range(5)]
    else:
        server: Postgres = request.getfixturevalue("postgres")
        urls = [server.database() for _ in range(5)]
    start, outcomes = SPAWN.Barrier(3), SPAWN.Queue()
    processes = [SPAWN.Process(target=open_all, args=(urls, start, outcomes)) for _ in range(3)]
    for process in processes:
        process.start()
    assert [outcomes.get(timeout=60) for _ in urls * 3] == [None] * 15
    for process in processes:
        process.join(60)
    database = open_database(urls[0])
    with database.read() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM runs")) == 0
    database.close()
