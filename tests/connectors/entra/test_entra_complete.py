"""Complete pulls of a tenant: the requests, the items, and the checks of completeness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from tests.connectors.entra.tenants import options_of, same, source_of
from tests.fakes.graph import ALL_ROLES, Graph
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Members, Record
from usersyncd.testing import Log, fold, read
from usersyncd_entra import EntraSource


async def test_a_complete_pull_equals_the_tenant(graph: Graph, tmp_path: Path) -> None:
    pull = await read(source_of(graph, tmp_path))
    assert same(fold(pull.items), graph.tenant)
    assert pull.ends[0].complete
    assert pull.ends[0].cursor is not None


async def test_a_group_in_pieces_is_one_group(graph: Graph, tmp_path: Path) -> None:
    pull = await read(source_of(graph, tmp_path))
    groups = [item.id for item in pull.items if isinstance(item, Record) and item.kind is Kind.GROUP]
    assert sorted(groups) == sorted(graph.tenant.groups)
    edges = [item.group for item in pull.items if isinstance(item, Members)]
    assert len(edges) == len(set(edges))


async def test_only_what_the_rules_read_is_requested(graph: Graph, tmp_path: Path) -> None:
    reads = {
        Kind.USER: frozenset({"mail", "division", "extensionAttribute3", "businessPhone"}),
        Kind.GROUP: frozenset[str](),
    }
    pull = await read(source_of(graph, tmp_path, reads=reads))
    cursor = msgspec.json.decode(pull.ends[0].cursor or "")
    users = "businessPhones,createdDateTime,mail,onPremisesExtensionAttributes"
    assert cursor["select"] == f"{users};createdDateTime,visibility"
    attributes = {
        kind: set().union(*(a for (of, _), a in fold(pull.items).records.items() if of is kind)) for kind in Kind
    }
    assert attributes == {Kind.USER: {"mail", "businessPhone"}, Kind.GROUP: set()}


async def test_without_rules_the_attributes_of_every_tenant_are_read(graph: Graph, tmp_path: Path) -> None:
    person = next(iter(graph.tenant.users))
    pull = await read(source_of(graph, tmp_path, reads=None))
    found = fold(pull.items).records[Kind.USER, person]
    assert found["extensionAttribute1"] == "1/0"
    assert found["businessPhone"] == "+49 30 0000000"
    assert found["accountEnabled"] is True
    assert "id" not in found
    assert not any("@" in name for name in found)


async def test_directory_and_schema_extensions_are_read_when_a_rule_names_them(graph: Graph, tmp_path: Path) -> None:
    person = next(iter(graph.tenant.users))
    name = "extension_8d1b_costCentre"
    graph.tenant.change(person, **{name: "42", "ext1abc_hr": {"grade": 3}})
    reads = {Kind.USER: frozenset({name, "ext1abc_hr"}), Kind.GROUP: frozenset[str]()}
    pull = await read(source_of(graph, tmp_path, reads=reads))
    assert fold(pull.items).records[Kind.USER, person] == {name: "42", "ext1abc_hr": {"grade": 3}}


async def test_guests_and_disabled_accounts_are_users(graph: Graph, tmp_path: Path) -> None:
    people = fold((await read(source_of(graph, tmp_path))).items).records.values()
    assert any(person.get("userType") == "Guest" for person in people)
    assert any(person.get("accountEnabled") is False for person in people)


async def test_members_of_other_kinds_are_counted(graph: Graph, tmp_path: Path) -> None:
    log = Log()
    pull = await read(source_of(graph, tmp_path, log=log))
    assert {"device": 1, "servicePrincipal": 1, "orgContact": 1, "count": 3}.items() <= log.entries[-1].items()
    assert not {member for _, member in fold(pull.items).edges} & set(graph.tenant.others)


@pytest.mark.parametrize("by_list", [False, True], ids=["delta", "list"])
async def test_users_of_a_derived_type_are_users_and_members(graph: Graph, tmp_path: Path, by_list: bool) -> None:
    tenant = graph.tenant
    group = next(iter(tenant.groups))
    agent = tenant.add_user(displayName="Invoice agent", userPrincipalName="agent1@acme.example", userType="Member")
    tenant.users[agent]["@odata.type"] = "#microsoft.graph.agentUser"
    tenant.join(group, agent)
    users = {"members_of": [group]} if by_list else {}
    listing = fold((await read(source_of(graph, tmp_path, users=users))).items)
    assert listing.records[Kind.USER, agent]["userType"] == "agentUser"
    assert (group, agent) in listing.edges


async def test_changes_during_the_pull_are_included(graph: Graph, tmp_path: Path) -> None:
    tenant = graph.tenant
    users, groups = list(tenant.users), list(tenant.groups)
    source = source_of(graph, tmp_path)
    items: list[Any] = []
    done = None
    pages = source.pull(None)
    async for page in pages:
        if done is None and not items:
            tenant.delete(users[0])
            tenant.delete(users[-1])
            tenant.change(users[1], mail=None, displayName="Changed")
            tenant.set_manager(users[1], None)
            tenant.add_user(displayName="Late")
            tenant.leave(groups[0], list(tenant.members[groups[0]])[3])
            tenant.delete(groups[4])
        if isinstance(page, list | tuple):
            items += page
        else:
            done = page
    assert same(fold(items), tenant)


async def test_a_group_that_is_restored_while_groups_are_read(graph: Graph, tmp_path: Path) -> None:
    tenant = graph.tenant
    outer, inner = list(tenant.groups)[:2]
    assert inner in tenant.members[outer]
    tenant.delete(inner)
    asked = 0

    def restore() -> None:
        nonlocal asked
        asked += graph.requests[-1] == "groups/delta"
        if asked == 4 and inner in tenant.bin:
            tenant.restore(inner)

    graph.between = restore
    assert same(fold((await read(source_of(graph, tmp_path))).items), tenant)
    assert inner in tenant.groups


async def test_users_deleted_before_the_pull_are_not_read(graph: Graph, tmp_path: Path) -> None:
    gone = list(graph.tenant.users)[:3]
    for user in gone:
        graph.tenant.delete(user)
    assert same(fold((await read(source_of(graph, tmp_path))).items), graph.tenant)


@pytest.mark.parametrize(
    ("option", "matches"),
    [
        ({"users": {"filter": "userType eq 'Member'"}}, lambda user: user["userType"] == "Member"),
        ({"users": {"filter": "userType ne 'Guest'"}}, lambda user: user["userType"] != "Guest"),
        (
            {"users": {"filter": "startsWith(displayName,'Given1')"}},
            lambda user: user["displayName"].startswith("Given1"),
        ),
    ],
)
async def test_users_can_be_filtered(graph: Graph, tmp_path: Path, option: dict[str, Any], matches: Any) -> None:
    pull = await read(source_of(graph, tmp_path, **option))
    found = fold(pull.items)
    users = {identifier for identifier, props in graph.tenant.users.items() if matches(props)}
    assert {identifier for kind, identifier in found.records if kind is Kind.USER} == users
    assert found.edges == {edge for edge in graph.tenant.edges() if edge[1] in users or edge[1] in graph.tenant.groups}
    managers = {user: graph.tenant.managers.get(user) for user in users}
    assert {user: found.records[Kind.USER, user].get("manager") for user in users} == managers
    assert pull.ends[0].cursor is None
    assert pull.ends[0].complete


async def test_only_the_members_of_a_group(graph: Graph, tmp_path: Path) -> None:
    group = next(iter(graph.tenant.groups))
    found = fold((await read(source_of(graph, tmp_path, users={"members_of": [group]}))).items)
    users = {member for member in graph.tenant.transitive(group) if member in graph.tenant.users}
    assert {identifier for kind, identifier in found.records if kind is Kind.USER} == users
    assert len(users) < len(graph.tenant.users)


async def test_a_user_who_moves_between_groups_during_the_pull_stays(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the group that is read last to the one that was read first."""
    tenant, asked = graph.tenant, list[str]()
    groups = {tenant.add_group(): tenant.add_user() for _ in range(2)}
    for group, user in groups.items():
        tenant.join(group, user)
    transitive = tenant.transitive

    def moving(group: str) -> list[str]:
        asked.append(group)
        if len(asked) == 2:
            tenant.leave(group, groups[group])
            tenant.join(asked[0], groups[group])
        return transitive(group)

    monkeypatch.setattr(tenant, "transitive", moving)
    found = fold((await read(source_of(graph, tmp_path, users={"members_of": [*groups]}))).items)
    assert {identifier for kind, identifier in found.records if kind is Kind.USER} == set(groups.values())


async def test_the_group_whose_members_are_read_must_exist(graph: Graph, tmp_path: Path) -> None:
    nobody = "00000000-0000-0000-0000-00000000000a"
    with pytest.raises(SourceError, match="Request_ResourceNotFound"):
        await read(source_of(graph, tmp_path, users={"members_of": [nobody]}))


async def test_groups_can_be_filtered_and_flattened(graph: Graph, tmp_path: Path) -> None:
    narrow = {"filter": "startsWith(displayName,'team 0')", "transitive": True}
    found = fold((await read(source_of(graph, tmp_path, groups=narrow))).items)
    (group,) = (identifier for kind, identifier in found.records if kind is Kind.GROUP)
    assert graph.tenant.groups[group]["displayName"] == "team 0"
    members = {member for member in graph.tenant.transitive(group) if member not in graph.tenant.others}
    assert found.edges == {(group, member) for member in members}


async def test_hidden_members_need_a_permission(graph: Graph, tmp_path: Path) -> None:
    group = next(iter(graph.tenant.groups))
    graph.tenant.change(group, visibility="HiddenMembership")
    log = Log()
    found = fold((await read(source_of(graph, tmp_path, log=log))).items)
    assert not any(edge[0] == group for edge in found.edges)
    assert any(entry["event"] == "groups with hidden membership were read without members" for entry in log.entries)
    with pytest.raises(SourceError, match=r"Member\.Read\.Hidden"):
        await read(source_of(graph, tmp_path, groups={"hidden": True}))
    graph.signin.app.roles = ALL_ROLES | {"Member.Read.Hidden"}
    assert same(fold((await read(source_of(graph, tmp_path, groups={"hidden": True}))).items), graph.tenant)


async def test_a_tenant_without_users_is_an_error(graph: Graph, tmp_path: Path) -> None:
    graph.tenant.users.clear()
    with pytest.raises(SourceError, match="lists no users"):
        await read(source_of(graph, tmp_path))


async def test_a_property_that_graph_does_not_have(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Invalid filter clause"):
        await read(source_of(graph, tmp_path, users={"filter": "nonsense"}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tenant": "common"}, "is not one tenant"),
        ({"client_secret": None}, "name exactly one of client_secret, certificate"),
        ({"managed_identity": {}}, "name exactly one of"),
        ({"client_id": None}, "client_id is missing"),
        ({"passphrase": {"env": "X"}}, "passphrase is for certificate"),
        ({"endpoints": {"login": "http://login.example", "graph": "https://graph.example"}}, "unencrypted"),
        ({"endpoints": {"login": "HTTP://login.example", "graph": "https://graph.example"}}, "unencrypted"),
        (
            {"endpoints": {"login": "https://a:b@login.example", "graph": "https://graph.example"}},
            "without user and password",
        ),
        ({"users": {"members_of": ["sales"]}}, "is not an object id"),
        ({"cloud": "moon"}, "cloud"),
    ],
)
def test_invalid_options(graph: Graph, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        EntraSource.Options.model_validate({**options_of(graph, tmp_path), **options})


@pytest.mark.parametrize("cloud", ["global", "usgov", "dod", "china"])
def test_each_cloud_has_its_own_addresses(graph: Graph, tmp_path: Path, cloud: str) -> None:
    from usersyncd_entra.options import CLOUDS, EntraOptions

    options = {**options_of(graph, tmp_path), "cloud": cloud}
    del options["endpoints"]
    made = EntraOptions.model_validate(options)
    assert (made.login, made.graph) == CLOUDS[cloud]
