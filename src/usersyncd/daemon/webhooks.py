"""Starts the senders of webhooks, if the configuration has any: their libraries are in the extra ``web``."""

from __future__ import annotations

from typing import Protocol

import structlog

from usersyncd.config import Config
from usersyncd.plugin import StreamOptions
from usersyncd.state.database import Database


class Webhooks(Protocol):
    """The senders of all webhooks (see :class:`usersyncd.events.service.Senders`)."""

    def follow(self, config: Config) -> None: ...

    def wake(self, target: str) -> None: ...

    async def stop(self) -> None: ...


def follow(senders: Webhooks | None, config: Config, database: Database) -> Webhooks | None:
    """Send to the webhooks of a configuration. Returns the senders; None if there never was a webhook. If the libraries
    are not installed, this is logged, and the events wait in the stream."""
    if senders is None:
        if not any(
            isinstance(target.options, StreamOptions) and target.options.webhooks for target in config.targets.values()
        ):
            return None
        try:
            from usersyncd.events.service import Senders
        except ImportError as error:
            structlog.get_logger().error(
                f"webhooks need the Python library {error.name}: their events wait\n  → pip install 'usersyncd[web]'",
                event_name="events.not_installed",
            )
            return None
        senders = Senders(database)
    senders.follow(config)
    return senders
