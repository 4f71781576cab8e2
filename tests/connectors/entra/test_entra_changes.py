"""An incremental pull yields exactly the changes, or everything when it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
import pytest

from tests.connectors.entra.following import Follower, people, something_happens, teams
from tests.connectors.entra.tenants import READS
from tests.fakes.graph import Graph, Tenant
from usersyncd.errors import SourceError
from usersyncd.plugin import Gone, Kind, Members, Patch, Record


@pytest.fixture
async def follower(graph: Graph, tmp_path: Path) -> Follower:
    follower = Follower(graph, tmp_path)
    await follower.pull()
    return follower


async def test_a_pull_without_changes_yields_nothing(follower: Follower) -> None:
    before = len(follower.graph.requests)
    await follower.pull()
    assert follower.items == []
    assert not follower.complete
    assert len(follower.graph.requests) - before == 2


CHANGES: dict[str, Callable[[Tenant], object]] = {
    "a name": lambda t: t.change(people(t)[3], displayName="New"),
    "cleared": lambda t: t.change(people(t)[3], mail=None),
    "disabled": lambda t: t.change(people(t)[3], accountEnabled=False),
    "an extension": lambda t: t.change(people(t)[3], onPremisesExtensionAttributes={"extensionAttribute1": "x"}),
    "no extensions": lambda t: t.change(people(t)[3], onPremisesExtensionAttributes=None),
    "a manager": lambda t: t.set_manager(people(t)[30], people(t)[7]),
    "no manager": lambda t: t.set_manager(people(t)[30], None),
    "hired": lambda t: t.join(teams(t)[2], t.add_user(displayName="Hired")),
    "left": lambda t: t.delete(people(t)[3]),
    "purged": lambda t: _purge(t),
    "joined": lambda t: t.join(teams(t)[5], *people(t)[:30]),
    "left a group": lambda t: t.leave(teams(t)[0], *list(t.members[teams(t)[0]])[:12]),
    "a new group": lambda t: t.join(t.add_group(displayName="new"), *people(t)[:25]),
    "a group renamed": lambda t: t.change(teams(t)[0], displayName="renamed"),
    "a group cleared": lambda t: t.change(teams(t)[0], description=None),
    "a group deleted": lambda t: t.delete(teams(t)[0]),
    "back and forth": lambda t: _back_and_forth(t),
    "not selected": lambda t: t.change(people(t)[3], jobTitle="x"),
}


def _back_and_forth(tenant: Tenant) -> None:
    group, person = teams(tenant)[0], people(tenant)[0]
    tenant.leave(group, person)
    tenant.join(group, person)


def _purge(tenant: Tenant) -> None:
    gone = people(tenant)[3]
    tenant.delete(gone)
    tenant.purge(gone)


@pytest.mark.parametrize("change", CHANGES)
async def test_a_single_change_is_yielded(follower: Follower, change: str) -> None:
    CHANGES[change](follower.graph.tenant)
    await follower.pull()
    assert follower.is_right
    assert not follower.complete


async def test_only_the_changed_attributes_are_yielded(follower: Follower) -> None:
    tenant = follower.graph.tenant
    person, leaver, group = people(tenant)[3], people(tenant)[4], teams(tenant)[0]
    member = next(iter(tenant.members[group]))
    tenant.change(person, displayName="New", mail=None)
    tenant.delete(leaver)
    new = tenant.add_user(displayName="Hired", mail=None)
    tenant.leave(group, member)
    tenant.change(group, description=None)
    await follower.pull()
    hired = {k: v for k, v in tenant.users[new].items() if k in (READS[Kind.USER] or ()) and v is not None}
    assert sorted(follower.items, key=lambda item: type(item).__name__ + str(getattr(item, "kind", ""))) == [
        Gone(Kind.USER, leaver),
        Members(group, frozenset(), frozenset({member})),
        Patch(Kind.GROUP, group, {"description": None}),
        Patch(Kind.USER, person, {"displayName": "New", "mail": None}),
        Record(Kind.USER, new, hired),
    ]


async def test_a_restored_user_has_the_old_memberships(follower: Follower) -> None:
    tenant = follower.graph.tenant
    person = next(iter(tenant.members[teams(tenant)[0]]))
    groups = tenant.groups_of(person)
    assert groups
    tenant.delete(person)
    await follower.pull()
    assert follower.is_right
    tenant.restore(person)
    await follower.pull()
    assert follower.is_right
    assert {group for group, member in follower.held.edges if member == person} == set(groups)


async def test_a_restored_group_has_its_members(follower: Follower) -> None:
    tenant = follower.graph.tenant
    group = teams(tenant)[1]
    tenant.delete(group)
    await follower.pull()
    tenant.restore(group)
    await follower.pull()
    assert follower.is_right


async def test_a_user_who_left_a_group_while_it_was_deleted(follower: Follower) -> None:
    tenant = follower.graph.tenant
    group = teams(tenant)[0]
    tenant.delete(group)
    tenant.restore(group)
    tenant.leave(group, *list(tenant.members[group])[:4])
    await follower.pull()
    assert follower.is_right


@pytest.mark.parametrize("how", ["gone", "not_found", "generation", "resync"])
async def test_an_expired_cursor_causes_a_complete_pull(follower: Follower, how: str) -> None:
    tenant = follower.graph.tenant
    _purge(tenant)
    follower.graph.faults.expire_cursor = how
    await follower.pull()
    assert follower.complete
    assert follower.is_right
    assert follower.log.entries[-2]["event"].startswith("the cursor has expired")
    follower.graph.faults.expire_cursor = None
    tenant.delete(people(tenant)[0])
    await follower.pull()
    assert not follower.complete
    assert follower.is_right


async def test_other_rules_cause_a_complete_pull(follower: Follower) -> None:
    more = {**READS, Kind.USER: (READS[Kind.USER] or frozenset()) | {"jobTitle"}}
    await follower.pull(reads=more)
    assert follower.complete
    assert all("jobTitle" in props for (kind, _), props in follower.held.records.items() if kind is Kind.USER)


@pytest.mark.parametrize("cursor", ["", "junk", "{}", '{"users": 1}', "null"])
async def test_text_that_is_not_a_cursor(follower: Follower, cursor: str) -> None:
    follower.cursor = cursor
    await follower.pull()
    assert follower.complete


async def test_a_link_to_another_host_is_not_followed(follower: Follower) -> None:
    cursor = msgspec.json.decode(follower.cursor or "")
    cursor["users"] = cursor["users"].replace("http://127.0.0.1", "http://127.0.0.1.evil.example")
    follower.cursor = msgspec.json.encode(cursor).decode()
    with pytest.raises(SourceError, match="sent a link to another host"):
        await follower.pull()


async def test_many_days_of_random_changes(follower: Follower) -> None:
    random = Random(7)
    tenant = follower.graph.tenant
    for _ in range(40):
        for _ in range(random.randrange(6)):
            something_happens(tenant, random)
        await follower.pull()
        assert follower.is_right, f"after {len(tenant.log)} changes"
        assert not follower.complete


async def test_a_new_user_who_joins_while_deleted_and_is_restored(follower: Follower) -> None:
    """The groups were reported while the user was deleted, and are not reported again after the restore."""
    tenant = follower.graph.tenant
    person = tenant.add_user(displayName="Hired")
    tenant.join(teams(tenant)[2], person)
    tenant.delete(person)
    await follower.pull()
    tenant.restore(person)
    await follower.pull()
    assert follower.is_right
    assert (teams(tenant)[2], person) in follower.held.edges


async def test_a_user_who_left_a_new_group_while_it_was_deleted(follower: Follower) -> None:
    tenant = follower.graph.tenant
    group = tenant.add_group(displayName="new")
    tenant.join(group, *people(tenant)[:4])
    await follower.pull()
    tenant.delete(group)
    tenant.leave(group, people(tenant)[0])
    tenant.restore(group)
    await follower.pull()
    assert follower.is_right
