"""Held changes and decisions are stored the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from tests.run.migrated import migrated_sqlite
from tests.servers.postgres import Postgres
from usersyncd.plugin import Change, Kind, Op
from usersyncd.state import approvals
from usersyncd.state.approvals import ShareKey
from usersyncd.state.database import Database, open_database
from usersyncd.state.tables import decided, decisions, directories, held
from usersyncd.state.targets import drop, remember

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHARE = ShareKey(1, 1, "app", "hr")
IDS = [f'["user","{name}","deactivate"]' for name in ("ann", "bob", "eve")]
CHANGES = [Change(Op.DEACTIVATE, Kind.USER, "hr", name, name) for name in ("ann", "bob", "eve")]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A state with a directory and a target, for which three changes are held."""
    if request.param == "sqlite":
        url = migrated_sqlite(tmp_path / "state.db")
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.database(request.getfixturevalue("migrated"))
    made = open_database(url)
    with made.write() as connection:
        connection.execute(insert(directories).values(id=1, name="hr", revision=0, users=0, groups=0, memberships=0))
        assert remember(connection, "here", "app", None) == 1
    approvals.hold(made, SHARE, IDS, CHANGES, NOON)
    yield made
    made.close()


def decide(database: Database, *, approved: bool, by: str = "ann", now: datetime = NOON) -> None:
    with database.write() as connection:
        [one] = approvals.held_shares(connection)
        approvals.decide(connection, one, approved=approved, by=by, reason="why", now=now)


def test_held_changes_are_replaced_and_dropped(database: Database) -> None:
    with database.read() as connection:
        [one] = approvals.held_shares(connection)
    assert (one.share, one.since, one.first, one.identities) == (SHARE, NOON, False, IDS)
    assert len(list(one.changes())) == 3
    assert approvals.hold(database, SHARE, IDS, [], NOON + timedelta(hours=1)) == one.hash
    approvals.hold(database, SHARE, IDS[:2], CHANGES[:2], NOON + timedelta(hours=2))
    with database.read() as connection:
        [other] = approvals.held_shares(connection)
    assert (len(other.identities), other.since) == (2, NOON + timedelta(hours=2))
    approvals.release(database, SHARE, NOON)
    with database.read() as connection:
        assert approvals.held_shares(connection) == []


def test_an_approval_that_was_given_during_a_delivery_ends_with_what_is_held(database: Database) -> None:
    """The delivery began without it, and found that nothing of it is planned any more."""
    decide(database, approved=True, now=NOON + timedelta(minutes=1))
    approvals.release(database, SHARE, NOON)
    with database.read() as connection:
        assert not approvals.is_decided(connection, 1, 1)


def test_an_approval_from_before_a_delivery_stays_until_its_plan_is_known(database: Database) -> None:
    decide(database, approved=True)
    approvals.release(database, SHARE, NOON + timedelta(minutes=1))
    with database.read() as connection:
        assert approvals.is_decided(connection, 1, 1)


def test_the_last_decision_counts_until_it_ends(database: Database) -> None:
    decide(database, approved=True)
    decide(database, approved=False, by="bob")
    with database.write() as connection:
        found = approvals.decisions_of(connection, 1, 1, NOON)
        assert (found.approved, set(found.rejected)) == ({}, set(IDS))
        assert {one.by for one in found.rejected.values()} == {"bob"}
        approvals.end(connection, 1, 1, IDS[:2])
        [open_] = approvals.open_decisions(connection, NOON)
        assert (open_.share, open_.decision.reason, open_.identities) == (SHARE, "why", IDS[2:])
        assert connection.scalar(select(func.count()).select_from(decisions)) == 2, "both stay as history"


def test_an_expired_approval_does_not_count_and_is_cleared(database: Database) -> None:
    decide(database, approved=True)
    later = NOON + timedelta(days=1)
    with database.write() as connection:
        assert len(approvals.decisions_of(connection, 1, 1, NOON).approved) == 3
        assert not approvals.decisions_of(connection, 1, 1, later)
        assert approvals.open_decisions(connection, later) == []
        approvals.end_expired(connection, 1, 1, NOON)
        assert connection.scalar(select(func.count()).select_from(decided)) == 3
        approvals.end_expired(connection, 1, 1, later)
        assert connection.scalar(select(func.count()).select_from(decided)) == 0


def test_a_delivered_change_is_not_approved_any_more(database: Database) -> None:
    decide(database, approved=True)
    with database.write() as connection:
        found = approvals.decisions_of(connection, 1, 1, NOON)
        approvals.consume(connection, 1, 1, [(CHANGES[0], False)], found.approved)
        assert set(approvals.decisions_of(connection, 1, 1, NOON).approved) == set(IDS[1:])


def test_forgetting_a_target_deletes_its_decisions(database: Database) -> None:
    decide(database, approved=True)
    with database.write() as connection:
        drop(connection, 1)
        for table in (held, decided, decisions):
            assert connection.scalar(select(func.count()).select_from(table)) == 0
