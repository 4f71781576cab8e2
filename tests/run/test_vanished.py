"""An attribute that the rules read and that no record has any more was hidden or renamed: the pull is discarded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.run.test_pulls import NOON, PART, WHOLE, user
from tests.run.world import World, rules
from usersyncd.core.model import Guard
from usersyncd.plugin import Kind, Patch, Record
from usersyncd.state.losses import approve, held_losses
from usersyncd.testing import MemoryStore

MANY = 12


def people(count: int = MANY, **attributes: Any) -> list[Record]:
    return [user(f"u{number}", **attributes) for number in range(count)]


def test_an_attribute_that_all_lost_voids_the_pull_and_is_named(world: World) -> None:
    world.tell(people(email="a@x", title="Cook"), WHOLE)
    report = world.tell(people(title="Boss"), WHOLE, complete=True)
    assert report.status == "failed"
    error = str(report.error)
    assert error.startswith("email: 12 users had it, and no user has it now: the pull was discarded")
    assert "`usersyncd approve acme`" in error
    assert {(shape["email"], shape["title"]) for shape in world.held().values()} == {("a@x", "Cook")}


def accept(world: World) -> None:
    """A person approves the loss of what the last pull was discarded for."""
    with world.database.write() as connection:
        [found] = held_losses(connection)
        approve(connection, found, by="ann", reason=None, now=world.now or datetime.now(UTC))


def lost(world: World) -> list[str]:
    with world.database.read() as connection:
        return [loss.attribute for found in held_losses(connection) for loss in found.losses]


def test_the_next_pull_asks_again_and_a_person_may_approve_the_loss(world: World) -> None:
    world.tell(people(email="a@x", title="Cook"), WHOLE)
    for _ in range(2):
        assert world.tell(people(), WHOLE, complete=True).status == "failed"
    assert lost(world) == ["email", "title"]
    accept(world)
    report = world.tell(people(), WHOLE, complete=True)
    assert report.status == "succeeded"
    assert report.pull is not None
    assert report.pull.accepted == ["email", "title"]
    assert not any("email" in shape or "title" in shape for shape in world.held().values())
    assert lost(world) == []
    assert world.tell(people(), WHOLE, complete=True).status == "succeeded"


def test_an_approval_is_for_the_attributes_that_were_lost_then(world: World) -> None:
    world.tell(people(email="a@x", title="Cook", department="Bar"), WHOLE)
    assert world.tell(people(title="Cook"), WHOLE, complete=True).status == "failed"
    assert lost(world) == ["department", "email"]
    assert world.tell(people(title="Cook", department="Bar"), WHOLE, complete=True).status == "failed"
    assert lost(world) == ["email"]
    accept(world)
    report = world.tell(people(department="Bar"), WHOLE, complete=True)
    assert str(report.error).startswith("title: 12 users had it, and no user has it now: the pull was discarded")
    accept(world)
    assert world.tell(people(department="Bar"), WHOLE, complete=True).status == "succeeded"


def test_an_approval_of_a_loss_ends_after_a_day_and_with_the_loss(world: World) -> None:
    world.now = NOON
    world.tell(people(email="a@x"), WHOLE)
    assert world.tell(people(), WHOLE, complete=True).status == "failed"
    accept(world)
    world.now = NOON + timedelta(days=1)
    assert world.tell(people(), WHOLE, complete=True).status == "failed"
    accept(world)
    assert world.tell(people(email="a@x"), WHOLE, complete=True).status == "succeeded"
    assert lost(world) == []
    assert world.tell(people(), WHOLE, complete=True).status == "failed"


@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_an_empty_value_is_none(world: World, nothing: Any) -> None:
    world.tell(people(email="a@x"), WHOLE)
    assert world.tell(people(email=nothing), WHOLE, complete=True).status == "failed"


def test_changes_told_one_by_one_are_counted_too(world: World) -> None:
    world.tell(people(email="a@x"), WHOLE)
    assert world.tell([Patch(Kind.USER, f"u{n}", {"email": None}) for n in range(MANY)], PART).status == "failed"
    assert world.tell([Patch(Kind.USER, f"u{n}", {"email": None}) for n in range(MANY - 1)], PART).status == "succeeded"


def test_one_who_keeps_it_is_enough(world: World) -> None:
    world.tell(people(email="a@x"), WHOLE)
    kept = [*people(MANY - 1), user(f"u{MANY - 1}", email="a@x")]
    assert world.tell(kept, WHOLE, complete=True).status == "succeeded"


def test_a_newcomer_who_has_it_is_enough(world: World) -> None:
    world.tell(people(email="a@x"), WHOLE)
    assert world.tell([*people(), user("new", email="b@x")], WHOLE, complete=True).status == "succeeded"


def test_the_attribute_of_a_group_says_nothing_of_users(world: World) -> None:
    group = Record(Kind.GROUP, "g1", {"displayName": "g1", "email": "g@x"})
    world.tell([*people(email="a@x"), group], WHOLE)
    assert world.tell([*people(), group], WHOLE, complete=True).status == "failed"


def test_its_name_as_a_value_is_not_the_attribute(world: World) -> None:
    world.tell(people(email="a@x"), WHOLE)
    assert world.tell(people(title='"email":'), WHOLE, complete=True).status == "failed"
    assert world.tell(people(extra={"email": "a@x"}), WHOLE, complete=True).status == "failed"


def test_leavers_lose_nothing(world: World) -> None:
    """The guard judges those who left. The three who stay never had the attribute."""
    world.tell([*people(email="a@x"), user("x"), user("y"), user("z")], WHOLE)
    assert world.tell([user("x"), user("y"), user("z")], WHOLE, complete=True).status == "succeeded"


def test_few_records_are_not_enough(world: World) -> None:
    world.tell(people(9, email="a@x"), WHOLE)
    assert world.tell(people(9), WHOLE, complete=True).status == "succeeded"


def test_the_smallest_at_least_of_the_targets_counts(world: World) -> None:
    world.target(guard=Guard(at_least=3))
    world.target("other", guard=Guard(at_least=20))
    world.tell(people(3, email="a@x"), WHOLE)
    assert world.tell(people(3), WHOLE, complete=True).status == "failed"


def test_an_attribute_that_no_rule_reads_may_go(world: World) -> None:
    world.target(users=rules(None, "uid", uid="user.id", email="user.email"))
    world.tell(people(email="a@x", title="Cook"), WHOLE)
    assert world.tell(people(email="a@x"), WHOLE, complete=True).status == "succeeded"


def test_an_attribute_that_only_where_reads_counts(world: World) -> None:
    """Without `active`, everybody would be let in."""
    world.target(users=rules("user.active", "uid", uid="user.id"))
    world.tell(people(active="false"), WHOLE)
    assert world.held() == {}
    assert world.tell(people(), WHOLE, complete=True).status == "failed"
    assert world.held() == {}


def test_a_pull_that_was_discarded_left_nothing_behind(world: World) -> None:
    world.tell(people(email="a@x"), WHOLE)
    world.tell([*people(), user("new")], WHOLE, complete=True)
    assert world.tell([*people(email="a@x"), user("new", email="b@x")], WHOLE, complete=True).status == "succeeded"
    assert world.held()["new"]["email"] == "b@x"


# ---- together with people who are gone


def test_those_who_are_gone_in_the_same_pull_had_it_too(world: World) -> None:
    """An export that stopped early, and a header with another name."""
    world.target(guard=Guard())
    world.tell(people(40, email="a@x"), WHOLE)
    report = world.tell(people(5), WHOLE, complete=True)
    assert str(report.error).startswith("email: 40 users had it, and no user has it now")
    assert world.tell(people(40, email="a@x"), WHOLE, complete=True).status == "succeeded"


def test_those_whose_leave_is_held_had_it(world: World) -> None:
    world.target(guard=Guard())
    world.tell(people(40, email="a@x"), WHOLE)
    assert world.tell(people(5, email="a@x"), WHOLE, complete=True).status == "held"
    assert str(world.tell(people(5), WHOLE, complete=True).error).startswith("email: 40 users had it")


def test_those_who_return_without_it_had_it_if_they_never_left_the_target(world: World) -> None:
    world.target(guard=Guard())
    world.tell([*people(40, email="a@x"), user("x")], WHOLE)
    assert world.tell([user("x")], WHOLE, complete=True).status == "held"
    assert str(world.tell([*people(40), user("x")], WHOLE, complete=True).error).startswith("email: 40 users had it")


def test_those_who_left_the_target_have_nothing_to_lose(world: World) -> None:
    world.tell(people(40, email="a@x"), WHOLE)
    assert world.tell(people(5, email="a@x"), WHOLE, complete=True).status == "succeeded"
    assert world.tell(people(5), WHOLE, complete=True).status == "succeeded"
    assert world.tell(people(40), WHOLE, complete=True).status == "succeeded"


def test_those_who_left_one_target_and_are_held_at_another_had_it(world: World) -> None:
    world.target("strict", guard=Guard())
    world.tell(people(40, email="a@x"), WHOLE)
    assert world.tell(people(5, email="a@x"), WHOLE, complete=True).status == "held"
    assert str(world.tell(people(5), WHOLE, complete=True).error).startswith("email: 40 users had it")


def test_what_a_place_before_still_holds_does_not_count(world: World) -> None:
    """The target was replaced: nobody will ever leave the old one."""
    world.tell(people(40, email="a@x"), WHOLE)
    world.stores["app"] = MemoryStore()
    world.target()
    world.tell(people(5, email="a@x"), WHOLE, complete=True)
    assert len(world.held()) == 5
    assert world.tell(people(5), WHOLE, complete=True).status == "succeeded"
