"""The fixtures of all target tests: the target, its content, and functions that use it as a run does."""
# ruff: noqa: A002, S101 - `id` is the word of the contract; tests are made of asserts

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from usersyncd.core.protection import Protection
from usersyncd.plugin import Change, Held, Kind, Layout, Lookup, Op, Outcome, Target
from usersyncd.testing.connector_contract import ConnectorContract
from usersyncd.testing.contexts import OWN_LAYOUTS, Log, target_context
from usersyncd.testing.target_contract.answers import Answers, Contents, asks
from usersyncd.testing.target_contract.runs import deliver_in_a_run, find_in_a_run, read_in_a_run
from usersyncd.testing.target_contract.shapes import DIRECTORY, OTHER, Shape

Protections = Mapping[Kind, Protection]


Act = Callable[[], object]
Look = Callable[[], Contents]
Start = Callable[..., Target]
Deliver = Callable[..., Answers]
Find = Callable[..., list[tuple[Lookup, Held]]]
Read = Callable[..., list[Held]]
"""The types of the fixtures' values: see each fixture."""


class TargetFixtures(ConnectorContract):
    """The fixtures of all tests; the author of the target overrides those that raise NotImplementedError."""

    target: ClassVar[type[Target]]
    """The class under test."""

    secrets: ClassVar[tuple[str, ...]] = ()
    """Secrets to which the target's options refer. They must not appear anywhere."""

    def _connector(self) -> type[Target]:
        return self.target

    @pytest.fixture
    def layouts(self) -> Mapping[Kind, Layout]:
        """The layouts of the shapes. Some tests set ``RULED_LAYOUTS`` here."""
        return OWN_LAYOUTS

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """The options of an empty target that accepts shapes of ``layouts``."""
        raise NotImplementedError("override the fixture `options`: return options as the admin writes them")

    @pytest.fixture
    def other_options(self) -> Mapping[str, Any] | None:
        """The options of a second target with another identity."""
        return None

    @pytest.fixture
    def contents(self) -> Look:
        """A function that reads the target's content."""
        raise NotImplementedError("override the fixture `contents`: return a function that returns Contents")

    @pytest.fixture
    def refused(self) -> Shape:
        """Attributes (of the layout without ``set``) with which the target refuses a user: too long, of a wrong
        form."""
        raise NotImplementedError("override the fixture `refused`: return attributes")

    @pytest.fixture
    def break_target(self) -> Act:
        """A function that makes the target unreachable."""
        raise NotImplementedError("override the fixture `break_target`: return a function")

    @pytest.fixture
    def start(self, options: Mapping[str, Any], layouts: Mapping[Kind, Layout], folder: Path, log: Log) -> Start:
        """A function that constructs a new target, as each run does; ``protection``: the objects that it must not
        write; ``options``: for another target."""
        own = options

        def construct(*, protection: Protections | None = None, options: Mapping[str, Any] | None = None) -> Target:
            context = target_context(
                folder, layouts=layouts, directories=(DIRECTORY, OTHER), protection=protection, log=log
            )
            return self.target(self.target.Options.model_validate(options or own), context)

        return construct

    @pytest.fixture
    def links(self) -> Links:
        """The target ids that the target returned."""
        return Links()

    @pytest.fixture
    def deliver(self, start: Start, links: Links) -> Deliver:
        """A function that delivers changes in a separate run, and returns the outcomes. Changes are addressed by the
        target ids of earlier outcomes."""

        def run(*changes: Change, protection: Protections | None = None) -> Answers:
            addressed = [links.address(change) for change in changes]
            outcomes = asyncio.run(deliver_in_a_run(start(protection=protection), addressed))
            for change, outcome in zip(
                changes, outcomes, strict=False
            ):  # The test itself reports a wrong number of outcomes.
                links.learn(change, outcome)
            return Answers(changes, outcomes)

        return run

    @pytest.fixture
    def find(self, start: Start) -> Find:
        """A function that finds objects by the records' keys."""
        if self.target.capabilities.find is None:
            pytest.skip("this target cannot find objects by key")
        return lambda *lookups, kind=Kind.USER: asyncio.run(find_in_a_run(start(), kind, lookups))

    @pytest.fixture
    def read(self, start: Start) -> Read:
        """A function that reads objects by their target ids."""
        if not self.target.capabilities.read:
            pytest.skip("this target cannot be read")
        return lambda *target_ids, kind=Kind.USER: asyncio.run(read_in_a_run(start(), kind, target_ids))

    def must_look(self) -> None:
        if self.target.capabilities.find is None:
            pytest.skip("a target without `find` takes over existing objects")


class Links:
    """The object of each record, as reported by the outcomes."""

    def __init__(self) -> None:
        self._target_ids: dict[tuple[Kind, str], str] = {}

    def target_id(self, kind: Kind, id: str) -> str:
        """The target id of a record, also of a deleted one."""
        return self._target_ids[kind, id]

    def address(self, change: Change) -> Change:
        """The change, addressed by target ids."""
        if change.op is Op.CREATE:
            return change
        members = tuple(replace(each, target_id=self._target_ids[each.kind, each.id]) for each in change.members)
        return replace(change, target_id=self._target_ids[change.kind, change.id], members=members)

    def learn(self, change: Change, outcome: Outcome) -> None:
        if outcome.target_id is not None:
            self._target_ids[change.kind, change.id] = outcome.target_id


def assert_held(held: Held, shape: Shape) -> None:
    """Assert that the object has the shape's attributes; it may have others."""
    wrong = {name: held.attributes.get(name) for name, value in shape.items() if held.attributes.get(name) != value}
    asked = asks("`attributes` are the object's current attributes", "held")
    assert not wrong, f"{shape} was delivered, but {wrong} was read; {asked}"
    assert held.key == shape["id"], asks("`key` is the object's current key, with the same type", "held")
    assert held.record in (None, (DIRECTORY, shape["id"])), asks(
        "`record` is the record to which the object belongs, or None where the target does not store that", "held"
    )
