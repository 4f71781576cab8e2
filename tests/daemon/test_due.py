"""When a target is due without a pull. No I/O, no real time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from usersyncd.core.report import Cause
from usersyncd.daemon.dates import Dates
from usersyncd.daemon.due import FIRST_LOOK, FIRST_RETRY, LONGEST_RETRY, Due
from usersyncd.daemon.engine import WorkItem
from usersyncd.errors import StateError

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
APP = WorkItem("deliver", "app")


class Planned:
    """When items are due."""

    def __init__(self) -> None:
        self.due: dict[WorkItem, tuple[datetime, Cause]] = {}

    def at(self, item: WorkItem, moment: datetime, cause: Cause) -> None:
        self.due[item] = moment, cause

    def drop(self, item: WorkItem) -> None:
        self.due.pop(item, None)


def test_a_target_is_due_at_the_date_that_its_delivery_names() -> None:
    planned = Planned()
    due = Due(planned)
    friday = NOON + timedelta(days=3)
    due.delivered("app", failed=False, due=friday, now=NOON)
    assert planned.due == {APP: (friday, "date")}
    due.delivered("app", failed=False, due=None, now=NOON)
    assert not planned.due


def test_a_failed_delivery_is_tried_again_after_pauses_that_grow() -> None:
    planned = Planned()
    due = Due(planned)
    pauses = []
    for _ in range(40):
        due.delivered("app", failed=True, due=None, now=NOON)
        moment, cause = planned.due[APP]
        assert cause == "retry"
        pauses.append(moment - NOON)
    assert pauses[:4] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY, 8 * FIRST_RETRY]
    assert pauses[-1] == LONGEST_RETRY
    due.delivered("app", failed=False, due=None, now=NOON)
    due.delivered("app", failed=True, due=None, now=NOON)
    assert planned.due == {APP: (NOON + FIRST_RETRY, "retry")}


def test_a_failed_delivery_does_not_miss_a_date() -> None:
    planned = Planned()
    due = Due(planned)
    soon = NOON + timedelta(seconds=1)
    due.delivered("app", failed=True, due=soon, now=NOON)
    assert planned.due == {APP: (soon, "date")}


def test_a_date_in_the_past_does_not_cause_a_busy_loop() -> None:
    planned = Planned()
    due = Due(planned)
    for pause in (FIRST_RETRY, 2 * FIRST_RETRY):
        due.delivered("app", failed=False, due=NOON, now=NOON)
        assert planned.due == {APP: (NOON + pause, "retry")}


def test_a_target_is_due_after_the_start_until_it_is_removed() -> None:
    planned = Planned()
    due = Due(planned)
    due.begin("app", NOON)
    assert planned.due == {APP: (NOON + FIRST_LOOK, "date")}
    due.removed("app")
    assert not planned.due


def test_a_date_of_another_process_counts_if_nothing_is_due_earlier() -> None:
    planned = Planned()
    due = Due(planned)
    soon, later = NOON + timedelta(seconds=1), NOON + timedelta(days=3)
    due.delivered("app", failed=False, due=None, now=NOON)
    due.found("app", later)
    assert planned.due == {APP: (later, "date")}
    due.found("app", soon)
    due.found("app", later)
    assert planned.due == {APP: (soon, "date")}


def test_a_date_that_the_last_delivery_reported_changes_nothing() -> None:
    """It may be past and held: it waits as a failure does."""
    planned = Planned()
    due = Due(planned)
    due.delivered("app", failed=False, due=NOON, now=NOON)
    due.found("app", NOON)
    assert planned.due == {APP: (NOON + FIRST_RETRY, "retry")}


async def test_each_other_date_is_noticed_once() -> None:
    dates, noticed = {"app": NOON}, list[tuple[str, datetime]]()
    found = Dates(lambda: dict(dates), lambda *one: noticed.append(one))
    await found.begin()
    await found.look()
    assert not noticed
    dates["app"] = dates["crm"] = NOON + timedelta(days=1)
    await found.look()
    await found.look()
    assert noticed == [("app", dates["app"]), ("crm", dates["crm"])]


async def test_a_state_that_does_not_answer_changes_no_date() -> None:
    noticed = list[tuple[str, datetime]]()

    def fails() -> dict[str, datetime]:
        if asked:
            raise StateError("it does not answer")
        return {"app": NOON}

    asked = list[bool]()
    found = Dates(fails, lambda *one: noticed.append(one))
    await found.begin()
    asked.append(True)
    await found.look()
    asked.clear()
    await found.look()
    assert not noticed
