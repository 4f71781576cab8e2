"""The API: what a program may ask and request. ``openapi.py`` describes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from usersyncd.config.web import Role
from usersyncd.core.digest import encode
from usersyncd.core.report import DeliveryRun, PullRun
from usersyncd.plugin import duration
from usersyncd.web.answers import refusal
from usersyncd.web.gates import ApiGate, ApiUser
from usersyncd.web.openapi import Operation, document

LONGEST_NAME = 600
"""The longest name of a person, in characters."""
LONGEST_WAIT = timedelta(seconds=50)
"""The longest wait for a result: an answer may take a minute."""


class DirectorySummary(Struct, frozen=True):
    """A directory, as the API shows it. ``last_run`` and ``last_success``: when the last pull, and the last one that
    succeeded, began."""

    directory: str
    connector: str
    users: int
    groups: int
    memberships: int
    last_run: str | None
    last_success: str | None
    status: str | None


class RequestedPull(Struct):
    """A pull that was requested, and the deliveries that follow it. None and empty as long as they have not ended."""

    pull: PullRun | None = None
    deliveries: Sequence[DeliveryRun] = ()


class Backend(Protocol):
    """What the API needs of the daemon."""

    async def directories(self) -> Sequence[DirectorySummary]:
        """All configured directories."""

    def request_pull(self, directory: str, by: str) -> Callable[[], Awaitable[RequestedPull]] | None:
        """Start a pull that begins now or later, never one that began before, and its deliveries. Returns what awaits
        their end; None: there is no such directory."""

    def request_person(self, directory: str, person: str, by: str) -> Callable[[], Awaitable[RequestedPull]] | None:
        """The same for one person only, by id, user name, email or key."""


def routes(backend: Backend, gate: ApiGate, more: Mapping[str, Operation]) -> list[Route]:
    """The routes below ``/api/v1``. ``more``: the paths of other parts, for the OpenAPI document."""
    api = _Api(backend, gate, document(more))
    return [
        Route("/api/v1/openapi.json", api.openapi, methods=["GET"]),
        Route("/api/v1/directories", api.directories, methods=["GET"]),
        Route("/api/v1/directories/{directory}/pull", api.pull, methods=["POST"]),
        Route("/api/v1/directories/{directory}/people/{person:path}", api.pull_person, methods=["POST"]),
    ]


class _Api:
    def __init__(self, backend: Backend, gate: ApiGate, described: Mapping[str, object]) -> None:
        self._backend = backend
        self._gate = gate
        self._described = described
        self._waits = set[asyncio.Future[Any]]()

    async def openapi(self, request: Request) -> Response:
        user = self._enter(request, "viewer")
        return user if isinstance(user, Response) else _json(self._described)

    async def directories(self, request: Request) -> Response:
        user = self._enter(request, "viewer")
        if isinstance(user, Response):
            return user
        return _json({"directories": await self._backend.directories()})

    async def pull(self, request: Request) -> Response:
        return await self._run(request, self._backend.request_pull)

    async def pull_person(self, request: Request) -> Response:
        person = request.path_params["person"]
        if not 0 < len(person) <= LONGEST_NAME:
            return refusal(request.scope, 404, "name a person by id, user name, email or key")
        return await self._run(request, lambda directory, by: self._backend.request_person(directory, person, by))

    async def _run(
        self, request: Request, start: Callable[[str, str], Callable[[], Awaitable[RequestedPull]] | None]
    ) -> Response:
        user = self._enter(request, "operator")
        if isinstance(user, Response):
            return user
        try:
            wait = _wait(request.query_params)
        except ValueError as error:
            return refusal(request.scope, 400, f"wait {error}")
        name = request.path_params["directory"]
        ended = start(name, user.name)
        if ended is None:
            return refusal(request.scope, 404, f"there is no directory {name}")
        return await self._result(ended, wait)

    async def _result(self, ended: Callable[[], Awaitable[RequestedPull]], wait: float) -> Response:
        """The result, if it is there in time; otherwise the answer 202. The work goes on in either case."""
        waiting = asyncio.ensure_future(ended())
        self._waits.add(waiting)
        waiting.add_done_callback(self._waits.discard)
        done, _ = await asyncio.wait([waiting], timeout=wait)
        if not done:
            return _json({"status": "running"}, 202)
        result = waiting.result()
        return _json({"status": "ended", "pull": result.pull, "deliveries": list(result.deliveries)})

    def _enter(self, request: Request, role: Role) -> ApiUser | Response:
        return self._gate.enter(request, role)


def _wait(query: Mapping[str, str]) -> float:
    """Seconds to wait for the result. Raises ValueError."""
    given = query.get("wait", "")
    return min(duration(given), LONGEST_WAIT).total_seconds() if given else 0.0


def _json(content: Any, status: int = 200) -> Response:
    return Response(encode(msgspec.to_builtins(content)), status, media_type="application/json")
