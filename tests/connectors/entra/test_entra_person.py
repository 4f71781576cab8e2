"""One user as Graph holds it, read alone: exactly what a pull reads of this user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from starlette.responses import Response

from tests.connectors.entra.following import something_happens
from tests.connectors.entra.tenants import options_of, source_of
from tests.connectors.pulling import follow_people
from tests.fakes.graph import ALL_ROLES, Graph
from usersyncd.errors import AmbiguousPersonError, SourceError
from usersyncd.plugin import Kind, Members, Person, Record, Unread
from usersyncd.testing import read
from usersyncd_entra import EntraSource

ALL: Mapping[Kind, frozenset[str] | None] = {Kind.USER: None, Kind.GROUP: None}
NARROW: list[dict[str, Any]] = [
    {},
    {"users": {"filter": "userType eq 'Member' and accountEnabled eq true"}},
    {"groups": {"transitive": True}},
]


async def person(graph: Graph, folder: Path, name: str, **more: Any) -> Person | None:
    return await source_of(graph, folder, **more).person(name, {})


async def pulled(graph: Graph, folder: Path, **more: Any) -> tuple[dict[str, Record], dict[str, set[str]]]:
    """The users of a complete pull, and the groups of each."""
    users: dict[str, Record] = {}
    groups: dict[str, set[str]] = {}
    for item in (await read(source_of(graph, folder, **more))).items:
        if isinstance(item, Record) and item.kind is Kind.USER:
            users[item.id] = item
        elif isinstance(item, Members):
            for member in item.added:
                groups.setdefault(member, set()).add(item.group)
    return users, groups


async def agrees(graph: Graph, folder: Path, **more: Any) -> None:
    """Every user, read alone, is what a pull reads."""
    users, groups = await pulled(graph, folder, **more)
    for user in [*graph.tenant.users, *graph.tenant.bin]:
        found = await person(graph, folder, user, **more)
        if user not in users:
            assert found is None, "a pull leaves this user out"
            continue
        assert found is not None
        assert found.record == users[user]
        assert set(found.groups) == groups.get(user, set())
        assert all(names == {user} for names in found.groups.values())


@pytest.mark.parametrize("narrow", NARROW, ids=str)
@pytest.mark.parametrize("reads", [{}, {"reads": ALL}], ids=["some", "all"])
async def test_a_user_is_read_as_a_pull_reads_it(
    graph: Graph, tmp_path: Path, narrow: dict[str, Any], reads: dict[str, Any]
) -> None:
    random = Random(7)
    for _ in range(60):
        something_happens(graph.tenant, random)
    await agrees(graph, tmp_path, **narrow, **reads)


async def test_only_members_of_the_groups_in_the_options_are_read(graph: Graph, tmp_path: Path) -> None:
    teams = list(graph.tenant.groups)
    await agrees(graph, tmp_path, users={"members_of": [teams[0]]})


async def test_a_group_in_the_options_that_does_not_exist_deletes_nobody(graph: Graph, tmp_path: Path) -> None:
    only = {"members_of": ["00000000-0000-0000-0000-000000000000"]}
    with pytest.raises(SourceError, match="00000000-0000"):
        await person(graph, tmp_path, next(iter(graph.tenant.users)), users=only)


async def test_a_user_is_found_by_user_name_and_mail(graph: Graph, tmp_path: Path) -> None:
    guest = next(key for key, props in graph.tenant.users.items() if "#EXT#" in props["userPrincipalName"])
    graph.tenant.change(guest, mail="o'hara@example.com")
    for name in (guest, graph.tenant.users[guest]["userPrincipalName"], "o'hara@example.com"):
        found = await person(graph, tmp_path, name)
        assert found is not None
        assert found.record.id == guest


async def test_a_name_cannot_change_the_address(graph: Graph, tmp_path: Path) -> None:
    for name in ("../organization", "x/memberOf", "x?$select=id", "' or id ne '", "", "#"):
        assert await person(graph, tmp_path, name) is None
    assert not [path for path in graph.requests if "organization" in path]


async def test_two_users_with_the_address_are_refused_by_id(graph: Graph, tmp_path: Path) -> None:
    first, second, *_ = graph.tenant.users
    for user in (first, second):
        graph.tenant.change(user, mail="same@acme.example")
    with pytest.raises(AmbiguousPersonError, match=second) as raised:
        await person(graph, tmp_path, "same@acme.example")
    assert first in raised.value.message


async def test_a_deleted_user_does_not_exist_and_a_restored_one_does(graph: Graph, tmp_path: Path) -> None:
    user = next(iter(graph.tenant.users))
    graph.tenant.delete(user)
    assert await person(graph, tmp_path, user) is None
    graph.tenant.restore(user)
    assert await person(graph, tmp_path, user) is not None


@pytest.mark.parametrize("body", ["<html>not here</html>", '{"error": {"code": "NotFound", "message": "no route"}}'])
async def test_a_404_that_is_not_graphs_own_deletes_nobody(graph: Graph, tmp_path: Path, body: str) -> None:
    graph.spoil = lambda path, answer: Response(body, 404) if path.startswith("/v1.0/users/") else answer
    with pytest.raises(SourceError, match="404"):
        await person(graph, tmp_path, next(iter(graph.tenant.users)))


async def test_missing_rights_delete_nobody(graph: Graph, tmp_path: Path) -> None:
    user = next(iter(graph.tenant.users))
    graph.signin.app.roles = ALL_ROLES - {"User.Read.All"}
    for name in (user, graph.tenant.users[user]["mail"]):
        with pytest.raises(SourceError, match=r"User\.Read\.All"):
            await person(graph, tmp_path, name)


async def test_throttling_and_broken_connections_are_waited_for(graph: Graph, tmp_path: Path) -> None:
    user = next(iter(graph.tenant.users))
    for fault in ("throttle", "busy", "cut", "token_dies", "revoked"):
        graph.faults.coming.append(fault)
        assert await person(graph, tmp_path, user) is not None


async def test_a_user_without_a_required_property_is_named(graph: Graph, tmp_path: Path) -> None:
    user = next(iter(graph.tenant.users))
    graph.tenant.users[user]["accountEnabled"] = None
    found = await person(graph, tmp_path, user)
    assert found is not None
    assert isinstance(found.record, Unread)
    assert "accountEnabled" in found.record.why


async def test_groups_with_hidden_members_are_as_in_a_pull(graph: Graph, tmp_path: Path) -> None:
    group = next(iter(graph.tenant.groups))
    graph.tenant.change(group, visibility="HiddenMembership")
    await agrees(graph, tmp_path)
    with pytest.raises(SourceError, match="hidden"):
        await person(graph, tmp_path, next(iter(graph.tenant.users)), groups={"hidden": True})
    graph.signin.app.roles |= {"Member.Read.Hidden"}
    graph.signin.revoke()
    await agrees(graph, tmp_path, groups={"hidden": True})


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("narrow", NARROW[:2], ids=str)
def test_people_and_incremental_pulls_end_where_a_first_pull_does(
    graph: Graph, tmp_path: Path, narrow: dict[str, Any], seed: int
) -> None:
    (tmp_path / "state").mkdir()
    options = {**options_of(graph, tmp_path), **narrow}
    options["client_secret"] = {"file": str(tmp_path / "secret")}
    random, tenant = Random(seed), graph.tenant
    follow_people(
        tmp_path, EntraSource, options, lambda: something_happens(tenant, random),
        lambda: [*tenant.users, *tenant.bin], seed,
    )  # fmt: skip
