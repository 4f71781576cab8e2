"""What a complete pull recognizes as unchanged, whatever the order and the pieces in which the directory lists it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.run.items import PART, WHOLE, group, user
from tests.run.world import World
from usersyncd.plugin import Members, Record
from usersyncd.pull import receive

PEOPLE = [f"u{n:03}" for n in range(60)]


@pytest.fixture
def lots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lots of ten items, so that a pull has several."""
    monkeypatch.setattr(receive, "BATCH", 10)


def pages(people: Sequence[str], **titles: str) -> list[list[Record]]:
    found = [user(id_, title=titles.get(id_, "Cook")) for id_ in people]
    return [found[at : at + 5] for at in range(0, len(found), 5)]


def changed(world: World, people: Sequence[str], **titles: str) -> int:
    """How many records a complete pull of these people changes."""
    report = world.tell(*pages(people, **titles), WHOLE, complete=True)
    assert report.status == "succeeded"
    assert report.pull is not None
    return report.pull.changed


@pytest.mark.usefixtures("lots")
@pytest.mark.parametrize("again", [
    PEOPLE,
    PEOPLE[::-1],
    PEOPLE[1::2] + PEOPLE[::2],
    PEOPLE[30:] + PEOPLE[:30],
    [id_ for pair in zip(PEOPLE[::2], PEOPLE[1::2], strict=True) for id_ in reversed(pair)],
])  # fmt: skip
def test_people_in_another_order_are_unchanged(world: World, again: Sequence[str]) -> None:
    assert changed(world, PEOPLE) == len(PEOPLE)
    assert changed(world, again) == 0
    assert changed(world, again, u007="Boss", u059="Boss") == 2
    assert world.held()["u007"]["title"] == "Boss"


@pytest.mark.usefixtures("lots")
def test_leavers_and_new_people_between_the_others_are_recognized(world: World) -> None:
    changed(world, PEOPLE)
    stay = PEOPLE[:5] + PEOPLE[25:]
    assert changed(world, stay) == 20
    new = [id_ for stayed in stay for id_ in (stayed, f"new {stayed}")]
    assert changed(world, new) == len(stay)
    assert changed(world, PEOPLE[5:25] + new) == 20
    assert changed(world, new) == 20
    assert {id_ for id_, shape in world.held().items() if shape["active"]} == set(new)


@pytest.mark.usefixtures("lots")
def test_a_record_that_is_listed_twice_counts_as_it_was_listed_last(world: World) -> None:
    changed(world, PEOPLE)
    boss = [user("u001", title="Boss")]
    world.tell(boss, *pages(PEOPLE), WHOLE, complete=True)
    assert world.held()["u001"]["title"] == "Cook"
    report = world.tell(*pages(PEOPLE), boss, *pages(PEOPLE[:20]), boss, WHOLE, complete=True)
    assert report.pull is not None
    assert report.pull.changed == 1
    assert world.held()["u001"]["title"] == "Boss"


@pytest.mark.usefixtures("lots")
@pytest.mark.parametrize(("pieces", "members"), [
    (["u1 u2"], "u1 u2"),
    (["u1 u2", "u3"], "u1 u2 u3"),
    (["u3", "u1 u2"], "u1 u2 u3"),
    (["u1 u2", "u1 u2"], "u1 u2"),
    (["u1", "u2"], "u1 u2"),
    (["u1 u2", ""], "u1 u2"),
    (["u1"], "u1"),
    ([""], ""),
    ([], ""),
])  # fmt: skip
def test_a_group_has_the_members_of_all_its_pieces(world: World, pieces: Sequence[str], members: str) -> None:
    people = [user("u1"), user("u2"), user("u3"), group("g1")]
    world.tell(people, [Members("g1", frozenset({"u1", "u2"}))], WHOLE)
    items = [[Members("g1", frozenset(piece.split()))] for piece in pieces]
    filling = [[user(f"x{n}")] * 10 for n in range(3)]
    report = world.tell(people, *(page for pair in zip(items, filling, strict=False) for page in pair), WHOLE)
    assert report.status == "succeeded"
    assert world.members().get("g1", set()) == set(members.split())


def test_members_that_a_pull_of_changes_lists_as_they_were_are_kept(world: World) -> None:
    people = [user("u1"), user("u2"), user("u3"), group("g1")]
    world.tell(people, [Members("g1", frozenset({"u1", "u2"}))], WHOLE)
    same, whole = Members("g1", frozenset({"u1", "u2"})), Members("g1", frozenset({"u1", "u2"}), whole=True)
    for items, members in (
        ([same], "u1 u2"),
        ([Members("g1", frozenset({"u3"})), whole], "u1 u2"),
        ([whole, Members("g1", frozenset({"u3"}), frozenset({"u1"}))], "u2 u3"),
        ([Members("g1", frozenset({"u2", "u3"}), frozenset({"u2"}))], "u3"),
    ):
        world.tell(*([item] for item in items), PART)
        assert world.members().get("g1", set()) == set(members.split())
