"""PATCH, in the forms of RFC 7644, Entra ID and Okta."""

from __future__ import annotations

import time
from typing import Any

import pytest

from usersyncd.plugin import Kind
from usersyncd.scim.errors import ScimError
from usersyncd.scim.patch import MemberEdits, patched
from usersyncd.scim.patch_reading import read_patch
from usersyncd.scim.schema import ENTERPRISE, GROUP, USER

NO_MEMBERS: list[Any] = ["", {}, False, 0]
WORK = {"type": "work", "value": "w@acme.example", "primary": True}
HOME = {"type": "home", "value": "h@acme.example"}


def apply(resource: dict[str, Any], *operations: dict[str, Any], kind: Kind = Kind.USER) -> dict[str, Any]:
    """The changed resource without what every resource has."""
    named = {"userName": "anna"} if kind == Kind.USER else {"displayName": "Sales"}
    whole: dict[str, Any] = {**named, **resource}
    before = repr(whole)
    result = patched(whole, read_patch(kind, {"Operations": list(operations)}))
    assert repr(whole) == before, "the resource was changed in place"
    assert result.pop("schemas") == [USER if kind == Kind.USER else GROUP, *(key for key in result if ":" in key)]
    return {key: value for key, value in result.items() if named.get(key) != value}


@pytest.mark.parametrize(
    ("before", "operation", "after"),
    [
        # RFC 7644, section 3.5.2.1: add
        ({}, {"op": "add", "path": "title", "value": "Boss"}, {"title": "Boss"}),
        ({"title": "x"}, {"op": "add", "path": "title", "value": "Boss"}, {"title": "Boss"}),
        ({}, {"op": "add", "value": {"title": "Boss", "name": {"givenName": "A"}}},
         {"title": "Boss", "name": {"givenName": "A"}}),
        ({"name": {"givenName": "A"}}, {"op": "add", "path": "name", "value": {"familyName": "B"}},
         {"name": {"givenName": "A", "familyName": "B"}}),
        ({"emails": [WORK]}, {"op": "add", "path": "emails", "value": [HOME]}, {"emails": [WORK, HOME]}),
        ({"emails": [WORK]}, {"op": "add", "path": "emails", "value": [WORK]}, {"emails": [WORK]}),
        ({"emails": [WORK]}, {"op": "add", "path": "emails", "value": {**HOME, "primary": True}},
         {"emails": [{**WORK, "primary": False}, {**HOME, "primary": True}]}),
        # section 3.5.2.2: remove
        ({"title": "x"}, {"op": "remove", "path": "title"}, {}),
        ({}, {"op": "remove", "path": "title"}, {}),
        ({"emails": [WORK, HOME]}, {"op": "remove", "path": 'emails[type eq "WORK"]'}, {"emails": [HOME]}),
        ({"emails": [WORK]}, {"op": "remove", "path": 'emails[type eq "other"]'}, {"emails": [WORK]}),
        ({"emails": [WORK]}, {"op": "remove", "path": 'emails[type eq "work"]'}, {}),
        ({"emails": [WORK]}, {"op": "remove", "path": 'emails[type eq "work"].primary'},
         {"emails": [{"type": "work", "value": "w@acme.example"}]}),
        ({"name": {"givenName": "A"}}, {"op": "remove", "path": "name.givenName"}, {}),
        # section 3.5.2.3: replace
        ({"title": "x"}, {"op": "replace", "path": "title", "value": "Boss"}, {"title": "Boss"}),
        ({}, {"op": "replace", "path": "title", "value": "Boss"}, {"title": "Boss"}),
        ({"title": "x"}, {"op": "replace", "path": "title", "value": None}, {}),
        ({"emails": [WORK]}, {"op": "replace", "path": "emails", "value": [HOME]}, {"emails": [HOME]}),
        ({"emails": [WORK]}, {"op": "replace", "path": "emails", "value": []}, {}),
        ({"name": {"givenName": "A", "familyName": "B"}},
         {"op": "replace", "path": "name", "value": {"givenName": "C"}},
         {"name": {"givenName": "C", "familyName": "B"}}),
        ({"emails": [WORK, HOME]}, {"op": "replace", "path": 'emails[type eq "work"].value', "value": "n"},
         {"emails": [{**WORK, "value": "n"}, HOME]}),
        ({"emails": [WORK, HOME]}, {"op": "replace", "path": 'emails[type eq "home"]', "value": {"primary": True}},
         {"emails": [{**WORK, "primary": False}, {**HOME, "primary": True}]}),
        ({"emails": [HOME]}, {"op": "replace", "path": "emails.value", "value": "n"},
         {"emails": [{**HOME, "value": "n"}]}),
        # Entra ID
        ({}, {"op": "Add", "path": "title", "value": "Boss"}, {"title": "Boss"}),
        ({"active": True}, {"op": "Replace", "path": "active", "value": "False"}, {"active": False}),
        ({}, {"op": "Add", "path": 'emails[type eq "work"].value', "value": "n"},
         {"emails": [{"type": "work", "value": "n"}]}),
        ({}, {"op": "Replace", "path": 'roles[primary eq "True"].value', "value": "admin"},
         {"roles": [{"primary": True, "value": "admin"}]}),
        ({"emails": [WORK, HOME]}, {"op": "Remove", "path": "emails", "value": [{"value": "h@acme.example"}]},
         {"emails": [WORK]}),
        ({}, {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "m1"}, {ENTERPRISE: {"manager": {"value": "m1"}}}),
        ({ENTERPRISE: {"manager": {"value": "m1", "displayName": "Max"}}},
         {"op": "Replace", "path": f"{ENTERPRISE}:manager", "value": "m2"}, {ENTERPRISE: {"manager": {"value": "m2"}}}),
        ({ENTERPRISE: {"manager": {"value": "m1"}}},
         {"op": "Replace", "path": f"{ENTERPRISE}:manager", "value": ""}, {}),
        ({}, {"op": "replace", "value": {"name.givenName": "A", f"{ENTERPRISE}:employeeNumber": "7", "active": False}},
         {"name": {"givenName": "A"}, ENTERPRISE: {"employeeNumber": "7"}, "active": False}),
        ({}, {"op": "replace", "value": {'phoneNumbers[type eq "work"].value': "+1"}},
         {"phoneNumbers": [{"type": "work", "value": "+1"}]}),
        # Okta
        ({"active": True}, {"op": "replace", "value": {"active": False}}, {"active": False}),
        ({}, {"op": "replace", "value": {"id": "x", "password": "p", "groups": [], "title": "Boss"}},
         {"title": "Boss"}),
        # What the schemas do not know
        ({}, {"op": "add", "path": "shoeSize", "value": 42}, {"shoeSize": 42}),
        ({"shoeSize": 42}, {"op": "remove", "path": "SHOESIZE"}, {}),
        ({}, {"op": "add", "path": "urn:acme:badge:2.0:User:number", "value": 7},
         {"urn:acme:badge:2.0:User": {"number": 7}}),
        ({"urn:acme:badge": {"a": 1}}, {"op": "replace", "value": {"urn:acme:badge": {"b": 2}}},
         {"urn:acme:badge": {"a": 1, "b": 2}}),
        ({"urn:acme:badge": {"a": 1}}, {"op": "remove", "path": "urn:acme:badge"}, {}),
        ({ENTERPRISE: {"department": "D"}}, {"op": "remove", "path": ENTERPRISE.lower()}, {}),
        ({}, {"op": "add", "path": ENTERPRISE, "value": {"Department": "D"}}, {ENTERPRISE: {"department": "D"}}),
        ({}, {"op": "add", "path": f"{USER}:title", "value": "Boss"}, {"title": "Boss"}),
    ],
)  # fmt: skip
def test_an_operation_changes_a_user(before: dict[str, Any], operation: dict[str, Any], after: dict[str, Any]) -> None:
    assert apply(before, operation) == after


@pytest.mark.parametrize("op", ["add", "remove"])
def test_the_time_grows_with_the_values_and_not_with_their_square(op: str) -> None:
    many = 8_000
    held = [{"value": f"a{number}@acme.example", "type": "other"} for number in range(many)]
    named = [{"type": "other", "value": f"A{number}@acme.example".lower()} for number in range(1, many + 1)]
    began = time.process_time()
    left = apply({"userName": "ada", "emails": held}, {"op": op, "path": "emails", "value": named})
    assert len(left["emails"]) == (many + 1 if op == "add" else 1)
    assert time.process_time() - began < 2  # The square takes ten times as long.


MANY_PARTS: dict[str, Any] = {"op": "replace", "path": "name", "value": {f"b{number}": "x" for number in range(12_000)}}


@pytest.mark.parametrize(
    "operation", [{"op": "remove", "path": 'emails[type eq "other"]'}, MANY_PARTS]
)  # fmt: skip
def test_the_time_of_one_operation_grows_with_the_size_of_the_resource(operation: dict[str, Any]) -> None:
    held: dict[str, Any] = {
        "emails": [{"value": f"a{number}", "type": "other"} for number in range(30_000)],
        "name": {f"a{number}": "x" for number in range(12_000)},
    }
    began = time.process_time()
    patched({"userName": "ada", **held}, read_patch(Kind.USER, {"Operations": [operation]}))
    assert time.process_time() - began < 1.5  # The square takes three times as long.


@pytest.mark.parametrize("forms", [[{f"b{each}": 1} for each in range(60)], [{f"b{each}": 1 for each in range(60)}]])
def test_a_remove_in_too_many_forms_is_refused(forms: list[Any]) -> None:
    with pytest.raises(ScimError, match="50 different sub-attributes"):
        apply({"emails": [HOME]}, {"op": "remove", "path": "emails", "value": forms})


def test_members_are_unlimited_and_other_changes_are_not() -> None:
    members = [{"op": "add", "path": "members", "value": [{"value": f"u{number}"}]} for number in range(2_000)]
    assert read_patch(Kind.GROUP, {"Operations": members}).member_edits is not None
    emails = [{"op": "add", "path": "emails", "value": [{"value": f"u{number}"}]} for number in range(2_000)]
    with pytest.raises(ScimError, match="more than 250 changes"):
        read_patch(Kind.USER, {"Operations": emails})


def test_operations_run_in_their_order() -> None:
    assert apply(
        {"emails": [WORK]},
        {"op": "remove", "path": "emails"},
        {"op": "add", "path": "emails", "value": [HOME]},
        {"op": "replace", "path": 'emails[type eq "home"].value', "value": "n"},
    ) == {"emails": [{**HOME, "value": "n"}]}


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "remove"}, "noTarget"),
        ({"op": "remove", "path": ""}, "noTarget"),
        ({"op": "replace", "path": 'emails[type sw "x"].value', "value": "n"}, "noTarget"),
        ({"op": "replace", "path": "two words", "value": "n"}, "invalidPath"),
        ({"op": "replace", "path": "title.part", "value": "n"}, "invalidPath"),
        ({"op": "replace", "path": 'title[value eq "x"]', "value": "n"}, "invalidPath"),
        ({"op": "replace", "path": 7, "value": "n"}, "invalidPath"),
        ({"op": "replace", "path": "emails[type eq", "value": "n"}, "invalidFilter"),
        ({"op": "replace", "path": "emails[type near 5]", "value": "n"}, "invalidFilter"),
        ({"op": "replace", "path": "emails[primary gt true]", "value": "n"}, "invalidFilter"),
        ({"op": "replace", "path": "id", "value": "n"}, "mutability"),
        ({"op": "replace", "path": "groups", "value": []}, "mutability"),
        ({"op": "remove", "path": "userName"}, "mutability"),
        ({"op": "replace", "path": "userName", "value": ""}, "mutability"),
        ({"op": "replace", "path": "userName", "value": 7}, "invalidValue"),
        ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue"),
        ({"op": "replace", "path": "name", "value": "Anna"}, "invalidValue"),
        ({"op": "replace", "path": "title"}, "invalidValue"),
        ({"op": "add", "path": "title", "value": None}, "invalidValue"),
        ({"op": "replace", "value": "Boss"}, "invalidValue"),
        ({"op": "move", "path": "title", "value": "x"}, "invalidSyntax"),
        ("replace", "invalidSyntax"),
    ],
)
def test_what_is_wrong_has_its_scim_type(operation: Any, scim_type: str) -> None:
    with pytest.raises(ScimError) as error:
        apply({"emails": [WORK]}, operation)
    assert (error.value.status, error.value.scim_type) == (400, scim_type)


@pytest.mark.parametrize("body", [{}, {"Operations": []}, {"Operations": "x"}, {"Operations": None}])
def test_a_patch_without_operations_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ScimError) as error:
        read_patch(Kind.USER, body)
    assert error.value.scim_type == "invalidSyntax"


def test_the_names_of_a_patch_are_read_in_any_case() -> None:
    patch = read_patch(Kind.USER, {"operations": {"OP": "REPLACE", "Path": "TITLE", "Value": "Boss"}})
    assert patched({"userName": "anna"}, patch)["title"] == "Boss"


def edits(*operations: dict[str, Any]) -> MemberEdits | None:
    return read_patch(Kind.GROUP, {"Operations": list(operations)}).member_edits


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "Add", "path": "members", "value": [{"value": "a"}, {"value": "b"}]}], MemberEdits(added=("a", "b"))),
        ([{"op": "add", "path": "Members", "value": {"value": "a"}}], MemberEdits(added=("a",))),
        ([{"op": "add", "path": "members", "value": "a"}], MemberEdits(added=("a",))),
        ([{"op": "add", "path": "members", "value": ["a", "b"]}], MemberEdits(added=("a", "b"))),
        ([{"op": "add", "value": {"members": [{"value": "a"}]}}], MemberEdits(added=("a",))),
        ([{"op": "Remove", "path": "members", "value": [{"value": "a"}]}], MemberEdits(removed=("a",))),
        ([{"op": "remove", "path": 'members[value eq "a"]'}], MemberEdits(removed=("a",))),
        ([{"op": "remove", "path": 'members[value eq "a" or value eq "b"]'}], MemberEdits(removed=("a", "b"))),
        ([{"op": "remove", "path": 'members[value eq "a" and type eq "User"]'}], MemberEdits(removed=("a",))),
        ([{"op": "remove", "path": f'{GROUP}:members[value eq "a"]'}], MemberEdits(removed=("a",))),
        ([{"op": "remove", "path": "members"}], MemberEdits(whole=())),
        ([{"op": "remove", "path": "members", "value": []}], None),
        ([{"op": "replace", "path": "members", "value": [{"value": "a"}]}], MemberEdits(whole=("a",))),
        ([{"op": "replace", "path": "members", "value": []}], MemberEdits(whole=())),
        ([{"op": "replace", "path": "members", "value": None}], MemberEdits(whole=())),
        ([{"op": "replace", "value": {"members": None}}], None),
        ([{"op": "replace", "value": {GROUP: {"members": None}}}], None),
        ([{"op": "replace", "value": {f"{GROUP}:members": None}}], None),
        ([{"op": "replace", "value": {"id": "g", "displayName": "New"}}], None),
        (
            [{"op": "add", "path": "members", "value": ["a"]}, {"op": "remove", "path": 'members[value eq "a"]'}],
            MemberEdits(removed=("a",)),
        ),
        (
            [{"op": "remove", "path": 'members[value eq "a"]'}, {"op": "add", "path": "members", "value": ["a"]}],
            MemberEdits(added=("a",)),
        ),
        (
            [{"op": "add", "path": "members", "value": ["a"]}, {"op": "replace", "path": "members", "value": ["b"]},
             {"op": "add", "path": "members", "value": ["c"]}, {"op": "Remove", "path": "members", "value": ["b"]}],
            MemberEdits(whole=("c",)),
        ),
    ],
)  # fmt: skip
def test_the_edits_of_members_need_no_members(operations: list[dict[str, Any]], expected: MemberEdits | None) -> None:
    assert edits(*operations) == expected


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "remove", "path": 'members[display eq "Anna"]'}, "invalidFilter"),
        ({"op": "remove", "path": 'members[value ne "a"]'}, "invalidFilter"),
        ({"op": "remove", "path": 'members[value eq "a" and not (type eq "Group")]'}, "invalidFilter"),
        ({"op": "replace", "path": 'members[value eq "a"]', "value": {"value": "b"}}, "mutability"),
        ({"op": "remove", "path": 'members[value eq "a"].type'}, "mutability"),
        ({"op": "add", "path": "members", "value": [{"display": "Anna"}]}, "invalidValue"),
        ({"op": "remove", "path": "displayName"}, "mutability"),
        *(
            ({"op": op, "path": "members", "value": value}, "invalidValue")
            for op in ("replace", "add", "remove")
            for value in (*NO_MEMBERS, [None], [""])
        ),
        *(({"op": "replace", "value": {"members": value}}, "invalidValue") for value in NO_MEMBERS),
    ],
)
def test_wrong_edits_of_members_remove_nobody(operation: dict[str, Any], scim_type: str) -> None:
    with pytest.raises(ScimError) as error:
        apply({}, operation, kind=Kind.GROUP)
    assert error.value.scim_type == scim_type
