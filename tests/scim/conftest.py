"""The SCIM service in this process, over the store of a directory: on SQLite, and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from tests.push.conftest import acme, state
from tests.push.pushing import PushingWorld
from usersyncd.push.receiver import DirectoryReceiver
from usersyncd.web.scim import routes

__all__ = ["acme", "state"]

SERVICE = "https://sync.acme.example/scim/v2/acme"


@pytest.fixture
async def store(acme: PushingWorld) -> AsyncIterator[DirectoryReceiver]:
    """What the directory ``acme`` pushed."""
    async with acme.receiving() as receiver:
        yield receiver


@pytest.fixture
async def scim(store: DirectoryReceiver) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the directory ``acme``."""
    app = Starlette(routes=routes(lambda name: store if name == "acme" else None, "https://sync.acme.example/"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SERVICE) as client:
        yield client
