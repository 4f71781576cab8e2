"""A state database behind a pooler: locks belong to a session, so each connection needs one of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.pgbouncer import pgbouncer
from tests.servers.postgres import Postgres
from usersyncd.errors import LockedError, StateError
from usersyncd.state.database import open_database
from usersyncd.state.lock import DIRECTORY, locked


@pytest.mark.parametrize("pool", [1, 2, 3])
def test_a_pooler_that_shares_sessions_is_refused(postgres: Postgres, tmp_path: Path, pool: int) -> None:
    url = postgres.database()
    with pgbouncer(postgres, tmp_path, mode="transaction", pool=pool) as pooler:
        with pytest.raises(
            StateError, match="is behind a pooler that gives each transaction another session"
        ) as raised:
            open_database(pooler.url(url))
        assert "pool_mode = session" in str(raised.value.remedy)
    assert postgres.sql(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_a_pooler_in_session_mode_is_accepted(postgres: Postgres, tmp_path: Path) -> None:
    with pgbouncer(postgres, tmp_path, mode="session", pool=5) as pooler:
        url = pooler.url(postgres.database())
        one, other = open_database(url), open_database(url)
        with locked(one, DIRECTORY, "hr"), pytest.raises(LockedError), locked(other, DIRECTORY, "hr"):
            pass
        with locked(other, DIRECTORY, "hr"):
            pass
        one.close()
        other.close()
