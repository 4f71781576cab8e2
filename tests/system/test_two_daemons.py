"""Two daemons with one state database: a directory is run by one of them at a time."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.servers.postgres import Postgres, postgres
from tests.system.daemon import Daemon, daemon
from tests.system.example import company, configure
from usersyncd.state.database import open_database
from usersyncd.state.tables import runs

__all__ = ["postgres"]


def _runs(running: Daemon) -> bool:
    return running.runs("acme") >= 3


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_their_runs_never_overlap(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    company(tmp_path)
    config = configure(tmp_path, {"acme": "1s"})
    url = f"sqlite:///{tmp_path}/state.db"
    if kind == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.database()
        config.write_text(config.read_text().replace("sqlite:///state.db", url))
    with daemon(config) as one, daemon(config) as other:
        for running in (one, other):
            running.wait("it does not run", partial(_runs, running), 40)
        for running in (one, other):
            code, _ = running.end()
            assert code == 0
            assert not running.said(level="error")
    database = open_database(url)
    with database.read() as connection:
        times = connection.execute(select(runs.c.started, runs.c.finished).order_by(runs.c.started)).all()
    database.close()
    assert len(times) >= 6
    assert all(finished <= started for (_, finished), (started, _) in pairwise(times))
