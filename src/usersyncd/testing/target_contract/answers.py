"""The messages of failed tests: what the target did, what the contract requires, and where that is documented."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, TypeVar

import pytest
from msgspec import Struct, field

from usersyncd.errors import TargetError
from usersyncd.plugin import Change, Outcome
from usersyncd.testing.target_contract.shapes import Key, Shape

T = TypeVar("T")

Answer = Literal["delivered", "refused", "partly refused", "absent"]


class Contents(Struct):
    """The target's content for the directory of the tests, with the names of its layouts: shapes by key, without absent
    attributes; memberships as (group's key, member's key)."""

    users: dict[Key, Shape] = field(default_factory=dict)
    groups: dict[Key, Shape] = field(default_factory=dict)
    memberships: set[tuple[Key, Key]] = field(default_factory=set)


class Answers(list[Outcome]):
    """The outcomes of a delivery, with its ``changes``."""

    def __init__(self, changes: Sequence[Change], outcomes: Sequence[Outcome]) -> None:
        super().__init__(outcomes)
        self.changes = changes


def asks(text: str, section: str) -> str:
    """The end of a message: what the contract requires, and the section of the documentation."""
    return f"the contract requires: {text}\n  → read docs/connectors.md#{section}"


def assert_delivered(answers: Answers) -> None:
    """Assert that every change was delivered as a whole."""
    expected: list[Answer] = ["delivered"] * len(answers.changes)
    assert_answers(answers, expected, asks("carry out the change, and answer with `Outcome()`", "outcome"))


def assert_answers(answers: Answers, expected: Sequence[Answer], asked: str) -> None:
    """Assert the outcome of each change. ``asked``: what the contract requires."""
    count = f"the target returned {len(answers)} outcomes for {len(answers.changes)} changes"
    assert len(answers) == len(answers.changes), (
        f"{count}; {asks('one outcome for each change, in the order of the changes', 'rules-for-deliver')}"
    )
    wrong = [
        f"{_described(change)} was {_answer(outcome)}, not {wanted}: {outcome}"
        for change, outcome, wanted in zip(answers.changes, answers, expected, strict=True)
        if _answer(outcome) != wanted
    ]
    if wrong:
        pytest.fail("\n".join([*wrong, asked]))


def assert_holds(found: Contents, expected: Contents, *only: Literal["users", "groups", "memberships"]) -> None:
    """Assert the target's content; ``only``: compare only these parts."""
    parts = only or ("users", "groups", "memberships")
    wrong = [line for part in parts for line in _differences(part, getattr(found, part), getattr(expected, part))]
    if wrong:
        nulls = any(None in shape.values() for shape in (*found.users.values(), *found.groups.values()))
        hint = ["(`Contents` leaves absent attributes out: the fixture `contents` must not give None)"] if nulls else []
        asked = asks("after each delivery the target holds exactly the acknowledged changes", "testing-it")
        pytest.fail("\n".join(["the target does not hold the expected content:", *wrong, *hint, asked]))


def assert_down(act: Callable[[], object], what: str) -> TargetError:
    """Assert that ``act`` raises TargetError when the target is down. ``what``: the name of the call."""
    raised: TargetError | None = None
    try:
        act()
    except TargetError as error:
        raised = error
    asked = asks("`TargetError(message, remedy)` when the target as a whole cannot be used", "methods")
    assert raised is not None, f"the target is down, but {what} did not raise TargetError; {asked}"
    assert raised.message.strip(), f"the error of {what} has no message; {asked}"
    return raised


def single(found: Sequence[T], asked: str) -> T:
    """The only item of ``found``. ``asked``: what the contract requires."""
    assert len(found) == 1, f"the target returned {list(found)}; {asked}"
    return found[0]


def _answer(outcome: Outcome) -> Answer:
    if outcome.error is not None:
        return "refused"
    if outcome.absent:
        return "absent"
    return "partly refused" if outcome.refused else "delivered"


def _described(change: Change) -> str:
    members = f" of {', '.join(member.id for member in change.members)}" if change.members else ""
    return f"{change.op.name}{members} ({change.kind} {change.id}, key {change.key!r})"


def _differences(
    part: str, found: Mapping[Key, Shape] | set[tuple[Key, Key]], expected: Mapping[Key, Shape] | set[tuple[Key, Key]]
) -> Iterator[str]:
    if isinstance(found, set) and isinstance(expected, set):
        yield from (f"  {part}: {edge} is not expected" for edge in sorted(found - expected, key=str))
        yield from (f"  {part}: {edge} is missing" for edge in sorted(expected - found, key=str))
    elif isinstance(found, Mapping) and isinstance(expected, Mapping):
        for key in {**found, **expected}:
            if found.get(key) != expected.get(key):
                yield f"  {part}, key {key!r}: holds {found.get(key)}, expected {expected.get(key)}"
