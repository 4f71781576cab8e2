"""Two daemons with one state database: a directory is run by one of them at a time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.servers.postgres import Postgres
from tests.system.daemon import Daemon, daemon
from tests.system.example import company, configure
from usersyncd.state.database import open_database
from usersyncd.state.tables import runs


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_their_runs_never_overlap_and_one_takes_over_from_the_other(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    company(tmp_path)
    config = configure(tmp_path, {"acme": "1s"})
    url = f"sqlite:///{tmp_path}/state.db"
    if kind == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.database()
        config.write_text(config.read_text().replace("sqlite:///state.db", url))
    with daemon(config) as one, daemon(config) as other:
        # Whose turn it is is chance: with the same interval, one of them may come too late every time.
        one.wait("nobody runs", lambda: one.runs("acme") + other.runs("acme") >= 4)
        _ends(one)
        before = other.runs("acme")
        other.wait("it does not take over", lambda: other.runs("acme") >= before + 2)
        _ends(other)
    database = open_database(url)
    with database.read() as connection:
        times = connection.execute(select(runs.c.started, runs.c.finished).order_by(runs.c.started)).all()
    database.close()
    assert len(times) >= 6
    assert all(finished <= started for (_, finished), (started, _) in pairwise(times))


def _ends(running: Daemon) -> None:
    code, _ = running.end()
    assert code == 0
    assert not running.said(level="error")
