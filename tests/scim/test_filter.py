"""Filters hold for what RFC 7644 says, section 3.4.2.2; the index answers what it can."""

from __future__ import annotations

from typing import Any

import pytest
from scim2_models import EnterpriseUser, ScimFilter, User
from scim2_server.testing import SEARCH_FILTERS, SEARCH_USERS

from usersyncd.plugin import Kind
from usersyncd.scim.errors import ScimError
from usersyncd.scim.filter import indexed, parsed, resource_test
from usersyncd.scim.schema import ENTERPRISE, USER

ANNA: dict[str, Any] = {
    "id": "u1",
    "userName": "Anna",
    "externalId": "E-1",
    "active": True,
    "name": {"familyName": "Ä-Müller"},
    "emails": [{"type": "work", "value": "Anna@acme.example", "primary": True}, {"type": "home", "value": "a@b"}],
    "meta": {"resourceType": "User", "created": "2026-01-02T03:04:05Z"},
    "shoeSize": 42,
    ENTERPRISE: {"department": "Sales", "manager": {"value": "m1"}},
    "urn:acme:badge:2.0:User": {"Number": 7},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('userName eq "ANNA"', True),
        ('USERNAME EQ "anna"', True),
        (f'{USER}:userName eq "anna"', True),
        ('externalId eq "e-1"', False),
        ('externalId eq "E-1"', True),
        ('name.familyName eq "ä-mÜller"', True),
        ('name.familyName eq "A\u0308-müller"', True),
        ("title pr", False),
        ("title eq null", True),
        ("title ne null", False),
        ('title ne "Boss"', True),
        ('not (title eq "Boss")', True),
        ('emails eq "anna@acme.example"', True),
        ('emails co "ACME"', True),
        ('emails ne "a@b"', False),
        ('emails ne "x"', True),
        ('emails[type eq "work" and value co "acme"]', True),
        ('emails[type eq "home" and value co "acme"]', False),
        ('emails[type eq "work"].value eq "anna@acme.example"', True),
        ('emails.type eq "home" and emails.value co "acme"', True),
        ("active eq true", True),
        ('active eq "True"', True),
        ("active ne false", True),
        ('meta.created gt "2026-01-02T04:04:04+01:00"', True),
        ('meta.created lt "2026-01-02T04:04:06+01:00"', True),
        ('meta.created eq "2026-01-02T04:04:05+01:00"', True),
        ('meta.resourceType eq "User"', True),
        ('userName gt "ann" and userName lt "annb"', True),
        ('title pr or userName sw "a" and active eq false', False),
        ('(title pr or userName sw "a") and active eq true', True),
        ("shoeSize gt 40", True),
        ("shoeSize eq true", False),
        ('shoeSize gt "40"', False),
        (f'{ENTERPRISE}:department eq "sales"', True),
        (f'{ENTERPRISE.upper()}:DEPARTMENT eq "sales"', True),
        (f'{ENTERPRISE}:manager eq "m1"', True),
        (f'{ENTERPRISE}:manager.value eq "M1"', False),
        ("urn:acme:badge:2.0:User:number eq 7", True),
        ('nothing eq "x"', False),
        ('id eq "u1"', True),
    ],
)
def test_a_filter_holds(text: str, holds: bool) -> None:
    assert resource_test(Kind.USER, parsed(text))(ANNA) is holds


@pytest.mark.parametrize("text", SEARCH_FILTERS)
def test_filters_agree_with_scim2_models(text: str) -> None:
    """On the users and filters of scim2-server's contract for storages."""
    test = resource_test(Kind.USER, parsed(text))
    meta = {"created": "2026-01-02T03:04:05Z", "lastModified": "2026-01-02T03:04:05Z"}
    for sent in SEARCH_USERS:
        model = User[EnterpriseUser].model_validate({"schemas": [USER], "meta": meta, **sent})
        assert test({"meta": meta, **sent}) == ScimFilter[User[EnterpriseUser]](text).match(model), sent


@pytest.mark.parametrize(
    "text",
    [
        "userName",
        "userName eq",
        "userName sw O",
        'userName near "x"',
        'userName eq "x" and',
        'name eq "x"',
        "active gt true",
        'meta.created gt "yesterday"',
        'active eq "perhaps"',
        "title co 5",
        "(" * 40 + 'title eq "x"' + ")" * 39,
    ],
)
def test_a_filter_that_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(ScimError) as error:
        resource_test(Kind.USER, parsed(text))
    assert (error.value.status, error.value.scim_type) == (400, "invalidFilter")


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        (Kind.USER, 'userName eq "a"', ("userName", "a")),
        (Kind.USER, 'active eq true and userName eq "a"', ("userName", "a")),
        (Kind.USER, '(userName eq "a") and (title pr or active eq true)', ("userName", "a")),
        (Kind.USER, 'displayName eq "b" and userName eq "a"', ("userName", "a")),
        (Kind.USER, f'{USER}:USERNAME eq "a"', ("userName", "a")),
        (Kind.USER, 'emails.value eq "a"', ("emails.value", "a")),
        (Kind.USER, 'emails eq "a"', ("emails.value", "a")),
        (Kind.USER, 'emails[type eq "work"].value eq "a"', ("emails.value", "a")),
        (Kind.USER, 'emails[value eq "a" and type eq "work"] and active eq true', ("emails.value", "a")),
        (Kind.USER, 'id eq "a"', ("id", "a")),
        (Kind.GROUP, 'displayName eq "a"', ("displayName", "a")),
        (Kind.GROUP, 'externalId eq "a"', ("externalId", "a")),
        (Kind.USER, 'userName eq "a" or userName eq "b"', None),
        (Kind.USER, 'not (userName eq "a")', None),
        (Kind.USER, 'emails[type eq "work" or value eq "a"]', None),
        (Kind.USER, 'emails[not (value eq "a")]', None),
        (Kind.USER, 'userName sw "a"', None),
        (Kind.USER, 'phoneNumbers[value eq "a"]', None),
        (Kind.USER, f'{ENTERPRISE}:userName eq "a"', None),
        (Kind.GROUP, 'userName eq "a"', None),
    ],
)
def test_an_index_is_used_only_where_every_match_is_in_it(kind: Kind, text: str, found: tuple[str, str] | None) -> None:
    assert indexed(kind, parsed(text)) == found
