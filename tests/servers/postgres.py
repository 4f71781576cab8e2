"""A private PostgreSQL: on loopback, on a free port, in a folder of its own, with trust for authentication.

In a test::

    def test_something(postgres: Postgres) -> None:
        url = postgres.database()          # a new, empty database: postgresql://usersyncd@127.0.0.1:PORT/test_1
        postgres.sql(url, "CREATE TABLE app_user (id serial PRIMARY KEY)", "INSERT INTO app_user DEFAULT VALUES")
        rows = postgres.sql(url, "SELECT * FROM app_user")

A test that kills or stops the server starts its own: ``Postgres.start(tmp_path)``, and stops it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from tests.servers.process import Process, free_port, give, program, unprivileged

PACKAGE = "postgresql"
USER = "usersyncd"


def create_database(name: str, template: str) -> str:
    """The statement. Copying files costs half of what the default does, which writes them to the log too."""
    return f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"


class Postgres:
    """A running server. ``user`` is a superuser without a password."""

    user = USER

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.port = data, port
        self._numbers = count(1)
        self._databases: list[str] = []
        self._process: Process | None = None

    @classmethod
    def start(cls, folder: Path) -> Postgres:
        """Make a cluster under ``folder`` and start it. Without PostgreSQL installed the test is skipped."""
        initdb = program("initdb", PACKAGE)
        data = folder.resolve() / "postgres"
        data.mkdir(parents=True)
        give(data)
        made = subprocess.run(
            [initdb, "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D", str(data)],
            capture_output=True, text=True, check=False, cwd=data, **unprivileged(),
        )  # type: ignore[call-overload]  # fmt: skip
        if made.returncode != 0:
            raise RuntimeError(f"{made.args[0]} failed:\n{made.stdout}{made.stderr}")
        server = cls(data, free_port())
        server.run()
        return server

    def run(self) -> None:
        """Start the server (again, after :meth:`kill` or :meth:`stop`) on the same port, with the data it had."""
        server, ready = program("postgres", PACKAGE), program("pg_isready", PACKAGE)
        command = [
            server, "-D", str(self.data), "-k", str(self.data), "-h", "127.0.0.1", "-p", str(self.port),
            "-c", "fsync=off", "-c", "max_connections=50",
        ]  # fmt: skip

        def answers() -> bool:
            asked = [ready, "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            return subprocess.run(asked, check=False).returncode == 0

        self._process = Process(command, self.data / "server.log", answers, cwd=self.data, **unprivileged())

    def database(self, template: str = "template1") -> str:
        """A new database, empty or a copy of another one: its URL."""
        name = f"test_{next(self._numbers)}"
        self._databases.append(name)
        self.sql(self.url("postgres"), create_database(name, template))
        return self.url(name)

    def drop_databases(self) -> None:
        """Drop the databases that :meth:`database` created, even with open connections."""
        self.sql(self.url("postgres"), *(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in self._databases))
        self._databases.clear()

    def url(self, database: str, user: str = USER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def sql(self, url: str, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each for itself; what the last one gives."""
        import psycopg

        rows: list[tuple[Any, ...]] = []
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def kill(self) -> None:
        """SIGKILL, as a crash of the machine: also for the children, who would go on answering for a moment."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self._process.kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(map(_lives, children)) and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self) -> None:
        """The fast shutdown: connections are cut. Does nothing when the server has stopped."""
        if self._process is not None and self._process.popen.poll() is None:
            self._process.popen.send_signal(2)
            self._process.popen.wait(30)


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
