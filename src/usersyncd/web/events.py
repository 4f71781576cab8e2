"""The feed of events, the snapshot, and the keys that sign Security Event Tokens: what applications read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from usersyncd.core.events import TYPES
from usersyncd.errors import CursorError, FeedError, NoStreamError, RestoredError, StateError
from usersyncd.state import feed
from usersyncd.state.database import Database
from usersyncd.state.feed import FeedPage, SnapshotPage
from usersyncd.web.answers import busy, refusal, too_many
from usersyncd.web.bodies import EventPage, KeySet
from usersyncd.web.openapi import operation, public, reference
from usersyncd.web.parameters import refuse_unknown
from usersyncd.web.waiting import RETRY_AFTER, WAIT, FullError, WaitingRequests, wait_of

T = TypeVar("T")

MOST = 1_000
"""The most events or objects of a page."""
LOOK = 0.5
"""Seconds between two looks for events while a reader waits."""

Admission = Callable[[Scope, str], str | Response]
"""Whether a request may read the stream of the target with this name, which may not exist: the name of the token that
opens it, or the answer that refuses it."""


def routes(
    database: Database,
    streams: Callable[[], Collection[str]],
    admit: Admission,
    public_keys: Callable[[], Mapping[str, Any]],
) -> list[Route]:
    """The routes. ``streams``: the names of the events targets; ``public_keys``: the JSON Web Key Set."""
    readers = _Readers(database, streams, admit)

    async def keys(_request: Request) -> Response:
        return _json(await asyncio.to_thread(public_keys), "application/jwk-set+json")

    return [
        Route("/api/v1/events", readers.events, methods=["GET"]),
        Route("/api/v1/events/{event}", readers.event, methods=["GET"]),
        Route("/api/v1/snapshot", readers.snapshot, methods=["GET"]),
        Route("/.well-known/jwks.json", keys, methods=["GET"]),
    ]


class _Readers:
    def __init__(self, database: Database, streams: Callable[[], Collection[str]], admit: Admission) -> None:
        self._database = database
        self._streams = streams
        self._admit = admit
        self._waiting = WaitingRequests()

    async def events(self, request: Request) -> Response:
        """The events after a cursor. ``wait``: if there are none, how long to wait for the first."""
        return await self._answer(request, self._events)

    async def event(self, request: Request) -> Response:
        """One whole event by its id."""
        return await self._answer(request, self._event)

    async def snapshot(self, request: Request) -> Response:
        """A page of what is there, with the cursor from which to follow the events."""
        return await self._answer(request, self._snapshot)

    async def _answer(self, request: Request, read: Callable[[Request, str], Any]) -> Response:
        target = self._target(request)
        reader = self._admit(request.scope, target)
        if isinstance(reader, Response):
            return reader
        try:
            found: Response = await read(request, target)
        except CursorError as error:
            if isinstance(error, RestoredError):
                structlog.get_logger().warning(
                    "the state database was restored: a reader of the feed knows events that are lost; the stream "
                    "begins a new epoch, and its readers are sent to the snapshot\n"
                    "  → let the applications that only receive webhooks read the snapshot once, too",
                    event_name="events.restored", target=target, reader=reader,
                )  # fmt: skip
            return refusal(request.scope, 410, f"{error.message}: {error.remedy}")
        except NoStreamError as error:
            return refusal(request.scope, 404, f"{error.message}: {error.remedy}")
        except FullError as error:
            return too_many(request.scope, str(error), RETRY_AFTER)
        except (FeedError, ValueError) as error:
            return refusal(request.scope, 400, " ".join(str(error).split()))
        except StateError:
            return busy(request.scope, "the state database does not answer", 5)
        return found

    def _target(self, request: Request) -> str:
        """The target whose stream is read. It may be left out if there is only one."""
        named = request.query_params.get("target")
        names = self._streams()
        return named if named is not None else next(iter(names)) if len(names) == 1 else ""

    async def _events(self, request: Request, target: str) -> Response:
        query = request.query_params
        refuse_unknown(query, ("target", "after", "types", "limit", "wait"))
        types, limit, wait = _types(query), _limit(query), wait_of(query)
        end = time.monotonic() + wait
        cursor = query.get("after")
        with self._waiting.place(target, wait):
            while True:
                page: FeedPage = await asyncio.to_thread(feed.read_feed, self._database, target, cursor, limit, types)
                left = end - time.monotonic()
                if page.events or page.more or left <= 0 or await request.is_disconnected():
                    break
                cursor = page.cursor
                await asyncio.sleep(min(LOOK, left))
        events = [event.body for event in page.events]
        return _json(EventPage(page.epoch, events, page.cursor, page.more))

    async def _event(self, request: Request, target: str) -> Response:
        refuse_unknown(request.query_params, ("target",))
        id_: str = request.path_params["event"]
        found = await asyncio.to_thread(feed.find_event, self._database, target, id_)
        if found is None:
            return refusal(request.scope, 404, "there is no such event, or it is not kept any more")
        return _json(found.body)

    async def _snapshot(self, request: Request, target: str) -> Response:
        query = request.query_params
        refuse_unknown(query, ("target", "page", "limit"))
        page = partial(feed.read_snapshot, self._database, target, query.get("page"), _limit(query))
        return _json(await asyncio.to_thread(page))


def _limit(query: Mapping[str, str]) -> int:
    given = query.get("limit", "100")
    if not given.isdecimal() or not given.isascii() or not 1 <= int(given[:9]) <= MOST:
        raise ValueError(f"limit must be a whole number from 1 to {MOST}")
    return int(given)


def _types(query: Mapping[str, str]) -> Collection[str] | None:
    """The types that are asked for. Raises ValueError for an unknown one."""
    given = query.get("types")
    if given is None:
        return None
    chosen = set(given.split(","))
    if unknown := sorted(chosen - set(TYPES)):
        raise ValueError(f"types: {unknown[0][:50]!r} is not one of {', '.join(TYPES)}")
    return chosen


def _json(content: Any, media_type: str = "application/json") -> Response:
    return Response(msgspec.json.encode(content), 200, {"cache-control": "no-store"}, media_type)


def operations() -> dict[str, Any]:
    """The paths for the OpenAPI document."""
    target = _parameter("target", "The events target. May be left out if there is only one.")
    size = {"type": "integer", "minimum": 1, "maximum": MOST, "default": 100}
    limit = _parameter("limit", "The most events or objects of the page.", size)
    after = _parameter("after", "`cursor` of the page before. Left out: from the first event that is kept.")
    types = _parameter("types", f"Only these types, separated by commas: {', '.join(TYPES)}.")
    wait = _parameter("wait", "How long to wait for the first event, such as 20s; at most 50s.", WAIT)
    page = _parameter("page", "`next` of the page before.")
    event = {"name": "event", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/api/v1/events": {
            "get": operation(
                "readEvents", "Read events in order", EventPage, parameters=[target, after, types, limit, wait],
                refusals=(400, 404, 410),
            )
        },
        "/api/v1/events/{event}": {
            "get": operation(
                "readEvent", "Read one event by its id", reference("Event"), parameters=[event, target],
                refusals=(400, 404),
            )
        },
        "/api/v1/snapshot": {
            "get": operation(
                "readSnapshot", "Read what is there", SnapshotPage, parameters=[target, page, limit],
                refusals=(400, 404, 410),
            )
        },
        "/.well-known/jwks.json": {
            "get": public(
                "readKeys", "Read the keys that verify Security Event Tokens", "application/jwk-set+json", KeySet
            )
        },
    }  # fmt: skip


def _parameter(name: str, description: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}
