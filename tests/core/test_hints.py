"""An expression that is written as in another language is answered with what to write."""

from __future__ import annotations

import pytest

from tests.core.test_rules import compiled
from usersyncd.core.model import Rule
from usersyncd.core.rules import RuleErrors
from usersyncd.core.rules.condition import Condition, compile_condition
from usersyncd.errors import Place

Hint = tuple[int, str]
"""The column in the expression, and the message."""


def hints(expression: str) -> list[Hint]:
    """What is said of a condition for users."""
    with pytest.raises(RuleErrors) as caught:
        compiled(where=expression)
    return [(fault.column, fault.message) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('user.userType = "Member"', [(15, "CEL has no `=`: did you mean `==`?")]),
        ('user.userType === "Member"', [(15, "CEL has no `===`: did you mean `==`?")]),
        ('user.userType <> "Member"', [(15, "CEL has no `<>`: did you mean `!=`?")]),
        ("user.active and user.email != null", [(13, "CEL has no `and`: did you mean `&&`?")]),
        ("user.active OR user.email != null", [(13, "CEL has no `OR`: did you mean `||`?")]),
        ("not user.active", [(1, "CEL has no `not`: did you mean `!`?")]),
        ("not (user.active)", [(1, "CEL has no `not`: did you mean `!`?")]),
        ("user.active & true", [(13, "CEL has no `&`: did you mean `&&`?")]),
        ("user.active | true", [(13, "CEL has no `|`: did you mean `||`?")]),
        (
            '"x" not in user.groups',
            [(5, "CEL has no `not in`: did you mean `!(item in list)`?")],
        ),
        (
            "user.userType == “Member”",
            [
                (18, 'CEL has no `“`: did you mean `"`?'),
                (25, 'CEL has no `”`: did you mean `"`?'),
            ],
        ),
        (
            'user.title = "a = b" and user.title != "and" && not user.active',
            [
                (12, "CEL has no `=`: did you mean `==`?"),
                (22, "CEL has no `and`: did you mean `&&`?"),
                (49, "CEL has no `not`: did you mean `!`?"),
            ],
        ),
    ],
)
def test_operators_of_other_languages(expression: str, expected: list[Hint]) -> None:
    assert hints(expression) == expected


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        (
            'user.email.lower() == "a"',
            (12, "there is no function `lower`: did you mean `text.lowerAscii()`?"),
        ),
        ("len(user.email) > 3", (1, "there is no function `len`: did you mean `size(value)`?")),
        (
            'user.email.startswith("a")',
            (12, "there is no function `startswith`: did you mean `startsWith`?"),
        ),
        (
            "isAdmin(user.email)",
            (1, "there is no function `isAdmin`: docs/rules.md lists those that there are"),
        ),
        (
            'department == "x"',
            (1, "there is no `department` here: did you mean `user.department`?"),
        ),
        ("user.title == None", (15, "there is no `None` here: did you mean `null`?")),
        (
            "user.title == Contractor",
            (
                15,
                'there is no `Contractor` here: did you mean the text `"Contractor"`, or the attribute '
                "`user.raw.Contractor`?",
            ),
        ),
        (
            "Contractor",
            (
                1,
                "there is no `Contractor` here: did you mean the attribute `user.raw.Contractor`, or the constant "
                "`{value: Contractor}`?",
            ),
        ),
    ],
)
def test_functions_and_bare_words(expression: str, hint: Hint) -> None:
    assert hints(expression) == [hint]


@pytest.mark.parametrize(
    "expression",
    [
        'user.title == "and" && user.title != "a = b"',
        "user.raw.and == null || user.raw.or == null",
        "user.groups.exists(is, is == 'not') // a = b",
        "r'x = y and z' == user.title && '''a & \"b''' != user.title",
    ],
)
def test_what_is_right_is_left_alone(expression: str) -> None:
    compiled(where=expression)


def test_a_mistake_of_another_sort_keeps_the_words_of_the_library() -> None:
    assert hints('user.groups.exists(is, is == "a and b") &&') == [(43, "Syntax error: it ends too early")]


def test_conditions_over_the_columns_of_a_target_too() -> None:
    found = compile_condition(Rule('role = "admin" and root', Place("config.yaml", 8, 14)), "targets.app.protect")
    assert not isinstance(found, Condition)
    assert [(one.line, one.column, one.message) for one in found] == [
        (8, 19, "CEL has no `=`: did you mean `==`?"),
        (8, 29, "CEL has no `and`: did you mean `&&`?"),
    ]
