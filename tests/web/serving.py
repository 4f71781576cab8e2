"""Serves an application on loopback for a test."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import httpx
from msgspec import Struct
from starlette.types import ASGIApp

from usersyncd.config.web import ApiToken, Role, TlsFiles, WebConfig
from usersyncd.plugin import Secret
from usersyncd.web.api import RequestedPull
from usersyncd.web.auth import Credentials
from usersyncd.web.bodies import DirectorySummary
from usersyncd.web.server import WebServer

VIEWER = "viewer-" + "v" * 32
OPERATOR = "operator-" + "o" * 32
TOKENS = {"dashboard": VIEWER, "sign-in": OPERATOR}


def configuration(tls: TlsFiles | None = None) -> WebConfig:
    roles: dict[str, Role] = {"dashboard": "viewer", "sign-in": "operator"}
    tokens = tuple(ApiToken(name=name, role=role, secret=Secret(env=name)) for name, role in roles.items())
    return WebConfig("127.0.0.1", 0, "https://sync.acme.example", tls, (), tokens)


def credentials() -> Credentials:
    return Credentials(TOKENS.items())


class Client(Struct, frozen=True):
    """An HTTP client of a server, and the server's port."""

    http: httpx.AsyncClient
    port: int


@asynccontextmanager
async def served(app: ASGIApp, tls: TlsFiles | None = None) -> AsyncIterator[Client]:
    server = WebServer(configuration(tls), app)
    task = asyncio.create_task(server.run())
    verify = True if tls is None else ssl.create_default_context(cafile=tls.cert)
    try:
        url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, verify=verify, timeout=20) as http:
            yield Client(http, server.port)
    finally:
        server.stop()
        async with asyncio.timeout(20):
            await task


class FakeBackend:
    """A daemon with one directory, whose pulls end when the test says so."""

    def __init__(self) -> None:
        self.requested: list[tuple[str, str]] = []
        self.ended = asyncio.Event()
        self.result = RequestedPull()

    async def directories(self) -> Sequence[DirectorySummary]:
        return [DirectorySummary("hr", "csv", 3, 1, 2, None, None, None)]

    def request_pull(self, directory: str, by: str) -> Callable[[], Awaitable[RequestedPull]] | None:
        if directory != "hr":
            return None
        self.requested.append((directory, by))
        return self._end

    def request_person(self, directory: str, person: str, by: str) -> Callable[[], Awaitable[RequestedPull]] | None:
        self.requested.append((f"{directory} {person}", by))
        return self._end

    async def _end(self) -> RequestedPull:
        await self.ended.wait()
        return self.result


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}
