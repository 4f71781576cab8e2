"""Microsoft's own client reads the fake. Skipped without msgraph-sdk.

The library is large and not needed elsewhere, so it is not in the lock files: run ``pip install msgraph-sdk`` before.
"""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("msgraph", reason="msgraph-sdk is not installed")

import httpx
from kiota_abstractions.authentication import AnonymousAuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.groups.delta.delta_request_builder import DeltaRequestBuilder as Groups
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.users.delta.delta_request_builder import DeltaRequestBuilder as Users

from tests.fakes.graph import Graph


@pytest.fixture
def client(graph: Graph) -> GraphServiceClient:
    headers = {"Authorization": f"Bearer {graph.signin.issue()['access_token']}"}
    http = httpx.AsyncClient(headers=headers, base_url=f"{graph.url}/v1.0")
    adapter = GraphRequestAdapter(AnonymousAuthenticationProvider(), client=http)
    adapter.base_url = f"{graph.url}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


async def test_microsofts_client_reads_users(graph: Graph, client: GraphServiceClient) -> None:
    select = Users.DeltaRequestBuilderGetQueryParameters(select=["displayName", "accountEnabled", "createdDateTime"])
    page = await client.users.delta.get(RequestConfiguration(query_parameters=select))
    found: dict[str, Any] = {}
    while page is not None:
        found |= {user.id: user for user in page.value}
        page = await client.users.delta.with_url(page.odata_next_link).get() if page.odata_next_link else None
    assert {identifier: (user.display_name, user.account_enabled) for identifier, user in found.items()} == {
        identifier: (props["displayName"], props["accountEnabled"]) for identifier, props in graph.tenant.users.items()
    }
    assert all(user.created_date_time is not None for user in found.values())


async def test_microsofts_client_reads_groups_and_their_changes(graph: Graph, client: GraphServiceClient) -> None:
    select = Groups.DeltaRequestBuilderGetQueryParameters(select=["displayName", "members"])
    page = await client.groups.delta.get(RequestConfiguration(query_parameters=select))
    members: dict[str, set[str]] = {}
    while True:
        for group in page.value:
            ends = group.additional_data.get("members@delta") or []
            members.setdefault(group.id, set()).update(str(end["id"]) for end in ends)
        if not page.odata_next_link:
            break
        page = await client.groups.delta.with_url(page.odata_next_link).get()
    assert members == {group: set(there) for group, there in graph.tenant.members.items()}
    gone = next(iter(graph.tenant.groups))
    graph.tenant.delete(gone)
    page = await client.groups.delta.with_url(page.odata_delta_link).get()
    assert [(group.id, group.additional_data["@removed"]) for group in page.value] == [(gone, {"reason": "changed"})]


async def test_members_have_their_types(graph: Graph, client: GraphServiceClient) -> None:
    group = list(graph.tenant.groups)[2]
    page = await client.groups.by_group_id(group).members.get()
    kinds = {member.odata_type for member in page.value}
    while page.odata_next_link:
        page = await client.groups.by_group_id(group).members.with_url(page.odata_next_link).get()
        kinds |= {member.odata_type for member in page.value}
    assert kinds == {f"#microsoft.graph.{kind}" for kind in ("user", "device", "servicePrincipal")}


async def test_microsofts_client_reads_an_error(graph: Graph, client: GraphServiceClient) -> None:
    graph.signin.app.roles = frozenset()
    with pytest.raises(ODataError) as raised:
        await client.users.get()
    assert raised.value.error.code == "Authorization_RequestDenied"
    assert raised.value.error.inner_error.request_id == "req-1"
