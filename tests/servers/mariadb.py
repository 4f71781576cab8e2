"""A private MariaDB: on loopback, on a free port, in a folder of its own.

In a test::

    def test_something(mariadb: Mariadb) -> None:
        url = mariadb.database()           # a new, empty database: mariadb://usersyncd@127.0.0.1:PORT/test_1
        mariadb.sql(url, "CREATE TABLE app_user (id INT AUTO_INCREMENT PRIMARY KEY)")
        rows = mariadb.sql(url, "SELECT * FROM app_user")

A test that kills or stops the server starts its own: ``Mariadb.start(tmp_path)``, and stops it.
"""

from __future__ import annotations

import os
import subprocess
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.servers.process import Process, free_port, give, listens, program, unprivileged

PACKAGE = "mariadb-server"
USER = "usersyncd"


class Mariadb:
    """A running server. ``user`` may do everything, and needs no password."""

    user = USER

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.port = data, port
        self._numbers = count(1)
        self._process: Process | None = None

    @classmethod
    def start(cls, folder: Path) -> Mariadb:
        """Make a data folder under ``folder`` and start the server. Without MariaDB installed the test is skipped."""
        install = program("mariadb-install-db", PACKAGE)
        data = folder.resolve() / "mariadb"
        data.mkdir(parents=True)
        give(data)
        made = subprocess.run(
            [install, "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
             f"--datadir={data}"],
            capture_output=True, text=True, check=False, cwd=data, **unprivileged(),
        )  # type: ignore[call-overload]  # fmt: skip
        if made.returncode != 0:
            raise RuntimeError(f"{made.args[0]} failed:\n{made.stdout}{made.stderr}")
        (data / "users.sql").write_text(f"GRANT ALL ON *.* TO {USER}@'%' IDENTIFIED BY '' WITH GRANT OPTION;\n")
        (data / "users.sql").chmod(0o644)
        server = cls(data, free_port())
        server.run()
        return server

    def run(self) -> None:
        """Start the server (again, after :meth:`kill` or :meth:`stop`) on the same port, with the data it had."""
        command = [
            program("mariadbd", PACKAGE), "--no-defaults", f"--datadir={self.data}", f"--socket={self.data}/socket",
            f"--pid-file={self.data}/pid", "--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve",
            f"--init-file={self.data}/users.sql", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M",
        ]  # fmt: skip
        home = {**os.environ, "HOME": str(self.data)}
        log = self.data / "server.log"
        self._process = Process(command, log, lambda: listens(self.port), cwd=self.data, env=home, **unprivileged())

    def database(self) -> str:
        """A new, empty database: its URL. Its collation takes no notice of case, as most have it."""
        name = f"test_{next(self._numbers)}"
        self.sql(self.url("mysql"), f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
        return self.url(name)

    def url(self, database: str, user: str = USER) -> str:
        return f"mariadb://{user}@127.0.0.1:{self.port}/{database}"

    def sql(self, url: str, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each for itself; what the last one gives."""
        import pymysql

        rows: list[tuple[Any, ...]] = []
        parts = urlsplit(url)
        with pymysql.connect(
            host="127.0.0.1", port=self.port, user=parts.username, database=parts.path[1:], charset="utf8mb4",
            autocommit=True,
        ) as connection, connection.cursor() as cursor:  # fmt: skip
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        assert self._process is not None
        self._process.kill()

    def stop(self) -> None:
        """An orderly shutdown. Does nothing when the server has stopped."""
        if self._process is not None:
            self._process.stop()
