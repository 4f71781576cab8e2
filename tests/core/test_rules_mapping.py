"""How a record's native attributes become canonical ones, with and without rules."""

from __future__ import annotations

import pytest

from tests.core.compiling import GROUP, NOW, USER, compiled, result
from usersyncd.core.rules import RuleError
from usersyncd.plugin import CANONICAL, Layout

# ---------------------------------------------------------------------------------------------------------- no rules


def test_without_rules_the_shape_is_every_canonical_attribute() -> None:
    rules = compiled()
    assert rules.layouts == {USER: Layout(CANONICAL[USER], "id", False), GROUP: Layout(CANONICAL[GROUP], "id", False)}
    shape = rules.shape_user("1", {"email": "ada@x", "unknown": "y"}, [], None, now=NOW).shape
    assert shape is not None
    assert tuple(shape) == CANONICAL[USER]
    assert {name: value for name, value in shape.items() if value is not None} == {
        "id": "1",
        "email": "ada@x",
        "active": True,
    }
    assert rules.shape_group("g", {"displayName": "Everyone"}) == {
        "id": "g",
        "displayName": "Everyone",
        "description": None,
        "email": None,
    }


def test_without_rules_the_manager_is_the_id_that_was_found_never_the_handle() -> None:
    rules = compiled()
    raw = {"manager": "dn:uid=charles"}
    assert rules.reads.manager
    assert rules.shape_user("1", raw, [], ("77", {}), now=NOW).shape["manager"] == "77"  # type: ignore[index]
    assert rules.shape_user("1", raw, [], None, now=NOW).shape["manager"] is None  # type: ignore[index]
    assert rules.manager(raw) == "dn:uid=charles"
    assert rules.canonical(USER, "1", raw) == {"id": "1", "active": True, "manager": "dn:uid=charles"}


def test_where_may_stand_without_set() -> None:
    rules = compiled(where='user.email.endsWith("@x")')
    assert rules.shape_user("1", {"email": "a@y"}, now=NOW).shape is None
    assert rules.shape_user("1", {"email": "a@x"}, now=NOW).shape["email"] == "a@x"  # type: ignore[index]


# ----------------------------------------------------------------------------------------------------------- mapping


def test_a_mapping_names_native_attributes_and_the_admin_overrides_it() -> None:
    rules = compiled(mapping={"email": "mail", "title": "jobTitle"}, attributes={"title": "position"})
    raw = {"mail": "a@x", "jobTitle": "old", "position": "new", "email": "not this"}
    assert rules.canonical(USER, "1", raw) == {"id": "1", "email": "a@x", "active": True, "title": "new"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("", None),
        (None, None),
        ([], None),
        (["a", "b"], "a"),
        ([""], None),
        (42, "42"),
        (4.0, "4"),
        (4.5, "4.5"),
        (True, "true"),
        ("Ωé🎉", "Ωé🎉"),
    ],
)
def test_canonical_attributes_are_text(value: object, text: str | None) -> None:
    rules = compiled({"key": "user.id", "plain": "user.title", "cel": 'user.title == null ? null : user.title + ""'})
    shape = rules.shape_user("1", {"title": value}, now=NOW).shape
    assert shape == {"key": "1", "plain": text, "cel": text}


def test_a_map_as_a_canonical_attribute_fails_and_the_message_says_what_to_do() -> None:
    with pytest.raises(RuleError) as caught:
        compiled(attributes={"title": "job"}).shape_user("1", {"job": {"secret": "x"}}, now=NOW)
    assert str(caught.value) == (
        "config.yaml:5: title: job holds a map, and a canonical attribute is text: map it with an expression over raw"
    )


@pytest.mark.parametrize(
    ("value", "active"),
    [
        (None, True),
        ("", True),
        ([], True),
        (True, True),
        (False, False),
        ("TRUE", True),
        ("False", False),
        ("yes", True),
        ("NO", False),
        ("1", True),
        ("0", False),
        (0, False),
        (1, True),
        (["FALSE"], False),
    ],
)
def test_active_is_true_or_false(value: object, active: bool) -> None:
    assert result("user.active", {"active": value}) is active
    assert result('user.active ? "a" : "b"', {"active": value}) == ("a" if active else "b")


def test_an_active_that_cannot_be_understood_fails_the_record_without_showing_the_value() -> None:
    rules = compiled(mapping={"active": "status"})
    with pytest.raises(RuleError) as caught:
        rules.shape_user("1", {"status": "512"}, now=NOW)
    assert caught.value.at is None
    assert str(caught.value) == "active: status is neither true nor false: map active with an expression over raw"


def test_a_canonical_attribute_may_be_an_expression_over_raw() -> None:
    rules = compiled(
        {
            "key": "user.id",
            "mail": "user.email",
            "active": "user.active",
            "end": "user.validUntil",
            "up": "user.title.upperAscii()",
        },
        "user.active",
        mapping={"email": 'raw.login + "@" + raw["domain"]', "active": 'raw.status != "off"', "title": "raw.job.name"},
        attributes={"validUntil": "timestamp(raw.end)"},
    )
    raw = {"login": "ada", "domain": "x", "status": "on", "end": "2027-01-01T00:00:00Z", "job": {"name": "chief"}}
    assert rules.shape_user("1", raw, now=NOW).shape == {
        "key": "1",
        "mail": "ada@x",
        "active": True,
        "end": "2027-01-01T00:00:00Z",
        "up": "CHIEF",
    }
    assert rules.shape_user("1", {**raw, "status": "off"}, now=NOW).shape is None
    assert rules.canonical(USER, "1", raw)["email"] == "ada@x"
    assert rules.reads.native[USER] == frozenset(["login", "domain", "status", "end", "job", "validFrom"])
    assert raw.keys() == {"login", "domain", "status", "end", "job"}, "the record itself is left as it is"


def test_an_expression_over_raw_that_fails_names_the_attribute_and_its_place() -> None:
    rules = compiled({"key": "user.id", "end": "user.validUntil"}, attributes={"validUntil": "timestamp(raw.end)"})
    with pytest.raises(RuleError) as caught:
        rules.shape_user("1", {"end": "soon"}, now=NOW)
    assert str(caught.value) == ("config.yaml:5: validUntil: the text is not a timestamp, such as 2026-03-31T00:00:00Z")
    assert rules.shape_user("1", {"end": ""}, now=NOW).shape["end"] is None  # type: ignore[index]


def test_the_managers_attributes_are_mapped_as_the_users_own() -> None:
    rules = compiled(
        {"key": "user.id", "boss": "user.manager.email", "up": "user.manager.email.upperAscii()"},
        mapping={"email": 'raw.login + "@x"'},
    )
    assert rules.shape_user("1", {}, [], ("2", {"login": "charles"}), now=NOW).shape == {
        "key": "1",
        "boss": "charles@x",
        "up": "CHARLES@X",
    }
    bad = compiled({"key": "user.id", "boss": "user.manager.email"}, mapping={"email": "string(1 / raw.n)"})
    with pytest.raises(RuleError, match=r"^the manager's email: divide by zero$"):
        bad.shape_user("1", {}, [], ("2", {"n": 0}), now=NOW)


def test_no_manager_reads_as_null_everywhere() -> None:
    for path in ("user.manager", "user.manager.id", "user.manager.email", "user.manager.active", "user.manager.raw.x"):
        assert result(path) is None
        assert result(f"has({path})") is False
        assert result(f"{path} == null") is True
    assert result("user.manager.active", manager=("2", {})) is True


def test_raw_names_may_be_anything() -> None:
    raw = {"ext-7": 1, "Größe 🎉": "XL", "a": {"b c": [{"d": "e"}]}, "@odata.type": "t"}
    assert result('user.raw["ext-7"]', raw) == 1
    assert result('user.raw["Größe 🎉"].lowerAscii()', raw) == "xl"
    assert result('user.raw.a["b c"][0].d', raw) == "e"
    assert result('user.raw["@odata.type"] + "x"', raw) == "tx"
    assert result('user["email"] + user.raw["email"]', {"email": "é"}) == "éé"
