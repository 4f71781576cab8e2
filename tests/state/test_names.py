"""Members and managers are named by id or by handle. A handle may pass to another user."""

from __future__ import annotations

import pytest

from tests.run.world import World
from usersyncd.plugin import Kind


@pytest.fixture(params=[False, True], ids=["complete", "incremental"])
def world(world: World, request: pytest.FixtureRequest) -> World:
    world.directory.incremental = request.param
    return world


def named(world: World, id_: str, *handles: str, **attributes: str) -> None:
    world.user(id_, **attributes)
    world.directory.handles[Kind.USER, id_] = handles


def test_an_unknown_member_is_reported_and_resolves_when_the_user_appears(world: World) -> None:
    world.group("g1", "dn:ada", "dn:bob")
    named(world, "u1", "dn:ada")
    report = world.run()
    assert report.status == "succeeded"
    assert report.pull is not None
    assert report.pull.unresolved == 1
    [skipped] = report.skipped
    assert (skipped.id, skipped.reason) == ("g1", "this directory does not list its member dn:bob")
    assert world.members() == {"g1": {"u1"}}
    named(world, "u2", "dn:bob")
    report = world.run()
    assert report.pull is not None
    assert report.pull.unresolved == 0
    assert world.members() == {"g1": {"u1", "u2"}}


def test_an_unknown_manager_resolves_when_the_user_appears(world: World) -> None:
    named(world, "u1", "dn:ada", manager="dn:bob")
    world.run()
    assert "manager" not in world.held()["u1"]
    named(world, "u2", "dn:bob")
    world.run()
    assert world.held()["u1"]["manager"] == "u2"


def test_a_handle_that_passes_to_another_user_takes_memberships_and_reports_along(world: World) -> None:
    """A DN passes to another user: the group names the same DN, and has another member."""
    named(world, "u1", "dn:desk")
    named(world, "u2", "dn:other")
    named(world, "u3", "dn:third", manager="dn:desk")
    world.group("g1", "dn:desk")
    world.run()
    assert (world.members(), world.held()["u3"]["manager"]) == ({"g1": {"u1"}}, "u1")
    world.directory.handles[Kind.USER, "u1"], world.directory.handles[Kind.USER, "u2"] = ("dn:other",), ("dn:desk",)
    world.run()
    assert (world.members(), world.held()["u3"]["manager"]) == ({"g1": {"u2"}}, "u2")


def test_a_handle_that_two_users_have_identifies_the_first_one(world: World) -> None:
    named(world, "u1", "uid:ada")
    named(world, "u3", "uid:zoe", manager="uid:ada")
    world.group("g1", "uid:ada")
    world.run()
    named(world, "u2", "uid:ada", title="Boss")
    report = world.run()
    assert (world.members(), world.held()["u3"]["manager"]) == ({"g1": {"u1"}}, "u1")
    assert report.pull is not None
    assert (report.pull.unresolved, report.pull.ambiguous) == (0, 1)
    [skipped] = report.skipped
    assert (skipped.id, skipped.reason) == (
        "g1", "its member uid:ada is ambiguous: u1 and u2 have this name; u1 had it first, and is the member"
    )  # fmt: skip
    # Later changes of one of the users or of the group do not change that.
    named(world, "u1", "uid:ada", "dn:more", title="Cook")
    world.group("g1", "uid:ada", "u3")
    world.run()
    assert world.members() == {"g1": {"u1", "u3"}}
    leave(world, "u1")
    report = world.run()
    assert world.members() == {"g1": {"u2", "u3"}}
    assert report.pull is not None
    assert (report.pull.ambiguous, report.skipped) == (0, [])


def test_a_handle_that_two_users_get_at_once_identifies_neither(world: World) -> None:
    named(world, "u1", "uid:ada")
    named(world, "u2", "uid:ada")
    world.group("g1", "uid:ada")
    [skipped] = world.run().skipped
    assert (
        skipped.reason
        == "its member uid:ada is ambiguous: u1 and u2 have this name; none of them becomes a member through it"
    )
    assert world.members() == {}
    leave(world, "u2")
    assert world.run().skipped == []
    assert world.members() == {"g1": {"u1"}}


def leave(world: World, id_: str) -> None:
    del world.directory.users[id_]
    del world.directory.handles[Kind.USER, id_]


def test_a_user_created_under_the_handle_of_a_deleted_one_is_another_user(world: World) -> None:
    named(world, "u1", "dn:ada", title="Cook")
    named(world, "u9", "dn:zoe", manager="dn:ada")
    world.group("g1", "dn:ada")
    world.run()
    del world.directory.users["u1"]
    del world.directory.handles[Kind.USER, "u1"]
    named(world, "u2", "dn:ada", title="Boss")
    world.run()
    assert world.held()["u1"]["active"] is False
    assert world.held()["u2"]["active"] is True
    assert world.members() == {"g1": {"u2"}}
    assert world.held()["u9"]["manager"] == "u2"


def test_a_user_who_returns_is_in_the_groups_that_still_name_the_user(world: World) -> None:
    named(world, "u1", "dn:ada")
    world.group("g1", "dn:ada", "u1")
    world.run()
    del world.directory.users["u1"]
    world.run()
    assert world.members() == {}
    world.user("u1")
    world.run()
    assert world.members() == {"g1": {"u1"}}
    assert world.held()["u1"]["active"] is True
