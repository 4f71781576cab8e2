"""The contract of a source whose directory pushes, as tests. Inherit them, and provide options::

    class TestPushed(ReceivingContract):
        source = AcmeSource
        secrets = ("a token of at least 32 characters",)

        @pytest.fixture
        def options(self, monkeypatch): ...         # options with which the directory pushes, as in the YAML

        @pytest.fixture
        def spoil_token(self, monkeypatch): ...     # return a function that makes a token too short

usersyncd serves such a directory itself: there is nothing to read, so most of ``SourceContract`` does not apply.
"""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Receiving, ReceivingSource, Source
from usersyncd.testing.contexts import Log
from usersyncd.testing.pulls import read
from usersyncd.testing.source_basics import SourceBasics


class ReceivingContract(SourceBasics):
    """One test for each rule of :class:`usersyncd.plugin.ReceivingSource`. Override ``source``, ``options`` and
    ``spoil_token``."""

    @pytest.fixture
    def spoil_token(self) -> Callable[[], object]:
        """A function after which a token of the options is shorter than 32 characters."""
        raise NotImplementedError("override the fixture `spoil_token`: return a function")

    @pytest.fixture
    def receiving(self, start: Callable[..., Source], options: Mapping[str, Any]) -> Receiving:
        """How the directory pushes with the test's options."""
        source = start()
        assert isinstance(source, ReceivingSource), "a source whose directory pushes has the method `receiving`"
        found = source.receiving(self.source.Options.model_validate(options))
        assert found is not None, "with these options, the directory pushes"
        return found

    def test_says_what_opens_the_directory(self, receiving: Receiving) -> None:
        names = [token.name for token in receiving.tokens]
        assert names or receiving.client, "something opens the directory"
        assert all(names), "each token has a name"
        assert len(set(names)) == len(names), "the names differ"
        assert min(receiving.quota.requests_per_minute, receiving.quota.body) > 0

    def test_a_pull_adds_nothing(self, start: Callable[..., Source], receiving: Receiving) -> None:  # noqa: ARG002
        pull = asyncio.run(read(start()))
        for each in (pull, asyncio.run(read(start(), pull.ends[0].cursor))):
            assert not each.pages, "what was pushed is in the snapshot: a pull yields nothing"
            assert len(each.ends) == 1, "a pull ends with exactly one Done"
            assert not each.ends[0].complete, "a complete pull would delete everything"
            assert each.ends[0].cursor, "without a cursor, the next pull would have to be complete"

    def test_mapping_covers_both_kinds(self) -> None:
        """Resources keep the attributes of SCIM: without a mapping, rules would not find them."""
        assert set(self.source.mapping) == set(Kind)

    def test_check_refuses_a_token_that_can_be_guessed(
        self, start: Callable[..., Source], spoil_token: Callable[[], object]
    ) -> None:
        spoil_token()
        with pytest.raises(SourceError) as raised:
            asyncio.run(start().check())
        assert raised.value.message.strip()

    def test_secrets_are_not_shown(
        self, start: Callable[..., Source], receiving: Receiving, log: Log, capfd: pytest.CaptureFixture[str]
    ) -> None:
        source = start()
        lines = asyncio.run(source.check())
        asyncio.run(read(source))
        printed = capfd.readouterr()
        for secret in self.secrets:
            for where, text in {
                "log": f"{log.entries}",
                "output": f"{printed.out} {printed.err}",
                "check": f"{lines}",
                "options": f"{receiving!r} {source!r}",
            }.items():
                assert secret not in text, f"the secret appears in: {where}"
