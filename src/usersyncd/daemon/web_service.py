"""The web service as a part of the daemon: it listens as long as the daemon runs, and follows the configuration."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from usersyncd.config.web import WebConfig
from usersyncd.daemon.reload import Loaded
from usersyncd.daemon.token_use import TokenUse
from usersyncd.errors import ConfigError
from usersyncd.state.database import Database

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from usersyncd.web.api import Backend
    from usersyncd.web.scim import StoreOf


class WebService:
    """Serves the section ``web`` of a configuration. Raises ConfigError if a token cannot be used, and ListenError if
    the address is not free."""

    def __init__(
        self, loaded: Loaded, config: WebConfig, database: Database, backend: Backend, store_of: StoreOf
    ) -> None:
        """``store_of``: the store of a directory that pushes."""
        from usersyncd.web.server import WebServer

        self._backend = backend
        self._store_of = store_of
        self._database = database
        self._use = TokenUse(database)
        self._why_busy: str | None = "the service starts"
        self._config = config
        self._closed: dict[str, ConfigError] = {}
        self._server = WebServer(config, self._application(loaded, config))
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port at which it listens."""
        return self._server.port

    def closed(self, directory: str) -> ConfigError | None:
        """Why a directory answers every push with 503; None: it takes them."""
        return self._closed.get(directory)

    def start(self) -> None:
        """Listen, and answer every request with 503 until :meth:`ready` is called."""
        self._task = asyncio.create_task(self._server.run(), name="web")
        structlog.get_logger().info(
            "the web service listens", event_name="web.listening", address=self._config.host, port=self.port
        )

    def ready(self) -> None:
        """Answer requests from now on."""
        self._why_busy = None

    def follow(self, loaded: Loaded) -> None:
        """Continue with another configuration and with renewed TLS files. Another address needs a restart."""
        config = loaded.config.web
        if config is None or (config.host, config.port, config.tls) != (
            self._config.host,
            self._config.port,
            self._config.tls,
        ):
            structlog.get_logger().warning(
                "the address or TLS of `web` has changed: the old one is used until usersyncd is restarted",
                event_name="config.web_changed",
            )
        if config is None:
            return
        try:
            if self._config.tls is not None:
                self._server.renew(self._config.tls)
            self._server.app = self._application(loaded, config)
        except ConfigError as error:
            structlog.get_logger().error(
                f"the web service keeps its old tokens and certificate: {error}",
                event_name="web.not_reloaded",
                code=error.code,
            )

    def drain(self) -> None:
        """Answer every further request with 503."""
        self._why_busy = "the service ends"

    async def stop(self) -> None:
        """Answer what is under way, and end."""
        self.drain()
        if self._task is not None:
            self._server.stop()
            await asyncio.wait([self._task])

    def _application(self, loaded: Loaded, config: WebConfig) -> ASGIApp:
        from usersyncd.daemon.entrances import opened, push_routes
        from usersyncd.daemon.feeds import feed_routes
        from usersyncd.web.app import application

        self._closed = {}
        return application(
            config,
            self._backend,
            opened(loaded.config, "web", config.tokens),
            lambda: self._why_busy,
            [
                push_routes(loaded, config, self._store_of, self._use, self._closed),
                feed_routes(loaded.config, config, self._database),
            ],
        )
