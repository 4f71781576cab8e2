"""Two targets, or one over time, with the same users and different groups: an account has one link."""

from __future__ import annotations

import pytest

from tests.run.moved import active, points_to
from tests.run.world import World, rules
from usersyncd.plugin import Kind
from usersyncd.testing import MemoryStore


def beside(store: MemoryStore, identity: str) -> MemoryStore:
    """A target with the users of this one, and groups of its own."""
    store.places[Kind.USER] = "people"
    return MemoryStore(identity, store.users, places={Kind.USER: "people"}, serial=1_000)


@pytest.fixture
def company(world: World) -> World:
    world.target(users=rules(None, "login", login="user.userName", ref="user.id"))
    world.user("u1", userName="ann")
    world.user("u2", userName="bob")
    world.group("g1", "u1", "u2")
    return world


def points(world: World, store: MemoryStore) -> None:
    world.stores["app"] = store
    world.target(users=rules(None, "login", login="user.userName", ref="user.id"))


def test_a_target_with_other_groups_keeps_the_links_of_the_users(company: World) -> None:
    here = company.store
    there = beside(here, "there")
    company.synced()
    points(company, there)
    company.leave("u2")
    report = company.synced()
    users, groups = report.counts.users, report.counts.groups
    assert (users.create, users.adopt, users.deactivate, groups.create) == (0, 0, 1, 1)
    assert report.notes == [
        "this is another target than before, but has the same users: their links are kept and verified"
    ]
    assert sorted(here.users) == ["m1", "m2"]
    assert company.members() == {"g1": {"ann"}}


def test_an_account_stays_with_its_user_when_the_groups_change_back(company: World) -> None:
    """Ann's login passes to a new user, who must get a new account."""
    here = company.store
    there = beside(here, "there")
    company.synced()
    points(company, there)
    company.user("u1", userName="ann.old")
    company.user("u3", userName="ann")
    company.synced()
    points(company, here)
    company.user("u3", userName="ann.new")
    company.synced()
    held = {str(one.attributes["ref"]): target_id for target_id, one in here.users.items()}
    assert (held["u1"], held["u2"]) == ("m1", "m2")
    assert sorted(str(one.key) for one in here.users.values()) == ["ann.new", "ann.old", "bob"]
    assert company.members() == {"g1": {"ann.old", "bob"}}
    assert company.run().targets[0].counts.total == 0


def test_a_plan_for_other_groups_keeps_the_users(company: World) -> None:
    there = beside(company.store, "there")
    company.synced()
    points(company, there)
    planned = company.plan().targets[0].planned
    assert (planned.total, planned.groups.create, planned.memberships.add) == (3, 1, 2)
    assert active(there) == {"ann", "bob"}
    assert company.synced().counts.groups.create == 1


def test_two_targets_with_the_same_users_are_refused(company: World) -> None:
    there = beside(company.store, "there")
    company.synced()
    points_to(company, there, "crm")
    app, crm = company.run().targets
    assert (app.error, crm.counts.total) == (None, 0)
    assert crm.error == (
        "it has the same users as the target app, but not the same groups: the links of these users would be "
        "stored twice\n"
        "  → name the same tables in both targets, or different tables in each; if the tables of app changed since its "
        "last delivery, deliver to it first; nothing was delivered"
    )


def test_unanswered_changes_are_settled_before_the_groups_change(company: World) -> None:
    here = company.store
    there = beside(here, "there")
    company.synced()
    company.user("u3", userName="cyd")
    here.faults.die_after_commit = True
    company.run()
    here.faults.die_after_commit = False
    points(company, there)
    [target] = company.run().targets
    assert str(target.error).startswith("its last changes were never answered, and it has other groups now")
    points(company, here)
    company.synced()
    points(company, there)
    assert company.synced().counts.users.create == 0
    assert sorted(company.held()) == ["ann", "bob", "cyd"]


def test_both_places_are_known_under_another_identity(company: World) -> None:
    """The memberships stand in another place, and are added there."""
    here = company.store
    here.places.update({Kind.USER: "people", Kind.GROUP: "teams"})
    there = MemoryStore("there", here.users, here.groups, places=dict(here.places), serial=1_000)
    company.synced()
    points(company, there)
    counts = company.synced().counts
    assert (counts.total, counts.memberships.add) == (2, 2)
    assert company.members() == {"g1": {"ann", "bob"}}
    company.leave("u1")
    company.synced()
    points(company, here)
    company.synced()
    assert company.members() == {"g1": {"bob"}}
