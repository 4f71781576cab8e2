"""The canonical attributes of resources as providers push them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from usersyncd.core.model import Ruleset
from usersyncd.core.rules import compile_rules
from usersyncd.plugin import Kind
from usersyncd_scim.mapping import ENTERPRISE, MAPPING

WORK, HOME, CELL = {"type": "work", "value": "w"}, {"type": "home", "value": "h"}, {"type": "mobile", "value": "m"}
FIRST = {"value": "first"}


@pytest.mark.parametrize(
    ("resource", "name", "value"),
    [
        ({"emails": [HOME, WORK, {**FIRST, "primary": True}]}, "email", "first"),
        ({"emails": [HOME, WORK]}, "email", "w"),
        ({"emails": [HOME, FIRST]}, "email", "h"),
        ({"emails": [{"type": "work", "value": "w", "primary": False}]}, "email", "w"),
        ({"emails": []}, "email", None),
        ({}, "email", None),
        ({"phoneNumbers": [CELL, WORK]}, "phone", "w"),
        ({"phoneNumbers": [CELL, WORK]}, "mobile", "m"),
        ({"phoneNumbers": [CELL]}, "phone", None),
        ({"name": {"givenName": "Ada"}}, "givenName", "Ada"),
        ({"name": {"givenName": "Ada"}}, "familyName", None),
        ({"name": {"formatted": "Ada L."}}, "displayName", "Ada L."),
        ({"displayName": "Ada", "name": {"formatted": "Ada L."}}, "displayName", "Ada"),
        ({ENTERPRISE: {"department": "Engines"}}, "department", "Engines"),
        ({ENTERPRISE: {"manager": {"value": "7", "displayName": "Boris"}}}, "manager", "7"),
        ({ENTERPRISE: {}}, "manager", None),
        ({"active": False}, "active", False),
        ({}, "active", True),
        ({"userName": "ada"}, "userName", "ada"),
        ({"timezone": "Europe/Berlin"}, "timezone", "Europe/Berlin"),
    ],
)
def test_an_attribute_is_found_where_the_provider_puts_it(resource: dict[str, Any], name: str, value: Any) -> None:
    rules = compile_rules(
        directory="acme", mapping=MAPPING, attributes={}, users=Ruleset(), groups=Ruleset(), lookups={},
        deactivates=False,
    )  # fmt: skip
    canonical = rules.canonical(Kind.USER, "1", resource, datetime(2026, 1, 1, tzinfo=UTC))
    assert canonical.get(name) == value
