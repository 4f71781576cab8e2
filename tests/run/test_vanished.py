"""No record has an attribute that the rules read any more: it was hidden or renamed, and the pull is discarded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.run.items import NOON, PART, WHOLE, user
from tests.run.world import World, rules
from usersyncd.core.model import Guard
from usersyncd.plugin import Kind, Patch, Record
from usersyncd.state.losses import approve, held_losses
from usersyncd.testing import MemoryStore

MANY = 12


def people(count: int = MANY, **attributes: Any) -> list[Record]:
    return [user(f"u{number}", **attributes) for number in range(count)]


def test_a_pull_in_which_all_records_lost_an_attribute_is_discarded(world: World) -> None:
    world.tell(people(email="a@x", title="Cook"), WHOLE)
    report = world.tell(people(title="Boss"), WHOLE, complete=True)
    assert report.status == "failed"
    error = str(report.error)
    assert error.startswith("email: 12 users had it, and no user has it now: the pull was discarded")
    assert "`usersyncd approve acme`" in error
    assert {(shape["email"], shape["title"]) for shape in world.held().values()} == {("a@x", "Cook")}


def accept(world: World) -> None:
    """Approve the losses for which the last pull was discarded."""
    with world.database.write() as connection:
        [found] = held_losses(connection)
        approve(connection, found, by="ann", reason=None, now=world.now or datetime.now(UTC))


def lost(world: World) -> list[str]:
    with world.database.read() as connection:
        return [loss.attribute for found in held_losses(connection) for loss in found.losses]


def test_each_pull_is_discarded_until_a_person_approves_the_loss(world: World) -> None:
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


def test_an_approval_covers_only_the_attributes_lost_by_then(world: World) -> None:
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
def test_an_empty_value_counts_as_lost(world: World, nothing: Any) -> None:
    world.tell(people(email="a@x"), WHOLE)
    assert world.tell(people(email=nothing), WHOLE, complete=True).status == "failed"


def test_patches_count_too(world: World) -> None:
    world.tell(people(email="a@x"), WHOLE)
    assert world.tell([Patch(Kind.USER, f"u{n}", {"email": None}) for n in range(MANY)], PART).status == "failed"
    assert world.tell([Patch(Kind.USER, f"u{n}", {"email": None}) for n in range(MANY - 1)], PART).status == "succeeded"


def test_an_attribute_that_one_record_keeps_is_not_lost(world: World) -> None:
    world.tell(people(email="a@x"), WHOLE)
    kept = [*people(MANY - 1), user(f"u{MANY - 1}", email="a@x")]
    assert world.tell(kept, WHOLE, complete=True).status == "succeeded"


def test_an_attribute_that_only_a_new_record_has_is_not_lost(world: World) -> None:
    world.tell(people(email="a@x"), WHOLE)
    assert world.tell([*people(), user("new", email="b@x")], WHOLE, complete=True).status == "succeeded"


def test_users_and_groups_are_counted_apart(world: World) -> None:
    group = Record(Kind.GROUP, "g1", {"displayName": "g1", "email": "g@x"})
    world.tell([*people(email="a@x"), group], WHOLE)
    assert world.tell([*people(), group], WHOLE, complete=True).status == "failed"


def test_the_name_of_an_attribute_in_a_value_does_not_count(world: World) -> None:
    world.tell(people(email="a@x"), WHOLE)
    assert world.tell(people(title='"email":'), WHOLE, complete=True).status == "failed"
    assert world.tell(people(extra={"email": "a@x"}), WHOLE, complete=True).status == "failed"


def test_leavers_do_not_count(world: World) -> None:
    """The guard covers the leavers. The three records that stay never had the attribute."""
    world.tell([*people(email="a@x"), user("x"), user("y"), user("z")], WHOLE)
    assert world.tell([user("x"), user("y"), user("z")], WHOLE, complete=True).status == "succeeded"


def test_a_loss_of_few_records_does_not_discard_a_pull(world: World) -> None:
    world.tell(people(9, email="a@x"), WHOLE)
    assert world.tell(people(9), WHOLE, complete=True).status == "succeeded"


def test_the_smallest_at_least_of_the_targets_counts(world: World) -> None:
    world.target(guard=Guard(at_least=3))
    world.target("other", guard=Guard(at_least=20))
    world.tell(people(3, email="a@x"), WHOLE)
    assert world.tell(people(3), WHOLE, complete=True).status == "failed"


def test_an_attribute_that_no_rule_reads_may_vanish(world: World) -> None:
    world.target(users=rules(None, "uid", uid="user.id", email="user.email"))
    world.tell(people(email="a@x", title="Cook"), WHOLE)
    assert world.tell(people(email="a@x"), WHOLE, complete=True).status == "succeeded"


def test_an_attribute_that_only_where_reads_counts(world: World) -> None:
    """Without `active`, the rules would let every user in."""
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


# ---- together with leavers


def test_records_deleted_in_the_same_pull_count_as_having_had_the_attribute(world: World) -> None:
    """An export stopped early, and its header has another name."""
    world.target(guard=Guard())
    world.tell(people(40, email="a@x"), WHOLE)
    report = world.tell(people(5), WHOLE, complete=True)
    assert str(report.error).startswith("email: 40 users had it, and no user has it now")
    assert world.tell(people(40, email="a@x"), WHOLE, complete=True).status == "succeeded"


def test_leavers_that_are_held_count_as_having_had_the_attribute(world: World) -> None:
    world.target(guard=Guard())
    world.tell(people(40, email="a@x"), WHOLE)
    assert world.tell(people(5, email="a@x"), WHOLE, complete=True).status == "held"
    assert str(world.tell(people(5), WHOLE, complete=True).error).startswith("email: 40 users had it")


def test_held_leavers_who_return_without_the_attribute_count(world: World) -> None:
    world.target(guard=Guard())
    world.tell([*people(40, email="a@x"), user("x")], WHOLE)
    assert world.tell([user("x")], WHOLE, complete=True).status == "held"
    assert str(world.tell([*people(40), user("x")], WHOLE, complete=True).error).startswith("email: 40 users had it")


def test_leavers_that_were_delivered_do_not_count(world: World) -> None:
    world.tell(people(40, email="a@x"), WHOLE)
    assert world.tell(people(5, email="a@x"), WHOLE, complete=True).status == "succeeded"
    assert world.tell(people(5), WHOLE, complete=True).status == "succeeded"
    assert world.tell(people(40), WHOLE, complete=True).status == "succeeded"


def test_leavers_that_one_of_two_targets_holds_count(world: World) -> None:
    world.target("strict", guard=Guard())
    world.tell(people(40, email="a@x"), WHOLE)
    assert world.tell(people(5, email="a@x"), WHOLE, complete=True).status == "held"
    assert str(world.tell(people(5), WHOLE, complete=True).error).startswith("email: 40 users had it")


def test_leavers_in_a_replaced_target_do_not_count(world: World) -> None:
    """No run will ever deactivate them there."""
    world.tell(people(40, email="a@x"), WHOLE)
    world.stores["app"] = MemoryStore()
    world.target()
    world.tell(people(5, email="a@x"), WHOLE, complete=True)
    assert len(world.held()) == 5
    assert world.tell(people(5), WHOLE, complete=True).status == "succeeded"
