"""``protect`` of a target: keys, or a condition over its own columns, for users alone or for both kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.writing import DESK, fault, loaded
from usersyncd.config import TargetConfig
from usersyncd.core.protection import UNPROTECTED
from usersyncd.plugin import Kind, Value

pytestmark = pytest.mark.usefixtures("acme")


def text(protect: str) -> str:
    return f"{DESK}targets:\n  shelf:\n    connector: acme-shelf\n    options: {{height: 3}}\n    protect: {protect}\n"


def shelf(folder: Path, protect: str) -> TargetConfig:
    return loaded(folder, text(protect)).targets["shelf"]


def protects(target: TargetConfig, kind: Kind, key: str | int, **columns: Value) -> bool:
    return target.protect.get(kind, UNPROTECTED).names(key, columns)


def test_a_list_protects_the_keys_of_both_kinds(tmp_path: Path) -> None:
    target = shelf(tmp_path, "[Root, 4711]")
    for kind in Kind:
        assert [protects(target, kind, key) for key in ("Root", "root", 4711, "4711", "ada", 4712)] == [
            True, True, True, True, False, False,
        ]  # fmt: skip


def test_a_text_is_a_condition_over_the_columns_of_users(tmp_path: Path) -> None:
    target = shelf(tmp_path, 'role == "superadmin"')
    assert protects(target, Kind.USER, "ada", role="superadmin")
    assert not protects(target, Kind.USER, "ada", role="member")
    assert not protects(target, Kind.GROUP, "ada", role="superadmin")


def test_users_and_groups_are_protected_apart(tmp_path: Path) -> None:
    target = shelf(tmp_path, "{users: [root], groups: system == true}")
    assert protects(target, Kind.USER, "root")
    assert not protects(target, Kind.GROUP, "root")
    assert protects(target, Kind.GROUP, "owners", system=True)
    assert not protects(target, Kind.GROUP, "owners", system=False)


@pytest.mark.parametrize("protect", ["", "{}", "{users: }", "[]"])
def test_without_protect_nothing_is_protected(tmp_path: Path, protect: str) -> None:
    target = shelf(tmp_path, protect)
    assert not any(protects(target, kind, "root", role="superadmin") for kind in Kind)


@pytest.mark.parametrize(
    ("protect", "path", "message"),
    [
        ("role ==", "", "Syntax error: it ends too early"),
        ("{groups: role ==}", ".groups", "Syntax error: it ends too early"),
        ("admin", "", "this is not a condition: compare a column with something, or list keys: [first, second]"),
        (
            'user.role == "x"',
            "",
            "this reads the target's own columns: write role, without user before it",
        ),
        (
            'starts(role, "x")',
            "",
            "there is no function `starts`: did you mean `startsWith`?",
        ),
        ("7", "", "must be a list of keys, a condition over the target's columns as text, or {users, groups}"),
        ("[root, 1.5]", ".1", "must be text or a whole number: put it in quotes"),
        ("{users: {a: b}}", ".users", "must be a list of keys, or a condition over the target's columns as text"),
        ('""', "", "must not be empty"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, protect: str, path: str, message: str) -> None:
    found = fault(tmp_path, text(protect))
    assert (found.path, found.message) == (f"targets.shelf.protect{path}", message)
    assert found.line == len(text(protect).splitlines())
