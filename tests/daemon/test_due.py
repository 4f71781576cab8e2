"""When a target is due without a pull. No I/O, no real time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from usersyncd.core.report import Cause
from usersyncd.daemon.due import FIRST_LOOK, FIRST_RETRY, LONGEST_RETRY, Due
from usersyncd.daemon.engine import WorkItem

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


def test_a_date_that_is_past_makes_no_busy_loop() -> None:
    planned = Planned()
    due = Due(planned)
    for pause in (FIRST_RETRY, 2 * FIRST_RETRY):
        due.delivered("app", failed=False, due=NOON, now=NOON)
        assert planned.due == {APP: (NOON + pause, "retry")}


def test_a_target_is_looked_at_after_the_start_and_never_again_once_it_is_out_of_the_file() -> None:
    planned = Planned()
    due = Due(planned)
    due.begin("app", NOON)
    assert planned.due == {APP: (NOON + FIRST_LOOK, "date")}
    due.removed("app")
    assert not planned.due
