"""Bearer tokens (RFC 6750): which of them open what, and what happens to requests without the right one.

A token is compared with every token of the thing that it should open, in constant time, and opens nothing else. A
request for something that does not exist gets the same answer as one with a wrong token.
"""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import sha256

import structlog
from msgspec import Struct
from starlette.responses import Response
from starlette.types import Scope

from usersyncd.web.answers import refusal, too_many

FAILURES = 20
"""How many requests of one address may fail in a minute. Then wrong tokens are refused with 429 and not logged. Right
tokens are accepted nevertheless: a provider shares its addresses with others, who must not be able to lock it out."""
WINDOW = 60.0
ADDRESSES = 10_000
"""The most addresses whose failures are counted."""


class Credentials:
    """The tokens that open one thing."""

    def __init__(self, tokens: Iterable[tuple[str, str]]) -> None:
        """``tokens``: the name and the text of each."""
        self._digests = [(name, sha256(text.encode()).digest()) for name, text in tokens]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def name_of(self, given: str | None) -> str | None:
        """The name of the token that was given; None: it is none of these."""
        digest = sha256((given or "").encode("utf-8", "surrogateescape")).digest()
        found: str | None = None
        for name, own in self._digests:  # All of them, so that the time says nothing.
            if hmac.compare_digest(digest, own):
                found = name
        return found


def bearer(scope: Scope) -> str | None:
    """The bearer token of a request."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").strip().partition(" ")
            return token.strip() if scheme.lower() == "bearer" else None
    return None


class _Failures(Struct):
    began: float
    count: int = 0


class Doorkeeper:
    """Answers requests without the right token, and counts them by address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def refuse(self, scope: Scope, address: str, *, has_token: bool, absent: str | None = None) -> Response:
        """The answer to a request without the right token. ``absent``: what the request is for does not exist; the log
        says so, the answer does not."""
        failures = self._count(address)
        log = structlog.get_logger().bind(address=address, path=scope["path"])
        if failures > FAILURES:
            if failures == FAILURES + 1:
                log.warning(
                    f"{failures} requests without the right token within a minute: further ones are not logged",
                    event_name="web.refusing",
                )
            return too_many(scope, "too many requests without the right token", int(WINDOW))
        why = absent or ("its token is wrong" if has_token else "it has no bearer token")
        log.warning(f"a request was refused: {why}", event_name="web.refused", method=scope["method"])
        error = ', error="invalid_token"' if has_token else ""
        return refusal(
            scope, 401, "the bearer token is missing or wrong", {"www-authenticate": f'Bearer realm="usersyncd"{error}'}
        )

    def _count(self, address: str) -> int:
        now = self._clock()
        failures = self._failures.get(address)
        if failures is None or now - failures.began >= WINDOW:
            failures = self._failures[address] = _Failures(now)
        self._failures.move_to_end(address)
        if len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)
        failures.count += 1
        return failures.count
