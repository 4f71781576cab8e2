"""The context that every connector receives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import Struct

from usersyncd.plugin.options import Secret

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class Patience(Struct, frozen=True):
    """How a connector's requests are retried and paced."""

    retryable: Callable[[httpx.Response], bool] | None = None
    """Which responses are retried besides 429, 500, 502, 503 and 504. The body of the response is already read."""
    load: Callable[[httpx.Response], float | None] | None = None
    """The used part of the quota that the provider reports, from 0 to 1 and above; None: it reports nothing. Above 0.8
    the next requests are delayed."""
    json: bool = True
    """Retry a 200 whose body is not JSON, or is cut off: it comes from a proxy or another device on the way."""
    concurrency: int = 8
    """Maximum number of concurrent requests to one host."""
    per_minute: float | None = None
    """A known quota of one host, in requests; None: the rate adapts to the provider's throttling alone."""
    routes: Mapping[str, float] = {}
    """Known quotas of parts of one host, in requests per minute, each under a name. A request that counts against some
    of them names them: ``extensions={"routes": ("writes", "users")}``."""
    silence: float = 60.0
    """Seconds without data from the host after which the request fails."""
    seconds: float = 600.0
    """Seconds that one request may take, including all retries and waits."""
    size: int = 64 * 1024 * 1024
    """Maximum size of one decompressed response, in bytes."""


PATIENT = Patience()


class Context(Protocol):
    """The context that every connector receives."""

    @property
    def name(self) -> str:
        """The directory's or target's name in the configuration."""

    @property
    def folder(self) -> Path:
        """The folder of the configuration file: relative paths in options are relative to it."""

    @property
    def log(self) -> Any:
        """A structlog logger, bound to the run."""

    def secret(self, secret: Secret) -> str:
        """Return the secret that a reference names. Raises ConfigError, which names the reference, if it cannot be
        opened."""

    def blocking(self, work: Callable[[], Iterable[T]]) -> AsyncIterator[T]:
        """Run the generator of a blocking library in its own thread, so that the run can be cancelled and other runs
        continue. The thread also closes the generator."""

    def http(
        self, patience: Patience = PATIENT, *, ca_file: str | None = None, proxy: str | None = None
    ) -> httpx.AsyncClient:
        """A client that waits when the provider requests it, and retries temporary failures (of GET and HEAD; of other
        methods if the request has ``extensions={"repeatable": True}``). When the limits of ``patience`` are reached, it
        raises SourceError or TargetError with host and remedy. Every other response is returned.

        A request with ``extensions={"repeatable": False}`` may have taken effect unless the host refused to process it:
        only a 429 and a failed attempt to connect are retried, and a response of 500, 502, 503 or 504 is returned.

        Use it with ``async with``. A client that is left open is closed when the run ends. It does not follow
        redirects. ``ca_file``: PEM file of the CAs to trust, relative to the configuration file (default: the system's,
        or ``$SSL_CERT_FILE``); ``proxy``: its URL (default: ``$HTTPS_PROXY``, ``$HTTP_PROXY`` and ``$NO_PROXY``)."""
