"""What every connector is given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import Struct

from usersyncd.plugin.options import Secret

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class Patience(Struct, frozen=True):
    """How a connector's requests are repeated and paced."""

    retryable: Callable[[httpx.Response], bool] | None = None
    """Answers that are repeated besides 429, 500, 502, 503 and 504. Its body has been read."""
    load: Callable[[httpx.Response], float | None] | None = None
    """How much of its quota the provider says is used up, from 0 to 1 and above; None: it does not say. Above 0.8 the
    next requests are put off."""
    json: bool = True
    """A 200 whose body is no JSON, or only its beginning, is repeated: it comes from something in between."""
    concurrency: int = 8
    """Requests to one host under way at once, at the most."""
    per_minute: int | None = None
    """A known quota of one host; None: only what the provider's throttling teaches."""
    silence: float = 60.0
    """Seconds that a host may be silent before the request counts as failed."""
    seconds: float = 600.0
    """Seconds that one request may take, with all its repetitions and waits."""
    size: int = 64 * 1024 * 1024
    """Bytes that one answer may have, decompressed."""


PATIENT = Patience()


class Context(Protocol):
    """What every connector is given."""

    @property
    def name(self) -> str:
        """The directory's or target's name in the configuration."""

    @property
    def folder(self) -> Path:
        """Relative paths in options are relative to this folder: the configuration file's."""

    @property
    def log(self) -> Any:
        """A structlog logger, bound to the run."""

    def secret(self, secret: Secret) -> str:
        """Open a secret. Raises ConfigError, naming the reference, when there is nothing to open."""

    def blocking(self, work: Callable[[], Iterable[T]]) -> AsyncIterator[T]:
        """Run a blocking library's generator in one thread of its own, from its first step to its last, so that the run
        can be cancelled and other directories go on. The generator is closed in that thread."""

    def http(
        self, patience: Patience = PATIENT, *, ca_file: str | None = None, proxy: str | None = None
    ) -> httpx.AsyncClient:
        """A client on the patient transport: it waits when the provider asks for it, repeats what is worth repeating
        (GET and HEAD; another method where the request says ``extensions={"repeatable": True}``), and raises
        SourceError, or TargetError, naming host and remedy, when its patience ends. Every other answer is returned.

        Use it with ``async with``. What is left open is closed when the run ends. It follows no redirects.
        ``ca_file``: PEM file of the CAs to trust, relative to the configuration file (default: the system's, or
        ``$SSL_CERT_FILE``); ``proxy``: its URL (default: ``$HTTPS_PROXY``, ``$HTTP_PROXY`` and ``$NO_PROXY``)."""
