"""The shape that rules give a record: ``set``, ``where``, keys, and the values of expressions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.compiling import GROUP, NOW, USER, compiled, result, ruleset
from usersyncd.core.rules import RuleError, RuleErrors
from usersyncd.plugin import CANONICAL, Layout


def test_set_gives_exactly_its_names_in_order_and_constants_as_they_are() -> None:
    rules = compiled({"b": "user.id", "a": "user.email.lowerAscii()", "plan": ({"name": "basic"},), "zero": (0,)})
    assert rules.layouts[USER] == Layout(("b", "a", "plan", "zero"), "b", True, {"plan": {"name": "basic"}, "zero": 0})
    shape = rules.shape_user("1", {"email": "ADA"}, now=NOW).shape
    assert shape == {"b": "1", "a": "ada", "plan": {"name": "basic"}, "zero": 0}
    assert list(shape) == ["b", "a", "plan", "zero"]


def test_a_target_that_deactivates_gets_active_unless_set_names_it() -> None:
    added = compiled({"id": "user.id"}, deactivates=True)
    assert added.layouts[USER].attributes == ("id", "active")
    assert added.shape_user("1", {"active": "no"}, now=NOW).shape == {"id": "1", "active": False}
    own = compiled({"id": "user.id", "active": 'user.raw.state == "on"'}, deactivates=True)
    assert own.shape_user("1", {"state": "off"}, now=NOW).shape == {"id": "1", "active": False}
    assert compiled({"id": "user.id"}).layouts[USER].attributes == ("id",)
    assert added.layouts[GROUP].attributes == CANONICAL[GROUP]


@pytest.mark.parametrize(("rule", "fault"), [
    ('user.active ? "Y" : "N"', "this gives text, and must give true or false"),
    ("size(user.groups)", "this gives a whole number, and must give true or false"),
    (("yes",), "this is text, and must be true or false"),
    ((None,), "this is null, and must be true or false"),
])  # fmt: skip
def test_a_rule_for_active_that_never_gives_true_or_false_is_a_fault(rule: Any, fault: str) -> None:
    with pytest.raises(RuleErrors, match=fault):
        compiled({"id": "user.id", "active": rule})


@pytest.mark.parametrize(("value", "named"), [
    (None, "null"), ("no", "text"), (0, "a number"), ([True], "a list"),
])  # fmt: skip
def test_a_record_whose_active_is_neither_true_nor_false_fails_by_name(value: Any, named: str) -> None:
    rules = compiled({"id": "user.id", "active": "user.raw.enabled"})
    assert rules.shape_user("1", {"enabled": True}, now=NOW).shape == {"id": "1", "active": True}
    with pytest.raises(RuleError, match=f"active: is {named}, and must be true or false"):
        rules.shape_user("2", {"enabled": value}, now=NOW)


@pytest.mark.parametrize("rule", [
    "user.raw.badge", "default(user.raw.badge, 0)", "[user.raw.badge]", "user.raw", "user.manager.raw.badge",
    "string(user.raw.badge)", "uint(9223372036854775807) + uint(user.raw.one)",
])  # fmt: skip
@pytest.mark.parametrize("badge", [2**63, -(2**63) - 1, 2**64, 10**30])
def test_a_record_with_a_number_that_no_database_holds_fails_by_name(rule: str, badge: int) -> None:
    rules = compiled({"id": "user.id", "badge": rule})
    raw = {"badge": badge, "one": 1}
    with pytest.raises(RuleError, match="badge: a number is larger than 64 bits can hold"):
        rules.shape_user("1", raw, manager=("2", raw), now=NOW)


@pytest.mark.parametrize("badge", [2**63 - 1, -(2**63), [[-(2**63)]], {"a": 2**63 - 1}])
def test_numbers_of_64_bits_are_kept(badge: Any) -> None:
    assert result("user.raw.badge", {"badge": badge}) == badge


def test_active_of_a_group_is_an_attribute_like_any_other() -> None:
    rules = compiled(groups=ruleset({"id": "group.id", "active": '"yes"'}))
    assert rules.shape_group("1", {}) == {"id": "1", "active": "yes"}


def test_groups_have_rules_of_their_own() -> None:
    rules = compiled(
        groups=ruleset(
            {"name": 'group.displayName.replace("app-", "")', "n": "size(group.raw.owners)"},
            'group.displayName.startsWith("app-")',
        )
    )
    assert rules.shape_group("1", {"displayName": "app-admins", "owners": ["a"]}) == {"name": "admins", "n": 1}
    assert rules.shape_group("1", {"displayName": "other"}) is None
    assert rules.shape_group("1", {}) is None
    assert rules.layouts[GROUP] == Layout(("name", "n"), "name", True)


def test_groups_may_be_any_sequence() -> None:
    rules = compiled({"id": "user.id", "all": "user.groups", "in": '"b" in user.groups'})
    assert rules.shape_user("1", {}, ("a", "b"), now=NOW).shape == {"id": "1", "all": ["a", "b"], "in": True}


def test_rules_read_groups_by_name_or_by_id() -> None:
    rules = compiled({"id": "user.id", "ids": "user.group_ids", "in": '"7" in user.group_ids', "x": "user.groups[0]"})
    assert rules.reads.groups
    shape = rules.shape_user("1", {}, ["ops"], None, ["7", "8"], now=NOW).shape
    assert shape == {"id": "1", "ids": ["7", "8"], "in": True, "x": "ops"}


def test_rules_read_the_name_of_the_directory() -> None:
    groups = ruleset({"id": "group.id", "from": "group.directory"})
    rules = compiled({"id": "user.id", "from": 'user.directory + ":" + user.id'}, groups=groups, directory="acme")
    assert rules.shape_user("1", {}, now=NOW).shape == {"id": "1", "from": "acme:1"}
    assert rules.shape_group("2", {}) == {"id": "2", "from": "acme"}


def test_a_renamed_directory_is_shaped_again_where_rules_read_its_name() -> None:
    def mark(rule: str, directory: str) -> str:
        return compiled({"id": "user.id", "x": rule}, directory=directory).fingerprint

    assert mark("user.directory", "acme") != mark("user.directory", "acme-gmbh")
    assert mark("user.title", "acme") == mark("user.title", "acme-gmbh")


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ('"ops" in user.groups ? "admin" : "member"', {"ops", "admin", "member"}),
        ('user.groups.exists(g, g == "ops" || g in ["dev"])', {"ops", "dev"}),
        ('"7" in user.group_ids', set()),
        ('user.title == "ops"', set()),
    ],
)
def test_the_names_that_rules_compare_groups_with_are_found(rule: str, names: set[str]) -> None:
    assert compiled({"id": "user.id", "x": rule}).reads.group_names >= names
    assert bool(compiled({"id": "user.id", "x": rule}).reads.group_names) is bool(names)


def test_where_decides_before_anything_else_can_fail() -> None:
    failing = {"id": "user.id", "plain": "user.title", "cel": "1 / user.raw.n"}
    for where in ("user.raw.wanted", "user.raw.wanted == true"):
        rules = compiled(failing, where)
        assert rules.shape_user("1", {"n": 0, "title": {"no": "text"}, "wanted": False}, now=NOW).shape is None
        with pytest.raises(RuleError, match="divide by zero"):
            rules.shape_user("1", {"n": 0, "wanted": True}, now=NOW)


@pytest.mark.parametrize("where", ["user.raw.x", "user.raw.x ? user.raw.x : user.raw.x", "default(user.raw.x, null)"])
@pytest.mark.parametrize("with_cel", [True, False])
def test_where_is_true_or_false_and_null_is_false(where: str, with_cel: bool) -> None:
    rules = compiled({"id": "user.id", "x": "user.email.trim()" if with_cel else "user.email"}, where)
    assert rules.shape_user("1", {"x": True}, now=NOW).shape is not None
    assert rules.shape_user("1", {"x": False}, now=NOW).shape is None
    assert rules.shape_user("1", {}, now=NOW).shape is None
    with pytest.raises(RuleError) as caught:
        rules.shape_user("1", {"x": "yes"}, now=NOW)
    assert caught.value.at == "config.yaml:9"
    assert caught.value.message.startswith("where: ")


@pytest.mark.parametrize("text", ["user.raw.k", "user.raw.k + user.raw.none"])
def test_a_key_is_text_or_a_whole_number_and_never_empty(text: str) -> None:
    rules = compiled({"external_id": text})
    assert rules.shape_user("1", {"k": "a"}, now=NOW).shape == {"external_id": "a"}
    assert rules.shape_user("1", {"k": 0}, now=NOW).shape == {"external_id": 0}
    for raw in ({}, {"k": ""}, {"k": None}):
        with pytest.raises(RuleError) as caught:
            rules.shape_user("1", raw, now=NOW)
        assert str(caught.value) == "config.yaml:11: has no key: external_id is empty"
    with pytest.raises(RuleError, match="external_id is true or false, and a key is text or a whole number"):
        rules.shape_user("1", {"k": True}, now=NOW)
    with pytest.raises(RuleError, match="has no key: external_id is a list"):
        rules.shape_user("1", {"k": ["a"]}, now=NOW)


def test_without_rules_the_key_is_the_id_or_a_canonical_attribute() -> None:
    assert compiled().layouts[USER].key == "id"
    rules = compiled(key="userName")
    assert rules.layouts[USER].key == "userName"
    with pytest.raises(RuleError, match="has no key: userName is empty"):
        rules.shape_user("1", {}, now=NOW)


# ----------------------------------------------------------------------------------------------------------- results


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 1", 2),
        ("1.0 + 0.5", 1.5),
        ('"a" + "b"', "ab"),
        ("1 < 2", True),
        ("null", None),
        ('"x"', "x"),
        ("2u", 2),
        ("[1, [true, null]]", [1, [True, None]]),
        ('{"b": [1], "a": null}', {"a": None, "b": [1]}),
        ('timestamp("2026-01-02T03:04:05Z")', "2026-01-02T03:04:05Z"),
        ('[timestamp("2026-01-02T03:04:05.25Z")]', ["2026-01-02T03:04:05.250000Z"]),
        ("user.raw.obj", {"a": [1]}),
    ],
)
def test_results_that_json_can_hold_are_accepted(text: str, value: object) -> None:
    assert result(text, {"obj": {"a": [1]}}) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[b'a']", "the result is something that is not data"),
        ("dyn(duration('1h'))", "the result is something that is not data"),
        ("dyn(type(1))", "the result is something that is not data"),
        ("1.0 / 0.0", "the result is not a finite number"),
        ("{1: 2}", "the result is a map whose keys are not text"),
        ("user.raw.long + 'x'", "the result has more than 20000 characters or items"),
        ("user.raw.many.map(x, x)", "a text or list on the way has more than 2000 characters or items"),
        ("[user.raw.many]", "the result has more than 20000 characters or items"),
    ],
)
def test_other_results_fail_the_record(text: str, reason: str) -> None:
    with pytest.raises(RuleError) as caught:
        result(text, {"long": "y" * 20_000, "many": [1] * 20_001})
    assert caught.value.at == "config.yaml:12"
    assert caught.value.message.startswith("x: ")
    assert reason in caught.value.message


def test_a_failing_rule_is_named_and_values_stay_out_of_the_message() -> None:
    rules = compiled({"id": "user.id", "ok": "user.email.trim()", "bad": 'user.raw.map["secret" + user.email] + 1'})
    with pytest.raises(RuleError) as caught:
        rules.shape_user("1", {"email": "hidden", "map": {"secrethidden": "also hidden"}}, now=NOW)
    assert str(caught.value) == "config.yaml:13: bad: + does not work on text and a whole number"


def test_an_attribute_that_the_evaluator_cannot_take_fails_only_the_rules_that_read_it() -> None:
    raw = {"big": 2**70, "broken": "\ud800", "ok": "a"}
    assert result('user.raw.ok + "b"', raw) == "ab"
    for text, reason in {
        "user.raw.big + 1": "larger than 64 bits",
        'user.raw.broken + "b"': "not valid Unicode",
    }.items():
        with pytest.raises(RuleError, match=reason):
            result(text, raw)
