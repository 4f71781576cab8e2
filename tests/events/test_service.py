"""The senders follow the configuration."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.events.receiver import Hook, Received, receiving
from tests.events.sending import SECRET, Sending, webhook
from tests.events.world import StreamWorld
from usersyncd.config import Config
from usersyncd.events.service import Senders
from usersyncd_events.target import EventsOptions

pytestmark = pytest.mark.parametrize("state", ["sqlite"], indirect=True)


def config(hook: Hook, folder: Path, **more: Any) -> Config:
    """A configuration with one endpoint."""
    options = EventsOptions.model_validate(webhook(url=hook.url, **more))
    return cast("Config", SimpleNamespace(folder=folder, targets={"app": SimpleNamespace(name="app", options=options)}))


async def until(sending: Sending, failures: int) -> None:
    for _ in range(1000):
        if sending.state.failures == failures and (failures or sending.status.waiting == 0):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(sending.status)


async def test_an_endpoint_is_tried_at_once_when_its_section_changes(
    stream: StreamWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", SECRET)
    stream.options = webhook()
    stream.people("u1", "u2")

    async def answer(request: Received) -> int:
        return 200 if request.headers.get("authorization") == f"Bearer {SECRET}" else 503

    async with receiving(answer) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        senders = Senders(stream.database)
        try:
            senders.follow(config(hook, tmp_path))
            await until(sending, 1)
            await asyncio.to_thread(pause_for_hours, sending)
            senders.follow(config(hook, tmp_path))
            await asyncio.sleep(0.3)
            assert sending.state.failures == 7, "nothing changed: it waits"
            senders.follow(config(hook, tmp_path, token={"env": "HOOK"}))
            await until(sending, 0)
        finally:
            await senders.stop()
    assert len(hook.accepted) == 2


def pause_for_hours(sending: Sending) -> None:
    from msgspec import structs

    from usersyncd.state import endpoints
    from usersyncd.state.endpoints import RoundResult

    later = sending.now + timedelta(hours=10)
    paused = structs.replace(sending.state, failures=7, next_attempt=later)
    endpoints.store(sending.stream.database, RoundResult(paused, set(), set(), []))
