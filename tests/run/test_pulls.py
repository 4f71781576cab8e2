"""What a source says, and what becomes of it: incremental and complete readings, and those that are void."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest

from tests.run.world import World, rules
from usersyncd.config import Complete
from usersyncd.plugin import Done, Gone, Kind, Members, Patch, Present, Record

NOON = datetime(2026, 3, 1, 12).astimezone()
WHOLE = Done("1", complete=True)
PART = Done("2", complete=False)


def user(id_: str, **attributes: Any) -> Record:
    return Record(Kind.USER, id_, attributes)


def group(id_: str) -> Record:
    return Record(Kind.GROUP, id_, {"displayName": id_})


def begun(world: World) -> None:
    """Two people in a group, told with a cursor."""
    report = world.tell(
        [user("u1", title="Cook"), user("u2"), group("g1"), Members("g1", frozenset({"u1", "u2"}))], WHOLE
    )
    assert report.status == "succeeded"


# ---- complete, or only what changed


def test_a_cursor_is_handed_to_the_next_pull(world: World) -> None:
    begun(world)
    world.tell([Patch(Kind.USER, "u1", {"title": "Boss"})], PART)
    world.tell(Done("3", complete=False))
    assert world.cursors == [None, "1", "2"]
    assert world.held()["u1"]["title"] == "Boss"
    assert set(world.held()) == {"u1", "u2"}


def test_everything_is_read_again_when_it_is_asked_for(world: World) -> None:
    begun(world)
    world.tell(PART)
    world.tell([user("u1")], WHOLE, complete=True)
    assert world.cursors == [None, "1", None]
    assert world.last_cursors == [None, "1", "2"], "a source may need it all the same"
    assert {key: shape["active"] for key, shape in world.held().items()} == {"u1": True, "u2": False}


def test_everything_is_read_again_when_it_is_due(world: World) -> None:
    world.complete = Complete(every=timedelta(hours=6))
    world.now = NOON
    begun(world)
    for hours in (1, 5, 6, 7):
        world.now = NOON + timedelta(hours=hours)
        world.tell([user("u1"), user("u2")], WHOLE if hours == 6 else PART)
    assert world.cursors == [None, "1", "2", None, "1"]


def test_everything_is_read_again_once_a_day_also_over_midnight(world: World) -> None:
    world.complete = Complete(at=time(23, 30))
    world.now = NOON
    begun(world)
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
def test_daily_at_two(last: str, now: str, due: bool) -> None:
    when = (datetime.fromisoformat(text).astimezone() for text in (last, now))
    assert Complete(at=time(2)).is_due(*when) is due


def test_a_void_reading_is_still_due(world: World) -> None:
    world.complete = Complete(every=timedelta(hours=6))
    world.now = NOON
    begun(world)
    world.now = NOON + timedelta(hours=6)
    assert world.tell([user("u1")]).status == "failed"
    world.tell([user("u1"), user("u2")], WHOLE)
    assert world.cursors == [None, None, None]


def test_everything_is_read_again_when_the_rules_read_more(world: World) -> None:
    """What was not asked for is not in the snapshot, and no change feed tells it now."""
    world.target(users=rules(None, "uid", uid="user.id"))
    begun(world)
    world.target(users=rules(None, "uid", uid="user.id", title="user.title"))
    world.tell([user("u1", title="Cook"), user("u2")], WHOLE)
    world.tell(PART)
    world.attributes = {"manager": "raw.boss"}
    world.tell([user("u1", title="Cook"), user("u2")], WHOLE)
    assert world.cursors == [None, None, "1", None]
    assert world.held()["u1"]["title"] == "Cook"


# ---- whom nobody knows


@pytest.mark.parametrize("item", [Patch(Kind.USER, "u9", {"title": "Boss"}), Present(Kind.USER, "u9")])
def test_a_word_about_somebody_unknown_is_answered_by_reading_everything_next_time(world: World, item: Any) -> None:
    begun(world)
    report = world.tell([item, user("u3")], WHOLE)
    assert report.status == "succeeded"
    assert report.pull is not None
    assert not report.pull.complete, "it is not certain that it told everything"
    assert {key for key, shape in world.held().items() if shape["active"]} == {"u1", "u2", "u3"}
    world.tell([user("u1"), user("u2"), user("u3"), user("u9")], WHOLE)
    assert world.cursors == [None, "1", None]
    assert "u9" in world.held()


def test_one_who_is_told_before_being_changed_is_known(world: World) -> None:
    begun(world)
    world.tell([Patch(Kind.USER, "u3", {"title": "Boss"})], PART)
    assert "u3" not in world.held()
    report = world.tell([user("u3", title="Cook")], [Patch(Kind.USER, "u3", {"title": "Boss"})], PART)
    assert report.status == "succeeded"
    assert world.held()["u3"]["title"] == "Boss"
    assert world.cursors[-1] is None


def test_somebody_unknown_who_is_gone_is_nobodys_business(world: World) -> None:
    begun(world)
    report = world.tell([Gone(Kind.USER, "u9"), Gone(Kind.GROUP, "g9")], PART)
    assert report.status == "succeeded"
    assert report.targets[0].counts.total == 0
    world.tell(PART)
    assert world.cursors[-1] == "2"


def test_members_of_a_group_that_nobody_knows_are_named(world: World) -> None:
    begun(world)
    report = world.tell([Members("g9", frozenset({"u1"}))], PART)
    assert report.status == "succeeded"
    [skipped] = report.skipped
    assert (skipped.id, skipped.reason) == ("g9", "its members were told, but this directory does not list the group")


# ---- named as still there


def test_whoever_is_named_as_present_stays_and_a_group_with_its_members(world: World) -> None:
    begun(world)
    report = world.tell([Present(Kind.USER, "u1"), Present(Kind.USER, "u2"), Present(Kind.GROUP, "g1")], WHOLE)
    assert report.status == "succeeded"
    assert report.targets[0].counts.total == 0
    assert world.members() == {"g1": {"u1", "u2"}}


def test_whoever_is_neither_told_nor_named_is_gone(world: World) -> None:
    begun(world)
    world.tell([Present(Kind.USER, "u1"), Present(Kind.GROUP, "g1")], WHOLE)
    assert {key: shape["active"] for key, shape in world.held().items()} == {"u1": True, "u2": False}
    assert world.members() == {"g1": {"u1"}}


def test_everything_is_still_read_again_when_it_is_due_though_all_were_named_meanwhile(world: World) -> None:
    world.complete = Complete(every=timedelta(hours=6))
    world.now = NOON
    begun(world)
    for hours in (5, 7):
        world.now = NOON + timedelta(hours=hours)
        world.tell([Present(Kind.USER, "u1"), Present(Kind.USER, "u2"), Present(Kind.GROUP, "g1")], WHOLE)
    assert world.cursors == [None, "1", None]


def test_a_group_that_is_told_in_a_complete_reading_has_only_the_members_that_are_told(world: World) -> None:
    begun(world)
    world.tell(
        [user("u1", title="Cook"), user("u2"), group("g1"), Members("g1", frozenset({"u2"}))], WHOLE, complete=True
    )
    assert world.members() == {"g1": {"u2"}}
    world.tell([user("u1", title="Cook"), user("u2"), group("g1")], WHOLE, complete=True)
    assert world.members() == {}


def test_one_who_is_gone_and_told_again_is_here_and_the_other_way_round(world: World) -> None:
    begun(world)
    world.tell([Gone(Kind.USER, "u1")], [user("u1", title="Boss")], [user("u2")], [Gone(Kind.USER, "u2")], PART)
    assert {key: shape["active"] for key, shape in world.held().items()} == {"u1": True, "u2": False}
    assert world.held()["u1"]["title"] == "Boss"


@pytest.mark.parametrize("said", [(Present(Kind.GROUP, "g1"), group("g1")), (group("g1"), Present(Kind.GROUP, "g1"))])
def test_a_group_that_is_told_and_named_as_present_keeps_its_members_on_one_page_as_on_two(
    world: World, said: tuple[Any, Any]
) -> None:
    begun(world)
    others = [user("u1", title="Cook"), user("u2")]
    for pages in ([others, [*said]], [others, *([each] for each in said)]):
        report = world.tell(*pages, WHOLE, complete=True)
        assert report.status == "succeeded"
        assert world.members() == {"g1": {"u1", "u2"}}


@pytest.mark.parametrize("apart", [False, True])
def test_one_who_is_gone_and_then_changed_is_not_certain_on_one_page_as_on_two(world: World, apart: bool) -> None:
    begun(world)
    said = [Gone(Kind.USER, "u1"), Patch(Kind.USER, "u1", {"title": "Boss"})]
    world.tell(*([[each] for each in said] if apart else [said]), PART)
    assert not world.held()["u1"]["active"]
    world.tell([user("u1", title="Boss"), user("u2"), group("g1")], WHOLE)
    assert world.cursors[-1] is None
    assert world.held()["u1"]["active"]


# ---- readings that are void

FAULTS = {
    "it went on after Done": ([user("u1")], WHOLE, [user("u2")]),
    "a second Done": ([user("u1")], WHOLE, WHOLE),
    "something that is no item": ([user("u1"), {"id": "u2"}], WHOLE),
    "an item beside its page": (user("u1"), WHOLE),
    "no page": (None, WHOLE),
    "an empty id": ([user("")], WHOLE),
    "an id that is a number": ([Record(Kind.USER, 7, {})], WHOLE),  # type: ignore[arg-type]
    "a kind that is text": ([Record("user", "u1", {})], WHOLE),  # type: ignore[arg-type]
    "an id without end": ([user("u" * 2000)], WHOLE),
    "an attribute that JSON cannot say": ([user("u1", photo=object())], WHOLE),
    "attributes that are no dict": ([Record(Kind.USER, "u1", ["title"])], WHOLE),  # type: ignore[arg-type]
    "handles that are no text": ([Record(Kind.USER, "u1", {}, (7,))], WHOLE),  # type: ignore[arg-type]
    "members that are no text": ([group("g1"), Members("g1", frozenset({7}))], WHOLE),  # type: ignore[arg-type]
    "a group of members without a name": ([Members("", frozenset({"u1"}))], WHOLE),
    "a cursor that is a number": ([user("u1")], Done(7, complete=True)),  # type: ignore[arg-type]
    "a cursor with a NUL character": ([user("u1")], Done("a\0b", complete=True)),
}


@pytest.mark.parametrize("pages", FAULTS.values(), ids=FAULTS.keys())
def test_a_source_that_breaks_the_contract_is_told_so_and_changes_nothing(world: World, pages: tuple[Any, ...]) -> None:
    begun(world)
    before = world.held()
    report = world.tell(*pages)
    assert report.status == "failed"
    assert "report it to its author" in str(report.error)
    assert "unexpected" not in str(report.error)
    assert world.held() == before
    assert world.tell(PART).status == "succeeded"
    assert world.cursors == [None, "1", "1"]


def test_a_reading_without_its_end_is_void(world: World) -> None:
    begun(world)
    report = world.tell([user("u1")])
    assert report.status == "failed"
    assert str(report.error).startswith("the source stopped before `Done`")
    assert all(shape["active"] for shape in world.held().values())


def test_an_id_may_hold_whatever_text_can(world: World) -> None:
    odd = ["李", "a b", "'\"\\", "\n", "\t", "\\N", "%", "é", "e\u0301", "A", "a", "\x01", "\u2028", "😀"]
    world.tell([user(id_, title=id_) for id_ in odd] + [group("g1"), Members("g1", frozenset(odd))], WHOLE)
    assert {key: shape["title"] for key, shape in world.held().items()} == {id_: id_ for id_ in odd}
    assert world.members() == {"g1": set(odd)}
    world.tell([Gone(Kind.USER, id_) for id_ in odd], PART)
    assert not any(shape["active"] for shape in world.held().values())


def test_an_attribute_may_hold_whatever_json_can(world: World) -> None:
    values = {"a": "\0", "b": 2**63, "c": -(2**63), "d": [1.5, None, {"x": "\0"}], "e": True, "f": {"": ""}}
    world.target(users=rules(None, "uid", uid="user.id", title="user.title", e="user.raw.e"))
    for title in ("\0a", "\0b"):
        world.tell([user("u1", title=title, **values)], WHOLE, complete=True)
        assert world.held()["u1"]["title"] == title
