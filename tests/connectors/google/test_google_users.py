"""Conversion of Google's users to records, and the requested fields. No I/O."""

from __future__ import annotations

from typing import Any

import pytest

from usersyncd.core.rules.mapping import CanonicalMapping
from usersyncd.plugin import CANONICAL, Kind, Record, Unread
from usersyncd_google.fields import Fields
from usersyncd_google.mapping import DERIVED, MAPPING
from usersyncd_google.users import UserReader

ADA: dict[str, Any] = {
    "kind": "admin#directory#user",
    "id": "101234567890123456789",
    "etag": '"x"',
    "primaryEmail": "Ada@Acme.example",
    "aliases": ["countess@acme.example"],
    "nonEditableAliases": ["ada@acme.example.test-google-a.com"],
    "name": {"givenName": "Ada", "familyName": "Lovelace", "fullName": "Ada Lovelace"},
    "suspended": False,
    "archived": False,
    "creationTime": "2024-03-01T08:00:00.000Z",
    "lastLoginTime": "2026-01-01T00:00:00.000Z",
    "recoveryEmail": "ada@home.example",
    "orgUnitPath": "/Staff",
    "organizations": [
        {"title": "Guest lecturer", "department": "Sums"},
        {
            "title": "Analyst",
            "department": "Engines",
            "costCenter": "42",
            "name": "Acme",
            "description": "Employee",
            "primary": True,
        },
    ],
    "externalIds": [{"type": "account", "value": "x"}, {"type": "organization", "value": "1815"}],
    "relations": [
        {"type": "assistant", "value": "b@acme.example"},
        {"type": "manager", "value": " Charles@Acme.example"},
    ],
    "languages": [{"languageCode": "fr"}, {"languageCode": "en-GB", "preference": "preferred"}],
    "phones": [
        {"type": "mobile", "value": "+44 7"},
        {"type": "work", "value": "+44 1"},
        {"type": "work", "value": "+44 2", "primary": True},
    ],
    "customSchemas": {"Badge": {"colour": "blue"}},
}


def read(user: dict[str, Any], *reads: str, units: list[str] | None = None) -> dict[str, Any]:
    record = UserReader(frozenset(reads) if reads else None, units).record(user)
    assert isinstance(record, Record)
    return record.attributes


def test_every_canonical_attribute_is_mapped() -> None:
    canonical = CanonicalMapping(Kind.USER, MAPPING[Kind.USER], {}, {}, None)  # type: ignore[arg-type]
    assert not canonical.faults
    assert canonical.view("101", read(ADA)) == {
        "id": "101",
        "userName": "Ada@Acme.example",
        "email": "Ada@Acme.example",
        "givenName": "Ada",
        "familyName": "Lovelace",
        "displayName": "Ada Lovelace",
        "active": True,
        "userType": "Employee",
        "title": "Analyst",
        "department": "Engines",
        "costCenter": "42",
        "organization": "Acme",
        "employeeNumber": "1815",
        "manager": "email:charles@acme.example",
        "preferredLanguage": "en-GB",
        "phone": "+44 2",
        "mobile": "+44 7",
        "createdAt": "2024-03-01T08:00:00.000Z",
    }


@pytest.mark.parametrize(
    ("suspended", "archived", "active"),
    [(False, False, True), (True, False, False), (False, True, False), (True, True, False)],
)
def test_suspended_and_archived_users_are_inactive(suspended: bool, archived: bool, active: bool) -> None:
    user = {"id": "1", "primaryEmail": "a@acme.example", "suspended": suspended, "archived": archived}
    assert read(user)["active"] is active


def test_users_without_suspended_and_archived_are_active() -> None:
    assert read({"id": "1", "primaryEmail": "a@acme.example"})["active"] is True


def test_absent_attributes_are_left_out() -> None:
    bare: dict[str, Any] = {
        "id": "1",
        "primaryEmail": "a@acme.example",
        "name": {"givenName": ""},
        "organizations": [],
        "phones": None,
    }
    attributes = read(bare)
    assert not attributes.keys() & (DERIVED.keys() - {"active"})
    assert None not in attributes.values()


def test_volatile_attributes_are_read_only_when_a_rule_names_them() -> None:
    assert not read(ADA).keys() & {"etag", "kind", "id", "lastLoginTime", "recoveryEmail"}
    assert read(ADA, "lastLoginTime") == {"lastLoginTime": "2026-01-01T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("organizations", {"title": "Clerk"}), ("relations", [None]), ("phones", "+49 30 1"), ("externalIds", ["7"]),
        ("name", "Lena Old"), ("aliases", {"a": 1}), ("languages", 7), ("nonEditableAliases", [7]),
    ],
)  # fmt: skip
def test_an_undocumented_form_affects_only_its_account(name: str, value: Any) -> None:
    found = UserReader(None).record({**ADA, name: value})
    assert isinstance(found, Unread)
    assert (found.id, found.why.partition(" does not")[0]) == (
        ADA["id"],
        f"{name} of the account {ADA['primaryEmail']}",
    )
    assert isinstance(UserReader(None).record({**ADA, name: None}), Record)


def test_addresses_become_normalised_handles() -> None:
    record = UserReader(None).record(ADA)
    assert isinstance(record, Record)
    assert record.handles == (
        "email:ada@acme.example",
        "email:countess@acme.example",
        "email:ada@acme.example.test-google-a.com",
    )


def test_a_manager_without_an_address_is_taken_for_an_id() -> None:
    user = {**ADA, "relations": [{"type": "manager", "value": "109876543210987654321"}]}
    assert read(user, "manager") == {"manager": "109876543210987654321"}


@pytest.mark.parametrize(
    ("reads", "fields", "projection"),
    [
        ([], "id,primaryEmail", "basic"),
        (["primaryEmail", "active"], "archived,id,primaryEmail,suspended", "basic"),
        (["givenName", "displayName"], "id,name(displayName,fullName,givenName),primaryEmail", "basic"),
        (["name", "givenName"], "id,name,primaryEmail", "basic"),
        (["title", "department"], "id,organizations(department,primary,title),primaryEmail", "basic"),
        (["manager"], "aliases,id,nonEditableAliases,primaryEmail,relations(type,value)", "basic"),
        (["customSchemas"], "customSchemas,id,primaryEmail", "full"),
    ],
)
def test_only_what_the_rules_read_is_requested(reads: list[str], fields: str, projection: str) -> None:
    reader = UserReader(frozenset(reads))
    assert (str(reader.fields), reader.projection) == (fields, projection)


def test_everything_is_requested_when_the_rules_read_everything() -> None:
    reader = UserReader(None)
    assert reader.fields is None
    assert reader.projection == "full"


@pytest.mark.parametrize("order", [["name(givenName)", "name"], ["name", "name(givenName)"]])
def test_the_whole_of_a_field_contains_its_parts(order: list[str]) -> None:
    assert str(Fields().need(order)) == "name"


@pytest.mark.parametrize(
    ("unit", "units", "is_in"),
    [
        ("/Staff", ["/Staff"], True),
        ("/staff/Engineering", ["/Staff"], True),
        ("/Staffing", ["/Staff"], False),
        ("/", ["/Staff"], False),
        ("/Contractors", ["/"], True),
        ("/Contractors", ["/Staff", "/Contractors"], True),
    ],
)
def test_the_scope_is_an_org_unit_and_those_below_it(unit: str, units: list[str], is_in: bool) -> None:
    assert (UserReader(None, units).record({**ADA, "orgUnitPath": unit}) is not None) is is_in


def test_the_mapping_is_canonical() -> None:
    assert DERIVED.keys() <= set(CANONICAL[Kind.USER])
