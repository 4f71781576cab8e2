"""Tests of a delivery that ends too early."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from usersyncd.plugin import Outcome, Target
from usersyncd.testing.inspection import threads_and_files
from usersyncd.testing.target_contract.answers import Answers, Contents, asks, assert_delivered, assert_holds
from usersyncd.testing.target_contract.fixtures import Deliver, Look, Start, TargetFixtures
from usersyncd.testing.target_contract.runs import begun, closing
from usersyncd.testing.target_contract.shapes import ADA, BOB, EVE, create


class EndingPromises(TargetFixtures):
    """Acknowledged changes are durable, and no thread or file stays open in this process."""

    def test_a_change_is_durable_once_it_is_acknowledged(self, start: Start, contents: Look) -> None:
        """Another connection sees it before the delivery continues."""
        target = start()
        # More changes than a target with its own thread works ahead: it must not finish meanwhile.
        many = [EVE | {name: f"{n}{EVE[name]}" for name in ("id", "userName", "email")} for n in range(30)]
        outcomes = begun(target, [create(each) for each in (ADA, *many)])
        with asyncio.Runner() as runner:
            first = runner.run(_next(outcomes))
            held = contents().users
            runner.run(closing(target, lambda _: _left(outcomes)))
        assert_delivered(Answers([create(ADA)], [first]))
        assert held.get("u1") == ADA, asks(
            "yield an outcome when its change is durable, not earlier", "rules-for-deliver"
        )

    def test_an_abandoned_delivery_leaves_nothing_behind(self, start: Start, deliver: Deliver, contents: Look) -> None:
        asyncio.run(closing(start(), _abandon))
        before = threads_and_files()
        for _ in range(3):
            asyncio.run(closing(start(), _abandon))
        deadline = time.monotonic() + 5
        while (left := threads_and_files()) > before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left <= before, (
            f"{left} threads and open files after the abandoned deliveries, {before} before; "
            + asks("release everything when the delivery is abandoned: use `with` and `finally`", "7-blocking-calls")
        )
        assert_delivered(deliver(create(EVE)))
        held = contents()
        held.users.pop("u2", None)
        assert_holds(held, Contents(users={"u1": ADA, "u3": EVE}), "users")

    def test_a_target_that_was_not_used_is_closed(self, start: Start) -> None:
        asyncio.run(start().close())


async def _next(outcomes: AsyncGenerator[Outcome]) -> Outcome:
    return await anext(outcomes)


async def _left(outcomes: AsyncGenerator[Outcome]) -> None:
    await outcomes.aclose()


async def _abandon(target: Target) -> None:
    """Read the first outcome, then close the delivery."""
    async with aclosing(begun(target, [create(ADA), create(BOB)])) as outcomes:
        await anext(outcomes)
