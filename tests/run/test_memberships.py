"""Nested groups, delivered directly or flattened."""

from __future__ import annotations

from sqlalchemy import select

from tests.run.world import World, rules
from usersyncd.core.model import MembershipMode
from usersyncd.plugin import Kind
from usersyncd.state.held_members import members_of_object
from usersyncd.state.tables import links


def nested(world: World, mode: MembershipMode) -> None:
    """The group ``top`` contains ``middle``, this contains ``low``, and this contains ``top`` again."""
    world.target(memberships=mode)
    world.people("u1", "u2", "u3")
    world.group("top", "u1", "middle")
    world.group("middle", "u2", "low")
    world.group("low", "u3", "top")


def test_flattened_a_group_has_all_members_of_nested_groups_also_in_a_cycle(world: World) -> None:
    nested(world, "flattened")
    world.synced()
    everybody = {"u1", "u2", "u3"}
    assert world.members() == {"top": everybody, "middle": everybody, "low": everybody}
    world.directory.members["low"].discard("top")
    world.synced()
    assert world.members() == {"top": everybody, "middle": {"u2", "u3"}, "low": {"u3"}}


def test_direct_the_edges_are_those_of_the_directory(world: World) -> None:
    nested(world, "direct")
    world.synced()
    assert world.members() == {"top": {"u1", "middle"}, "middle": {"u2", "low"}, "low": {"u3", "top"}}
    assert {kind for _, kind, member in world.edges() if member == "middle"} == {Kind.GROUP}


def test_a_change_in_a_nested_group_reaches_all_groups_above(world: World) -> None:
    nested(world, "flattened")
    world.directory.members["low"].discard("top")
    world.directory.incremental = True
    world.synced()
    world.people("u4")
    world.directory.members["low"].add("u4")
    assert world.synced().counts.memberships.add == 3
    world.leave("u3")
    assert world.synced().counts.memberships.remove == 3
    assert world.members() == {"top": {"u1", "u2", "u4"}, "middle": {"u2", "u4"}, "low": {"u4"}}


def test_a_group_that_the_rules_leave_out_still_connects_those_around_it(world: World) -> None:
    nested(world, "flattened")
    world.target(groups=rules('group.id != "middle"'))
    world.synced()
    assert set(world.held(Kind.GROUP)) == {"top", "low"}
    assert world.members() == {"top": {"u1", "u2", "u3"}, "low": {"u1", "u2", "u3"}}


def test_the_mode_may_change_from_flattened_to_direct_and_back(world: World) -> None:
    """The mode changes all memberships, although it changes no shape."""
    nested(world, "flattened")
    world.synced()
    flattened = world.members()
    world.target(memberships="direct")
    world.synced()
    assert world.members() == {"top": {"u1", "middle"}, "middle": {"u2", "low"}, "low": {"u3", "top"}}
    assert world.plan().targets[0].planned.total == 0
    world.target(memberships="flattened")
    world.synced()
    assert world.members() == flattened


def test_a_member_who_is_refused_is_tried_again_and_the_others_are_in(world: World) -> None:
    world.people("u1", "u2")
    world.group("g1", "u1")
    world.directory.incremental = True
    world.synced()
    world.directory.members["g1"] = {"u1", "u2"}
    world.store.faults.refuse = {"u2"}
    report = world.run()
    [failed] = report.targets[0].failed
    assert (failed.id, failed.error) == ("u2", "as a member of group g1: the store refuses it")
    world.store.faults.refuse = set()
    assert world.synced().counts.memberships.add == 1
    assert world.members() == {"g1": {"u1", "u2"}}


def test_a_target_is_shown_the_members_that_it_was_sent(world: World) -> None:
    world.target(memberships="direct")
    world.people("ann", "ben")
    world.group("team")
    world.group("staff", "ann", "ben", "team")
    world.group("empty")
    world.synced()
    targets = {held.key: target_id for kind in Kind for target_id, held in world.store.objects(kind).items()}
    with world.database.read() as connection:
        number = connection.scalar(select(links.c.target).limit(1)) or 0
        found = members_of_object(connection, number, targets["staff"])
        assert members_of_object(connection, number, targets["empty"]) == []
    assert sorted(found) == [
        (Kind.GROUP, targets["team"]),
        *sorted((Kind.USER, targets[one]) for one in ("ann", "ben")),
    ]
