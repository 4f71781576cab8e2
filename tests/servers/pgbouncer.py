"""PgBouncer before a PostgreSQL server: on loopback, on a free port, in a folder of its own.

In a test::

    def test_something(postgres: Postgres, tmp_path: Path) -> None:
        with pgbouncer(postgres, tmp_path, mode="transaction") as pooler:
            url = pooler.url(postgres.database())      # the same database through the pooler
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.servers.postgres import USER, Postgres
from tests.servers.process import Process, free_port, give, listens, program, unprivileged

PACKAGE = "pgbouncer"
CONFIG = """[databases]
* = host=127.0.0.1 port={server} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
pool_mode = {mode}
default_pool_size = {pool}
server_round_robin = 1
unix_socket_dir =
"""


@dataclass(frozen=True)
class Pgbouncer:
    """A running pooler."""

    port: int
    server: Postgres
    pool: int

    def url(self, url: str) -> str:
        """The URL of a database of the server, through the pooler. All sessions of its pool are open: as in use, the
        next one that is given out is another one than the last."""
        pooled = url.replace(f":{self.server.port}/", f":{self.port}/")
        with ExitStack() as stack:
            for _ in range(self.pool):
                stack.enter_context(psycopg.connect(pooled)).execute("SELECT 1")
        return pooled


@contextmanager
def pgbouncer(server: Postgres, folder: Path, *, mode: str, pool: int = 3) -> Iterator[Pgbouncer]:
    """A pooler with ``pool`` connections for each database, which it gives out in turn. Without PgBouncer installed the
    test is skipped."""
    command = program("pgbouncer", PACKAGE)
    port = free_port()
    config = folder / "pgbouncer.ini"
    config.write_text(CONFIG.format(server=server.port, user=USER, port=port, mode=mode, pool=pool))
    give(folder)
    process = Process([command, str(config)], folder / "pgbouncer.log", lambda: listens(port), **unprivileged())
    try:
        yield Pgbouncer(port, server, pool)
    finally:
        process.stop()
