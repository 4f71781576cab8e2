"""What all promises of a target are tested with: the target, what it holds, and functions that use it as a run does."""
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
"""What the fixtures give: see each one."""


class TargetBench(ConnectorContract):
    """The fixtures of all tests; those that raise NotImplementedError are for the author of the target."""

    target: ClassVar[type[Target]]
    """The class under test."""

    secrets: ClassVar[tuple[str, ...]] = ()
    """Secrets that the target's options refer to. They must not be seen anywhere."""

    def _connector(self) -> type[Target]:
        return self.target

    @pytest.fixture
    def layouts(self) -> Mapping[Kind, Layout]:
        """How shapes look. Some tests set ``RULED_LAYOUTS`` here."""
        return OWN_LAYOUTS

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """The options of a target that is empty, and ready for shapes that look like ``layouts``."""
        raise NotImplementedError("override the fixture `options`: return options as the admin writes them")

    @pytest.fixture
    def other_options(self) -> Mapping[str, Any] | None:
        """The options of a second target, as far as the connector is concerned another one."""
        return None

    @pytest.fixture
    def contents(self) -> Look:
        """A function that reads what the target holds."""
        raise NotImplementedError("override the fixture `contents`: return a function that returns Contents")

    @pytest.fixture
    def refused(self) -> Shape:
        """Attributes (of the own layout) with which the target refuses a user: too long, of a wrong form."""
        raise NotImplementedError("override the fixture `refused`: return attributes")

    @pytest.fixture
    def break_target(self) -> Act:
        """What makes the target unreachable."""
        raise NotImplementedError("override the fixture `break_target`: return a function")

    @pytest.fixture
    def start(self, options: Mapping[str, Any], layouts: Mapping[Kind, Layout], folder: Path, log: Log) -> Start:
        """A function that constructs a new target, as each run does; ``protection``: what it must not write;
        ``options``: those of another target."""
        own = options

        def construct(*, protection: Protections | None = None, options: Mapping[str, Any] | None = None) -> Target:
            context = target_context(
                folder, layouts=layouts, directories=(DIRECTORY, OTHER), protection=protection, log=log
            )
            return self.target(self.target.Options.model_validate(options or own), context)

        return construct

    @pytest.fixture
    def links(self) -> Links:
        """The target ids that the target gave."""
        return Links()

    @pytest.fixture
    def deliver(self, start: Start, links: Links) -> Deliver:
        """A function that delivers changes in a run of their own, and returns the outcomes. Changes are addressed by
        the target ids that earlier outcomes gave."""

        def run(*changes: Change, protection: Protections | None = None) -> Answers:
            addressed = [links.address(change) for change in changes]
            outcomes = asyncio.run(deliver_in_a_run(start(protection=protection), addressed))
            for change, outcome in zip(changes, outcomes, strict=False):  # A wrong number is for the test to tell.
                links.learn(change, outcome)
            return Answers(changes, outcomes)

        return run

    @pytest.fixture
    def find(self, start: Start) -> Find:
        """A function that looks for records by their keys."""
        if self.target.capabilities.find is None:
            pytest.skip("this target cannot look for keys")
        return lambda *lookups, kind=Kind.USER: asyncio.run(find_in_a_run(start(), kind, lookups))

    @pytest.fixture
    def read(self, start: Start) -> Read:
        """A function that reads objects by their target ids."""
        if not self.target.capabilities.read:
            pytest.skip("this target cannot be read")
        return lambda *target_ids, kind=Kind.USER: asyncio.run(read_in_a_run(start(), kind, target_ids))

    def must_look(self) -> None:
        if self.target.capabilities.find is None:
            pytest.skip("a target that cannot look takes over what is there")


class Links:
    """Which object belongs to which record, as the outcomes said."""

    def __init__(self) -> None:
        self._target_ids: dict[tuple[Kind, str], str] = {}

    def target_id(self, kind: Kind, id: str) -> str:
        """Also of a record that is deleted."""
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
    """It has the shape's attributes, whatever else the target says of it."""
    wrong = {name: held.attributes.get(name) for name, value in shape.items() if held.attributes.get(name) != value}
    asked = asks("`attributes` are what the object holds now", "held")
    assert not wrong, f"{shape} was delivered, and {wrong} is found; {asked}"
    assert held.key == shape["id"], asks("`key` is the key that the object has now, in type too", "held")
    assert held.record in (None, (DIRECTORY, shape["id"])), asks(
        "`record` is the record to which the object belongs, or None where the target does not store that", "held"
    )
