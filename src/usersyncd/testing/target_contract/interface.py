"""Tests of the class, its descriptions, and its secrets."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from usersyncd.plugin import API, Capabilities, Target
from usersyncd.testing.contexts import Log
from usersyncd.testing.target_contract.answers import Contents, asks, assert_down, assert_holds
from usersyncd.testing.target_contract.fixtures import Act, Deliver, Look, Start, TargetFixtures
from usersyncd.testing.target_contract.runs import check, closing, identity
from usersyncd.testing.target_contract.shapes import ADA, BOB, create


class InterfacePromises(TargetFixtures):
    """Tests of the class, its options, ``identity`` and ``check``."""

    def test_states_the_version_of_the_contract(self, start: Start) -> None:
        assert self.target.api == API, asks(f"`api = {API}`, the version of the contract", "1-the-package-1")
        assert isinstance(start(), Target), asks("all methods of a target", "methods")
        assert isinstance(self.target.capabilities, Capabilities), asks("`capabilities`", "capabilities")

    def test_the_identity_is_the_same_in_every_run(self, start: Start, deliver: Deliver) -> None:
        """The same in every run, before and after the target was prepared and written."""
        before = asyncio.run(closing(start(), identity))
        asked = asks("a text that is the same in every run", "3-which-target-it-is")
        assert before.strip(), asked
        deliver(create(ADA))
        after = asyncio.run(closing(start(), identity))
        assert after == before, (
            f"`identity` gave {before!r} before the target was written, and {after!r} after; {asked}"
        )

    def test_another_target_has_another_identity(self, start: Start, other_options: Mapping[str, Any] | None) -> None:
        """Links are stored under the identity: two targets with the same identity would share them."""
        if other_options is None:
            pytest.skip("override the fixture `other_options`: return the options of another target")
        here, there = (asyncio.run(closing(each, identity)) for each in (start(), start(options=other_options)))
        assert here != there, f"`identity` gave {here!r} for both; " + asks(
            "another text for another target", "3-which-target-it-is"
        )

    def test_check_describes_the_target_and_changes_nothing(
        self, start: Start, deliver: Deliver, contents: Look
    ) -> None:
        deliver(create(ADA))
        lines = asyncio.run(closing(start(), check))
        asked = asks("a few lines about the target, none of them empty", "methods")
        assert lines, asked
        assert all(isinstance(line, str) and line.strip() and "\n" not in line for line in lines), asked
        assert_holds(contents(), Contents(users={"u1": ADA}))

    def test_secrets_are_not_shown(
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
        raised = assert_down(lambda: deliver(create(BOB)), "`deliver`")
        printed = capfd.readouterr()
        seen = {
            "log": f"{log.entries} {caplog.text}",
            "output": f"{printed.out} {printed.err}",
            "error": f"{raised} {raised!r}",
            "check": f"{lines}",
            "identity": named,
            "options": f"{self.target.Options.model_validate(options)!r}",
        }
        shown = [where for where, text in seen.items() if any(secret in text for secret in self.secrets)]
        assert not shown, f"a secret is in {', '.join(shown)}; {asks('never show a secret', 'options-and-secrets')}"
