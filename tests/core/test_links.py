"""How a pending change, sent and never acknowledged, is resolved: every transition."""

from __future__ import annotations

from typing import Any

import pytest

from usersyncd.core.links import PendingOutcome, is_stranger, resolve
from usersyncd.plugin import Change, Held, Kind, Op, Value

NAMES = ("email", "name", "active")

ANN: dict[str, Value] = {"email": "ann@x", "name": "Ann", "active": True}
WED: dict[str, Value] = {"email": "wed@x", "name": "Ann", "active": True}
OFF = {"email": "ann@x", "name": "Ann", "active": False}
BOB = {"email": "bob@x", "name": "Bob", "active": True}


def held(shape: dict[str, Any], target_id: str = "7", record: tuple[str, str] | None = None) -> Held:
    return Held(target_id, shape["email"], shape, record)


def passing(shape: dict[str, Any], target_id: str = "7") -> Held:
    """An object whose target id is what rules write."""
    return Held(target_id, shape["email"], shape, lasting=False)


def change(op: Op, before: dict[str, Any] | None, after: dict[str, Any] | None) -> Change:
    key = (before or after or {})["email"]
    return Change(op, Kind.USER, "hr", "u1", key, before, after, target_id=None if op is Op.CREATE else "7")


CREATE = change(Op.CREATE, None, ANN)
ADOPT = change(Op.ADOPT, BOB, ANN)
RENAME = change(Op.UPDATE, ANN, WED)
RETITLE = change(Op.UPDATE, ANN, ANN | {"name": "Anna"})
DEACTIVATE = change(Op.DEACTIVATE, ANN, OFF)
DELETE = change(Op.DELETE, ANN, None)


@pytest.mark.parametrize(
    ("sent", "at_id", "at_key", "outcome"),
    [
        # A create was sent because nothing was there: what is there now, linked to nobody, is its own.
        pytest.param(CREATE, None, [], PendingOutcome.NOT_DONE, id="create, nothing there"),
        pytest.param(CREATE, None, [held(ANN)], PendingOutcome.DONE, id="create, there as asked"),
        pytest.param(CREATE, None, [held(ANN | {"name": "A."})], PendingOutcome.SEEN, id="create, changed since"),
        pytest.param(CREATE, None, [held(ANN, "7"), held(ANN, "8")], PendingOutcome.NOT_DONE, id="create, two there"),
        pytest.param(
            CREATE,
            None,
            [held(ANN, "7", ("hr", "u1")), held(ANN, "8")],
            PendingOutcome.DONE,
            id="create, one says whose it is",
        ),
        # Everything else is looked for under its target id.
        pytest.param(ADOPT, held(BOB), [], PendingOutcome.NOT_DONE, id="adopt, not written"),
        pytest.param(ADOPT, held(ANN | {"name": "A."}), [], PendingOutcome.SEEN, id="adopt, changed since"),
        pytest.param(ADOPT, held(ANN), [], PendingOutcome.DONE, id="adopt, written"),
        pytest.param(ADOPT, None, [], PendingOutcome.ENDED, id="adopt, the object was deleted"),
        pytest.param(RETITLE, held(ANN), [], PendingOutcome.SEEN, id="update, not written"),
        pytest.param(RETITLE, held(ANN | {"name": "Anna"}), [], PendingOutcome.DONE, id="update, written"),
        pytest.param(RETITLE, None, [], PendingOutcome.ENDED, id="update, the object was deleted"),
        pytest.param(RETITLE, held(BOB), [], PendingOutcome.UNCLEAR, id="update, a stranger under the id"),
        pytest.param(RENAME, held(ANN), [], PendingOutcome.SEEN, id="another key, not written"),
        pytest.param(RENAME, held(WED), [], PendingOutcome.DONE, id="another key, written"),
        pytest.param(
            RETITLE,
            passing(BOB),
            [passing(ANN | {"name": "Anna"}, "8")],
            PendingOutcome.DONE,
            id="the id is written by rules, written",
        ),
        pytest.param(RENAME, held(ANN), [held(WED, "8")], PendingOutcome.SEEN, id="a lasting id, and another's object"),
        pytest.param(RENAME, held(WED), [held(ANN, "8")], PendingOutcome.DONE, id="exchanged, written"),
        pytest.param(DEACTIVATE, held(ANN), [], PendingOutcome.SEEN, id="deactivate, not written"),
        pytest.param(DEACTIVATE, held(OFF), [], PendingOutcome.DONE, id="deactivate, written"),
        pytest.param(DELETE, held(ANN), [], PendingOutcome.NOT_DONE, id="delete, still there"),
        pytest.param(DELETE, None, [], PendingOutcome.ENDED, id="delete, written"),
        pytest.param(DELETE, held(BOB), [], PendingOutcome.ENDED, id="delete, written, and its id is another's"),
        # Where only the key identifies, another key is another target id.
        pytest.param(RENAME, None, [held(WED, "wed@x")], PendingOutcome.DONE, id="the id follows the key, written"),
        pytest.param(
            RENAME, None, [held(BOB, "wed@x")], PendingOutcome.ENDED, id="the id follows the key, somebody else's"
        ),
        pytest.param(
            RENAME, passing(ANN), [passing(BOB, "wed@x")], PendingOutcome.SEEN, id="both keys there, not written"
        ),
        pytest.param(RENAME, passing(BOB), [passing(WED, "wed@x")], PendingOutcome.DONE, id="both keys there, written"),
        pytest.param(
            RENAME, passing(ANN), [passing(WED, "wed@x")], PendingOutcome.UNCLEAR, id="both keys there, nobody can tell"
        ),
    ],
)
def test_a_pending_change_is_resolved_by_what_the_target_holds(
    sent: Change, at_id: Held | None, at_key: list[Held], outcome: PendingOutcome
) -> None:
    resolved = resolve(sent, at_id, at_key, NAMES, "email")
    assert resolved.outcome is outcome
    assert (resolved.held is not None) is (outcome in {PendingOutcome.DONE, PendingOutcome.SEEN})


@pytest.mark.parametrize(
    ("there", "stranger"),
    [
        pytest.param(ANN, False, id="the old key"),
        pytest.param(WED | {"name": "Somebody"}, False, id="the new key"),
        pytest.param({"email": "other@x", "name": "Ann", "active": False}, False, id="another attribute is equal"),
        pytest.param({"email": "other@x", "name": "Cyd", "active": True}, True, id="nothing but true is equal"),
        pytest.param({"email": "other@x", "name": None, "active": None}, True, id="nothing is equal"),
    ],
)
def test_a_stranger_has_neither_key_and_other_attributes(there: dict[str, Any], stranger: bool) -> None:
    assert is_stranger(held(there), ANN, WED, "ann@x", "email") is stranger


@pytest.mark.parametrize(("title", "stranger"), [("Clerk", False), ("Cook", True)], ids=["most", "half"])
def test_a_shared_department_does_not_make_two_people_the_same(title: str, stranger: bool) -> None:
    before = {"email": "ann@x", "name": "Ann", "title": "Clerk", "department": "Sales", "phone": None}
    there = {"email": "other@x", "name": "Cyd", "title": title, "department": "Sales", "phone": "1"}
    assert is_stranger(held(there), before, before, "ann@x", "email") is stranger
