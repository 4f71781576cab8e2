"""An expression that is written as in another language is answered with what to write."""

from __future__ import annotations

import pytest

from tests.core.test_rules import compiled, faults
from usersyncd.core.rules.condition import Condition, compile_condition


def hints(expression: str) -> list[str]:
    """What is said of a condition for users, without its place in the file."""
    return [fault.removeprefix("config.yaml:9:1: users.where: ") for fault in faults(where=expression)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('user.userType = "Member"', ["CEL has no `=`: did you mean `==`? (column 15 of the expression)"]),
        ('user.userType === "Member"', ["CEL has no `===`: did you mean `==`? (column 15 of the expression)"]),
        ('user.userType <> "Member"', ["CEL has no `<>`: did you mean `!=`? (column 15 of the expression)"]),
        ("user.active and user.email != null", ["CEL has no `and`: did you mean `&&`? (column 13 of the expression)"]),
        ("user.active OR user.email != null", ["CEL has no `OR`: did you mean `||`? (column 13 of the expression)"]),
        ("not user.active", ["CEL has no `not`: did you mean `!`? (column 1 of the expression)"]),
        ("not (user.active)", ["CEL has no `not`: did you mean `!`? (column 1 of the expression)"]),
        ("user.active & true", ["CEL has no `&`: did you mean `&&`? (column 13 of the expression)"]),
        ("user.active | true", ["CEL has no `|`: did you mean `||`? (column 13 of the expression)"]),
        (
            '"x" not in user.groups',
            ["CEL has no `not in`: did you mean `!(item in list)`? (column 5 of the expression)"],
        ),
        (
            "user.userType == “Member”",
            [
                'CEL has no `“`: did you mean `"`? (column 18 of the expression)',
                'CEL has no `”`: did you mean `"`? (column 25 of the expression)',
            ],
        ),
        (
            'user.title = "a = b" and user.title != "and" && not user.active',
            [
                "CEL has no `=`: did you mean `==`? (column 12 of the expression)",
                "CEL has no `and`: did you mean `&&`? (column 22 of the expression)",
                "CEL has no `not`: did you mean `!`? (column 49 of the expression)",
            ],
        ),
    ],
)
def test_operators_of_other_languages(expression: str, expected: list[str]) -> None:
    assert hints(expression) == expected


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        (
            'user.email.lower() == "a"',
            "there is no function `lower`: did you mean `text.lowerAscii()`? (column 12 of the expression)",
        ),
        ("len(user.email) > 3", "there is no function `len`: did you mean `size(value)`? (column 1 of the expression)"),
        (
            'user.email.startswith("a")',
            "there is no function `startswith`: did you mean `startsWith`? (column 12 of the expression)",
        ),
        (
            "isAdmin(user.email)",
            "there is no function `isAdmin`: docs/rules.md lists those that there are (column 1 of the expression)",
        ),
        (
            'department == "x"',
            "there is no `department` here: did you mean `user.department`? (column 1 of the expression)",
        ),
        ("user.title == None", "there is no `None` here: did you mean `null`? (column 15 of the expression)"),
        (
            "user.title == Contractor",
            'there is no `Contractor` here: did you mean the text `"Contractor"`, or the attribute '
            "`user.raw.Contractor`? (column 15 of the expression)",
        ),
        (
            "Contractor",
            "there is no `Contractor` here: did you mean the attribute `user.raw.Contractor`, or the constant "
            "`{value: Contractor}`? (column 1 of the expression)",
        ),
    ],
)
def test_functions_and_bare_words(expression: str, hint: str) -> None:
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
    assert hints('user.groups.exists(is, is == "a and b") &&') == [
        "Syntax error: it ends too early (column 43 of the expression)"
    ]


def test_conditions_over_the_columns_of_a_target_too() -> None:
    found = compile_condition('role = "admin" and root')
    assert not isinstance(found, Condition)
    assert [(one.offset, one.message) for one in found] == [
        (5, "CEL has no `=`: did you mean `==`?"),
        (15, "CEL has no `and`: did you mean `&&`?"),
    ]
