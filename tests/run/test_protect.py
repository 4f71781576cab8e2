"""Objects under `protect` and their memberships are never changed, and a plan shows the same as a sync does."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.run.world import ON_SQLITE, World
from usersyncd.core.protection import UNPROTECTED, Protection, protected_keys
from usersyncd.core.report import RunReport
from usersyncd.errors import split_remedy
from usersyncd.plugin import PROTECTED, Kind

KEYS = {Kind.USER: protected_keys(["root"]), Kind.GROUP: protected_keys(["owners"])}
ROLE = Protection(condition=lambda columns: columns.get("role") == "superadmin")
CONDITIONS = dict.fromkeys(Kind, ROLE)


pytestmark = ON_SQLITE


@pytest.fixture(params=[KEYS, CONDITIONS], ids=["by key", "by a condition"])
def company(world: World, request: pytest.FixtureRequest) -> World:
    """A company in which `root`, and the group `owners`, are protected from the first delivery on."""
    world.people("ann", "bob", "root")
    world.group("owners", "ann")
    world.group("staff", "ann", "root")
    world.synced()
    for held in (world.store.users, world.store.groups):
        for one in held.values():
            if one.key in {"root", "owners"}:
                one.foreign["role"] = "superadmin"
    world.target(protect=request.param)
    return world


def failures(report: RunReport) -> list[tuple[str, str, str]]:
    return sorted((one.kind, one.id, one.error) for one in report.targets[0].failed)


def test_a_plan_shows_only_what_a_sync_does(company: World) -> None:
    before = company.held(), company.held(Kind.GROUP)
    company.user("root", displayName="Root")
    company.group("owners", "bob", displayName="Owners of all")
    company.group("staff", "bob")
    plan = company.plan()
    report = company.run()
    assert (
        failures(plan)
        == failures(report)
        == [
            ("group", "owners", PROTECTED),
            ("user", "root", PROTECTED),
            ("user", "root", f"as a member of group staff: {PROTECTED}"),
        ]
    )
    assert plan.targets[0].planned == report.targets[0].counts
    assert [
        (change["op"], change["id"], [one["id"] for one in change["members"]]) for change in World.changes(plan)
    ] == [
        ("add", "staff", ["bob"]),
        ("remove", "staff", ["ann"]),
    ]
    assert company.members() == {"owners": {"ann"}, "staff": {"bob", "root"}}
    assert (company.held(), company.held(Kind.GROUP)) == before
    assert failures(company.run()) == failures(report), "it is tried again, and fails by name in every run"
    assert {split_remedy(error)[1] for _, _, error in failures(report)} == {
        "undo the change in the directory or the rules, or remove it from `protect`"
    }


@pytest.mark.parametrize("protect", [KEYS, {**KEYS, Kind.GROUP: UNPROTECTED}], ids=["both", "users"])
def test_a_plan_keeps_a_group_that_a_protected_user_is_in_as_a_sync_does(
    company: World, protect: Mapping[Kind, Protection]
) -> None:
    company.target(protect=protect)
    company.leave("staff", kind=Kind.GROUP)
    plan = company.plan()
    report = company.run()
    assert (
        failures(plan)
        == failures(report)
        == [
            ("group", "staff", f"the group has the member id 'root': {PROTECTED}"),
            ("user", "root", f"as a member of group staff: {PROTECTED}"),
        ]
    )
    assert plan.targets[0].planned == report.targets[0].counts
    assert company.members() == {"owners": {"ann"}, "staff": {"root"}}


def test_an_object_that_is_not_protected_any_more_is_brought_up_to_date(company: World) -> None:
    company.group("owners", "bob")
    company.group("staff", "bob")
    company.run()
    company.target()
    company.synced()
    assert company.members() == {"owners": {"bob"}, "staff": {"bob"}}
