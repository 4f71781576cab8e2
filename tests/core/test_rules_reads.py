"""What rules read of a directory, and the fingerprint that says when records must be shaped again."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from tests.core.compiling import GROUP, USER, compiled, result, ruleset


def test_reads_has_exactly_the_attributes_that_the_rules_need() -> None:
    rules = compiled(
        {
            "id": "user.id",
            "a": "user.email",
            "b": "user.raw.site.code",
            "c": 'user.raw["x y"] == 1',
            "d": "has(user.title)",
        },
        "user.active",
        mapping={"email": "mail", "active": "enabled", "manager": "boss"},
        groups=ruleset({"id": "group.id"}),
    )
    assert rules.reads.native == {
        USER: frozenset(["mail", "site", "x y", "title", "enabled", "validFrom", "validUntil"]),
        GROUP: frozenset[str](),
    }
    assert (rules.reads.groups, rules.reads.manager, rules.reads.time) == (False, False, True)
    assert not compiled({"id": "user.id", "until": "user.validUntil"}).reads.time


def test_reading_the_manager_or_groups_needs_what_finds_them() -> None:
    of_manager = compiled({"id": "user.id", "m": "user.manager.email"}, mapping={"email": "mail", "manager": "boss"})
    assert (of_manager.reads.native[USER], of_manager.reads.manager) == (frozenset(["mail", "boss"]), True)
    of_groups = compiled(
        {"id": "user.id", "g": '"a" in user.groups'},
        groups=ruleset({"id": "group.id"}),
        group_mapping={"displayName": "cn"},
    )
    assert (of_groups.reads.native[GROUP], of_groups.reads.groups) == (frozenset(["cn"]), True)
    assert of_groups.display_name({"cn": ["admins"]}) == "admins"


def test_raw_with_a_computed_name_reads_everything() -> None:
    assert compiled({"id": "user.id", "x": "user.raw[user.title]"}).reads.native[USER] is None
    assert result("user.raw[user.title]", {"title": "site", "site": "north"}) == "north"
    assert result("user.raw[user.title]", {"title": "nowhere"}) is None
    assert result("user.raw", {"a": 1}, mapping={"email": "string(raw.a)"}) == {"a": 1}


# ------------------------------------------------------------------------------------------------------- fingerprint


def test_the_fingerprint_changes_with_everything_that_changes_shapes_and_nothing_else() -> None:
    def mark(**changed: Any) -> str:
        rules: dict[str, Any] = {
            "set": {"id": "user.id", "x": 'lookup("t", user.title)', "c": ("a",)},
            "where": "user.active",
            "mapping": {"title": "job"},
            "lookups": {"t": {"a": "b"}, "unused": {}},
        }
        return compiled(**{**rules, **changed}).fingerprint

    assert mark() == mark()
    assert mark(lookups={"t": {"a": "b"}, "unused": {"x": "y"}}) == mark()
    changes: list[dict[str, Any]] = [
        {"where": "!user.active"},
        {"mapping": {"title": "position"}},
        {"attributes": {"title": "grade"}},
        {"lookups": {"t": {"a": "c"}}},
        {"deactivates": True},
        {"zone": ZoneInfo("Europe/Berlin")},
        {"key": "x"},
        {"groups": ruleset(where="group.email != null")},
        {"set": {"id": "user.id", "x": 'lookup("t", user.title)', "c": ("b",)}},
        {"set": {"id": "user.id", "x": 'lookup("t", user.userType)', "c": ("a",)}},
    ]
    assert len({mark(), *(mark(**change) for change in changes)}) == len(changes) + 1
    looked_up = {"set": {"id": "user.id"}, "attributes": {"title": 'lookup("t", raw.job)'}}
    assert mark(**looked_up) != mark(**looked_up, lookups={"t": {"a": "c"}}), "an attribute of the directory reads it"
