"""A record whose attributes the directory hides stays as it was, and fails by name."""

from __future__ import annotations

import pytest

from tests.run.items import PART, WHOLE, group, user
from tests.run.world import World
from usersyncd.core import summary
from usersyncd.plugin import Kind, Members, Record, Unread

WHY = "the directory hides its flags\n  → let the account read them"


def hidden(id_: str, kind: Kind = Kind.USER) -> Unread:
    return Unread(kind, id_, WHY)


def test_a_known_unread_record_stays_as_it_was_and_fails_by_name(world: World) -> None:
    world.tell([user("u1", title="Cook"), user("u2")], WHOLE)
    report = world.tell([hidden("u1"), user("u2")], WHOLE, complete=True)
    assert (report.status, report.failures) == ("partial", 1)
    assert [(one.kind, one.id, one.error) for one in report.failed] == [(Kind.USER, "u1", WHY)]
    assert f"user u1: {WHY}" in list(summary.faults(report))
    assert "1 record could not be read" in summary.line(report)
    assert world.held()["u1"] | {"title": "Cook", "active": True} == world.held()["u1"]


def test_a_new_unread_record_is_left_out_and_the_pull_stays_complete(world: World) -> None:
    report = world.tell([hidden("u1"), user("u2")], WHOLE)
    assert report.status == "partial"
    assert report.pull is not None
    assert report.pull.complete
    assert set(world.held()) == {"u2"}
    world.tell([user("u1")], PART)
    assert set(world.held()) == {"u1", "u2"}


def test_an_unread_group_keeps_its_members(world: World) -> None:
    world.tell([user("u1"), group("g1"), Members("g1", frozenset({"u1"}))], WHOLE)
    world.tell([user("u1"), hidden("g1", Kind.GROUP)], WHOLE, complete=True)
    assert world.members() == {"g1": {"u1"}}


def test_a_leaver_that_is_unread_does_not_return(world: World) -> None:
    world.tell([user("u1"), user("u2")], WHOLE)
    world.tell([user("u2")], WHOLE, complete=True)
    world.tell([hidden("u1"), user("u2")], WHOLE, complete=True)
    assert not world.held()["u1"]["active"]


@pytest.mark.parametrize("apart", [False, True])
def test_a_record_after_its_unread_item_counts_on_one_page_or_two(world: World, apart: bool) -> None:
    world.tell([user("u1", title="Cook")], WHOLE)
    said: list[Record | Unread] = [hidden("u1"), user("u1", title="Boss")]
    world.tell(*([[each] for each in said] if apart else [said]), PART)
    assert world.held()["u1"]["title"] == "Boss"
