"""The calls that a run makes to a target, as functions for tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar, cast

from usersyncd.plugin import Change, Held, Kind, Lookup, Outcome, Target
from usersyncd.testing.target_contract.shapes import BOB, create

T = TypeVar("T")


async def closing(target: Target, act: Callable[[Target], Awaitable[T]]) -> T:
    try:
        return await act(target)
    finally:
        await target.close()


async def identity(target: Target) -> str:
    return await target.identity()


async def prepare(target: Target) -> None:
    await target.prepare()


async def check(target: Target) -> Sequence[str]:
    return await target.check()


async def deliver_bob(target: Target) -> Sequence[Outcome]:
    return [outcome async for outcome in target.deliver([create(BOB)])]


async def deliver_in_a_run(target: Target, changes: Sequence[Change]) -> list[Outcome]:
    """As in a run: ``identity``, ``prepare``, ``deliver``."""

    async def act(target: Target) -> list[Outcome]:
        return [outcome async for outcome in begun(target, changes)]

    return await closing(target, act)


async def begun(target: Target, changes: Sequence[Change]) -> AsyncGenerator[Outcome]:
    """The outcomes of a run, as they arrive. Closing this generator early ends the delivery."""
    await target.identity()
    await target.prepare()
    async with aclosing(cast("Any", target.deliver(changes))) as outcomes:
        async for outcome in outcomes:
            yield outcome


async def find_in_a_run(target: Target, kind: Kind, lookups: Sequence[Lookup]) -> list[tuple[Lookup, Held]]:
    async def act(target: Target) -> list[tuple[Lookup, Held]]:
        return [found async for found in target.find(kind, lookups)]

    return await closing(target, act)


async def read_in_a_run(target: Target, kind: Kind, target_ids: Sequence[str]) -> list[Held]:
    async def act(target: Target) -> list[Held]:
        return [held async for held in target.read(kind, target_ids)]

    return await closing(target, act)
