"""Bodies of providers become resources in canonical form, and nothing that we do not understand is lost."""

from __future__ import annotations

from typing import Any

import pytest

from usersyncd.plugin import Kind
from usersyncd.scim.errors import ScimError
from usersyncd.scim.reading import decoded, read_resource
from usersyncd.scim.schema import ENTERPRISE, GROUP, USER


def user(**sent: Any) -> dict[str, Any]:
    resource, members = read_resource(Kind.USER, {"userName": "anna", **sent})
    assert members is None
    del resource["userName"], resource["schemas"]
    return resource


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"USERNAME": "x", "displayname": "Anna"}, {"displayName": "Anna"}),
        ({"Active": "False"}, {"active": False}),
        ({"active": "True"}, {"active": True}),
        ({"emails": {"Value": "a@b", "Primary": "true"}}, {"emails": [{"value": "a@b", "primary": True}]}),
        ({"emails": ["a@b"]}, {"emails": [{"value": "a@b"}]}),
        (
            {"emails": [{"value": "a", "primary": True}, {"value": "b", "primary": True}]},
            {"emails": [{"value": "a", "primary": True}, {"value": "b", "primary": False}]},
        ),
        ({"title": None, "emails": [], "name": {"givenName": None}}, {}),
        ({"id": "mine", "meta": {"version": "1"}, "groups": [{"value": "g"}], "Password": "secret"}, {}),
        ({ENTERPRISE.lower(): {"Manager": "m1"}}, {ENTERPRISE: {"manager": {"value": "m1"}}}),
        ({ENTERPRISE: {"manager": {"VALUE": "m1"}}}, {ENTERPRISE: {"manager": {"value": "m1"}}}),
        ({ENTERPRISE: {"manager": ""}}, {}),
        ({USER: {"title": "Boss"}}, {"title": "Boss"}),
        (
            {USER.upper(): {"id": "other", "Meta": {"version": "1"}, "groups": [{"value": "g"}], "schemas": "x",
                            "password": "secret", "title": "Boss"}},
            {"title": "Boss"},
        ),
        ({USER: {USER: {"id": "other"}}}, {}),
        ({USER: None}, {}),
        ({"urn:acme:badge": {"Number": 7, "list": [1]}}, {"urn:acme:badge": {"Number": 7, "list": [1]}}),
        ({"shoeSize": 42, "emails": [{"value": "a", "Verified": 1}]},
         {"shoeSize": 42, "emails": [{"value": "a", "Verified": 1}]}),
        ({"phoneNumbers": [{"value": "+49 (0)30-1 2"}]}, {"phoneNumbers": [{"value": "+49 (0)30-1 2"}]}),
    ],
)  # fmt: skip
def test_a_user_is_kept_in_canonical_form(sent: dict[str, Any], kept: dict[str, Any]) -> None:
    sent.pop("USERNAME", None)
    assert user(**sent) == kept


def test_attribute_names_are_read_in_any_case() -> None:
    resource, _ = read_resource(Kind.USER, {"USERNAME": "anna", "NAME": {"GIVENNAME": "Anna"}})
    assert resource == {"schemas": [USER], "userName": "anna", "name": {"givenName": "Anna"}}


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        ["urn:scim:schemas:core:1.0"],
        ["http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
    ],
)
def test_other_schemas_are_tolerated(sent: Any) -> None:
    resource, _ = read_resource(Kind.GROUP, {"schemas": sent, "displayName": "Sales"})
    assert resource == {"schemas": [GROUP], "displayName": "Sales"}


def test_the_schemas_name_the_extensions_that_are_there() -> None:
    resource, _ = read_resource(Kind.USER, {"userName": "a", ENTERPRISE: {"department": "D"}, "urn:acme:x": {"y": 1}})
    assert resource["schemas"] == [USER, ENTERPRISE, "urn:acme:x"]


@pytest.mark.parametrize(
    ("sent", "ids"),
    [
        ({}, None),
        ({"members": None}, None),
        ({"members": []}, ()),
        ({"Members": [{"value": "a"}, {"Value": "b", "type": "User"}]}, ("a", "b")),
        ({"members": {"value": "a"}}, ("a",)),
        ({"members": ["a", "b"]}, ("a", "b")),
        ({GROUP: {"members": ["a"], "id": "other"}}, ("a",)),
        ({"members": [{"$ref": "https://x/scim/v2/acme/Users/a"}]}, ("a",)),
    ],
)
def test_members_are_read_by_id(sent: dict[str, Any], ids: tuple[str, ...] | None) -> None:
    assert read_resource(Kind.GROUP, {"displayName": "g", **sent})[1] == ids


@pytest.mark.parametrize(
    ("kind", "body", "named"),
    [
        (Kind.USER, {}, "userName"),
        (Kind.USER, {"userName": ""}, "userName"),
        (Kind.USER, {"userName": 7}, "userName"),
        (Kind.USER, {"userName": {"a": 1}}, "userName"),
        (Kind.USER, {"userName": "a", "active": "perhaps"}, "active"),
        (Kind.USER, {"userName": "a", "name": "Anna"}, "name"),
        (Kind.USER, {"userName": "a", "title": ["Boss"]}, "title"),
        (Kind.USER, {"userName": "a", "externalId": 5}, "externalId"),
        (Kind.USER, {"userName": "a", ENTERPRISE: "x"}, ENTERPRISE),
        (Kind.USER, {"userName": "a", USER: "x"}, USER),
        (Kind.GROUP, {"members": []}, "displayName"),
        (Kind.GROUP, {"displayName": "g", "members": [{"display": "x"}]}, "member"),
        (Kind.GROUP, {"displayName": "g", "members": [7]}, "member"),
    ],
)
def test_what_cannot_be_kept_is_named(kind: Kind, body: dict[str, Any], named: str) -> None:
    with pytest.raises(ScimError, match=named) as error:
        read_resource(kind, body)
    assert (error.value.status, error.value.scim_type) == (400, "invalidValue")


@pytest.mark.parametrize(
    ("body", "scim_type"),
    [
        (b"", "invalidSyntax"),
        (b"not json, password=secret1", "invalidSyntax"),
        (b"[]", "invalidSyntax"),
        (b'"text"', "invalidSyntax"),
        (b'{"a":' * 3000, "invalidSyntax"),
        (b'{"userName": "\xff"}', "invalidSyntax"),
        (b'{"userName": "a\\u0000b"}', "invalidValue"),
        (b'{"userName": "a\\\\\\u0000b"}', "invalidValue"),
        (b'{"\\u0000": 1}', "invalidValue"),
        (b'{"userName": "\\ud800"}', "invalidSyntax"),
        (b'{"a":' + b"[" * 30 + b"]" * 30 + b"}", "invalidValue"),
        (b'{"a":' * 31 + b"1" + b"}" * 31, "invalidValue"),
        (b'{"userName": NaN}', "invalidSyntax"),
    ],
)
def test_a_body_that_is_not_json_is_refused_without_quoting_it(body: bytes, scim_type: str) -> None:
    with pytest.raises(ScimError) as error:
        decoded(body)
    assert error.value.scim_type == scim_type
    assert "secret1" not in str(error.value)


def test_a_backslash_before_zeros_is_kept() -> None:
    assert decoded(b'{"title": "a\\\\u0000b"}') == {"title": "a\\u0000b"}


def test_thirty_levels_are_kept() -> None:
    assert decoded(b'{"a":' + b"[" * 29 + b"]" * 29 + b"}")
