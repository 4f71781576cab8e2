"""A promise that a target breaks says what the target did, what the contract requires, and where that is documented."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from usersyncd.plugin import Kind, Outcome
from usersyncd.testing import Contents, TargetContract
from usersyncd.testing.target_contract.answers import Answers, asks, assert_answers, assert_delivered, assert_holds
from usersyncd.testing.target_contract.shapes import ADA, APP, BOB, add, create

MODULES = sorted(Path(inspect.getfile(TargetContract)).parent.glob("*.py"))
PAGE = (Path(__file__).parents[2] / "docs" / "connectors.md").read_text("utf-8")


def anchors() -> set[str]:
    """The anchors that GitHub gives to the headings of the page; a heading that comes again gets a number."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL), re.MULTILINE):
        anchor = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        found.add(anchor if anchor not in found else f"{anchor}-1")
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_every_assert_says_what_the_contract_asks(module: Path) -> None:
    tree = ast.parse(module.read_text("utf-8"))
    bare = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert) and node.msg is None]
    assert not bare, f"{module.name}: these lines assert without a message: {bare}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_the_sections_that_are_named_exist(module: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(module.read_text("utf-8"))) if isinstance(node, ast.Call)]
    named = [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "asks"]
    assert {name.value for name in named if isinstance(name, ast.Constant)} <= anchors()
    assert all(isinstance(name, ast.Constant) for name in named)


def failure(act: object, *arguments: object) -> str:
    assert callable(act)
    with pytest.raises((AssertionError, pytest.fail.Exception)) as raised:
        act(*arguments)
    return str(raised.value)


def test_an_answer_that_is_wrong_is_named_with_its_change() -> None:
    changes = [create(ADA), add(APP, ADA, BOB), create(APP, Kind.GROUP)]
    answers = Answers(changes, [Outcome(error="no room"), Outcome(refused={"u2": "no"}), Outcome()])
    text = failure(assert_delivered, answers)
    assert text.startswith("CREATE (user u1, key 'u1') was refused, not delivered: Outcome(error='no room'")
    assert "\nADD of u1, u2 (group g1, key 'g1') was partly refused, not delivered: " in text
    assert "group g1, key 'g1') was delivered" not in text
    assert text.endswith("`Outcome()`\n  → read docs/connectors.md#outcome")
    text = failure(assert_answers, answers, ["refused", "partly refused", "refused"], asks("refuse it", "change"))
    assert text.startswith("CREATE (group g1, key 'g1') was delivered, not refused: ")


def test_a_wrong_number_of_outcomes_is_reported() -> None:
    text = failure(assert_delivered, Answers([create(ADA), create(BOB)], [Outcome()]))
    assert text.startswith(
        "the target returned 1 outcomes for 2 changes; the contract requires: one outcome for each change"
    )


def test_each_difference_in_content_is_listed() -> None:
    found = Contents({"u1": {"id": "u1", "title": None}}, memberships={("g1", "u1")})
    expected = Contents({"u1": {"id": "u1"}, "u2": {"id": "u2"}}, memberships={("g1", "u2")})
    text = failure(assert_holds, found, expected)
    assert "  users, key 'u1': holds {'id': 'u1', 'title': None}, expected {'id': 'u1'}\n" in text
    assert "  users, key 'u2': holds None, expected {'id': 'u2'}\n" in text
    assert "  memberships: ('g1', 'u1') is not expected\n  memberships: ('g1', 'u2') is missing\n" in text
    assert "(`Contents` leaves absent attributes out: the fixture `contents` must not give None)\n" in text
    assert text.endswith("docs/connectors.md#testing-it")
    assert_holds(Contents({"u1": {}}), Contents(), "groups", "memberships")
