"""Mistakes in rules are all found at once, each at its place, and no rule takes memory or time without limit."""

from __future__ import annotations

import pytest

from tests.core.compiling import compiled, faults, result, ruleset
from usersyncd.core.model import Rule, Ruleset
from usersyncd.core.rules import RuleError, RuleErrors, compile_rules
from usersyncd.errors import Place


def test_every_mistake_is_found_at_once_with_its_place() -> None:
    found = faults(
        set={"id": "user.emial", "b": "1 +", "c": "nothing(user.email) + nobody", "d": "user.email.trim()"},
        where="user.displayName.trim()",
        groups=ruleset(where="user.email == null"),
        attributes={"titel": "x", "email": "raw.mail +"},
    )
    assert found == [
        "config.yaml:5:1: attributes.titel: there is no canonical attribute titel: did you mean title?",
        "config.yaml:5:11: attributes.email: Syntax error: it ends too early",
        "config.yaml:9:1: users.where: this gives text, and must give true or false",
        "config.yaml:11:6: users.set.id: there is no user.emial: did you mean user.email?",
        "config.yaml:12:4: users.set.b: Syntax error: it ends too early",
        "config.yaml:13:1: users.set.c: there is no function `nothing`: docs/rules.md lists all functions",
        'config.yaml:13:23: users.set.c: there is no `nobody` here: did you mean the text `"nobody"`, or the '
        "attribute `user.raw.nobody`?",
        "config.yaml:9:6: groups.where: a group rule sees no user: it has group.displayName and the other attributes "
        "of the group",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user.manager.emial", "there is no user.manager.emial: did you mean user.manager.email?"),
        ("user.zzz", "there is no user.zzz: the directory's own attribute is user.raw.zzz"),
        ("user.memberOf", "there is no user.memberOf"),
        ("user.dirctory", "there is no user.dirctory: did you mean user.directory?"),
        ("user.directory.name", "user.directory is text and has no parts"),
        ("user.manager.directory", "there is no user.manager.directory"),
        ("user.manager.groups", "user.manager.groups is not followed"),
        ("user.manager.manager.email", "user.manager.manager is not followed"),
        ("user.email.domain", "user.email is text and has no parts"),
        ("user.active.x", "user.active is true or false and has no parts"),
        ("user.groups.name", "user.groups is a list of names"),
        ("user", "user alone has no value"),
        ("user[user.email]", "user alone has no value"),
        ("raw.x", "write user.raw.…"),
        ("[1].map(x, user.emial)", "there is no user.emial"),
        ("has(user.emial)", "there is no user.emial"),
        ('default(user.emial, "x")', "there is no user.emial"),
        ('lookup("nowhere", user.email.trim())', "there is no lookup table 'nowhere': the configuration has t"),
        ("lookup(user.email, user.email)", 'write the table\'s name in quotes: lookup("table", key)'),
        ("NULL", "write null"),
        ("google.protobuf.Duration{seconds: 1}", "google.protobuf.Duration cannot be made in a rule"),
        ("true ? 1 : 'a'", "found no matching overload for '_?_:_'"),
        ("x" * 4001, "the expression has 4001 characters, and 4000 are the limit"),
        ("(" * 40 + "1" + ")" * 40, "it is nested too deeply: 32 levels are the limit"),
        ("1" + "+1" * 40, "it is nested too deeply: 32 levels are the limit"),
        ("", "Syntax error: it ends too early"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write_instead(text: str, message: str) -> None:
    found = faults(set={"id": "user.id", "x": text}, lookups={"t": {}})
    assert any(fault.split(": ", 1)[1].startswith(f"users.set.x: {message}") for fault in found), found


def test_every_fault_of_an_expression_is_found_at_once_and_columns_count_characters() -> None:
    text = 'user.emial == "日本🎉" && lower(user.title) == nobody && lookup("none", user.zzz) == user.email.x'
    with pytest.raises(RuleErrors) as caught:
        compiled({"id": "user.id", "x": text})
    assert [(text[fault.column - 1 :][:6], fault.message.split(":")[0]) for fault in caught.value.faults] == [
        ("emial ", "there is no user.emial"),
        ("lower(", "there is no function `lower`"),
        ("nobody", "there is no `nobody` here"),
        ('("none', "there is no lookup table 'none'"),
        ("zzz) =", "there is no user.zzz"),
        ("x", "user.email is text and has no parts"),
    ]


def test_mistakes_in_the_mapping_and_keys_of_a_connector_are_found() -> None:
    assert faults(mapping={"emial": "x", "title": "user.raw.x"}) == [
        "the connector's mapping:1:1: attributes.emial: there is no canonical attribute emial: did you mean email?",
        "the connector's mapping:1:6: attributes.title: a mapping sees the directory's own attributes only: write "
        "raw.… instead of user.…",
    ]
    assert faults(attributes={"id": "objectGUID"})[0].endswith(
        "id is always the record's own id in its directory: leave it out"
    )
    assert faults(set={"a": "user.id"}, key="b") == ["config.yaml:11:1: users.key: b is not one of a"]
    with pytest.raises(RuleErrors, match=r"users\.key: say which attribute identifies a record in the target: a"):
        compile_rules(
            directory="hr",
            mapping={},
            attributes={},
            users=Ruleset(set={"a": Rule("user.id", Place("c.yaml"))}),
            groups=Ruleset(),
            lookups={},
            deactivates=False,
        )
    assert "must give text or a whole number" in faults(set={"a": "user.active && true"})[0]


def test_a_variable_of_the_expression_hides_an_attribute_of_the_same_name() -> None:
    assert result("user.raw.l.map(user, user.emial)", {"l": [{"emial": 1}]}) == [1]
    assert result("user.raw.l.exists(raw, raw == 2)", {"l": [2]}) is True


# ------------------------------------------------------------------------------------------------------------ bounds


def test_the_size_of_values_in_an_evaluation_is_limited() -> None:
    bomb = "user.raw.a" + '.replace("a", "aaaaaaaaaaaaaaaaaaaa")' * 20
    with pytest.raises(RuleError, match="a text or list on the way has more than 20000"):
        result(bomb, {"a": "a" * 20})
    with pytest.raises(RuleError, match="more than 20000"):
        result("user.raw.a" + '.split("").join("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")' * 8, {"a": "a" * 20})
    assert result('user.raw.a.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")', {"a": "äöü"}) == "aeoeue"


def test_nested_loops_are_limited() -> None:
    text = "user.raw.l.map(a, user.raw.l.map(b, user.raw.l.map(c, 1)))"
    with pytest.raises(RuleError, match="it goes through too many items"):
        result(text, {"l": list(range(100))})


def test_a_slow_regular_expression_ends() -> None:
    assert result('user.raw.t.matches("(a+)+$")', {"t": "a" * 5000 + "b"}) is False


@pytest.mark.parametrize(
    "text",
    [
        " + ".join(["user.raw.a"] * 30),
        ' + "-" + '.join(["user.email"] * 15),
        "user.email" + ".trim()" * 29,
        " && ".join(["user.raw.t"] * 200),
        "user.raw.t ? 1 : " * 28 + "2",
        "user.email" + '.replace("a", "b")' * 29,
    ],
)
def test_long_rules_within_the_limit_work(text: str) -> None:
    assert result(text, {"a": 1, "email": "x", "t": True}) is not None
    result(text)
