"""What an object holds otherwise than its link says, as a table; and how many objects may be missing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from usersyncd.core.drift import Fate, inspect, missing
from usersyncd.core.links import Link, State
from usersyncd.core.model import Drift, Guard
from usersyncd.core.report import Verified
from usersyncd.plugin import Held, Layout, Value

SHAPE: dict[str, Value] = {"mail": "ada@x", "name": "Ada", "title": "Engineer", "level": 3, "active": True}
LAYOUT = Layout(tuple(SHAPE), key="mail", ruled=True)
RECORD = "hr", "1"
KEEP_ALL, KEEP_TITLE = Drift(None), Drift(frozenset({"title"}))


def same(_name: str, written: Value, held: Value) -> bool:
    """A target that gives back numbers as text, and keys in small letters."""
    return written == held or str(written).lower() == str(held).lower()


def found(held: dict[str, Any], *, drift: Drift = Drift(), left: bool = False, **more: Any) -> tuple[Fate, Any]:  # noqa: B008
    attributes = SHAPE | {"active": not left} | held
    state, left_at = (State.LEAVER, datetime(2026, 1, 1, tzinfo=UTC)) if left else (State.CONFIRMED, None)
    link = Link(SHAPE | {"active": not left}, "ada@x", "7", state, left_at)
    finding = inspect(Held("7", attributes["mail"], attributes, **more), link, RECORD, LAYOUT, drift, same)
    changed = {name: value for name, value in finding.link.shape.items() if value != link.shape[name]}
    return finding.fate, (changed, finding.link.key) if finding.fate is Fate.CHANGED else None


@pytest.mark.parametrize(
    ("held", "more", "fate", "changed"),
    [
        ({}, {}, Fate.SAME, None),
        ({"title": "Queen"}, {}, Fate.CHANGED, {"title": "Queen"}),
        ({"title": None}, {}, Fate.CHANGED, {"title": None}),
        ({"level": "3", "mail": "Ada@X", "active": 1}, {}, Fate.SAME, None),
        ({"active": "false", "other": "column"}, {}, Fate.CHANGED, {"active": False}),
        ({"title": "Queen"}, {"drift": KEEP_TITLE}, Fate.SAME, None),
        ({"title": "Queen", "level": 4}, {"drift": KEEP_TITLE}, Fate.CHANGED, {"level": 4}),
        ({"title": "Queen", "level": 4}, {"drift": KEEP_ALL}, Fate.SAME, None),
        ({"mail": "ada.l@x"}, {}, Fate.RENAMED, None),
        ({"mail": "ada.l@x"}, {"drift": Drift(frozenset({"mail"}))}, Fate.SAME, None),
        ({"mail": "zoe@x", "name": "Zoe", "title": "Pilot"}, {}, Fate.STRANGER, None),
        ({"mail": "zoe@x", "name": "Zoe", "title": "Pilot"}, {"drift": KEEP_ALL}, Fate.STRANGER, None),
        ({}, {"record": ("hr", "2")}, Fate.STRANGER, None),
        ({"mail": "ada.l@x"}, {"record": RECORD}, Fate.CHANGED, {"mail": "ada.l@x"}),
        ({"mail": None}, {}, Fate.RENAMED, None),
        ({"mail": None, "name": "Zoe", "title": "Pilot"}, {}, Fate.STRANGER, None),
        ({"title": "Queen"}, {"left": True}, Fate.SAME, None),
        ({"title": "Queen", "active": True}, {"left": True}, Fate.CHANGED, {"active": True, "title": "Queen"}),
        ({"active": True}, {"left": True, "drift": KEEP_ALL}, Fate.CHANGED, {"active": True}),
        ({"mail": "ada.l@x"}, {"left": True}, Fate.SAME, None),
        ({"mail": "ada.l@x", "active": True}, {"left": True}, Fate.RENAMED, None),
        ({"mail": "zoe@x", "name": "Zoe", "title": "Pilot"}, {"left": True}, Fate.STRANGER, None),
    ],
)
def test_each_difference(
    held: dict[str, Any], more: dict[str, Any], fate: Fate, changed: dict[str, Any] | None
) -> None:
    key = (changed or {}).get("mail", "ada@x")
    assert found(held, **more) == (fate, changed and (changed, key))


def test_a_key_that_was_emptied_is_still_the_links() -> None:
    finding = inspect(
        Held("7", None, SHAPE | {"mail": None}, RECORD),  # type: ignore[arg-type]
        Link(SHAPE, "ada@x", "7"), RECORD, LAYOUT, Drift(), same,
    )  # fmt: skip
    assert (finding.fate, finding.link.key, finding.link.shape["mail"]) == (Fate.CHANGED, "ada@x", None)


def test_what_the_target_does_not_tell_is_as_it_was_written() -> None:
    link = Link(SHAPE, "ada@x", "7")
    held = Held("7", "ada@x", {name: value for name, value in SHAPE.items() if name != "title"})
    assert inspect(held, link, RECORD, LAYOUT, Drift(), same).fate is Fate.SAME


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
def test_so_many_may_be_missing(count: int, of: int, at_least: int, held: bool) -> None:
    assert bool(missing(Verified(objects=of, missing=count), Guard(at_least=at_least))) is held
