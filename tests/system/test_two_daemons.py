"""Two daemons with one state database: a directory is run by one of them at a time, and both get their turns.

That locks hold between processes is tested in tests/state/test_lock.py and test_daemon.py.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from tests.servers.postgres import Postgres
from tests.system.example import company, configure
from tests.system.inside import deliveries, pulls, running, until
from usersyncd.daemon import daemon
from usersyncd.state.lock import DIRECTORY, locked
from usersyncd.state.tables import runs as runs_table


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_runs_never_overlap_and_one_daemon_continues_when_the_other_ends(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    company(tmp_path)
    config = configure(tmp_path, {"acme": "1s"})
    if kind == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        config.write_text(config.read_text().replace("sqlite:///state.db", server.database()))
    with capture_logs() as logs:
        async with running(config) as other:
            async with running(config) as one:
                await until(lambda: len(pulls(one)) >= 3 and len(deliveries(one)) >= 3)
            before = len(pulls(other))
            await until(lambda: len(pulls(other)) >= before + 2 and len(deliveries(other)) >= 4)
            with other.database.read() as connection:
                columns = runs_table.c.started, runs_table.c.finished
                times = {
                    subject: connection.execute(
                        select(*columns).where(runs_table.c.subject == subject).order_by(runs_table.c.started)
                    ).all()
                    for subject in ("acme", "app")
                }
    for each in times.values():
        ended = [(started, finished) for started, finished in each if finished]
        assert len(ended) >= 4
        assert all(finished <= started for (_, finished), (started, _) in pairwise(ended))
    assert not [one for one in logs if one["log_level"] == "error"]


KEPT_OUT = "another process is pulling this directory"


async def test_a_daemon_that_found_a_lock_pulls_as_soon_as_the_lock_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that tried again only at its next interval might find the lock every time."""
    monkeypatch.setattr(daemon, "LONGEST_PAUSE", timedelta(seconds=0.1))
    company(tmp_path)
    config = configure(tmp_path, {"acme": "1h"})
    with capture_logs() as logs:
        async with running(config) as waiting:
            with locked(waiting.database, DIRECTORY, "acme"):
                await until(lambda: any(KEPT_OUT in one["event"] for one in logs))
                assert not pulls(waiting)
            await until(lambda: pulls(waiting))
    assert sum(KEPT_OUT in one["event"] for one in logs) == 1


async def test_a_daemon_that_waits_for_a_lock_ends_without_an_error(tmp_path: Path) -> None:
    company(tmp_path)
    config = configure(tmp_path, {"acme": "1h"})
    with capture_logs() as logs:
        async with running(config) as waiting:
            with locked(waiting.database, DIRECTORY, "acme"):
                await until(lambda: any(KEPT_OUT in one["event"] for one in logs))
        assert not [one for one in logs if one["log_level"] == "error"]
