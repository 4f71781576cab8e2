"""Servers and templates that tests share. Making them takes seconds, so each worker has one of each, for all its tests.

``tests/conftest.py`` gives them to every test.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.servers.mariadb import Mariadb
from tests.servers.postgres import Postgres
from tests.servers.scim_server import ScimServer, ScimTenant

MEMORY = Path("/dev/shm")
"""Where tests keep databases: thousands of runs would wait for a disk several times each."""
ENOUGH = 2**30
"""Bytes that the databases of one test need at most."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """For fixtures that last as long; a test takes ``postgres``."""
    # Not in pytest's own folder: another session of pytest closes that to the unprivileged user who runs the server.
    with TemporaryDirectory(prefix="postgres-", dir=_memory()) as folder:
        server = Postgres.start(Path(folder))
        yield server
        server.stop()


def _memory() -> Path | None:
    """A folder in memory, if there is room: a database of PostgreSQL is 300 files."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH else None


@pytest.fixture
def postgres(postgres_server: Postgres) -> Iterator[Postgres]:
    """The server that tests share. The databases that a test takes are its own, and dropped after it."""
    yield postgres_server
    postgres_server.drop_databases()


@pytest.fixture(scope="session")
def migrated(postgres_server: Postgres) -> str:
    """The name of an empty state database at the newest version, to be copied."""
    from usersyncd.state.database import open_database

    postgres_server.sql(postgres_server.url("postgres"), "CREATE DATABASE migrated")
    open_database(postgres_server.url("migrated")).close()
    return "migrated"


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mariadb]:
    """The server that tests share; each takes a database of its own."""
    # Not in pytest's own folder: another session of pytest closes that to the unprivileged user who runs the server.
    with TemporaryDirectory(prefix="mariadb-") as folder:
        server = Mariadb.start(Path(folder))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def scim_server() -> Iterator[ScimServer]:
    """For the fixture ``scim``."""
    pytest.importorskip("scim2_server")
    with TemporaryDirectory(prefix="scim-") as folder:
        server = ScimServer.start(Path(folder))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def scimmy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScimServer]:
    """A server of another family, on Express, behind the same faults."""
    from tests.servers.node_scim import scimmy

    yield from _behind_faults(tmp_path_factory.getbasetemp(), "scimmy", scimmy)


@pytest.fixture(scope="session")
def polis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScimServer]:
    """The library of Polis, behind the same faults. It takes minutes to install."""
    from tests.servers.node_scim import polis

    yield from _behind_faults(tmp_path_factory.getbasetemp(), "polis", polis)


def _behind_faults(base: Path, name: str, install: Callable[..., Path]) -> Iterator[ScimServer]:
    from tests.servers.node_scim import start

    pytest.importorskip("scim2_server")
    place = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    script = once(place, name, lambda folder: install(folder=folder))
    with TemporaryDirectory(prefix=f"{name}-") as folder:
        process, port = start(script, Path(folder))
        server = ScimServer.start(Path(folder), port)
        yield server
        server.stop()
        process.stop()


@pytest.fixture
def scim(scim_server: ScimServer) -> ScimTenant:
    """A SCIM service provider without users and groups."""
    return scim_server.tenant()


@pytest.fixture(scope="session")
def ds389_tree() -> Iterator[Path]:
    """An instance of 389 Directory Server, to be copied."""
    from tests.servers.ds389 import create

    # Not in pytest's own folder: another session of pytest closes that to the unprivileged user who runs the server.
    with TemporaryDirectory(prefix="ds389-") as folder:
        yield create(Path(folder))


@pytest.fixture(scope="session")
def samba_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A provisioned domain, to be copied. The workers share it: it costs as much as a hundred tests."""
    from tests.servers.samba import provision

    folder = tmp_path_factory.getbasetemp()
    return once(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder, "samba", provision)


def once(folder: Path, name: str, make: Callable[[Path], Path]) -> Path:
    """What ``make`` makes in a new folder, made by the first worker that asks; the others wait for it."""
    with (folder / f"{name}.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if made := lock.read():
            return Path(made)
        place = folder / name
        shutil.rmtree(place, ignore_errors=True)  # of a worker that failed
        place.mkdir()
        found = make(place)
        lock.write(str(found))
        return found
