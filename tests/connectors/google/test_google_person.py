"""One user as Google holds it, read alone: exactly what a pull reads of this user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.connectors.google.directory import Directory, Reads
from tests.connectors.pulling import ConnectorWorld, follow_people
from tests.fakes.google import Tenant, company
from tests.fakes.google.http import Reply
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Listed, Members, Person, Record, Unread
from usersyncd.testing import Pull, source_context
from usersyncd_google import GoogleSource
from usersyncd_google.options import GoogleOptions

SOME: Reads = {
    Kind.USER: frozenset({"primaryEmail", "active", "manager", "department"}), Kind.GROUP: frozenset({"name"}),
}  # fmt: skip


async def person(
    directory: Directory, name: str, listed: Listed | None = None, reads: Reads | None = None, cursor: str | None = None
) -> Person | None:
    context = source_context(directory.folder, reads=reads, log=directory.log, last_cursor=cursor)
    return await GoogleSource(GoogleOptions.model_validate(directory.options), context).person(name, listed or {})


def groups_of(pull: Pull, user: Record) -> dict[str, frozenset[str]]:
    names, found = frozenset((user.id, *user.handles)), dict[str, frozenset[str]]()
    for item in pull.items:
        if isinstance(item, Members) and names & item.added:
            found[item.group] = found.get(item.group, frozenset()) | (names & item.added)
    return found


async def agrees(directory: Directory, reads: Reads | None = None, *, before: Pull | None = None) -> None:
    """Every user, read alone after the last pull, is what a pull reads. ``before``: the last pull."""
    pull = await directory.pull(reads=reads)
    before = before or pull
    users = {item.id: item for item in pull.items if isinstance(item, Record) and item.kind is Kind.USER}
    known = {item.id: item for item in before.items if isinstance(item, Record) and item.kind is Kind.USER}
    for user in [*directory.tenant.users, *directory.tenant.deleted]:
        listed = groups_of(before, known[user]) if user in known else {}
        found = await person(directory, user, listed, reads, before.ends[0].cursor)
        if user not in users:
            assert found is None, "a pull leaves this user out"
            continue
        assert found is not None
        assert found.record == users[user]
        assert found.groups == groups_of(pull, users[user])


def something_happens(tenant: Tenant, random: Random) -> None:
    users, groups = list(tenant.users)[1:], list(tenant.groups)
    user, group = random.choice(users), random.choice(groups)
    match random.randrange(7):
        case 0:
            tenant.hire(
                f"New Person{len(tenant.activities)}", orgUnitPath=random.choice(["/", "/Staff", "/Contractors"])
            )
        case 1:
            tenant.leave(user)
        case 2 if tenant.deleted:
            tenant.come_back(random.choice(list(tenant.deleted)))
        case 3 | 4 if user not in tenant.members[group]:
            tenant.join(group, user)
        case 5 if user in tenant.members[group]:
            tenant.part(group, user)
        case _:
            tenant.change(
                user, suspended=random.random() < 0.5, aliases=[f"alias{random.randrange(9999)}@acme.example"]
            )


@pytest.mark.parametrize("options", [
    {}, {"incremental": False}, {"org_units": ["/Staff"]}, {"domains": ["acme.example"]}, {"customer": "C03az79cb"},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("reads", [None, SOME], ids=["all", "some"])
async def test_a_user_is_read_as_a_pull_reads_it(
    start: Callable[..., Directory], options: Mapping[str, Any], reads: Reads | None
) -> None:
    directory = start(company(people=14, domains=("acme.example", "other.example")), **options)
    tenant, random = directory.tenant, Random(3)
    tenant.hire("Ann Elsewhere", domain="other.example")
    before = await directory.pull(reads=reads)
    for _ in range(25):
        something_happens(tenant, random)
    await agrees(directory, reads, before=before)


@pytest.mark.parametrize("incremental", [True, False])
async def test_a_group_of_all_users_has_every_user(start: Callable[..., Directory], incremental: bool) -> None:
    directory = start(company(people=8), incremental=incremental)
    directory.tenant.join(next(iter(directory.tenant.groups)), directory.tenant.customer)
    await agrees(directory)


async def test_nested_groups_are_left_out(directory: Directory) -> None:
    """Whatever groups.list says of them."""
    tenant = directory.tenant
    outer, inner = tenant.found("Outer"), tenant.found("Inner")
    user = tenant.hire("Only Inner")
    tenant.join(outer, inner)
    tenant.join(inner, user)
    found = await person(directory, user)
    assert found is not None
    assert set(found.groups) == {inner}


async def test_a_user_is_found_by_address_and_alias(directory: Directory) -> None:
    user = directory.tenant.hire("Ada Lovelace", aliases=["countess@acme.example"])
    for name in (user, "ada.lovelace@acme.example", "Countess@acme.example"):
        found = await person(directory, name)
        assert found is not None
        assert found.record.id == user


async def test_a_name_cannot_change_the_address(directory: Directory) -> None:
    for name in ("../groups", "x?fields=id", "a/b", "#"):
        assert await person(directory, name) is None
    assert directory.google.calls["groups.list"] == 0


async def test_a_deleted_user_does_not_exist(directory: Directory) -> None:
    user = directory.tenant.hire("Ada Lovelace")
    directory.tenant.leave(user)
    assert await person(directory, user) is None


async def test_a_404_that_is_not_googles_own_deletes_nobody(directory: Directory) -> None:
    user = directory.tenant.hire("Ada Lovelace")
    directory.google.spoil = lambda path, reply: Reply(404, b"<html>") if path.endswith(f"/users/{user}") else reply
    with pytest.raises(SourceError, match="404"):
        await person(directory, user)


async def test_a_group_whose_members_may_not_be_read_takes_nobody_out(directory: Directory) -> None:
    group, members = next((key, list(found)) for key, found in directory.tenant.members.items() if found)
    directory.google.forbidden.add(group)
    with pytest.raises(SourceError, match="403"):
        await person(directory, members[0], {group: frozenset({members[0]})})


async def test_an_org_unit_that_does_not_exist_deletes_nobody(start: Callable[..., Directory]) -> None:
    directory = start(org_units=["/Renamed"])
    with pytest.raises(SourceError, match="/Renamed"):
        await person(directory, next(iter(directory.tenant.users)))


async def test_a_user_of_an_unknown_form_is_named(directory: Directory) -> None:
    user = directory.tenant.hire("Ada Lovelace")
    directory.google.judged = False
    directory.tenant.users[user]["suspended"] = "perhaps"
    found = await person(directory, user)
    assert found is not None
    assert isinstance(found.record, Unread)
    assert "suspended" in found.record.why


@pytest.mark.parametrize("seed", range(4))
def test_people_and_incremental_pulls_end_where_a_first_pull_does(
    directory: Directory, tmp_path: Path, seed: int
) -> None:
    tenant, random = directory.tenant, Random(seed)
    tenant.join(next(iter(tenant.groups)), tenant.customer)
    follow_people(
        tmp_path, GoogleSource, directory.options, lambda: something_happens(tenant, random),
        lambda: [*tenant.users, *tenant.deleted], seed,
    )  # fmt: skip


def test_who_joined_and_left_between_two_pulls_leaves_although_the_log_missed_it(
    directory: Directory, tmp_path: Path
) -> None:
    """The group looks as it did at the last pull, so the next one does not read its members."""
    tenant, world = directory.tenant, ConnectorWorld(tmp_path / "state", GoogleSource, directory.options)
    user, group = tenant.hire("Ada Lovelace"), tenant.found("Engines")
    assert world.run().status == "succeeded"
    tenant.reports_miss = True
    tenant.join(group, user)
    assert world.ask(user).changed
    assert world.deliver().status == "succeeded"
    assert user in world.members()[group]
    tenant.part(group, user)
    assert world.run().status == "succeeded"
    assert group not in world.members()
    world.database.close()
