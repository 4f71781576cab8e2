"""The rules against the library itself: the same wherever no null is involved, and never failing where one is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from hypothesis import given, settings
from hypothesis import strategies as st

from usersyncd.core.model import Rule, Ruleset
from usersyncd.core.rules import RuleError, RuleErrors, compile_rules
from usersyncd.core.rules.cel import CelEnvironment, ExpressionError, parse
from usersyncd.core.rules.wire import decode, encode
from usersyncd.errors import Place
from usersyncd.plugin import Kind

NOW = datetime(2026, 11, 27, 12, 30, tzinfo=UTC)

TYPES = cel.Type
LIBRARY = cel.NewEnv(variables={"user": TYPES.Map(TYPES.STRING, TYPES.DYN)}, extensions=[ext_strings.ExtStrings()])

literals = st.sampled_from(['"a"', '"é日🎉"', '"it\'s // no comment"', 'r"\\d"', '""', '"""x"y"""', '"null"'])
texts_read = st.sampled_from(["user.email", "user.title", 'user["displayName"]', "user.raw.s", 'user.raw["a b"].c'])
numbers_read = st.sampled_from(["user.raw.n", "user.raw.o.n", "user.raw.l.size()"])
lists_read = st.sampled_from(["user.groups", "user.raw.l"])


def call(method: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions such as ``({0}).replace({1}, {2})``, with each part drawn."""
    return st.tuples(*parts).map(lambda drawn: method.format(*drawn))


def expressions(*, everyday: bool) -> dict[str, st.SearchStrategy[str]]:
    """Expressions by type. ``everyday``: only what never fails for the values of these attributes, null or not."""
    text: st.SearchStrategy[str] = st.deferred(lambda: texts)
    truth: st.SearchStrategy[str] = st.deferred(lambda: truths)
    number: st.SearchStrategy[str] = st.deferred(lambda: numbers)
    items: st.SearchStrategy[str] = st.deferred(lambda: lists)
    texts = (
        literals
        | texts_read
        | texts_read
        | call("({0}).lowerAscii()", text)
        | call("({0}).trim()", text)
        | call("({0}).replace({1}, {2})", text, literals, text)
        | call("({0}) + ({1})", text, text)
        | call('({0}) + " " + ({1})', text, text)
        | call("({0} ? {1} : {2})", truth, text, text)
        | call("({0}).filter(x, x != {1}).join({2})", items, text, literals)
        | call("dyn({0})", text)
        | call("string({0})", text)
    )
    truths = (
        st.sampled_from(["user.active", "user.raw.b", "true", "false"])
        | call("({0}).startsWith({1})", text, text)
        | call("({0}).contains({1})", text, text)
        | call("({0}) == ({1})", text, text)
        | call("({0}) != ({1})", text, text)
        | call("({0}) < ({1})", text, text)
        | call("({0}) <= ({1})", number, number)
        | call("({0}) in ({1})", text, items)
        | call("!({0})", truth)
        | call("({0}) && ({1})", truth, truth)
        | call("({0}) || ({1})", truth, truth)
        | call("({0}).exists(g, g.endsWith({1}))", items, text)
        | call("({0}).all(user, user != {1})", items, literals)
        | st.sampled_from(["has(user.title)", "has(user.raw.o.n)"])
        | call("({0}).exists_one(x, x == {1})", items, text)
        | call("({0}).matches('^[a-z]*$')", text)
    )
    numbers = (
        st.sampled_from(["1", "0", "7"])
        | numbers_read
        | call("size({0})", text)
        | call("({0}).size()", items)
        | call("({0}) + ({1})", number, number)
        | call("({0}) - ({1})", number, number)
        | call("-({0})", number)
        | call("({0} ? {1} : {2})", truth, number, number)
        | call("({0}).indexOf({1})", text, text)
    )
    lists = (
        lists_read
        | call("[{0}, {1}]", text, text)
        | call("({0}).split({1})", text, literals)
        | call("({0}).filter(g, g.contains({1}))", items, text)
        | call("({0}).map(g, g + {1})", items, text)
        | call("({0}) + ({1})", items, items)
    )
    if not everyday:
        texts |= call("({0}).substring({1})", text, number) | call("({0})[{1}]", items, number)
        numbers |= call("({0}) / ({1})", number, number) | call("int({0})", text) | call("({0}) + user.raw.s", number)
        truths |= call("({0}) && user.raw.s", truth) | call("{0} == 'a' ? user.raw.b : user.raw.n == 1", text)
        truths |= call("({0}) < user.raw.n", text) | call("user.raw.n in ({0})", text)
    return {"text": texts, "truth": truths, "number": numbers, "list": lists}


def any_of(**kinds: bool) -> st.SearchStrategy[str]:
    return st.one_of(*expressions(**kinds).values())


some_text = st.sampled_from(["a", "A b", "é日🎉", "zeta-a", "app"])
full = st.fixed_dictionaries(
    {
        "email": some_text,
        "title": some_text,
        "displayName": some_text,
        "active": st.booleans(),
        "s": some_text,
        "a b": st.fixed_dictionaries({"c": some_text}),
        "n": st.integers(-9, 9),
        "b": st.booleans(),
        "o": st.fixed_dictionaries({"n": st.integers(0, 3)}),
        "l": st.lists(some_text, max_size=4),
    }
)
groups = st.lists(some_text, max_size=4, unique=True).map(sorted)


def ours(text: str, raw: dict[str, Any], in_groups: list[str]) -> Any:
    users = Ruleset(key="id", set={"id": Rule("user.id", Place("c", 1)), "x": Rule(text, Place("c", 2))})
    rules = compile_rules(
        directory="hr",
        mapping={Kind.USER: {}},
        attributes={},
        users=users,
        groups=Ruleset(),
        lookups={},
        deactivates=False,
    )
    shape = rules.shape_user("1", raw, in_groups, now=NOW).shape
    assert shape is not None
    return shape["x"]


@settings(max_examples=150, deadline=None)
@given(any_of(everyday=False), full, groups)
def test_without_nulls_the_rules_give_what_the_library_gives(
    text: str, raw: dict[str, Any], in_groups: list[str]
) -> None:
    user = {name: raw[name] for name in ("email", "title", "displayName", "active")}
    try:
        expected = LIBRARY.compile(text).eval(data={"user": {**user, "raw": raw, "groups": in_groups}})
        failed = expected.type().name() == "ERROR"
        value = None if failed else expected.plain_value()
    except RuntimeError as error:
        failed, value = True, None
        refused = str(error)
        if "found no matching overload" in refused or "recursion" in refused:
            return  # refused by the type checker, or too deep
    try:
        given_value = ours(text, raw, in_groups)
    except RuleErrors as error:
        assert "nested too deeply" in str(error)  # noqa: PT017 - what is deep becomes deeper
        return
    except RuleError:
        assert failed, text
        return
    if failed:
        # The one kindness to what is not null: an item that a list has not is null.
        assert ")[" in text, text
        return
    assert given_value == value
    assert type(given_value) is type(value)


@settings(max_examples=150, deadline=None)
@given(any_of(everyday=True), full, groups, st.data())
def test_no_absent_attribute_fails_an_everyday_rule(
    text: str, raw: dict[str, Any], in_groups: list[str], data: st.DataObject
) -> None:
    for name in data.draw(st.sets(st.sampled_from(sorted(raw))), label="absent"):
        raw[name] = data.draw(st.sampled_from([None, ""])) if isinstance(raw[name], str) else None
    try:
        ours(text, raw, in_groups)
    except RuleErrors as error:
        message = str(error)
        assert "nested too deeply" in message or "found no matching overload" in message


@settings(max_examples=60, deadline=None)
@given(any_of(everyday=False))
def test_a_tree_survives_its_serialized_form(text: str) -> None:
    try:
        tree = parse(text)
    except ExpressionError:
        return  # nested too deeply
    assert encode(decode(encode(tree))) == encode(tree)


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "-1",
        "-9223372036854775808",
        "9223372036854775807",
        "18446744073709551615u",
        "1.5",
        "-0.0",
        "1e300",
        "true",
        "false",
        "null",
        '"é日🎉"',
        "b'\\xff\\x00'",
        "[]",
        "{}",
        '{"a": [1, {"b": null}], "c": -2}',
        "[1, 2].map(x, -x)",
        "[1, 2, 3].filter(x, x > 1).exists(y, y == 3)",
        '{"a": 1}.a',
        'has({"a": 1}.b)',
        "type(1) == int",
        "1 in [1]",
        '"x" // a comment "y"\n + "z"',
        'strings.quote("a\\"b")',
        "[[1, 2], [3]].map(x, x.map(y, y * 2))",
        "2 * (3 + 4) % 5",
        "timestamp('2026-01-01T00:00:00Z') < timestamp('2027-01-01T00:00:00Z')",
        "[1, 2].all(x, x > 0) ? 'y' : 'n'",
    ],
)
def test_what_is_decoded_and_encoded_again_means_the_same(text: str) -> None:
    expected = LIBRARY.compile(text, disable_check=True).eval(data={})
    given_value = CelEnvironment({}).expression(parse(text)).eval(data={})
    assert given_value.plain_value() == expected.plain_value()
    assert given_value.type().name() == expected.type().name()
