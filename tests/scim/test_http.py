"""The routes: statuses, headers, listings, versions, and what is never read."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest

from tests.scim.conftest import SERVICE
from usersyncd.push.receiver import DirectoryReceiver
from usersyncd.scim import listing
from usersyncd.scim.reading import decoded
from usersyncd.scim.schema import ENTERPRISE, USER
from usersyncd.state import pushed
from usersyncd.web import scim as routes

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


async def create(scim: httpx.AsyncClient, name: str, **more: Any) -> str:
    answer = await scim.post("/Users", json={"userName": name, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def create_numbered(scim: httpx.AsyncClient, number: int, **more: Any) -> None:
    """Create ``u00``, ``u01`` and so on, at once; each second one has the title ``odd``."""
    titles = ("even", "odd")
    await asyncio.gather(*(create(scim, f"u{each:02}", title=titles[each % 2], **more) for each in range(number)))


async def group(scim: httpx.AsyncClient, name: str, *members: str) -> str:
    answer = await scim.post("/Groups", json={"displayName": name, "members": [{"value": each} for each in members]})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}


async def test_a_created_user_is_answered_whole(scim: httpx.AsyncClient) -> None:
    answer = await scim.post("/Users", json={"userName": "anna", "password": "secret", "shoeSize": 42})
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/scim+json"
    assert answer.headers["location"] == body["meta"]["location"] == f"{SERVICE}/Users/{body['id']}"
    assert answer.headers["etag"] == body["meta"]["version"]
    assert body["meta"]["resourceType"] == "User"
    assert body["shoeSize"] == 42
    assert "secret" not in answer.text
    assert (await scim.get(f"/Users/{body['id']}")).json() == body


async def test_a_taken_user_name_is_refused_with_409(scim: httpx.AsyncClient) -> None:
    await create(scim, "anna")
    answer = await scim.post("/Users", json={"userName": "ANNA"})
    assert (answer.status_code, answer.json()["scimType"], answer.json()["status"]) == (409, "uniqueness", "409")
    assert answer.json()["schemas"] == [ERROR]


async def test_put_replaces_what_the_client_may_write(scim: httpx.AsyncClient) -> None:
    user = await create(scim, "anna", title="Boss", **{ENTERPRISE: {"department": "D"}})
    members = await group(scim, "Sales", user)
    answer = await scim.put(f"/Users/{user}", json={"id": "other", "userName": "anna", "nickName": "A"})
    body = answer.json()
    assert answer.status_code == 200
    assert body["id"] == user
    assert "title" not in body
    assert ENTERPRISE not in body
    assert body["nickName"] == "A"
    assert [each["value"] for each in body["groups"]] == [members]


async def test_put_of_a_group_without_members_keeps_them(scim: httpx.AsyncClient) -> None:
    user = await create(scim, "anna")
    sales = await group(scim, "Sales", user)
    assert (await scim.put(f"/Groups/{sales}", json={"displayName": "New"})).json()["members"][0]["value"] == user
    assert "members" not in (await scim.put(f"/Groups/{sales}", json={"displayName": "New", "members": []})).json()


async def test_a_patch_is_answered_with_204_or_with_what_was_asked_for(scim: httpx.AsyncClient) -> None:
    user = await create(scim, "anna")
    answer = await scim.patch(f"/Users/{user}", json=patch({"op": "replace", "path": "title", "value": "Boss"}))
    now = (await scim.get(f"/Users/{user}")).headers["etag"]
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (204, b"", now)
    answer = await scim.patch(
        f"/Users/{user}?attributes=title", json=patch({"op": "replace", "path": "title", "value": "Chief"})
    )
    assert (answer.status_code, answer.json()["title"]) == (200, "Chief")
    assert "userName" not in answer.json()


async def test_a_patch_with_one_wrong_operation_changes_nothing(scim: httpx.AsyncClient) -> None:
    user = await create(scim, "anna")
    before = (await scim.get(f"/Users/{user}")).json()
    good = {"op": "replace", "path": "title", "value": "Boss"}
    answer = await scim.patch(f"/Users/{user}", json=patch(good, {"op": "remove", "path": "userName"}))
    assert (answer.status_code, answer.json()["scimType"]) == (400, "mutability")
    assert (await scim.get(f"/Users/{user}")).json() == before


async def test_a_patch_that_changes_nothing_keeps_the_version(scim: httpx.AsyncClient) -> None:
    user = await create(scim, "anna", active=True)
    before = (await scim.get(f"/Users/{user}")).json()
    await scim.patch(f"/Users/{user}", json=patch({"op": "Replace", "path": "active", "value": "True"}))
    assert (await scim.get(f"/Users/{user}")).json() == before


async def test_deleting_a_user_takes_it_out_of_its_groups(scim: httpx.AsyncClient) -> None:
    user = await create(scim, "anna")
    sales = await group(scim, "Sales", user)
    assert (await scim.delete(f"/Users/{user}")).status_code == 204
    assert (await scim.get(f"/Users/{user}")).status_code == 404
    assert (await scim.delete(f"/Users/{user}")).status_code == 404
    assert "members" not in (await scim.get(f"/Groups/{sales}")).json()


async def test_versions_prevent_lost_updates(scim: httpx.AsyncClient) -> None:
    user = await create(scim, "anna")
    etag = (await scim.get(f"/Users/{user}")).headers["etag"]
    assert (await scim.get(f"/Users/{user}", headers={"if-none-match": etag})).status_code == 304
    change = patch({"op": "replace", "path": "title", "value": "Boss"})
    for wrong in ('W/"9"', '"9"'):
        answer = await scim.patch(f"/Users/{user}", json=change, headers={"if-match": wrong})
        assert answer.status_code == 412
        assert (await scim.delete(f"/Users/{user}", headers={"if-match": wrong})).status_code == 412
    assert (await scim.patch(f"/Users/{user}", json=change, headers={"if-match": etag})).status_code == 204
    assert (await scim.get(f"/Users/{user}", headers={"if-none-match": etag})).status_code == 200
    assert (await scim.put(f"/Users/{user}", json={"userName": "anna"}, headers={"if-match": etag})).status_code == 412
    now = (await scim.get(f"/Users/{user}")).headers["etag"]
    several = {"if-match": f"{etag}, {now}"}
    assert (await scim.put(f"/Users/{user}", json={"userName": "anna"}, headers=several)).status_code == 200
    assert (await scim.put(f"/Users/{user}", json={"userName": "a"}, headers=several)).status_code == 412
    for nothing in ("", ",", " , ,"):
        answer = await scim.delete(f"/Users/{user}", headers={"if-match": nothing})
        assert (answer.status_code, "If-Match" in answer.json()["detail"]) == (400, True)
    assert (await scim.delete(f"/Users/{user}", headers={"if-match": "*"})).status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Users/unknown", 404),
        ("GET", "/Nothing", 404),
        ("GET", "/Users/a/b", 404),
        ("GET", "/Schemas/unknown", 404),
        ("GET", "/Schemas?filter=id pr", 403),
        ("GET", "/Me", 501),
        ("POST", "/Bulk", 501),
        ("DELETE", "/Users", 405),
        ("POST", "/ServiceProviderConfig", 405),
        ("GET", "/Users/.search", 405),
        ("GET", "/.search", 405),
        ("GET", "", 501),
        ("PUT", "/Schemas", 405),
    ],
)
async def test_other_requests_are_refused_in_scim(scim: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await scim.request(method, path)
    assert answer.status_code == status
    assert (answer.json()["schemas"], answer.json()["status"]) == ([ERROR], str(status))
    assert ("allow" in answer.headers) is (status == 405)


async def test_another_directory_does_not_exist(scim: httpx.AsyncClient) -> None:
    await create(scim, "anna")
    assert (await scim.get(SERVICE.replace("/acme", "/other") + "/Users")).status_code == 404


async def test_paths_may_be_in_lower_case(scim: httpx.AsyncClient) -> None:
    user = await create(scim, "anna")
    assert (await scim.get(f"/users/{user}")).status_code == 200
    assert (await scim.get("/serviceproviderconfig")).json()["patch"] == {"supported": True}
    assert (await scim.get("/schemas")).json()["totalResults"] == 3


async def test_json_is_answered_in_the_media_type_that_is_asked_for(scim: httpx.AsyncClient) -> None:
    for accept, got in [
        ("application/json", "application/json"),
        ("application/scim+json", "application/scim+json"),
        ("application/json, application/scim+json", "application/scim+json"),
        ("*/*", "application/scim+json"),
    ]:
        assert (await scim.get("/Users", headers={"accept": accept})).headers["content-type"] == got


async def names(scim: httpx.AsyncClient, query: str) -> list[str]:
    answer = await scim.get(f"/Users?{query}")
    assert answer.status_code == 200, answer.text
    return [each["userName"] for each in answer.json()["Resources"]]


async def test_pages_by_index(scim: httpx.AsyncClient) -> None:
    await create_numbered(scim, 25)
    everybody, odd = await names(scim, ""), await names(scim, 'filter=title eq "odd"')
    assert (len(everybody), len(odd)) == (25, 12)
    page = (await scim.get("/Users?startIndex=11&count=10")).json()
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (25, 11, 10)
    assert [each["userName"] for each in page["Resources"]] == everybody[10:20]
    assert await names(scim, "startIndex=26") == []
    assert await names(scim, "startIndex=0&count=2") == everybody[:2]
    for query in ("count=0", "count=-1", 'count=0&filter=title eq "odd"', "count=0&sortBy=userName"):
        answer = (await scim.get(f"/Users?{query}")).json()
        assert (answer["totalResults"], answer["Resources"]) == (12 if "odd" in query else 25, [])
    page = (await scim.get('/Users?filter=title eq "odd"&startIndex=3&count=2')).json()
    assert (page["totalResults"], [each["userName"] for each in page["Resources"]]) == (12, odd[2:4])


async def test_sorted_pages(scim: httpx.AsyncClient) -> None:
    for name in ("b", "A", "c"):
        await create(scim, name)
    assert await names(scim, "sortBy=userName") == ["A", "b", "c"]
    assert await names(scim, "sortBy=userName&sortOrder=descending&count=2") == ["c", "b"]
    assert await names(scim, 'sortBy=userName&filter=userName ne "b"&startIndex=2') == ["c"]


@pytest.mark.parametrize(
    "query", ["", "sortBy=userName&", 'filter=title eq "odd"&', 'filter=title eq "odd" and active pr&']
)
async def test_pages_by_cursor_show_everything_once(scim: httpx.AsyncClient, query: str) -> None:
    await create_numbered(scim, 24, active=True)
    expected = await names(scim, query + "count=100")
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await scim.get(f"/Users?{query}count=5&cursor={cursor}")).json()
        assert "startIndex" not in page
        found += [each["userName"] for each in page["Resources"]]
        cursor = page.get("nextCursor")
    assert found == expected


async def test_a_cursor_continues_also_after_its_last_resource_was_deleted(scim: httpx.AsyncClient) -> None:
    users = [await create(scim, name) for name in "abcd"]
    page = (await scim.get("/Users?count=2&cursor=")).json()
    await scim.delete(f"/Users/{users[1]}")
    assert await names(scim, f"count=2&cursor={page['nextCursor']}") == ["c", "d"]


async def test_a_cursor_continues_only_its_own_listing(scim: httpx.AsyncClient) -> None:
    for name in "abc":
        await create(scim, name)
    cursor = (await scim.get("/Users?count=1&cursor=")).json()["nextCursor"]
    for query, scim_type in [
        (f"/Users?count=2&cursor={cursor}", "invalidCount"),
        (f"/Users?count=1&sortBy=title&cursor={cursor}", "invalidCursor"),
        (f"/Groups?count=1&cursor={cursor}", "invalidCursor"),
        (f"/Users?count=1&cursor={cursor[:-2]}xx", "invalidCursor"),
        ("/Users?count=1&cursor=12", "invalidCursor"),
    ]:
        answer = await scim.get(query)
        assert (answer.status_code, answer.json()["scimType"]) == (400, scim_type)


async def test_a_search_by_post_is_a_listing(scim: httpx.AsyncClient) -> None:
    await create(scim, "anna")
    await create(scim, "ben")
    body = {"schemas": [], "filter": 'userName sw "a"', "attributes": ["userName"], "count": 5}
    answer = await scim.post("/Users/.search", json=body)
    assert [set(each) for each in answer.json()["Resources"]] == [{"schemas", "id", "userName"}]


async def test_a_search_at_the_root_finds_users_and_groups(scim: httpx.AsyncClient) -> None:
    anna, ben = await create(scim, "anna", displayName="Sales lead"), await create(scim, "ben")
    sales, audit = await group(scim, "Sales", anna), await group(scim, "Audit")

    async def found(**body: Any) -> tuple[list[str], int]:
        answer = await scim.post("/.search", json=body)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["Resources"]], answer.json()["totalResults"]

    assert await found() == ([anna, ben, sales, audit], 4)
    assert await found(startIndex=2, count=2) == ([ben, sales], 4)
    assert await found(startIndex=4) == ([audit], 4)
    assert await found(count=0) == ([], 4)
    assert await found(filter='displayName sw "sales"') == ([anna, sales], 2)
    assert await found(filter='displayName eq "Sales"') == ([sales], 1)
    assert await found(filter="userName pr", startIndex=2) == ([ben], 2)
    assert await found(sortBy="displayName", count=3) == ([audit, sales, anna], 4)
    assert await found(sortBy="displayName", sortOrder="descending", startIndex=3) == ([sales, audit], 4)
    body = (await scim.post("/.search", json={"attributes": ["members", "groups"]})).json()
    shown = [set(each) - {"schemas", "id"} for each in body["Resources"]]
    assert shown == [{"groups"}, set(), {"members"}, set()]


async def test_a_search_at_the_root_by_cursor_shows_everything_once(scim: httpx.AsyncClient) -> None:
    await create_numbered(scim, 4)
    await group(scim, "Sales")
    await group(scim, "Audit")
    everything = [each["id"] for each in (await scim.post("/.search", json={})).json()["Resources"]]
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await scim.post("/.search", json={"cursor": cursor, "count": 4})).json()
        assert page["totalResults"] == 6
        found += [each["id"] for each in page["Resources"]]
        cursor = page.get("nextCursor")
    assert found == everything


async def test_an_indexed_filter_reads_no_other_resource(
    scim: httpx.AsyncClient, store: DirectoryReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await create(scim, "anna", externalId="E", emails=[{"type": "work", "value": "A@acme.example"}], active=True)
    await create(scim, "ben", active=True)
    monkeypatch.setattr(store, "scan", None)
    for text in (
        'userName eq "ANNA"',
        'externalId eq "E" and active eq true',
        'emails[type eq "work"].value eq "a@acme.example"',
        'emails.value eq "a@acme.example" and userName eq "anna"',
        f'id eq "{user}"',
    ):
        assert await names(scim, f"filter={text}") == ["anna"], text
    assert await names(scim, 'filter=userName eq "anna" and active eq false') == []
    assert await names(scim, 'filter=emails[type eq "home"].value eq "a@acme.example"') == []


async def test_members_are_read_only_where_they_are_shown(
    scim: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [await create(scim, f"u{number}") for number in range(5)]
    sales = await group(scim, "Sales", *users)
    with monkeypatch.context() as patched:
        patched.setattr(pushed, "members", None)
        await scim.get(f"/Groups/{sales}?excludedAttributes=members")
        await scim.get('/Groups?filter=displayName eq "Sales"&excludedAttributes=members')
        await scim.get("/Groups?attributes=displayName&sortBy=displayName")
        await scim.patch(f"/Groups/{sales}", json=patch({"op": "add", "path": "members", "value": [{"value": "x"}]}))
        await scim.patch(f"/Groups/{sales}", json=patch({"op": "remove", "path": f'members[value eq "{users[0]}"]'}))
    assert len((await scim.get(f"/Groups/{sales}")).json()["members"]) == 5


async def test_groups_are_found_by_member(scim: httpx.AsyncClient) -> None:
    user = await create(scim, "anna")
    await group(scim, "Sales", user)
    await group(scim, "Empty")
    answer = (await scim.get(f'/Groups?filter=members[value eq "{user}"]&attributes=displayName')).json()
    assert [each["displayName"] for each in answer["Resources"]] == ["Sales"]
    answer = await scim.get('/Users?filter=groups.value eq "x"')
    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidFilter")


async def test_a_page_of_large_groups_ends_early_and_the_next_one_follows(
    scim: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MEMBERS_ON_A_PAGE", 20)
    large = [f"m{number}" for number in range(20)]
    for name in ("A", "B", "C"):
        await group(scim, name, *large)
    page = (await scim.get("/Groups")).json()
    assert (page["totalResults"], page["itemsPerPage"]) == (3, 1)
    assert (await scim.get("/Groups?startIndex=2")).json()["Resources"][0]["displayName"] == "B"
    page = (await scim.get("/Groups?cursor=")).json()
    following = (await scim.get(f"/Groups?cursor={page['nextCursor']}")).json()
    assert following["Resources"][0]["displayName"] == "B"
    assert (await scim.get("/Groups?excludedAttributes=members")).json()["itemsPerPage"] == 3


async def test_a_listing_shows_the_groups_of_users(scim: httpx.AsyncClient) -> None:
    user = await create(scim, "anna")
    sales = await group(scim, "Sales", user)
    shown = (await scim.get("/Users")).json()["Resources"][0]["groups"]
    assert shown == [{"value": sales, "$ref": f"{SERVICE}/Groups/{sales}", "type": "direct", "display": "Sales"}]
    assert "groups" not in (await scim.get("/Users?excludedAttributes=groups")).json()["Resources"][0]


async def test_what_the_service_says_of_itself(scim: httpx.AsyncClient) -> None:
    config = (await scim.get("/ServiceProviderConfig")).json()
    assert config["bulk"]["supported"] is False
    assert {config[name]["supported"] for name in ("patch", "filter", "sort", "etag")} == {True}
    assert config["pagination"]["cursor"] is True
    types = (await scim.get("/ResourceTypes")).json()["Resources"]
    assert [(each["endpoint"], each["meta"]["location"]) for each in types] == [
        ("/Users", f"{SERVICE}/ResourceTypes/User"),
        ("/Groups", f"{SERVICE}/ResourceTypes/Group"),
    ]
    assert (await scim.get(f"/Schemas/{ENTERPRISE.lower()}")).json()["id"] == ENTERPRISE


async def test_a_store_that_is_busy_is_answered_with_retry_after(
    scim: httpx.AsyncClient, store: DirectoryReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from usersyncd.scim.errors import ScimError

    async def busy(*_: object) -> None:
        raise ScimError(503, "too much waits", retry_after=3)

    monkeypatch.setattr(store, "change", busy)
    answer = await scim.post("/Users", json={"userName": "anna"})
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["status"]) == (503, "3", "503")


async def test_ids_are_quoted_in_addresses(scim: httpx.AsyncClient) -> None:
    """Ids of members are the provider's to choose."""
    sales = await group(scim, "Sales", "a b/ü")
    shown = (await scim.get(f"/Groups/{sales}")).json()["members"]
    assert [each["$ref"] for each in shown] == [f"{SERVICE}/Users/a%20b%2F%C3%BC"]


async def test_nothing_under_the_urn_of_the_core_schema_makes_a_resource_another_one(scim: httpx.AsyncClient) -> None:
    victim = await create(scim, "victim")
    forged = {"id": victim, "password": "hunter2", "meta": {"version": "v"}, "groups": [{"value": "g"}]}
    answer = await scim.post("/Users", json={"userName": "anna", USER: forged})
    anna = answer.json()["id"]
    assert (answer.status_code, anna != victim) == (201, True)
    assert answer.headers["location"].endswith(anna)
    for pathless in ({USER: forged}, {f"{USER}:{name}": value for name, value in forged.items()}, forged):
        answer = await scim.patch(f"/Users/{anna}", json=patch({"op": "replace", "value": pathless}))
        assert answer.status_code == 204, answer.text
    for name in ("id", "groups", "meta"):
        operation = {"op": "replace", "path": f"{USER}:{name}", "value": forged[name]}
        answer = await scim.patch(f"/Users/{anna}", json=patch(operation))
        assert (answer.status_code, answer.json()["scimType"]) == (400, "mutability")
    body = (await scim.get(f"/Users/{anna}")).text
    assert f'"id":"{anna}"' in body
    assert not any(text in body for text in (victim, "hunter2", "groups", '"v"'))


@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/Users"), ("PUT", "/Users/x"), ("PATCH", "/Users/x"), ("POST", "/Users/.search"), ("POST", "/.search"),
])  # fmt: skip
async def test_a_large_body_is_read_beside_other_requests(
    scim: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    threads: list[int] = []

    def reading(body: bytes) -> dict[str, Any]:
        threads.append(threading.get_ident())
        return decoded(body)

    monkeypatch.setattr(routes, "decoded", reading)
    for size in (10, routes.LARGE):
        await scim.request(method, path, json={"userName": "anna", "title": "x" * size})
    small, large = threads
    assert small == threading.get_ident() != large


HALF, NUL = "\\ud83d", "a\\u0000b"
"""Escapes inside a filter: of half a character, and of U+0000."""


@pytest.mark.parametrize("text", [HALF, NUL])
async def test_a_filter_with_text_that_nobody_has_finds_nobody(scim: httpx.AsyncClient, text: str) -> None:
    user = await create(scim, "anna", emails=[{"type": "work", "value": "a@b"}])
    for name in ("userName", "externalId", "id", "emails.value", "title", "displayName"):
        assert await names(scim, f'filter={name} eq "{text}"') == []
        answer = await scim.post("/Users/.search", json={"filter": f'{name} eq "{text}"'})
        assert (answer.status_code, answer.json()["totalResults"]) == (200, 0)
    sales = await group(scim, "Sales", user)
    operation = {"op": "remove", "path": f'members[value eq "{text}"]'}
    assert (await scim.patch(f"/Groups/{sales}", json=patch(operation))).json()["scimType"] == "invalidValue"
    for operation in (
        {"op": "replace", "path": f'emails[type eq "{text}"].value', "value": "x"},
        {"op": "replace", "path": f'emails[type ne "{text}" and type eq "x"].value', "value": "x"},
    ):
        assert (await scim.patch(f"/Users/{user}", json=patch(operation))).status_code == 400


async def test_a_resource_that_is_nested_too_deeply_is_refused(scim: httpx.AsyncClient) -> None:
    """Answers with a part of it would need as many calls inside each other."""
    for depth, status in ((25, 201), (900, 400)):
        body = f'{{"userName": "u{depth}", "x": {"[" * depth}{"]" * depth}}}'
        assert (await scim.post("/Users", content=body)).status_code == status
    assert await names(scim, "excludedAttributes=x.y") == ["u25"]
