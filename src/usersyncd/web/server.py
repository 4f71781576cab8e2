"""Listens at the configured address, in the event loop of the daemon."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server

from usersyncd.config.web import TlsFiles, WebConfig
from usersyncd.errors import ListenError
from usersyncd.web.connection import CONNECTIONS, BoundedConnection
from usersyncd.web.tls import server_context

IDLE_SECONDS = 75
"""Seconds that a connection stays open between two requests: longer than the clients' own pools keep them."""
DRAIN_SECONDS = 10
"""Seconds that running requests have to end when the daemon ends."""
BACKLOG = 512


class WebServer:
    """The web service. ``app`` may be replaced while it runs."""

    def __init__(self, config: WebConfig, app: ASGIApp) -> None:
        self.app = app
        self._sockets = _listen(config)
        try:
            self._server = _OwnServer(self._settings())
            self._server.config.load()
            if config.tls is not None:
                self._server.config.ssl = server_context(config.tls)
        except BaseException:
            self._close()
            raise

    @property
    def port(self) -> int:
        """The port at which it listens."""
        return int(self._sockets[0].getsockname()[1])

    def renew(self, files: TlsFiles) -> None:
        """Read the files of TLS again: certificates are renewed under the same names. Raises ConfigError."""
        server_context(files)
        context = self._server.config.ssl
        if context is not None:
            context.load_cert_chain(files.cert, files.key)

    async def run(self) -> None:
        """Answer requests until :meth:`stop` is called."""
        try:
            await self._server.serve(self._sockets)
        finally:
            self._close()

    def stop(self) -> None:
        """Accept no more connections, and end when the requests under way are answered, or after a few seconds."""
        self._server.should_exit = True

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def _settings(self) -> Config:
        return Config(
            self._answer,
            http=BoundedConnection,
            ws="none",
            loop="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",  # Limits logs every fault, and a scanner's odd requests are not worth a line.
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=CONNECTIONS + 100,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )

    def _close(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.close()


class _OwnServer(Server):
    """A server that leaves signals to the daemon."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _listen(config: WebConfig) -> list[socket.socket]:
    """The listening sockets: a name such as localhost may have several addresses. Raises ListenError."""
    where = f"{config.host}:{config.port}"
    listening: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, *_, address in dict.fromkeys(found):
            # asyncio sets TCP_NODELAY only if the protocol is named. Without it, a body waits 40 ms for the client's
            # delayed acknowledgement of the headers.
            one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listening.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(BACKLOG)
            one.setblocking(False)
    except OSError as error:
        for one in listening:
            one.close()
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise ListenError(
            f"web: the daemon cannot listen at {where}: {why}",
            "end the program that listens there, or write another address under web.listen",
        ) from error
    return listening
