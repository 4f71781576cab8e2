"""The status line that says what the daemon does."""

from __future__ import annotations

from datetime import UTC, datetime

from usersyncd.daemon.activity import Activity
from usersyncd.daemon.engine import WorkItem
from usersyncd.progress import Wait

HR, CORP = WorkItem("pull", "hr"), WorkItem("pull", "corp")
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def test_the_line_names_what_runs_what_comes_next_and_what_failed() -> None:
    activity = Activity()
    running = activity.begin(HR, NOON)
    running.progress.begin("reading")
    running.progress.advance(12_000)
    activity.note(HR, "failed")
    activity.note(CORP, "held")
    line = activity.line([(NOON, HR), (NOON, CORP)])
    assert line == f"hr: reading 12,000; next: corp at {NOON.astimezone():%H:%M:%S}; corp held"


def test_the_line_says_what_an_item_waits_for_until_it_runs() -> None:
    activity = Activity()
    activity.waiting[HR] = Wait("another process", "another process is running hr")
    assert activity.line([(NOON, HR)]) == "hr: waiting: another process is running hr"
    activity.begin(HR, NOON)
    assert activity.line([(NOON, HR)]) == "hr: starting"


def test_a_success_ends_a_failure() -> None:
    activity = Activity()
    activity.note(HR, "failed")
    activity.note(HR, "succeeded")
    assert activity.line([]) == "no directories"


def test_a_failure_of_removed_work_is_not_named() -> None:
    activity = Activity()
    activity.note(HR, "failed")
    activity.waiting[HR] = Wait("another process", "another process is running hr")
    activity.forget(HR)
    assert activity.line([]) == "no directories"
