"""What a provider finds while a full push is expected counts as sent; what it lists does not."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from tests.push.pushing import PushingWorld
from usersyncd.scim.schema import ENTERPRISE
from usersyncd.state import full_pushes
from usersyncd.state.directories import open_directory
from usersyncd.state.full_pushes import FullPush

FILTERS = [
    f'{ENTERPRISE}:employeeNumber eq "E1"',
    'title eq "x" or nickName eq "y"',
    'title sw "x"',
    'phoneNumbers[type eq "work" and value eq "1"]',
]


async def unseen_after(acme: PushingWorld, scim: httpx.AsyncClient, query: str) -> set[str]:
    """Who counts as not sent after ``anna`` was listed by this query."""
    user = {"userName": "anna", "title": "x", "active": True, "phoneNumbers": [{"type": "work", "value": "1"}]}
    assert (await scim.post("/Users", json={**user, ENTERPRISE: {"employeeNumber": "E1"}})).status_code == 201
    assert (await scim.post("/Groups", json={"displayName": "sales"})).status_code == 201
    number = open_directory(acme.database, "acme").id
    full_pushes.expect(acme.database, number, FullPush(datetime(2026, 3, 2, tzinfo=UTC), "ann"))
    answer = await scim.get(query)
    assert len(answer.json()["Resources"]) == 1, answer.text
    return {str(one.name) for page in full_pushes.unseen(acme.database, number) for one in page}


@pytest.mark.parametrize("text", [*FILTERS, f"{FILTERS[0]}&sortBy=title", f"{FILTERS[0]}&cursor="])
async def test_who_is_found_by_any_attribute_counts_as_sent(
    acme: PushingWorld, scim: httpx.AsyncClient, text: str
) -> None:
    """Entra finds users by the attribute that its admin chose for matching."""
    assert await unseen_after(acme, scim, f"/Users?filter={text}") == {"sales"}


@pytest.mark.parametrize(
    "query",
    [
        "/Users", "/Users?sortBy=userName", "/Users?cursor=", "/Groups", "/Groups?sortBy=displayName",
        "/Users?filter=userName pr", "/Users?filter=active eq true", '/Users?filter=not (userName eq "ben")',
        '/Users?filter=title ne "y"', '/Users?filter=title eq "x" or active eq true',
        '/Users?filter=meta.created gt "2020-01-01T00:00:00Z"',
    ],
)  # fmt: skip
async def test_a_listing_of_everything_says_nothing_of_what_the_provider_has(
    acme: PushingWorld, scim: httpx.AsyncClient, query: str
) -> None:
    assert await unseen_after(acme, scim, query) == {"anna", "sales"}
