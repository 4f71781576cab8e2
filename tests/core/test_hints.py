"""An expression that is written as in another language is answered with what to write."""

from __future__ import annotations

import pytest

from tests.core.compiling import compiled
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
        ("user.title = null", [(12, "CEL has no `=`: did you mean `==`?")]),
        ("user.title is null", [(12, "CEL has no `is null`: did you mean `== null`?")]),
        ("user.title IS NOT NULL", [(12, "CEL has no `IS NOT NULL`: did you mean `!= null`?")]),
        ("user.raw.age => 3", [(14, "CEL has no `=>`: did you mean `>=`?")]),
        (
            'user.email contains "x"',
            [(12, '`contains` is a function: write `text.contains("part")`')],
        ),
        (
            'user.email ~ "x" or not user.active',
            [
                (12, 'CEL has no `~`: did you mean `text.matches("pattern")`?'),
                (18, "CEL has no `or`: did you mean `||`?"),
                (21, "CEL has no `not`: did you mean `!`?"),
            ],
        ),
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
def test_an_operator_of_another_language_is_answered_with_the_right_one(expression: str, expected: list[Hint]) -> None:
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
            (1, "there is no function `isAdmin`: docs/rules.md lists all functions"),
        ),
        (
            'department == "x"',
            (1, "there is no `department` here: did you mean `user.department`?"),
        ),
        ("user.title == None", (15, "there is no `None` here: did you mean `null`?")),
        ("isNull(user.title)", (1, "there is no function `isNull`: did you mean `value == null`?")),
        ("now > timestamp(user.validUntil)", (1, "there is no `now` here: did you mean `now()`?")),
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
                "there is no `Contractor` here: did you mean the attribute `user.raw.Contractor`? For the text, write "
                "`'\"Contractor\"'` (YAML takes the outer quotes away) or `{value: Contractor}`",
            ),
        ),
    ],
)
def test_unknown_functions_and_bare_words_are_answered_with_what_to_write(expression: str, hint: Hint) -> None:
    assert hints(expression) == [hint]


def test_other_faults_are_found_beside_operators_of_other_languages() -> None:
    text = "user.emial = null and not (user.title is not null) or nobody"
    with pytest.raises(RuleErrors) as caught:
        compiled(where=text)
    assert [(text[fault.column - 1 :][:6], fault.message.split(":")[0]) for fault in caught.value.faults] == [
        ("emial ", "there is no user.emial"),
        ("= null", "CEL has no `=`"),
        ("and no", "CEL has no `and`"),
        ("not (u", "CEL has no `not`"),
        ("is not", "CEL has no `is not null`"),
        ("or nob", "CEL has no `or`"),
        ("nobody", "there is no `nobody` here"),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        'user.title == "and" && user.title != "a = b"',
        "user.raw.and == null || user.raw.or == null",
        "user.groups.exists(is, is == 'not') // a = b",
        "r'x = y and z' == user.title && '''a & \"b''' != user.title",
    ],
)
def test_a_valid_expression_gets_no_hint(expression: str) -> None:
    compiled(where=expression)


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("user.userType in ('a', 'b')", (22, "a list stands in [ ]: item in [first, second]")),
        ("{{ user.email }} == 'a'", (15, "an expression stands alone, without {{ }} or ${ } around it")),
        ("user.email == 'a", (15, "a quote is not closed")),
        (
            "user.email.matches('\\d+')",
            (20, "a backslash begins an escape in quotes: write r before them, as in r'x'"),
        ),
        ("user.email.endsWith('x'", (24, "a ) is missing")),
        ("user.active)", (12, "there is one ) too many")),
        ("user.active; true", (12, "`;` means nothing here: text stands in quotes")),
        (
            "user.email == 'a' 'b'",
            (19, "`'b'` cannot stand here: an operator is missing before it, or quotes around text"),
        ),
        (
            "Acme staff",
            (6, "this is not an expression: for the text, write `'\"Acme staff\"'` (YAML takes the outer quotes away) "
             "or `{value: Acme staff}`"),
        ),
    ],
)  # fmt: skip
def test_syntax_errors_of_the_library_are_put_in_plain_words(expression: str, hint: Hint) -> None:
    assert hints(expression)[0] == hint
    assert not any("expecting" in message or "token" in message for _, message in hints(expression))


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        (
            "user.validUntil > now()",
            (17, "user.validUntil is text: write timestamp(user.validUntil), or compare it with today()"),
        ),
        (
            "now() <= user.manager.validUntil",
            (
                7,
                "user.manager.validUntil is text: write timestamp(user.manager.validUntil), or compare it with today()",
            ),
        ),
        ('user.groups == "admins"', (13, 'user.groups is a list: write "name" in user.groups')),
        ('"7" != user.group_ids', (5, 'user.group_ids is a list: write "id" in user.group_ids')),
        ('user.groups.contains("admins")', (21, 'user.groups is a list: write "name" in user.groups')),
        (
            'user.active == "true"',
            (13, "user.active is true or false, and never text: write user.active alone, or !user.active"),
        ),
    ],
)
def test_operands_of_wrong_types_are_answered_with_what_to_write(expression: str, hint: Hint) -> None:
    assert hints(expression) == [hint]


def test_any_other_mistake_keeps_the_message_of_the_library() -> None:
    assert hints('user.groups.exists(is, is == "a and b") &&') == [(43, "Syntax error: it ends too early")]


def test_conditions_over_columns_get_the_same_hints() -> None:
    found = compile_condition(Rule('role = "admin" and root', Place("config.yaml", 8, 14)), "targets.app.protect")
    assert not isinstance(found, Condition)
    assert [(one.line, one.column, one.message) for one in found] == [
        (8, 19, "CEL has no `=`: did you mean `==`?"),
        (8, 29, "CEL has no `and`: did you mean `&&`?"),
    ]
