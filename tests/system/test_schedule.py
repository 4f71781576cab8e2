"""When directories are pulled: spread at the start, and in time after jumps of the clock."""

from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.system.example import TARGETS, company, configure, query
from tests.system.inside import deliveries, pulls, running, until
from usersyncd.daemon import Loaded, approvals, dates, due, load_jobs, reload
from usersyncd.daemon.engine import deliver_to, pull_of
from usersyncd.options import RunOptions
from usersyncd.state.approvals import decide, held_shares
from usersyncd.sync import sync_directory


async def test_directories_with_equal_intervals_do_not_run_at_once(tmp_path: Path) -> None:
    names = ["acme", "berlin", "cork"]
    for name in names:
        company(tmp_path, name)
    async with running(configure(tmp_path, dict.fromkeys(names, "20s"))) as daemon:
        await until(lambda: len(pulls(daemon)) == 3 and not daemon.activity.running)
        began = pulls(daemon)
        assert [name for _, name in began] == names
        assert all(later - before > timedelta(seconds=0.3) for (before, _), (later, _) in pairwise(began))
        assert began[-1][0] - began[0][0] < timedelta(seconds=5), "all have run soon after the start"
        due = {name: when for when, name in daemon.next_runs()}
        for when, name in began:
            assert timedelta(seconds=18.9) < due[name] - when <= timedelta(seconds=20)


async def test_a_clock_that_is_set_back_delays_no_directory(tmp_path: Path) -> None:
    """The times that the scheduler has stored are in the future then."""
    company(tmp_path)
    async with running(configure(tmp_path, {"acme": "1h"})) as daemon:
        await until(lambda: len(pulls(daemon)) == 1 and not daemon.activity.running)
        daemon.schedule.scheduler.modify_job("pull acme", next_run_time=datetime.now(UTC) + timedelta(days=1))
        await until(lambda: len(pulls(daemon)) == 2)


async def test_a_directory_overdue_after_the_machine_slept_runs_at_once(tmp_path: Path) -> None:
    """The wall clock has moved on during the sleep, the monotonic clock of the scheduler has not."""
    company(tmp_path)
    async with running(configure(tmp_path, {"acme": "1h"})) as daemon:
        await until(lambda: len(pulls(daemon)) == 1 and not daemon.activity.running)
        store = daemon.schedule.scheduler._jobstores["default"]
        job = store.lookup_job("pull acme")
        job._modify(next_run_time=datetime.now(UTC) - timedelta(hours=8))  # The scheduler is not woken.
        store.update_job(job)
        await until(lambda: len(pulls(daemon)) == 2)


LEAVERS = TARGETS + "    leavers: {delete_after: 2s}\n    guard: {at_least: 1000}\n"


async def test_a_target_gets_what_a_date_makes_due_without_a_pull(tmp_path: Path) -> None:
    users = company(tmp_path) / "users.csv"
    left = "SELECT active FROM users WHERE id = 'u-0005'"
    async with running(configure(tmp_path, {"acme": "1h"}, targets=LEAVERS)) as daemon:
        await until(lambda: deliveries(daemon))
        users.write_text("".join(line for line in users.read_text().splitlines(True) if not line.startswith("u-0005,")))
        daemon.engine.request(pull_of("acme"), "manual")
        await until(lambda: query(tmp_path, left) == [(0,)])
        await until(lambda: query(tmp_path, left) == [])
        await until(lambda: len(deliveries(daemon)) == 3)
        assert [cause for _, cause in deliveries(daemon)] == ["pull", "pull", "date"]
        assert len(pulls(daemon)) == 2


async def test_a_date_that_a_sync_by_hand_brought_is_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process delivered it: the daemon has to find it in the state."""
    monkeypatch.setattr(dates, "PAUSE", 0.1)
    users = company(tmp_path) / "users.csv"
    config = configure(tmp_path, {"acme": "1h"}, targets=LEAVERS)
    left = "SELECT active FROM users WHERE id = 'u-0005'"
    async with running(config) as daemon:
        await until(lambda: deliveries(daemon) and not daemon.activity.running)
        users.write_text("".join(line for line in users.read_text().splitlines(True) if not line.startswith("u-0005,")))
        await sync_directory(daemon.database, daemon.loaded.config, "acme", RunOptions())
        assert query(tmp_path, left) == [(0,)]
        await until(lambda: query(tmp_path, left) == [])
        await until(lambda: len(deliveries(daemon)) == 3)
        assert [cause for _, cause in deliveries(daemon)] == ["pull", "manual", "date"]


async def test_a_target_that_fails_is_tried_again_without_a_pull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "FIRST_RETRY", timedelta(seconds=0.1))
    company(tmp_path)
    (tmp_path / "app.db").mkdir()
    async with running(configure(tmp_path, {"acme": "1h"})) as daemon:
        await until(lambda: len(deliveries(daemon)) >= 2)
        (tmp_path / "app.db").rmdir()
        await until(lambda: query(tmp_path, "SELECT count(*) FROM users") == [(249,)])
        await until(lambda: not daemon.activity.failures)
        causes = [cause for _, cause in deliveries(daemon)]
        assert causes == ["pull", *["retry"] * (len(causes) - 1)]
        assert len(pulls(daemon)) == 1


async def test_a_held_plan_is_delivered_when_a_person_approves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "PAUSE", 0.1)
    users = company(tmp_path) / "users.csv"
    async with running(configure(tmp_path, {"acme": "1h"})) as daemon:
        await until(lambda: deliveries(daemon))
        users.write_text("".join(users.read_text().splitlines(keepends=True)[:120]))
        daemon.engine.request(pull_of("acme"), "manual")
        await until(lambda: daemon.activity.failures.get(deliver_to("app")) == "held")
        with daemon.database.write() as connection:
            [held] = held_shares(connection)
            decide(connection, held, approved=True, by="ann", reason=None, now=datetime.now(UTC))
        await until(lambda: not daemon.activity.failures)
        assert [cause for _, cause in deliveries(daemon)] == ["pull", "pull", "approval"]


async def test_a_reload_that_hangs_is_logged_and_delays_no_pull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company(tmp_path)
    answers = threading.Event()

    def hangs(file: os.PathLike[str]) -> Loaded:
        answers.wait(60)
        return load_jobs(file)

    config = configure(tmp_path, {"acme": "1s"})
    with capture_logs() as logs:
        async with running(config) as daemon:
            monkeypatch.setattr(reload, "SLOW", 0.05)
            monkeypatch.setattr(reload, "load_jobs", hangs)
            await until(lambda: pulls(daemon))
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: sum("is still being loaded" in one["event"] for one in logs) >= 2)
            before = len(pulls(daemon))
            await until(lambda: len(pulls(daemon)) > before)
            answers.set()
            await until(lambda: any(one["event"] == "configuration reloaded" for one in logs))
    assert sum("is still being loaded" in one["event"] for one in logs) < 10, "the pauses do not grow"
