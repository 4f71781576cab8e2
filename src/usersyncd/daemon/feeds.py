"""Who may read the streams of events over HTTP, and with which keys their tokens are signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog
from starlette.routing import Route

from usersyncd.config import Config
from usersyncd.config.web import WebConfig
from usersyncd.daemon.entrances import entrances_of, opened
from usersyncd.errors import ConfigError
from usersyncd.plugin import StreamOptions
from usersyncd.secrets import open_secret
from usersyncd.state.database import Database
from usersyncd.web import events
from usersyncd.web.auth import Doorkeeper
from usersyncd.web.bucket import RequestBucket
from usersyncd.web.gates import Entrance, Gate

PER_MINUTE = 1_200
"""How many requests the readers of one stream may make together."""


def feed_routes(config: Config, web: WebConfig, database: Database) -> Callable[[Doorkeeper], list[Route]]:
    """Makes the routes of the feed, the snapshot and the public keys."""
    options = {
        name: target.options for name, target in config.targets.items() if isinstance(target.options, StreamOptions)
    }
    entrances, _ = entrances_of(
        "target", {name: partial(_entrance, config, name, each) for name, each in options.items()}
    )

    def routes(doorkeeper: Doorkeeper) -> list[Route]:
        gate = Gate("target", entrances, doorkeeper, web.trusted_proxies)
        return events.routes(database, lambda: options, gate.enter, lambda: _public_keys(config, options))

    return routes


def _entrance(config: Config, target: str, options: StreamOptions) -> Entrance:
    bucket = RequestBucket(PER_MINUTE)
    return Entrance(opened(config, target, options.tokens), lambda _token: bucket.take())


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
