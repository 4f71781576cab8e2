"""Endpoints of events targets that get nothing any more, for ``usersyncd status``."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from usersyncd.config import Config
from usersyncd.state import endpoints
from usersyncd.state.database import Database


class StoppedEndpoint(Struct, frozen=True):
    """An endpoint that is ``disabled`` by its receiver, or ``given_up``."""

    target: str
    endpoint: str
    status: str
    since: str | None
    error: str | None


def stopped_endpoints(database: Database, config: Config) -> list[StoppedEndpoint]:
    """The endpoints of the configured targets that are stopped."""
    with database.read() as connection:
        found = endpoints.stopped(connection)
    return [
        StoppedEndpoint(
            target,
            one.name,
            one.stopped or "",
            None if one.stopped_at is None else one.stopped_at.isoformat(),
            one.error,
        )
        for target, one in found
        if target in config.targets
    ]


def show_stopped(found: Sequence[StoppedEndpoint]) -> None:
    """Print them, each with what to do."""
    from rich.text import Text

    from usersyncd.cli import text

    for one in found:
        what = f"{one.target}: nothing is sent to the endpoint {one.endpoint}: it is {one.status.replace('_', ' ')}"
        text.show(text.BLANK, Text(text.clean(f"{what}{f' ({one.error})' if one.error else ''}"), style="yellow"))
        text.show(
            text.hanging("  → ", f"correct the receiver, then `usersyncd events enable {one.target} {one.endpoint}`")
        )
