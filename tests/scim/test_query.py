"""What listings ask for, and which part of a resource they get."""

from __future__ import annotations

from typing import Any

import pytest

from usersyncd.plugin import Kind
from usersyncd.scim.errors import ScimError
from usersyncd.scim.query import LONGEST_PAGE, PAGE, read_projection, read_query, sort_key
from usersyncd.scim.schema import ENTERPRISE, USER


@pytest.mark.parametrize(
    ("sent", "start", "count"),
    [
        ({}, 1, PAGE),
        ({"startIndex": "0", "count": "-3"}, 1, 0),
        ({"startIndex": "-5", "count": "0"}, 1, 0),
        ({"STARTINDEX": "7", "Count": "5"}, 7, 5),
        ({"startIndex": 7, "count": 5}, 7, 5),
        ({"count": "1000000"}, 1, LONGEST_PAGE),
        ({"count": "", "startIndex": ""}, 1, PAGE),
        ({"aadOptscim062020": "", "count": "5"}, 1, 5),
    ],
)
def test_pages_are_read_as_rfc_7644_says(sent: dict[str, Any], start: int, count: int) -> None:
    query = read_query(Kind.USER, sent)
    assert (query.start, query.count, query.cursor) == (start, count, None)


@pytest.mark.parametrize(
    ("sent", "scim_type"),
    [
        ({"count": "many"}, "invalidValue"),
        ({"startIndex": "first"}, "invalidValue"),
        ({"count": "many", "cursor": ""}, "invalidCount"),
        ({"filter": "userName"}, "invalidFilter"),
        ({"filter": 5}, "invalidValue"),
        ({"sortBy": "two words"}, "invalidPath"),
        ({"sortBy": "name"}, "invalidPath"),
        ({"sortBy": "password"}, "invalidPath"),
        ({"sortBy": 'emails[type eq "work"]'}, "invalidPath"),
    ],
)
def test_a_wrong_query_is_refused(sent: dict[str, Any], scim_type: str) -> None:
    with pytest.raises(ScimError) as error:
        read_query(Kind.USER, sent)
    assert (error.value.status, error.value.scim_type) == (400, scim_type)


RESOURCE: dict[str, Any] = {
    "schemas": [USER],
    "id": "u1",
    "userName": "anna",
    "name": {"givenName": "Anna", "familyName": "A"},
    "emails": [{"type": "work", "value": "a@b"}],
    ENTERPRISE: {"department": "D", "manager": {"value": "m", "displayName": "M"}},
}
ALWAYS = {"schemas": [USER], "id": "u1"}


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({}, RESOURCE),
        ({"attributes": ""}, RESOURCE),
        ({"attributes": "userName"}, {**ALWAYS, "userName": "anna"}),
        ({"attributes": "USERNAME, name.givenname"}, {**ALWAYS, "userName": "anna", "name": {"givenName": "Anna"}}),
        ({"attributes": ["emails.value"]}, {**ALWAYS, "emails": [{"value": "a@b"}]}),
        ({"attributes": f"{USER}:userName"}, {**ALWAYS, "userName": "anna"}),
        ({"attributes": ENTERPRISE.lower()}, {**ALWAYS, ENTERPRISE: RESOURCE[ENTERPRISE]}),
        ({"attributes": f"{ENTERPRISE}:manager.value"}, {**ALWAYS, ENTERPRISE: {"manager": {"value": "m"}}}),
        ({"attributes": 'emails[type eq "work"]'}, {**ALWAYS, "emails": RESOURCE["emails"]}),
        ({"attributes": "nothing"}, ALWAYS),
        ({"attributes": "two words"}, RESOURCE),
        (
            {"excludedAttributes": f"emails,name.givenName,{ENTERPRISE}"},
            {**ALWAYS, "userName": "anna", "name": {"familyName": "A"}},
        ),
        ({"excludedAttributes": "id,schemas,name,emails,userName," + ENTERPRISE}, ALWAYS),
        ({"attributes": "name", "excludedAttributes": "name.givenName"}, {**ALWAYS, "name": {"familyName": "A"}}),
    ],
)
def test_an_answer_shows_what_was_asked_for(sent: dict[str, Any], shown: dict[str, Any]) -> None:
    assert read_projection(Kind.USER, sent).of(RESOURCE) == shown


@pytest.mark.parametrize(
    ("sent", "shows"),
    [
        ({}, True),
        ({"excludedAttributes": "members"}, False),
        ({"excludedAttributes": "MEMBERS"}, False),
        ({"excludedAttributes": "members.display"}, True),
        ({"attributes": "displayName"}, False),
        ({"attributes": "displayName,members.value"}, True),
    ],
)
def test_members_are_read_only_if_they_are_shown(sent: dict[str, Any], shows: bool) -> None:
    assert read_projection(Kind.GROUP, sent).shows("members") is shows


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("userName", ["b", "A", "c", "d"]),
        ("externalId", ["A", "b", "d", "c"]),
        ("emails", ["c", "b", "A", "d"]),
        ("emails.value", ["c", "b", "A", "d"]),
        ("name.familyName", ["c", "b", "A", "d"]),
        (f"{ENTERPRISE}:employeeNumber", ["d", "A", "b", "c"]),
        ("shoeSize", ["c", "A", "b", "d"]),
    ],
)
def test_resources_are_sorted(by: str, order: list[str]) -> None:
    users: list[dict[str, Any]] = [
        {
            "id": "A",
            "userName": "Berta",
            "externalId": "A",
            "emails": [{"value": "z"}],
            ENTERPRISE: {"employeeNumber": "2"},
        },
        {"id": "b", "userName": "anna", "externalId": "B", "emails": [{"value": "y"}], "name": {"familyName": "Ä"}},
        {
            "id": "c",
            "userName": "carl",
            "emails": [{"value": "zz"}, {"value": "X", "primary": True}],
            "name": {"familyName": "A"},
            "shoeSize": 42,
        },
        {"id": "d", "userName": "dora", "externalId": "a", ENTERPRISE: {"employeeNumber": "1"}},
    ]
    key = sort_key(Kind.USER, by)
    assert [user["id"] for user in sorted(users, key=key)] == order
