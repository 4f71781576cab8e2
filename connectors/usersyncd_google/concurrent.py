"""Runs many requests concurrently, and yields their results as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")


async def concurrently(work: Iterable[Coroutine[Any, Any, T]], at_once: int) -> AsyncGenerator[T]:
    """The results of ``work``, in the order of their arrival; ``at_once`` run concurrently.

    The first error ends all. When the reader stops, all running work is cancelled.
    """
    waiting = iter(work)
    running = {asyncio.ensure_future(each) for each in islice(waiting, at_once)}
    try:
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
                running.remove(task)
                running.update(asyncio.ensure_future(each) for each in islice(waiting, 1))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
