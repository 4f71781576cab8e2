"""What an object holds otherwise than its link says, as a table; and how many objects may be missing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from usersyncd.core.drift import Difference, inspect, missing
from usersyncd.core.links import Link, State
from usersyncd.core.model import DriftPolicy, Guard
from usersyncd.core.report import Verified
from usersyncd.plugin import Held, Layout, Value

SHAPE: dict[str, Value] = {"mail": "ada@x", "name": "Ada", "title": "Engineer", "level": 3, "active": True}
LAYOUT = Layout(tuple(SHAPE), key="mail", ruled=True)
RECORD = "hr", "1"
KEEP_ALL, KEEP_TITLE = DriftPolicy(None), DriftPolicy(frozenset({"title"}))
NO_POLICY = DriftPolicy()


def same(_name: str, written: Value, held: Value) -> bool:
    """A target that gives back numbers as text, and keys in small letters."""
    return written == held or str(written).lower() == str(held).lower()


def found(
    held: dict[str, Any], *, drift: DriftPolicy = NO_POLICY, left: bool = False, **more: Any
) -> tuple[Difference, Any]:
    attributes = SHAPE | {"active": not left} | held
    state, left_at = (State.LEAVER, datetime(2026, 1, 1, tzinfo=UTC)) if left else (State.CONFIRMED, None)
    link = Link(SHAPE | {"active": not left}, "ada@x", "7", state, left_at)
    finding = inspect(Held("7", attributes["mail"], attributes, **more), link, RECORD, LAYOUT, drift, same)
    changed = {name: value for name, value in finding.link.shape.items() if value != link.shape[name]}
    return finding.difference, (changed, finding.link.key) if finding.difference is Difference.CHANGED else None


@pytest.mark.parametrize(
    ("held", "more", "difference", "changed"),
    [
        ({}, {}, Difference.SAME, None),
        ({"title": "Queen"}, {}, Difference.CHANGED, {"title": "Queen"}),
        ({"title": None}, {}, Difference.CHANGED, {"title": None}),
        ({"level": "3", "mail": "Ada@X", "active": 1}, {}, Difference.SAME, None),
        ({"active": "false", "other": "column"}, {}, Difference.CHANGED, {"active": False}),
        ({"title": "Queen"}, {"drift": KEEP_TITLE}, Difference.SAME, None),
        ({"title": "Queen", "level": 4}, {"drift": KEEP_TITLE}, Difference.CHANGED, {"level": 4}),
        ({"title": "Queen", "level": 4}, {"drift": KEEP_ALL}, Difference.SAME, None),
        ({"mail": "ada.l@x"}, {}, Difference.RENAMED, None),
        ({"mail": "ada.l@x"}, {"drift": DriftPolicy(frozenset({"mail"}))}, Difference.SAME, None),
        ({"mail": "zoe@x", "name": "Zoe", "title": "Pilot"}, {}, Difference.STRANGER, None),
        ({"mail": "zoe@x", "name": "Zoe", "title": "Pilot"}, {"drift": KEEP_ALL}, Difference.STRANGER, None),
        ({}, {"record": ("hr", "2")}, Difference.STRANGER, None),
        ({"mail": "ada.l@x"}, {"record": RECORD}, Difference.CHANGED, {"mail": "ada.l@x"}),
        ({"mail": None}, {}, Difference.RENAMED, None),
        ({"mail": None, "name": "Zoe", "title": "Pilot"}, {}, Difference.STRANGER, None),
        ({"title": "Queen"}, {"left": True}, Difference.SAME, None),
        ({"title": "Queen", "active": True}, {"left": True}, Difference.CHANGED, {"active": True, "title": "Queen"}),
        ({"active": True}, {"left": True, "drift": KEEP_ALL}, Difference.CHANGED, {"active": True}),
        ({"mail": "ada.l@x"}, {"left": True}, Difference.SAME, None),
        ({"mail": "ada.l@x", "active": True}, {"left": True}, Difference.RENAMED, None),
        ({"mail": "zoe@x", "name": "Zoe", "title": "Pilot"}, {"left": True}, Difference.STRANGER, None),
    ],
)
def test_each_kind_of_difference_is_found(
    held: dict[str, Any], more: dict[str, Any], difference: Difference, changed: dict[str, Any] | None
) -> None:
    key = (changed or {}).get("mail", "ada@x")
    assert found(held, **more) == (difference, changed and (changed, key))


def test_a_link_keeps_its_key_when_the_object_has_none() -> None:
    finding = inspect(
        Held("7", None, SHAPE | {"mail": None}, RECORD),  # type: ignore[arg-type]
        Link(SHAPE, "ada@x", "7"), RECORD, LAYOUT, DriftPolicy(), same,
    )  # fmt: skip
    assert (finding.difference, finding.link.key, finding.link.shape["mail"]) == (Difference.CHANGED, "ada@x", None)


def test_attributes_that_the_target_does_not_return_count_as_unchanged() -> None:
    link = Link(SHAPE, "ada@x", "7")
    held = Held("7", "ada@x", {name: value for name, value in SHAPE.items() if name != "title"})
    assert inspect(held, link, RECORD, LAYOUT, DriftPolicy(), same).difference is Difference.SAME


@pytest.mark.parametrize(
    ("count", "of", "at_least", "held"),
    [
        (9, 20, 10, False),
        (10, 100, 10, False),
        (11, 100, 10, True),
        (11, 110, 10, False),
        (3, 3, 0, True),
        (0, 0, 0, False),
    ],
)
def test_the_limit_of_missing_objects(count: int, of: int, at_least: int, held: bool) -> None:
    assert bool(missing(Verified(objects=of, missing=count), Guard(at_least=at_least))) is held
