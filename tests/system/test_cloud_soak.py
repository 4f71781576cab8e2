"""Cloud directories in which much happens and much goes wrong: after each run nobody is out who is in the tenant, and
nobody in who left it; once it is quiet, the target holds what the tenant holds."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("msal", reason="the extra entra is not installed")
pytest.importorskip("googleapiclient", reason="the extra google is not installed")

from tests.system.cloud import CLOUDS, Cloud
from tests.system.daemon import Daemon, daemon
from tests.system.example import content, query
from usersyncd.config import load
from usersyncd.http_client import Clock
from usersyncd.opening import open_state
from usersyncd.options import RunOptions
from usersyncd.sync import sync_directory
from usersyncd.testing import HurriedClock

HOUR = float(os.environ.get("USERSYNCD_SOAK_SECONDS", "3600"))
SEED = int(os.environ.get("USERSYNCD_SOAK_SEED", "1"))

Start = Callable[[str, int, Clock], Cloud]

CONFIG = """\
state: sqlite:///state.db
directories:
  cloud:
    every: 1s
{directory}
targets:
  app:
    connector: sql
    options: {{url: sqlite:///app.db, create_tables: true}}
    guard: {{at_least: 1000000}}
    users:
      key: id
      set:
        id: user.id
        active: {{value: true}}
        login: user.userName
        email: user.email
        name: user.displayName
        enabled: 'user.active ? "yes" : "no"'
        manager: user.manager
        boss: user.manager.displayName
        teams: user.groups.join(";")
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a cloud: its name, a seed; its configuration is in ``tmp_path``."""
    started: list[Cloud] = []

    def begin(name: str, seed: int, clock: Clock) -> Cloud:
        cloud = CLOUDS[name](Random(seed), clock)
        started.append(cloud)
        (tmp_path / "config.yaml").write_text(CONFIG.format(directory=cloud.configure(tmp_path)))
        return cloud

    yield begin
    for cloud in started:
        cloud.stop()


def assert_equal(cloud: Cloud, folder: Path) -> None:
    with cloud.lock:
        wanted = cloud.contents()
    rows = query(folder, "SELECT id, login, email, name, enabled, manager, boss, teams FROM users WHERE active")
    assert {row[0]: row[1:6] for row in rows} == wanted.people
    assert {row[0]: row[6] for row in rows} == wanted.bosses
    assert {row[0]: row[7] or "" for row in rows} == wanted.teams
    assert dict(query(folder, 'SELECT id, display_name FROM "groups"')) == wanted.groups
    assert set(query(folder, "SELECT group_id, member_id FROM group_members")) == wanted.members


def assert_nobody_is_wrong(cloud: Cloud, folder: Path, succeeded: datetime | None) -> None:
    """Nobody is out who has been in the tenant since before the last run that succeeded, and nobody in who has been
    away since then."""
    if succeeded is None:
        return
    with cloud.lock:
        people = {row[0] for row in query(folder, "SELECT id FROM users WHERE active")}
        out = [who for who, since in cloud.here.items() if since < succeeded and who not in people]
        still_in = [who for who, since in cloud.away.items() if since < succeeded and who in people]
    assert not out, "they are in the tenant"
    assert not still_in, "they have left the tenant"


# ---- the real run


class Runs:
    """Runs in this process, that do not wait."""

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.folder, self.cloud = folder, cloud
        self._config = load(folder / "config.yaml")
        self._succeeded: datetime | None = None
        self._database = open_state(self._config)

    def close(self) -> None:
        self._database.close()

    async def run(self, *, complete: bool = False, ends_after: float | None = None) -> str:
        """How one run ended; ``cancelled``: after so many seconds. Nothing may be wrong afterwards."""
        cloud, before, happened = self.cloud, content(self.folder), self.cloud.happened
        honest = cloud.is_honest
        try:
            report = await asyncio.wait_for(
                sync_directory(self._database, self._config, "cloud", RunOptions(complete=complete)), ends_after
            )
        except TimeoutError:
            assert_nobody_is_wrong(cloud, self.folder, self._succeeded)
            return "cancelled"
        if report.status == "failed":
            assert report.error is not None, report
            assert "unexpected" not in report.error
            assert content(self.folder) == before
        else:
            assert report.status == "succeeded", report
            self._succeeded = datetime.fromisoformat(report.started)
            if honest and cloud.happened == happened:
                assert_equal(cloud, self.folder)
        assert_nobody_is_wrong(cloud, self.folder, self._succeeded)
        return report.status


async def live(cloud: Cloud, runs: Runs, rounds: int) -> Counter[str]:
    """Alternate changes, faults and runs, then run without faults. Returns how the runs ended."""
    ended, dice = Counter[str](), cloud.dice
    for _ in range(rounds):
        cloud.disturb()
        cloud.live(dice.randrange(6))
        cloud.unrest = dice.choice([0, 0, 0.1])
        cloud.forward(minutes=dice.choice([1, 20]))
        ends_after = dice.uniform(0, 0.3) if dice.random() < 0.1 else None
        ended[await runs.run(complete=dice.random() < 0.1, ends_after=ends_after)] += 1
    cloud.unrest = 0
    cloud.calm()
    for _ in range(2):
        cloud.forward(minutes=45)
        assert await runs.run() == "succeeded"
    assert_equal(cloud, runs.folder)
    return ended


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HurriedClock:
    """What runs wait by in the tests that have it."""
    hurried = HurriedClock()
    monkeypatch.setattr("usersyncd.http_client.Clock", lambda: hurried)
    return hurried


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20))])
@pytest.mark.parametrize("name", CLOUDS)
async def test_runs_under_faults(name: str, seed: int, start: Start, clock: HurriedClock, tmp_path: Path) -> None:
    with closing(Runs(tmp_path, start(name, seed, clock))) as runs:
        ended = await live(runs.cloud, runs, 30)
    assert ended["succeeded"] > 3
    assert ended["failed"] > 0


# ---- the daemon


def soak(cloud: Cloud, folder: Path, seconds: float, life: float) -> Counter[str]:
    """Let daemons live for so many seconds each, about, and kill them. Returns how the runs ended."""
    dice, config = cloud.dice, folder / "config.yaml"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with daemon(config) as running:
            running.wait("it did not start", lambda: running.said("started"))
            death = time.monotonic() + dice.uniform(0.2, 2) * life
            while time.monotonic() < min(death, deadline):
                cloud.disturb()
                cloud.unrest = dice.choice([0, 0.05])
                cloud.live(dice.randrange(6))
                cloud.forward(minutes=dice.choice([1, 20]))
                a_run(running, death)
                assert_nobody_is_wrong(cloud, folder, last_success(folder))
            running.end(dice.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            assert not running.said("unexpected")
        assert_nobody_is_wrong(cloud, folder, last_success(folder))
    cloud.unrest = 0
    cloud.calm()
    with daemon(config) as running:
        for _ in range(2):
            cloud.forward(minutes=45)
            running.wait_for_run("cloud")
        assert running.end()[0] == 0
    assert_equal(cloud, folder)
    return Counter(status for _, status in statuses(folder))


def a_run(running: Daemon, death: float) -> None:
    """Wait for the end of a run, at most until the daemon is killed."""
    before = len(running.said('"status"'))
    running.wait("", lambda: len(running.said('"status"')) > before or time.monotonic() > death, 3600)


def statuses(folder: Path) -> list[tuple[str, str]]:
    """Return when each run began, and how it ended."""
    with closing(sqlite3.connect(f"file:{folder / 'state.db'}?mode=ro", uri=True, timeout=10)) as state:
        return state.execute("SELECT started, status FROM runs WHERE status IS NOT NULL ORDER BY id").fetchall()


def last_success(folder: Path) -> datetime | None:
    """Return when the last delivered pull began."""
    ended = "SELECT max({}) FROM runs WHERE subject = '{}' AND status = 'succeeded'"
    delivered = ended.format("started", "app")
    query = f"{ended.format('started', 'cloud')} AND finished <= ({delivered})"
    with closing(sqlite3.connect(f"file:{folder / 'state.db'}?mode=ro", uri=True, timeout=10)) as state:
        [(began,)] = state.execute(query).fetchall()
    return datetime.fromisoformat(began) if began else None


@pytest.mark.parametrize(
    ("seconds", "life"),
    [(6, 2), pytest.param(HOUR, 60, marks=pytest.mark.slow, id="hour")],
)
@pytest.mark.parametrize("name", CLOUDS)
def test_a_daemon_under_faults(name: str, seconds: float, life: float, start: Start, tmp_path: Path) -> None:
    ended = soak(start(name, SEED, Clock()), tmp_path, seconds, life)
    assert ended.keys() <= {"succeeded", "failed"}
    assert ended["succeeded"] > seconds / 60
