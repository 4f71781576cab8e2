"""What of a plan harms, what restores it, and which limits it passes together with the runs before it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from usersyncd.core.guard import (
    EMPTIED,
    REMOVAL,
    Harm,
    Holdings,
    Sort,
    Tally,
    Window,
    harms_of,
    undoes,
    violations,
    within,
)
from usersyncd.core.model import Guard, Limit
from usersyncd.core.report import Violation
from usersyncd.plugin import Change, Kind, Op

HOLDINGS = Holdings(80, 90, 10, 1000, 8, {(Kind.USER, "title"): 40})
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
USER, GROUP = Kind.USER, Kind.GROUP
DEACTIVATED, REACTIVATED = Harm(Sort.DEACTIVATIONS, USER), Harm(Sort.REACTIVATIONS, USER)
TITLE = Harm(Sort.BLANKED, USER, "title")


def change(op: Op, before: Any = None, after: Any = None, kind: Kind = USER, id_: str = "u1") -> Change:
    return Change(op, kind, "acme", id_, id_, before, after)


def blanking(before: Any, after: Any, op: Op = Op.UPDATE) -> Change:
    return change(op, {"title": before}, {"title": after})


# ---- what one change does


@pytest.mark.parametrize(("what", "sorts"), [
    (change(Op.CREATE, None, {"title": None}), []),
    (change(Op.ADOPT, {"title": "Cook"}, {"title": None}), [Harm(Sort.ADOPTIONS, None)]),
    (change(Op.ADOPT, kind=GROUP), [Harm(Sort.ADOPTIONS, None)]),
    (change(Op.UPDATE, {"title": "Cook"}, {"title": "Boss"}), [Harm(Sort.UPDATES, USER)]),
    (change(Op.UPDATE, kind=GROUP), [Harm(Sort.UPDATES, GROUP)]),
    (change(Op.DEACTIVATE), [DEACTIVATED]),
    (change(Op.REACTIVATE), [REACTIVATED]),
    (change(Op.DELETE), [Harm(Sort.DELETES, USER)]),
    (change(Op.DELETE, kind=GROUP), [Harm(Sort.DELETES, GROUP)]),
    (change(Op.ADD, kind=GROUP), []),
    (blanking("Cook", None, Op.DEACTIVATE), [DEACTIVATED]),
    (blanking("Cook", "", Op.REACTIVATE), [REACTIVATED]),
])  # fmt: skip
def test_each_operation_harms_in_its_own_way(what: Change, sorts: list[Harm]) -> None:
    assert list(harms_of(what)) == sorts


@pytest.mark.parametrize(("before", "after", "harms"), [
    ("Cook", None, True),
    ("Cook", "", True),
    ("Cook", "Boss", False),
    (None, None, False),
    ("", None, False),
    (None, "", False),
    (0, None, True),
    (False, None, True),
    ("Cook", 0, False),
    ("Cook", False, False),
    (["a"], [], True),
    ({"a": 1}, {}, True),
    ("Cook", [], True),
    (["a", "b"], ["a"], False),
    ([], None, False),
    (None, {}, False),
])  # fmt: skip
def test_an_attribute_is_blanked_when_it_had_a_value_and_has_none(before: Any, after: Any, harms: bool) -> None:
    assert (TITLE in harms_of(blanking(before, after))) is harms


def test_an_attribute_that_the_rules_leave_alone_is_not_blanked() -> None:
    assert list(harms_of(change(Op.UPDATE, {"title": "Cook"}, {"name": "Ada"}))) == [Harm(Sort.UPDATES, USER)]


@pytest.mark.parametrize(("op", "earlier", "harms"), [
    (Op.REACTIVATE, DEACTIVATED, []),
    (Op.DEACTIVATE, REACTIVATED, []),
    (Op.DEACTIVATE, DEACTIVATED, [DEACTIVATED]),
    (Op.REACTIVATE, TITLE, [REACTIVATED]),
    (Op.DELETE, DEACTIVATED, [Harm(Sort.DELETES, USER)]),
])  # fmt: skip
def test_a_restoring_change_is_not_harmful(op: Op, earlier: Harm, harms: list[Harm]) -> None:
    assert list(harms_of(change(op), {earlier})) == harms


@pytest.mark.parametrize(("harm", "undone_by"), [
    (Harm(Sort.DELETES, USER), [Op.CREATE, Op.ADOPT]),
    (DEACTIVATED, [Op.CREATE, Op.ADOPT, Op.REACTIVATE]),
    (REACTIVATED, [Op.DEACTIVATE, Op.DELETE]),
    (EMPTIED, [Op.ADD, Op.DELETE]),
    (Harm(Sort.ADOPTIONS, None), []),
    (Harm(Sort.UPDATES, USER), []),
    (TITLE, []),
])  # fmt: skip
def test_each_harm_is_undone_by_its_opposite(harm: Harm, undone_by: list[Op]) -> None:
    assert [op for op in Op if undoes(change(op, after={}), harm)] == [op for op in Op if op in undone_by]


@pytest.mark.parametrize(("op", "after", "harm", "undone"), [
    (Op.CREATE, {"active": False}, DEACTIVATED, False),
    (Op.CREATE, {"active": True}, DEACTIVATED, True),
    (Op.REACTIVATE, {"active": False}, DEACTIVATED, False),
    (Op.DEACTIVATE, {"active": True}, REACTIVATED, False),
    (Op.DEACTIVATE, {"active": False}, REACTIVATED, True),
    (Op.UPDATE, {"title": "Cook"}, TITLE, True),
    (Op.UPDATE, {"title": ""}, TITLE, False),
    (Op.UPDATE, {"name": "Ada"}, TITLE, False),
])  # fmt: skip
def test_a_harm_is_undone_only_by_what_is_really_written(op: Op, after: Any, harm: Harm, undone: bool) -> None:
    assert undoes(change(op, after=after), harm) is undone


# ---- the limits


def tally(guard: Guard, *changes: Change, window: Window | None = None, first: int = 0) -> Tally:
    """Of these changes, of the records with the refs from ``first`` on."""
    made = Tally(guard, window or Window())
    for ref, one in enumerate(changes, first):
        made.add(ref, one)
    return made


def earlier(harm: Harm, refs: Iterable[int]) -> Window:
    return Window(harms={ref: {harm} for ref in refs})


@pytest.mark.parametrize(
    ("limit", "adoptions", "found"),
    [
        (Limit(10, True), 10, []),
        (Limit(10, True), 11, [Violation("adoptions", "10%", "11% (11 of 100)")]),
        (Limit(12, False), 12, []),
        (Limit(12, False), 13, [Violation("adoptions", "12", "13% (13 of 100)")]),
        (Limit(0, True), 9, []),
        (Limit(0, True), 10, [Violation("adoptions", "0%", "10% (10 of 100)")]),
        (None, 100, []),
    ],
)
def test_adoptions_are_compared_with_users_and_groups_together(
    limit: Limit | None, adoptions: int, found: list[Violation]
) -> None:
    guard = Guard(adoptions=limit)
    both = [change(Op.ADOPT, kind=(USER, GROUP)[number % 2]) for number in range(adoptions)]
    assert violations(guard, tally(guard, *both), HOLDINGS) == found


def test_only_counted_adoptions_are_harmful() -> None:
    made = Tally(Guard(), Window())
    for ref in range(50):
        made.add(ref, change(Op.ADOPT), counted=False)
    assert violations(Guard(), made, HOLDINGS) == []


@pytest.mark.parametrize(("what", "found"), [
    (change(Op.DELETE), "14% (13 of 90)"),
    (change(Op.DELETE, kind=GROUP), "130% (13 of 10)"),
    (change(Op.DEACTIVATE), "16% (13 of 80)"),
    (change(Op.REACTIVATE), "130% (13 of 10)"),
    (change(Op.UPDATE), "14% (13 of 90)"),
    (change(Op.UPDATE, kind=GROUP), "130% (13 of 10)"),
])  # fmt: skip
def test_each_kind_of_harm_has_its_own_base(what: Change, found: str) -> None:
    guard = Guard(updates=Limit(10, True))
    (limit,) = violations(guard, tally(guard, *[what] * 13), HOLDINGS)
    assert limit.found == found


def test_a_blanked_attribute_is_compared_with_the_records_that_had_it() -> None:
    emptied = change(Op.UPDATE, {"title": "Cook", "phone": "1"}, {"title": None, "phone": None})
    holdings = Holdings(80, 90, 10, 1000, 8, {(USER, "title"): 40, (USER, "phone"): 80})
    found = violations(Guard(), tally(Guard(), *[emptied] * 13), holdings)
    assert found == [Violation("blanked", "30%", "32% (13 of 40 that had title)")]


def test_harm_of_earlier_runs_counts_and_belongs_to_the_base() -> None:
    """The window took 20 of 100; together with 11 of the 80 that are left they are 31 of 100."""
    guard = Guard(deactivations=Limit(30, True))
    made = tally(guard, *[change(Op.DEACTIVATE)] * 11, window=earlier(DEACTIVATED, range(100, 120)))
    assert violations(guard, made, HOLDINGS) == [
        Violation("deactivations", "30%", "31% (31 of 100, 20 of them in earlier runs)")
    ]
    made = tally(guard, *[change(Op.DEACTIVATE)] * 10, window=earlier(DEACTIVATED, range(100, 120)))
    assert violations(guard, made, HOLDINGS) == []


def test_an_update_does_not_change_the_base() -> None:
    guard = Guard(updates=Limit(30, True))
    made = tally(guard, *[change(Op.UPDATE)] * 11, window=earlier(Harm(Sort.UPDATES, USER), range(100, 120)))
    (limit,) = violations(guard, made, HOLDINGS)
    assert limit.found == "34% (31 of 90, 20 of them in earlier runs)"


def test_an_object_counts_once() -> None:
    guard = Guard(deactivations=Limit(11, False))
    made = tally(guard, *[change(Op.DEACTIVATE)] * 11, window=earlier(DEACTIVATED, range(11)))
    assert violations(guard, made, HOLDINGS) == []


def test_earlier_harm_that_the_plan_restores_does_not_count() -> None:
    """Twenty were deactivated by mistake: they come back, and eight others leave."""
    window = earlier(DEACTIVATED, range(20))
    mended = tally(Guard(), *[change(Op.REACTIVATE)] * 20, window=window)
    assert violations(Guard(), mended, HOLDINGS) == []
    for ref in range(20, 28):
        mended.add(ref, change(Op.DEACTIVATE))
    assert violations(Guard(), mended, HOLDINGS) == []


def test_a_plan_without_a_kind_of_harm_does_not_exceed_its_limit() -> None:
    made = tally(Guard(), change(Op.CREATE), change(Op.DELETE), window=earlier(DEACTIVATED, range(50, 90)))
    assert violations(Guard(), made, HOLDINGS) == []


def test_at_least_applies_to_the_sum() -> None:
    guard = Guard(deactivations=Limit(0, True))
    few, enough = (
        tally(guard, change(Op.DEACTIVATE), window=earlier(DEACTIVATED, range(10, 10 + many))) for many in (8, 9)
    )
    assert violations(guard, few, HOLDINGS) == []
    assert violations(guard, enough, HOLDINGS) != []


def test_members_are_counted_one_by_one_and_once() -> None:
    guard = Guard(member_removals=Limit(29, False))
    made = Tally(guard, Window(removed={1: {10, 11, 12}, 2: set(range(20, 30))}))
    made.remove(1, {12, 13})
    made.restore(2, {20, 21})
    made.remove(3, set(range(40, 58)))
    assert made.counts[REMOVAL].planned + made.counts[REMOVAL].earlier == 30
    assert violations(guard, made, HOLDINGS) == [
        Violation("member_removals", "29", "3% (30 of 1012, 10 of them in earlier runs)")
    ]


def test_emptied_groups_are_compared_with_groups_that_have_members() -> None:
    guard = Guard(at_least=2)
    made = Tally(guard, Window(harms={1: {EMPTIED}, 2: {EMPTIED}}))
    made.empty(3)
    made.restore(2, {10})
    assert violations(guard, made, HOLDINGS) == [
        Violation("emptied", "10%", "20% (2 of 10, 1 of them in earlier runs)")
    ]


# ---- the window


def ages(*hours: float) -> Iterable[tuple[int, datetime]]:
    """Runs with the numbers 100, 99, …, each so many hours before noon by its own clock."""
    return ((100 - number, NOON - timedelta(hours=before)) for number, before in enumerate(hours))


@pytest.mark.parametrize(("hours", "first"), [
    ((), 0),
    ((1, 12, 23), 0),
    ((1, 12, 23, 24), 98),
    ((1, 12, 23.9, 24.1, 25), 98),
    ((1, 23), 0),                    # a gap of 22 hours counts for 12
    ((0, -9600, 1, 2), 0),           # a clock that was once 400 days ahead: half the window at the most
    ((0, 9600, 1, 2), 0),            # and behind
    ((0, -9600, 1, 12.9), 0),
    ((0, -9600, 1, 13), 98),
    ((720,), 0),                     # a long pause
    ((720, 721, 733), 99),
])  # fmt: skip
def test_the_window_is_measured_by_gaps_none_of_which_is_trusted_alone(hours: tuple[float, ...], first: int) -> None:
    assert within(ages(*hours), NOON, DAY) == first
