"""The fake of Graph behaves as the vendor documents: otherwise the connector's tests would prove nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.graph import CLIENT, SECRET, TENANT, Graph, company


@pytest.fixture
def graph() -> Iterator[Graph]:
    with Graph(company(users=50, groups=5, memberships=150), page_size=7, members_per_item=10) as graph:
        yield graph


@pytest.fixture
def client(graph: Graph) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{graph.url}/v1.0") as client:
        client.headers["Authorization"] = f"Bearer {graph.signin.issue()['access_token']}"
        yield client


def a_round(client: httpx.Client, link: str, **headers: str) -> tuple[list[dict[str, Any]], str, int]:
    """All items of a round, its deltaLink and its number of pages."""
    items: list[dict[str, Any]] = []
    for pages in range(1, 1000):
        body = client.get(link, headers=headers).raise_for_status().json()
        assert ("@odata.nextLink" in body) != ("@odata.deltaLink" in body)
        items += body["value"]
        if "@odata.deltaLink" in body:
            return items, body["@odata.deltaLink"], pages
        link = body["@odata.nextLink"]
    raise AssertionError("the round does not end")


def test_a_round_lists_all_users_with_the_selected_properties(graph: Graph, client: httpx.Client) -> None:
    items, _, pages = a_round(client, "/users/delta?$select=displayName,manager")
    assert pages == 8
    assert {item["id"] for item in items} == set(graph.tenant.users)
    assert set().union(*items) == {"id", "displayName", "manager@delta"}


def test_a_large_group_comes_in_pieces(graph: Graph, client: httpx.Client) -> None:
    items, _, _ = a_round(client, "/groups/delta?$select=displayName,members")
    first = next(iter(graph.tenant.groups))
    pieces = [item["members@delta"] for item in items if item["id"] == first]
    assert len(pieces) > 2
    assert {member["id"] for piece in pieces for member in piece} == set(graph.tenant.members[first])


def test_a_delta_names_what_changed(graph: Graph, client: httpx.Client) -> None:
    _, link, _ = a_round(client, "/users/delta?$select=displayName,mail")
    (one, two, three, *_) = graph.tenant.users
    graph.tenant.change(one, displayName="Renamed", mail=None)
    graph.tenant.change(two, jobTitle="not selected")
    graph.tenant.delete(three)
    new = graph.tenant.add_user(displayName="New")
    items, link, _ = a_round(client, link, Prefer="return=minimal")
    assert sorted(
        items, key=lambda item: list(graph.tenant.users).index(item["id"]) if "@removed" not in item else 99
    ) == [
        {"id": one, "displayName": "Renamed", "mail": None},
        {"id": new, "displayName": "New", "mail": graph.tenant.users[new]["mail"]},
        {"id": three, "@removed": {"reason": "changed"}},
    ]
    assert a_round(client, link)[0] == []


def test_members_join_and_leave_and_a_deleted_user_is_not_reported(graph: Graph, client: httpx.Client) -> None:
    _, link, _ = a_round(client, "/groups/delta?$select=displayName,members")
    first, last = next(iter(graph.tenant.groups)), list(graph.tenant.groups)[-1]
    leaver, deleted = list(graph.tenant.members[first])[:2]
    joiner = next(user for user in graph.tenant.users if user not in graph.tenant.members[last])
    graph.tenant.leave(first, leaver)
    graph.tenant.join(last, joiner)
    graph.tenant.delete(deleted)
    items, _, _ = a_round(client, link, Prefer="return=minimal")
    user = "#microsoft.graph.user"
    left = {"@odata.type": user, "id": leaver, "@removed": {"reason": "deleted"}}
    assert {item["id"]: item["members@delta"] for item in items} == {
        first: [left],
        last: [{"@odata.type": user, "id": joiner}],
    }


def test_changes_during_a_round_come_at_its_end(graph: Graph, client: httpx.Client) -> None:
    body = client.get("/users/delta?$select=displayName").json()
    first = body["value"][0]["id"]
    graph.tenant.delete(first)
    items, _, _ = a_round(client, body["@odata.nextLink"])
    assert {"id": first, "@removed": {"reason": "changed"}} in items


@pytest.mark.parametrize(("how", "status"), [("gone", 410), ("not_found", 400), ("generation", 400), ("resync", 400)])
def test_a_delta_token_expires(graph: Graph, client: httpx.Client, how: str, status: int) -> None:
    _, link, _ = a_round(client, "/users/delta?$select=displayName")
    graph.faults.expire_cursor = how
    response = client.get(link)
    assert response.status_code == status
    assert ("location" in response.headers) == (how == "gone")


@pytest.mark.parametrize("option", ["$top=5", "$expand=manager", "$orderby=displayName"])
def test_delta_refuses_other_options(client: httpx.Client, option: str) -> None:
    assert client.get(f"/users/delta?{option}").status_code == 400


def test_advanced_filters_need_the_header(graph: Graph, client: httpx.Client) -> None:
    query = "/users?$filter=userType ne 'Guest'&$select=id&$count=true&$top=999"
    assert client.get(query).json()["error"]["code"] == "Request_UnsupportedQuery"
    body = client.get(query, headers={"ConsistencyLevel": "eventual"}).json()
    assert body["@odata.count"] == sum(user["userType"] != "Guest" for user in graph.tenant.users.values())


def test_permissions(graph: Graph, client: httpx.Client) -> None:
    graph.signin.app.roles = frozenset({"User.Read.All"})
    assert client.get("/users").status_code == 200
    assert client.get("/groups/delta").json()["error"]["code"] == "Authorization_RequestDenied"


def test_signing_in(graph: Graph) -> None:
    form = {"client_id": CLIENT, "client_secret": SECRET, "scope": f"{graph.url}/.default"}
    address = f"{graph.url}/{TENANT}/oauth2/v2.0/token"
    assert httpx.post(address, data=form).json()["token_type"] == "Bearer"
    wrong = httpx.post(address, data={**form, "client_secret": "wrong"})
    assert (wrong.status_code, wrong.json()["error_codes"]) == (401, [7000215])


@pytest.mark.parametrize("fault", ["throttle", "throttle_date", "busy", "cut", "html", "token_dies", "revoked"])
def test_each_fault_can_be_injected(graph: Graph, client: httpx.Client, fault: str) -> None:
    graph.faults.coming.append(fault)
    try:
        response = client.get("/users")
    except httpx.RemoteProtocolError:
        assert fault == "cut"
    else:
        kinds = {"throttle": 429, "throttle_date": 429, "busy": 503, "html": 200, "token_dies": 401, "revoked": 401}
        assert response.status_code == kinds[fault]
        assert response.headers["content-type"].startswith("text/html") == (fault == "html")
        assert ("claims=" in response.headers.get("www-authenticate", "")) == (fault == "revoked")
