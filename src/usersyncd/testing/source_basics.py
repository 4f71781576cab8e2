"""What every source fulfils, whether its directory is pulled or pushes, as tests."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from usersyncd.plugin import API, CANONICAL, Kind, Source
from usersyncd.testing.connector_contract import ConnectorContract
from usersyncd.testing.contexts import Log, source_context


class SourceBasics(ConnectorContract):
    """Tests of the class, its mapping and ``check``."""

    source: ClassVar[type[Source]]
    """The class under test."""

    secrets: ClassVar[tuple[str, ...]] = ()
    """Secrets to which the directory's options refer. They must not appear anywhere."""

    def _connector(self) -> type[Source]:
        return self.source

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """The options of the test directory."""
        raise NotImplementedError("override the fixture `options`: return options as the admin writes them")

    @pytest.fixture
    def start(self, options: Mapping[str, Any], folder: Path, log: Log) -> Callable[..., Source]:
        """A function that constructs a new source, as every run does; ``reads`` as in the context."""

        def construct(reads: Mapping[Kind, frozenset[str] | None] | None = None) -> Source:
            return self.source(
                self.source.Options.model_validate(options), source_context(folder, reads=reads, log=log)
            )

        return construct

    def test_states_the_version_of_the_contract(self, start: Callable[..., Source]) -> None:
        assert self.source.api == API
        assert isinstance(start(), Source)

    def test_mapping_names_canonical_attributes(self) -> None:
        assert set(self.source.mapping) <= set(Kind)
        for kind, mapping in self.source.mapping.items():
            assert set(mapping) <= set(CANONICAL[kind])
            assert all(isinstance(native, str) and native for native in mapping.values())

    def test_check_describes_the_directory(self, start: Callable[..., Source]) -> None:
        lines = asyncio.run(start().check())
        assert lines
        assert all(isinstance(line, str) and line.strip() and "\n" not in line for line in lines)
