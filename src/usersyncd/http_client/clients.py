"""The HTTP clients of one connector in one run, with one request budget for each host."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpx

from usersyncd.errors import ConfigError, UsersyncError
from usersyncd.http_client.budget import Budget
from usersyncd.http_client.clock import Clock
from usersyncd.http_client.transport import PatientTransport
from usersyncd.plugin import Patience
from usersyncd.progress import Wait

CONNECT_SECONDS = 15.0
KEEP_ALIVE_SECONDS = 60.0


class Clients:
    """Creates clients. ``failure``: the error that they raise; ``waiting`` is called for every wait."""

    def __init__(
        self,
        *,
        clock: Clock,
        log: Any,
        folder: Path,
        failure: type[UsersyncError],
        waiting: Callable[[Wait], None] | None,
    ) -> None:
        self._clock = clock
        self._log = log
        self._folder = folder
        self._failure = failure
        self._waiting = waiting
        self._budgets: dict[str, Budget] = {}
        self._clients: list[httpx.AsyncClient] = []

    def client(self, patience: Patience, *, ca_file: str | None, proxy: str | None) -> httpx.AsyncClient:
        """A client, see :meth:`usersyncd.plugin.Context.http`. Raises ConfigError when ``ca_file`` cannot be used."""
        inner = _Routes(patience, _trust(self._folder / ca_file if ca_file else None), proxy)
        transport = PatientTransport(
            inner,
            patience,
            budget=lambda host: self._budget(host, patience),
            clock=self._clock,
            log=self._log,
            waiting=self._waiting,
            failure=self._failure,
        )
        client = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(patience.silence, connect=min(CONNECT_SECONDS, patience.silence), pool=None),
            headers={"User-Agent": "usersyncd", "Accept-Encoding": "gzip"},
            trust_env=False,
        )
        self._clients = [*(each for each in self._clients if not each.is_closed), client]
        return client

    async def close(self) -> None:
        """Close all open clients."""
        for client in self._clients:
            await client.aclose()
        self._clients.clear()

    def _budget(self, host: str, patience: Patience) -> Budget:
        if host not in self._budgets:
            self._budgets[host] = Budget(patience, self._clock)
        return self._budgets[host]


class _Routes(httpx.AsyncBaseTransport):
    """HTTP/1.1 with keep-alive, direct or through the proxy that is configured for the host.

    httpx reads the environment only when it creates the transport itself, so this class reads it with the standard
    library. Loopback and link-local addresses, such as a cloud's metadata service, never go through a proxy.
    """

    def __init__(self, patience: Patience, trust: ssl.SSLContext, proxy: str | None) -> None:
        self._trust = trust
        self._limits = httpx.Limits(
            max_connections=None,
            max_keepalive_connections=patience.concurrency,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
        )
        self._proxies = {"http": proxy, "https": proxy} if proxy else getproxies()
        self._chosen = proxy is not None
        self._routes: dict[str | None, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._route(request.url).handle_async_request(request)

    async def aclose(self) -> None:
        for route in self._routes.values():
            await route.aclose()

    def _route(self, url: httpx.URL) -> httpx.AsyncHTTPTransport:
        proxy = self._proxies.get(url.scheme) or self._proxies.get("all")
        if _is_local(url.host) or (not self._chosen and proxy_bypass(url.netloc.decode())):
            proxy = None
        if proxy not in self._routes:
            self._routes[proxy] = httpx.AsyncHTTPTransport(
                verify=self._trust, http1=True, http2=False, limits=self._limits, proxy=proxy, trust_env=False
            )
        return self._routes[proxy]


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_link_local


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return _context(ca_file, _version(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"ca_file {ca_file} cannot be used: {error.strerror or error}",
            "name a PEM file of certificates that usersyncd may read",
        ) from error


@lru_cache(maxsize=8)
def _context(ca_file: Path | None, version: Sequence[int]) -> ssl.SSLContext:  # noqa: ARG001 - a new version is a new cache entry
    """Cached: loading the system's CAs takes longer than a run without changes."""
    return ssl.create_default_context(cafile=ca_file)


def _version(ca_file: Path | None) -> Sequence[int]:
    """Changes when the CA files change. Raises OSError when ``ca_file`` does not exist."""
    system = ssl.get_default_verify_paths()  # Respects $SSL_CERT_FILE and leaves out missing files.
    files = [ca_file] if ca_file else [Path(each) for each in (system.cafile, system.capath) if each]
    return tuple(
        number
        for file in files
        for found in [file.stat()]
        for number in (found.st_mtime_ns, found.st_ino, found.st_size)
    )
