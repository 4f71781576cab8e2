"""A service works when it is woken, and after its pause."""

from __future__ import annotations

import asyncio

import pytest

from tests.daemon.test_engine import settle
from usersyncd.daemon.service import Service


async def test_a_service_without_a_pause_works_only_when_it_is_woken() -> None:
    worked: list[int] = []

    async def work() -> None:
        worked.append(len(worked))

    service = Service(work)
    task = asyncio.create_task(service.run())
    await settle()
    assert not worked
    service.wake()
    service.wake()
    await settle()
    assert worked == [0], "what wakes it before it works is one call"
    service.wake()
    await settle()
    assert worked == [0, 1]
    task.cancel()


async def test_a_wake_during_work_makes_the_service_work_once_more() -> None:
    worked: list[int] = []

    async def work() -> None:
        worked.append(len(worked))
        if len(worked) == 1:
            service.wake()

    service = Service(work)
    task = asyncio.create_task(service.run())
    service.wake()
    await settle()
    assert worked == [0, 1]
    task.cancel()


async def test_a_service_with_a_pause_works_without_being_woken() -> None:
    worked = asyncio.Semaphore(0)

    async def work() -> None:
        worked.release()

    task = asyncio.create_task(Service(work, pause=0).run())
    async with asyncio.timeout(60):
        await worked.acquire()
        await worked.acquire()
    task.cancel()


async def test_an_error_in_the_work_ends_the_service() -> None:
    async def work() -> None:
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        await Service(work, pause=0).run()
