"""An httpx transport that paces requests, retries failures that may pass, and reports its waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import tenacity

from usersyncd.errors import UsersyncError
from usersyncd.http_client.answers import without_secrets
from usersyncd.http_client.bodies import read_body
from usersyncd.http_client.budget import Budget
from usersyncd.http_client.clock import Clock
from usersyncd.http_client.retry import (
    UNPROVEN_HOST,
    LastingError,
    PassingError,
    stop_when,
    trouble,
    trouble_of,
    trouble_with,
    wait,
)
from usersyncd.plugin import Patience
from usersyncd.progress import Wait

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that are safe to retry (RFC 9110, section 9.2.1)."""
CROWDED = 0.8
"""The used part of the quota above which requests are delayed."""
SPARED = 10.0
"""Seconds of delay for each whole quota above that."""
FULLEST = 2.0
"""The highest plausible load; a higher value is ignored."""
NOTICED = 0.05
"""Minimum seconds of a wait that is logged."""
UNLIMITED = 1_000_000
"""Concurrent requests of a route: more than there ever are."""


class PatientTransport(httpx.AsyncBaseTransport):
    """Sends requests with pacing and retries, and reads each response as a whole. ``failure``: the error that is raised
    if the last attempt fails."""

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        patience: Patience,
        *,
        budget: Callable[[str], Budget],
        clock: Clock,
        log: Any,
        waiting: Callable[[Wait], None] | None,
        failure: type[UsersyncError],
    ) -> None:
        self._inner = inner
        self._patience = patience
        self._budget = budget
        self._clock = clock
        self._log = log
        self._waiting = waiting
        self._failure = failure
        self._routes: dict[tuple[str, str], Budget] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        declared = request.extensions.get("repeatable")
        repeatable = declared is True or (declared is None and request.method in SAFE)
        call = _Call(self._budget(request.url.host), self._clock, self._patience.seconds)
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda error: _is_retried(error, declared, repeatable)),
            stop=stop_when(call.is_over),
            wait=wait,
            before_sleep=lambda state: self._report_retry(request, state, call),
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            return await retrying(self._attempt, request, call)
        except (PassingError, LastingError) as error:
            if declared is False and isinstance(error, PassingError) and error.response and not error.unprocessed:
                return error.response
            tried = f", in {call.attempts} attempts" if call.attempts > 1 else ""
            host = _named(request.url)
            place = f"{request.method} {host}{request.url.path}"
            raise self._failure(f"{host} {error.what}{tried} ({place})", error.remedy) from error

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _attempt(self, request: httpx.Request, call: _Call) -> httpx.Response:
        async with AsyncExitStack() as budgets:
            for name in request.extensions.get("routes", ()):
                if name in self._patience.routes:
                    await budgets.enter_async_context(self._route(request.url.host, name))
            await budgets.enter_async_context(call.budget)
            call.begin()
            try:
                async with asyncio.timeout(call.left):
                    response = await self._read(request)
            except TimeoutError as error:
                raise LastingError(
                    f"did not respond within {_seconds(self._patience.seconds)}", "find out why it is slow"
                ) from error
            except httpx.TransportError as error:
                raise trouble_with(error) from error
            call.budget.answered = True
            found = trouble_of(response, self._patience)
            if found is not None:
                raise found
            call.budget.took()
        self._spare(response, call.budget)
        return response

    async def _read(self, request: httpx.Request) -> httpx.Response:
        """The whole response, decompressed."""
        response = await self._inner.handle_async_request(request)
        response.request = request
        try:
            body = await read_body(response, self._patience.size)
        finally:
            await response.aclose()
        if not response.is_success:
            body = without_secrets(body, request)
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _FRAMING]
        extensions = {name: value for name, value in response.extensions.items() if name != "network_stream"}
        return httpx.Response(
            response.status_code, headers=headers, content=body, extensions=extensions, request=request
        )

    def _route(self, host: str, name: str) -> Budget:
        """The budget of a part of a host: a rate alone, since the host's own budget limits concurrent requests."""
        if (host, name) not in self._routes:
            rate = Patience(concurrency=UNLIMITED, per_minute=self._patience.routes[name])
            self._routes[host, name] = Budget(rate, self._clock)
        return self._routes[host, name]

    def _spare(self, response: httpx.Response, budget: Budget) -> None:
        """Delay the next requests when the provider reports that its quota is nearly used up."""
        load = self._patience.load(response) if self._patience.load else None
        if load is not None and CROWDED < load <= FULLEST:
            seconds = SPARED * (load - CROWDED)
            if budget.put_off(seconds):
                host = _named(response.request.url)
                why = f"{host} reports that {load:.0%} of its quota is used"
                self._report_wait(why, host, seconds)

    def _report_retry(self, request: httpx.Request, state: tenacity.RetryCallState, call: _Call) -> None:
        found, seconds, host = trouble(state), state.upcoming_sleep, _named(request.url)
        if found.throttled and not call.budget.throttled(call.began, seconds):
            return  # This wait is not longer than the one already reported.
        why = f"{host} requested it" if found.asked is not None else f"{host} {found.what}"
        self._report_wait(why, host, seconds, attempt=state.attempt_number, reason=found.what)

    def _report_wait(self, why: str, host: str, seconds: float, **more: Any) -> None:
        if seconds >= NOTICED:
            text = f"waiting {_seconds(seconds)}: {why}"
            self._log.info(text, event_name="http.waiting", host=host, seconds=round(seconds, 1), **more)
            if self._waiting:
                self._waiting(Wait(host, why, datetime.now(UTC) + timedelta(seconds=seconds)))


def _named(url: httpx.URL) -> str:
    """The host, with its port unless that is the usual one."""
    return url.netloc.decode()


def _is_retried(error: BaseException, declared: object, repeatable: bool) -> bool:
    """Whether another attempt may follow. ``declared``: what the request says of itself."""
    if not isinstance(error, PassingError):
        return False
    return repeatable or (declared is False and error.unprocessed)


_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers that describe the encoded body."""


class _Call:
    """One request with all its attempts. Its time begins with its first attempt; waiting for a free slot does not
    count."""

    def __init__(self, budget: Budget, clock: Clock, seconds: float) -> None:
        self.budget = budget
        self.attempts = 0
        self.began = 0.0
        self._clock = clock
        self._seconds = seconds
        self._first: float | None = None

    def begin(self) -> None:
        self.attempts += 1
        self.began = self._clock.now()
        if self._first is None:
            self._first = self.began

    @property
    def left(self) -> float:
        """Seconds that remain."""
        return self._seconds - (self._clock.now() - (self._first or 0.0))

    def is_over(self, wait: float) -> bool:
        """Whether the time ends during a wait of this many seconds."""
        left = self.left
        if not self.budget.answered:
            left -= max(0.0, self._seconds - UNPROVEN_HOST)
        return wait > left


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
