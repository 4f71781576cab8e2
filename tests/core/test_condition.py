"""A condition over a target's columns: null never fails it, and what cannot be evaluated holds."""

from __future__ import annotations

import pytest

from usersyncd.core.model import Rule
from usersyncd.core.rules.condition import Condition, compile_condition
from usersyncd.errors import Place
from usersyncd.plugin import Value


def compiled(text: str) -> Condition:
    found = compile_condition(Rule(text, Place("config.yaml")), "targets.app.protect")
    assert isinstance(found, Condition)
    return found


@pytest.mark.parametrize(
    "text",
    [
        'role == "superadmin"',
        "level > 5",
        'role in ["root", "superadmin"]',
        'name.endsWith("@acme.example")',
        'roles.exists(one, one == "admin")',
        "has(meta.root)",
        "meta.root == true",
        "size(name) > 3",
        "root == true || admin == true",
    ],
)
def test_a_missing_or_null_column_makes_a_condition_false(text: str) -> None:
    nothing = dict.fromkeys(("role", "level", "name", "roles", "meta", "root", "admin"))
    assert [compiled(text)(columns) for columns in ({}, nothing)] == [False, False]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("level > 5", {"level": "high"}),
        ("level > 5", {"level": 2**70}),
        ('name.startsWith("a")', {"name": 7}),
        ("root && admin", {"root": 1, "admin": 1}),
    ],
)
def test_a_condition_that_cannot_be_evaluated_is_true(text: str, columns: dict[str, Value]) -> None:
    assert compiled(text)(columns)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ('type == "service"', {"type": "service"}),
        ('list != null && string == "x"', {"list": [1], "string": "x"}),
        ("level > 5", {"level": 6}),
        ("level > 5", {"level": 5.5}),
        ('meta.roles[0] == "root"', {"meta": {"roles": ["root"]}}),
        ("role == null", {}),
        ('role == ""', {"role": ""}),
        ("!(role == null)", {"role": ""}),
    ],
)
def test_names_are_the_columns_as_the_target_has_them(text: str, columns: dict[str, Value]) -> None:
    assert compiled(text)(columns)


def test_an_expression_that_is_not_a_condition_is_refused() -> None:
    for text in ("role", "level + 1", '"root"', "[role]"):
        found = compile_condition(Rule(text, Place("config.yaml")), "targets.app.protect")
        assert not isinstance(found, Condition)
        assert found[0].message.startswith("this is not a condition")
