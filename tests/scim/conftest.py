"""The SCIM service in this process, over a store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from tests.scim.memory import MemoryStore
from usersyncd.web.scim import routes

SERVICE = "https://sync.acme.example/scim/v2/acme"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def scim(store: MemoryStore) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the directory ``acme``."""
    app = Starlette(routes=routes(lambda name: store if name == "acme" else None, "https://sync.acme.example/"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SERVICE) as client:
        yield client
