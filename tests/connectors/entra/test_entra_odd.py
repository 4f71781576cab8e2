"""Users and groups with values of an undocumented form: only they fail, and they stay unchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from tests.connectors.entra.following import Follower
from tests.fakes.graph import Graph
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Unread

READS: Mapping[Kind, frozenset[str] | None] = {
    Kind.USER: frozenset(
        {"accountEnabled", "userPrincipalName", "userType", "manager", "extensionAttribute1", "businessPhone"}
    ),
    Kind.GROUP: frozenset({"displayName"}),
}
NARROWED = {"users": {"filter": "userType ne null"}}


def sends(graph: Graph, identifier: str, **values: Any) -> None:
    """Every response with this object has these values."""

    def spoil(path: str, answer: Response) -> Response:
        page = json.loads(bytes(answer.body))
        for item in page.get("value", ()):
            if item.get("id") == identifier:
                item.update(values)
        return Response(json.dumps(page), answer.status_code, media_type="application/json")

    graph.spoil = spoil


def unread(follower: Follower) -> list[Unread]:
    return [item for item in follower.items if isinstance(item, Unread)]


ODD: list[tuple[str, Any]] = [
    ("accountEnabled", None), ("accountEnabled", "false"), ("accountEnabled", 0),
    ("userPrincipalName", None), ("userPrincipalName", ""), ("userPrincipalName", 7),
    ("businessPhones", {"a": 1}), ("businessPhones", "+49 30 1"), ("businessPhones", [{"n": 1}]),
    ("onPremisesExtensionAttributes", "x"), ("onPremisesExtensionAttributes", ["x"]), ("@odata.type", 7),
    ("manager@delta", "x"), ("manager@delta", [{}]), ("manager@delta", [{"id": None}]), ("manager@delta", ["x"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), ODD)
@pytest.mark.parametrize("complete", [True, False], ids=["complete", "changes"])
async def test_a_user_with_a_malformed_value_stays_unchanged(
    graph: Graph, tmp_path: Path, name: str, value: Any, complete: bool
) -> None:
    tenant, follower = graph.tenant, Follower(graph, tmp_path)
    malformed, leaver = list(tenant.users)[5:7]
    tenant.change(malformed, accountEnabled=False)
    await follower.pull(reads=READS)
    before = follower.held.records[Kind.USER, malformed]
    tenant.change(malformed, displayName="New", mail="new@acme.example", accountEnabled=False)
    tenant.delete(leaver)
    sends(graph, malformed, **{name: value})
    follower.cursor = None if complete else follower.cursor
    await follower.pull(reads=READS)
    (found,) = unread(follower)
    assert (found.id, name in found.why, "→" in found.why) == (malformed, True, True)
    assert follower.held.records[Kind.USER, malformed] == before
    assert (Kind.USER, leaver) not in follower.held.records
    assert (follower.cursor is None) is not complete  # No later round repeats a change.


@pytest.mark.parametrize(("name", "value"), [each for each in ODD if each[0] != "manager@delta"])
async def test_a_listed_user_with_a_malformed_value_stays_unchanged(
    graph: Graph, tmp_path: Path, name: str, value: Any
) -> None:
    follower = Follower(graph, tmp_path)
    malformed = list(graph.tenant.users)[5]
    await follower.pull(reads=READS, **NARROWED)
    before = dict(follower.held.records)
    sends(graph, malformed, **{name: value})
    await follower.pull(reads=READS, **NARROWED)
    assert [item.id for item in unread(follower)] == [malformed]
    assert follower.held.records == before


@pytest.mark.parametrize("name", ["accountEnabled", "userPrincipalName"])
async def test_properties_of_every_user_are_required(graph: Graph, tmp_path: Path, name: str) -> None:
    follower = Follower(graph, tmp_path)
    malformed = list(graph.tenant.users)[5]
    graph.tenant.change(malformed, **{name: None})  # A complete round leaves out properties without a value.
    await follower.pull(reads=READS)
    (found,) = unread(follower)
    assert (found.id, name in found.why) == (malformed, True)
    await follower.pull(reads={**READS, Kind.USER: frozenset({"mail"})})
    assert not unread(follower)


@pytest.mark.parametrize("more", [{}, NARROWED], ids=["delta", "list"])
async def test_properties_hidden_for_many_users_discard_the_pull(
    graph: Graph, tmp_path: Path, more: dict[str, Any]
) -> None:
    for user in list(graph.tenant.users)[:7]:
        graph.tenant.change(user, accountEnabled=None)
    with pytest.raises(SourceError, match="7 of 60 users") as raised:
        await Follower(graph, tmp_path).pull(reads=READS, **more)
    assert "User.Read.All" in str(raised.value.remedy)


MEMBERS: list[Any] = [
    "x", {"id": "ada"}, None, 7, ["x"], [{}], [{"id": 7}], [{"id": ""}], [{"@odata.type": "#microsoft.graph.user"}],
]  # fmt: skip


@pytest.mark.parametrize("value", MEMBERS)
@pytest.mark.parametrize("complete", [True, False], ids=["complete", "changes"])
async def test_a_group_with_malformed_members_stays_unchanged(
    graph: Graph, tmp_path: Path, value: Any, complete: bool
) -> None:
    tenant, follower = graph.tenant, Follower(graph, tmp_path)
    malformed, other = list(tenant.groups)[4:6]
    await follower.pull()
    records, edges = dict(follower.held.records), set(follower.held.edges)
    leaver = next(iter(tenant.members[other]))
    tenant.change(malformed, description="new")
    tenant.leave(malformed, next(iter(tenant.members[malformed])))
    tenant.leave(other, leaver)
    sends(graph, malformed, **{"members@delta": value})
    follower.cursor = None if complete else follower.cursor
    await follower.pull()
    (found,) = unread(follower)
    assert (found.kind, found.id, "members" in found.why, "→" in found.why) == (Kind.GROUP, malformed, True, True)
    assert follower.held.records == records
    assert follower.held.edges == edges - {(other, leaver)}
    assert (follower.cursor is None) is not complete


async def test_a_member_of_an_unknown_type_is_a_member(graph: Graph, tmp_path: Path) -> None:
    follower = Follower(graph, tmp_path)
    group = list(graph.tenant.groups)[4]
    members = [{"id": member, "@odata.type": 7} for member in graph.tenant.members[group]]
    sends(graph, group, **{"members@delta": members})
    await follower.pull()
    assert not unread(follower)
    assert follower.is_right


async def test_a_group_with_malformed_listed_members_stays_unchanged(graph: Graph, tmp_path: Path) -> None:
    follower = Follower(graph, tmp_path)
    malformed = list(graph.tenant.groups)[4]
    narrowed = {"groups": {"filter": "securityEnabled eq true"}}
    await follower.pull(**narrowed)
    records, edges = dict(follower.held.records), set(follower.held.edges)
    spoil_list(graph, f"/groups/{malformed}/members")
    await follower.pull(**narrowed)
    assert [item.id for item in unread(follower)] == [malformed]
    assert (follower.held.records, follower.held.edges) == (records, edges)


async def test_a_listed_user_with_a_malformed_manager_stays_unchanged(graph: Graph, tmp_path: Path) -> None:
    follower = Follower(graph, tmp_path)
    malformed = list(graph.tenant.users)[5]
    await follower.pull(**NARROWED)
    records = dict(follower.held.records)
    sends(graph, malformed, **{"manager@delta": [{}]})
    await follower.pull(**NARROWED)
    assert [item.id for item in unread(follower)] == [malformed]
    assert follower.held.records == records


async def test_a_group_without_an_id_does_not_affect_other_memberships(graph: Graph, tmp_path: Path) -> None:
    tenant, follower = graph.tenant, Follower(graph, tmp_path)
    user = next(iter(tenant.members[list(tenant.groups)[4]]))
    await follower.pull()
    tenant.delete(user)
    await follower.pull()
    tenant.restore(user)
    spoil_list(graph, f"/users/{user}/memberOf/microsoft.graph.group")
    await follower.pull()
    assert (Kind.USER, user) in follower.held.records
    assert any("without an id" in entry["event"] for entry in follower.log.entries)
    assert follower.cursor is None


async def test_members_that_define_the_scope_must_have_an_id(graph: Graph, tmp_path: Path) -> None:
    group = list(graph.tenant.groups)[4]
    spoil_list(graph, f"/groups/{group}/transitiveMembers")
    with pytest.raises(SourceError, match=f"member of the group {group} without an id"):
        await Follower(graph, tmp_path).pull(users={"members_of": [group]})


def spoil_list(graph: Graph, path: str) -> None:
    """The first object of each page of this list has no id."""

    def spoil(asked: str, answer: Response) -> Response:
        if not asked.endswith(path):
            return answer
        page = json.loads(bytes(answer.body))
        page["value"][0].pop("id")
        return Response(json.dumps(page), answer.status_code, media_type="application/json")

    graph.spoil = spoil
