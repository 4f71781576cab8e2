"""Puts the application together: limits around everything, then health, the API, and the other parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from usersyncd.config.web import WebConfig
from usersyncd.web import api, events
from usersyncd.web.answers import refusal
from usersyncd.web.auth import Credentials, Doorkeeper
from usersyncd.web.gates import ApiGate
from usersyncd.web.limits import Limits


def application(
    config: WebConfig,
    backend: api.Backend,
    credentials: Credentials,
    why_busy: Callable[[], str | None],
    more: Sequence[Callable[[Doorkeeper], Sequence[BaseRoute]]] = (),
) -> ASGIApp:
    """The whole application.

    ``credentials``: the tokens of the API. ``why_busy``: why requests have to wait; None: they do not. ``more``: makes
    the routes of other parts, which share the doorkeeper.
    """
    doorkeeper = Doorkeeper()
    gate = ApiGate(credentials, {token.name: token.role for token in config.tokens}, doorkeeper, config.trusted_proxies)
    router = Router(
        [
            Route("/livez", _alive),
            Route("/readyz", _Readiness(why_busy).answer),
            *api.routes(backend, gate, events.operations()),
            *(route for routes in more for route in routes(doorkeeper)),
        ],
        redirect_slashes=False,
        default=_nothing,
    )
    app = ExceptionMiddleware(_Raising(router), handlers={HTTPException: _refused})
    return Limits(app, why_busy)


class _Raising:
    """The router, which raises for a method that a route does not have instead of an answer of its own."""

    def __init__(self, router: Router) -> None:
        self.app = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self.app
        await self.app(scope, receive, send)


async def _alive(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


class _Readiness:
    def __init__(self, why_busy: Callable[[], str | None]) -> None:
        self._why_busy = why_busy

    async def answer(self, _request: Request) -> Response:
        why = self._why_busy()
        return PlainTextResponse("ok\n" if why is None else f"{why}\n", 200 if why is None else 503)


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise HTTPException(404, "there is nothing at this address")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it handles nothing else
    what = f"{request.method} is not possible here" if error.status_code == 405 else error.detail
    return refusal(request.scope, error.status_code, what, error.headers)
