"""The API: what a program may ask and request. ``openapi.py`` describes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from usersyncd.config.web import Role
from usersyncd.core.digest import encode
from usersyncd.core.report import DeliveryRun, PullRun
from usersyncd.web.answers import refusal, too_many
from usersyncd.web.bodies import DirectoryList, DirectorySummary, EndedRequest, RunningRequest
from usersyncd.web.gates import ApiGate, ApiUser
from usersyncd.web.openapi import Operation, document
from usersyncd.web.parameters import refuse_unknown
from usersyncd.web.results import delivery_result, pull_result
from usersyncd.web.waiting import RETRY_AFTER, FullError, WaitingRequests, wait_of

LONGEST_NAME = 600
"""The longest name of a person, in characters."""
_WRONG_NAME = {"unknown_person": 404, "ambiguous_person": 409}
"""The status of the answer by the code of a pull that failed because of the name of the person. Any other failure is
one of the run: it is the result."""


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
        self._waiting = WaitingRequests()
        self._waits = set[asyncio.Future[Any]]()

    async def openapi(self, request: Request) -> Response:
        return self._refused(request) or _json(self._described)

    async def directories(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        return _json(DirectoryList(await self._backend.directories()))

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
            refuse_unknown(request.query_params, ["wait"])
            wait = wait_of(request.query_params)
        except ValueError as error:
            return refusal(request.scope, 400, str(error))
        name = request.path_params["directory"]
        try:
            with self._waiting.place(user.name, wait):
                ended = start(name, user.name)
                if ended is None:
                    return refusal(request.scope, 404, f"there is no directory {name}")
                return await self._result(request, ended, wait)
        except FullError as error:
            return too_many(request.scope, str(error), RETRY_AFTER)

    async def _result(self, request: Request, ended: Callable[[], Awaitable[RequestedPull]], wait: float) -> Response:
        """The result, if it is there in time; otherwise the answer 202. The work goes on in either case."""
        waiting = asyncio.ensure_future(ended())
        self._waits.add(waiting)
        waiting.add_done_callback(self._waits.discard)
        done, _ = await asyncio.wait([waiting], timeout=wait)
        if not done:
            return _json(RunningRequest(), 202)
        result = waiting.result()
        pull = result.pull
        if pull is not None and pull.code in _WRONG_NAME:
            return refusal(request.scope, _WRONG_NAME[pull.code], " ".join((pull.error or "").split()))
        deliveries = [delivery_result(one) for one in result.deliveries]
        return _json(EndedRequest(None if pull is None else pull_result(pull), deliveries))

    def _refused(self, request: Request) -> Response | None:
        """The answer to a request that must not be read, or that has a parameter; None: it goes on."""
        user = self._enter(request, "viewer")
        if isinstance(user, Response):
            return user
        try:
            refuse_unknown(request.query_params, ())
        except ValueError as error:
            return refusal(request.scope, 400, str(error))
        return None

    def _enter(self, request: Request, role: Role) -> ApiUser | Response:
        return self._gate.enter(request, role)


def _json(content: Any, status: int = 200) -> Response:
    return Response(encode(msgspec.to_builtins(content)), status, media_type="application/json")
