"""What a pull stores of the items of a source: incremental and complete pulls, and pulls that are discarded."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest

from tests.run.items import NOON, PART, WHOLE, group, user
from tests.run.world import World, rules
from usersyncd.config import Complete
from usersyncd.plugin import Done, Gone, Kind, Members, Patch, Present, Record


def first_pull(world: World) -> None:
    """Pull two users in a group, with a cursor."""
    report = world.tell(
        [user("u1", title="Cook"), user("u2"), group("g1"), Members("g1", frozenset({"u1", "u2"}))], WHOLE
    )
    assert report.status == "succeeded"


# ---- complete, or only what changed


def test_a_cursor_is_handed_to_the_next_pull(world: World) -> None:
    first_pull(world)
    world.tell([Patch(Kind.USER, "u1", {"title": "Boss"})], PART)
    world.tell(Done("3", complete=False))
    assert world.cursors == [None, "1", "2"]
    assert world.held()["u1"]["title"] == "Boss"
    assert set(world.held()) == {"u1", "u2"}


def test_a_complete_pull_can_be_asked_for(world: World) -> None:
    first_pull(world)
    world.tell(PART)
    world.tell([user("u1")], WHOLE, complete=True)
    assert world.cursors == [None, "1", None]
    assert world.last_cursors == [None, "1", "2"], "a source may need it all the same"
    assert {key: shape["active"] for key, shape in world.held().items()} == {"u1": True, "u2": False}


def test_a_complete_pull_runs_at_its_interval(world: World) -> None:
    world.complete = Complete(every=timedelta(hours=6))
    world.now = NOON
    first_pull(world)
    for hours in (1, 5, 6, 7):
        world.now = NOON + timedelta(hours=hours)
        world.tell([user("u1"), user("u2")], WHOLE if hours == 6 else PART)
    assert world.cursors == [None, "1", "2", None, "1"]


def test_a_complete_pull_runs_once_a_day_also_over_midnight(world: World) -> None:
    world.complete = Complete(at=time(23, 30))
    world.now = NOON
    first_pull(world)
    due = []
    for hours in (11, 11.5, 11.75, 12.5, 23, 35, 60):
        world.now = NOON + timedelta(hours=hours)
        world.tell([user("u1"), user("u2")], Done("x", complete=len(world.cursors) in (2, 6)))
        due.append(world.cursors[-1] is None)
    assert due == [False, True, False, False, False, False, True]


@pytest.mark.parametrize(("last", "now", "due"), [
    ("2026-03-01 01:59", "2026-03-01 02:00", True),
    ("2026-03-01 02:00", "2026-03-01 02:00", False),
    ("2026-03-01 02:01", "2026-03-02 01:59", False),
    ("2026-02-28 23:00", "2026-03-01 01:00", False),
    ("2026-02-28 01:00", "2026-03-01 01:00", True),
    ("2026-03-01 02:01", "2026-03-02 02:00", True),
    ("2027-03-01 02:01", "2026-03-02 12:00", True),
])  # fmt: skip
def test_a_complete_pull_at_two_is_due_once_a_day(last: str, now: str, due: bool) -> None:
    when = (datetime.fromisoformat(text).astimezone() for text in (last, now))
    assert Complete(at=time(2)).is_due(*when) is due


def test_a_complete_pull_that_failed_is_still_due(world: World) -> None:
    world.complete = Complete(every=timedelta(hours=6))
    world.now = NOON
    first_pull(world)
    world.now = NOON + timedelta(hours=6)
    assert world.tell([user("u1")]).status == "failed"
    world.tell([user("u1"), user("u2")], WHOLE)
    assert world.cursors == [None, None, None]


def test_rules_that_read_more_attributes_cause_a_complete_pull(world: World) -> None:
    """The snapshot lacks the new attributes, and a change feed does not repeat them."""
    world.target(users=rules(None, "uid", uid="user.id"))
    first_pull(world)
    world.target(users=rules(None, "uid", uid="user.id", title="user.title"))
    world.tell([user("u1", title="Cook"), user("u2")], WHOLE)
    world.tell(PART)
    world.attributes = {"manager": "raw.boss"}
    world.tell([user("u1", title="Cook"), user("u2")], WHOLE)
    assert world.cursors == [None, None, "1", None]
    assert world.held()["u1"]["title"] == "Cook"


# ---- items about records that the snapshot does not have


@pytest.mark.parametrize("item", [Patch(Kind.USER, "u9", {"title": "Boss"}), Present(Kind.USER, "u9")])
def test_a_change_of_an_unknown_record_makes_the_next_pull_complete(world: World, item: Any) -> None:
    first_pull(world)
    report = world.tell([item, user("u3")], WHOLE)
    assert report.status == "succeeded"
    assert report.pull is not None
    assert not report.pull.complete, "the source may have left out more"
    assert {key for key, shape in world.held().items() if shape["active"]} == {"u1", "u2", "u3"}
    world.tell([user("u1"), user("u2"), user("u3"), user("u9")], WHOLE)
    assert world.cursors == [None, "1", None]
    assert "u9" in world.held()


def test_a_record_may_be_changed_in_the_pull_that_adds_it(world: World) -> None:
    first_pull(world)
    world.tell([Patch(Kind.USER, "u3", {"title": "Boss"})], PART)
    assert "u3" not in world.held()
    report = world.tell([user("u3", title="Cook")], [Patch(Kind.USER, "u3", {"title": "Boss"})], PART)
    assert report.status == "succeeded"
    assert world.held()["u3"]["title"] == "Boss"
    assert world.cursors[-1] is None


def test_the_deletion_of_an_unknown_record_is_ignored(world: World) -> None:
    first_pull(world)
    report = world.tell([Gone(Kind.USER, "u9"), Gone(Kind.GROUP, "g9")], PART)
    assert report.status == "succeeded"
    assert report.targets[0].counts.total == 0
    world.tell(PART)
    assert world.cursors[-1] == "2"


def test_members_of_an_unknown_group_are_reported(world: World) -> None:
    first_pull(world)
    report = world.tell([Members("g9", frozenset({"u1"}))], PART)
    assert report.status == "succeeded"
    [skipped] = report.skipped
    assert (skipped.id, skipped.reason) == ("g9", "this directory lists members of the group, but not the group itself")


# ---- Present


def test_a_present_record_stays_and_a_present_group_keeps_its_members(world: World) -> None:
    first_pull(world)
    report = world.tell([Present(Kind.USER, "u1"), Present(Kind.USER, "u2"), Present(Kind.GROUP, "g1")], WHOLE)
    assert report.status == "succeeded"
    assert report.targets[0].counts.total == 0
    assert world.members() == {"g1": {"u1", "u2"}}


def test_a_record_that_a_complete_pull_does_not_mention_is_deleted(world: World) -> None:
    first_pull(world)
    world.tell([Present(Kind.USER, "u1"), Present(Kind.GROUP, "g1")], WHOLE)
    assert {key: shape["active"] for key, shape in world.held().items()} == {"u1": True, "u2": False}
    assert world.members() == {"g1": {"u1"}}


def test_a_complete_pull_of_present_items_does_not_postpone_the_next_one(world: World) -> None:
    world.complete = Complete(every=timedelta(hours=6))
    world.now = NOON
    first_pull(world)
    for hours in (5, 7):
        world.now = NOON + timedelta(hours=hours)
        world.tell([Present(Kind.USER, "u1"), Present(Kind.USER, "u2"), Present(Kind.GROUP, "g1")], WHOLE)
    assert world.cursors == [None, "1", None]


def test_a_group_in_a_complete_pull_has_only_the_members_of_that_pull(world: World) -> None:
    first_pull(world)
    world.tell(
        [user("u1", title="Cook"), user("u2"), group("g1"), Members("g1", frozenset({"u2"}))], WHOLE, complete=True
    )
    assert world.members() == {"g1": {"u2"}}
    world.tell([user("u1", title="Cook"), user("u2"), group("g1")], WHOLE, complete=True)
    assert world.members() == {}


def test_the_last_of_a_deletion_and_a_record_counts(world: World) -> None:
    first_pull(world)
    world.tell([Gone(Kind.USER, "u1")], [user("u1", title="Boss")], [user("u2")], [Gone(Kind.USER, "u2")], PART)
    assert {key: shape["active"] for key, shape in world.held().items()} == {"u1": True, "u2": False}
    assert world.held()["u1"]["title"] == "Boss"


@pytest.mark.parametrize("said", [(Present(Kind.GROUP, "g1"), group("g1")), (group("g1"), Present(Kind.GROUP, "g1"))])
def test_a_group_that_is_also_present_keeps_its_members_on_one_page_or_two(world: World, said: tuple[Any, Any]) -> None:
    first_pull(world)
    others = [user("u1", title="Cook"), user("u2")]
    for pages in ([others, [*said]], [others, *([each] for each in said)]):
        report = world.tell(*pages, WHOLE, complete=True)
        assert report.status == "succeeded"
        assert world.members() == {"g1": {"u1", "u2"}}


@pytest.mark.parametrize("apart", [False, True])
def test_a_change_after_a_deletion_makes_the_next_pull_complete_on_one_page_or_two(world: World, apart: bool) -> None:
    first_pull(world)
    said = [Gone(Kind.USER, "u1"), Patch(Kind.USER, "u1", {"title": "Boss"})]
    world.tell(*([[each] for each in said] if apart else [said]), PART)
    assert not world.held()["u1"]["active"]
    world.tell([user("u1", title="Boss"), user("u2"), group("g1")], WHOLE)
    assert world.cursors[-1] is None
    assert world.held()["u1"]["active"]


# ---- pulls that are discarded

FAULTS = {
    "a page after Done": ([user("u1")], WHOLE, [user("u2")]),
    "a second Done": ([user("u1")], WHOLE, WHOLE),
    "an object that is not an item": ([user("u1"), {"id": "u2"}], WHOLE),
    "an item instead of a page": (user("u1"), WHOLE),
    "None instead of a page": (None, WHOLE),
    "an empty id": ([user("")], WHOLE),
    "an id that is a number": ([Record(Kind.USER, 7, {})], WHOLE),  # type: ignore[arg-type]
    "a kind that is text": ([Record("user", "u1", {})], WHOLE),  # type: ignore[arg-type]
    "an id of 2,000 characters": ([user("u" * 2000)], WHOLE),
    "an attribute that JSON cannot hold": ([user("u1", photo=object())], WHOLE),
    "a list as attributes": ([Record(Kind.USER, "u1", ["title"])], WHOLE),  # type: ignore[arg-type]
    "a number as a handle": ([Record(Kind.USER, "u1", {}, (7,))], WHOLE),  # type: ignore[arg-type]
    "a number as a member": ([group("g1"), Members("g1", frozenset({7}))], WHOLE),  # type: ignore[arg-type]
    "members of a group with an empty id": ([Members("", frozenset({"u1"}))], WHOLE),
    "a cursor that is a number": ([user("u1")], Done(7, complete=True)),  # type: ignore[arg-type]
    "a cursor with a NUL character": ([user("u1")], Done("a\0b", complete=True)),
}


@pytest.mark.parametrize("pages", FAULTS.values(), ids=FAULTS.keys())
def test_a_source_that_breaks_the_contract_fails_and_changes_nothing(world: World, pages: tuple[Any, ...]) -> None:
    first_pull(world)
    before = world.held()
    report = world.tell(*pages)
    assert report.status == "failed"
    assert "report it to its author" in str(report.error)
    assert "unexpected" not in str(report.error)
    assert world.held() == before
    assert world.tell(PART).status == "succeeded"
    assert world.cursors == [None, "1", "1"]


def test_a_pull_without_done_is_discarded(world: World) -> None:
    first_pull(world)
    report = world.tell([user("u1")])
    assert report.status == "failed"
    assert str(report.error).startswith("the source stopped before `Done`")
    assert all(shape["active"] for shape in world.held().values())


def test_an_id_may_have_any_characters(world: World) -> None:
    odd = ["李", "a b", "'\"\\", "\n", "\t", "\\N", "%", "é", "e\u0301", "A", "a", "\x01", "\u2028", "😀"]
    world.tell([user(id_, title=id_) for id_ in odd] + [group("g1"), Members("g1", frozenset(odd))], WHOLE)
    assert {key: shape["title"] for key, shape in world.held().items()} == {id_: id_ for id_ in odd}
    assert world.members() == {"g1": set(odd)}
    world.tell([Gone(Kind.USER, id_) for id_ in odd], PART)
    assert not any(shape["active"] for shape in world.held().values())


def test_an_attribute_may_have_any_json_value(world: World) -> None:
    values = {"a": "\0", "b": 2**63, "c": -(2**63), "d": [1.5, None, {"x": "\0"}], "e": True, "f": {"": ""}}
    world.target(users=rules(None, "uid", uid="user.id", title="user.title", e="user.raw.e"))
    for title in ("\0a", "\0b"):
        world.tell([user("u1", title=title, **values)], WHOLE, complete=True)
        assert world.held()["u1"]["title"] == title
