"""Who may read the streams of events over HTTP, and with which keys their tokens are signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from usersyncd.config import Config
from usersyncd.config.web import WebConfig
from usersyncd.daemon.entrances import opened
from usersyncd.errors import ConfigError
from usersyncd.plugin import StreamOptions
from usersyncd.secrets import open_secret
from usersyncd.state.database import Database
from usersyncd.web import events
from usersyncd.web.answers import busy, refusal
from usersyncd.web.auth import Credentials, Doorkeeper, bearer
from usersyncd.web.bucket import RequestBucket
from usersyncd.web.clients import client_address

PER_MINUTE = 1_200
"""How many requests the readers of one stream may make together."""


class ReadableStream(Struct, frozen=True):
    """Who may read one stream. ``credentials`` None: their tokens cannot be opened."""

    credentials: Credentials | None
    bucket: RequestBucket


def feed_routes(config: Config, web: WebConfig, database: Database) -> Callable[[Doorkeeper], list[Route]]:
    """Makes the routes of the feed, the snapshot and the public keys."""
    options = {
        name: target.options for name, target in config.targets.items() if isinstance(target.options, StreamOptions)
    }
    streams = {
        name: ReadableStream(_readers(config, name, each), RequestBucket(PER_MINUTE)) for name, each in options.items()
    }

    def routes(doorkeeper: Doorkeeper) -> list[Route]:
        def admit(request: Request, target: str) -> Response | None:
            scope, token = request.scope, bearer(request.scope)
            stream = streams.get(target)
            if stream is not None and stream.credentials is None:
                return busy(scope, "the tokens of this target cannot be read: see the log of usersyncd", 60)
            if stream is None or stream.credentials is None or stream.credentials.name_of(token) is None:
                address = client_address(scope, web.trusted_proxies)
                absent = "there is no such stream" if stream is None else None
                return doorkeeper.refuse(scope, address, has_token=token is not None, absent=absent)
            if seconds := stream.bucket.take():
                too_many = f"more than {PER_MINUTE:,} requests in a minute"
                return refusal(scope, 429, too_many, {"retry-after": str(seconds)})
            return None

        return events.routes(database, lambda: options, admit, lambda: _public_keys(config, options))

    return routes


def _readers(config: Config, target: str, options: StreamOptions) -> Credentials | None:
    """The tokens of a stream; None, with an error in the log, if one cannot be used: the other streams go on."""
    try:
        return opened(config, target, [(reader.name, reader.secret) for reader in options.tokens])
    except ConfigError as error:
        structlog.get_logger().error(
            f"the feed of the target answers every request with 503: {error}",
            event_name="web.token_unreadable", target=target, code=error.code,
        )  # fmt: skip
        return None


def _public_keys(config: Config, options: Mapping[str, StreamOptions]) -> Mapping[str, Any]:
    """The public keys of all streams that sign. A key that cannot be opened is left out: its sender logs that."""
    from usersyncd.events.tokens import jwks

    found: list[Any] = []
    for name, each in options.items():
        if each.signing_key is None:
            continue
        try:
            text = open_secret(each.signing_key, folder=config.folder, owner=name, log=structlog.get_logger())
            found += jwks([text])["keys"]
        except ConfigError:
            continue
    return {"keys": found}
