"""What every target says of itself, and what it keeps to itself."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from usersyncd.errors import TargetError
from usersyncd.plugin import API, Capabilities, Target
from usersyncd.testing.contexts import Log
from usersyncd.testing.target_contract.bench import Act, Contents, Deliver, Look, Start, TargetBench
from usersyncd.testing.target_contract.runs import check, closing, identity
from usersyncd.testing.target_contract.shapes import ADA, BOB, create


class InterfacePromises(TargetBench):
    """The class, its options, and what it says of the target."""

    def test_states_the_version_of_the_contract(self, start: Start) -> None:
        assert self.target.api == API
        assert isinstance(start(), Target)
        assert isinstance(self.target.capabilities, Capabilities)

    def test_says_which_target_it_is(self, start: Start, deliver: Deliver) -> None:
        """The same in every run, before and after the target was made ready and written."""
        before = asyncio.run(closing(start(), identity))
        assert before.strip()
        deliver(create(ADA))
        assert asyncio.run(closing(start(), identity)) == before

    def test_check_describes_the_target_and_changes_nothing(
        self, start: Start, deliver: Deliver, contents: Look
    ) -> None:
        deliver(create(ADA))
        lines = asyncio.run(closing(start(), check))
        assert lines
        assert all(isinstance(line, str) and line.strip() and "\n" not in line for line in lines)
        assert contents() == Contents(users={"u1": ADA})

    def test_secrets_are_not_seen(
        self,
        start: Start,
        deliver: Deliver,
        options: Mapping[str, Any],
        break_target: Act,
        log: Log,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level("DEBUG")
        deliver(create(ADA))
        lines = asyncio.run(closing(start(), check))
        named = asyncio.run(closing(start(), identity))
        break_target()
        with pytest.raises(TargetError) as raised:
            deliver(create(BOB))
        printed = capfd.readouterr()
        seen = {
            "log": f"{log.entries} {caplog.text}",
            "output": f"{printed.out} {printed.err}",
            "error": f"{raised.value} {raised.value!r}",
            "check": f"{lines}",
            "identity": named,
            "options": f"{self.target.Options.model_validate(options)!r}",
        }
        assert [where for where, text in seen.items() if any(secret in text for secret in self.secrets)] == []
