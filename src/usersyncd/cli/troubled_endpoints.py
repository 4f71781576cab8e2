"""Endpoints of events targets that get nothing any more, or nothing at present, for ``usersyncd status``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from usersyncd.config import Config
from usersyncd.plugin import StreamOptions
from usersyncd.state import endpoints
from usersyncd.state.database import Database
from usersyncd.state.endpoints import EndpointState


class StoppedEndpoint(Struct, frozen=True):
    """An endpoint that is ``disabled`` by its receiver, or ``given_up``."""

    target: str
    endpoint: str
    status: str
    since: str | None
    error: str | None


class FailingEndpoint(Struct, frozen=True):
    """An endpoint that took no events at the last so many attempts (``failures``), and is tried again."""

    target: str
    endpoint: str
    failures: int
    last_success: str | None
    next_attempt: str | None
    error: str | None


def troubled_endpoints(database: Database, config: Config) -> Iterator[StoppedEndpoint | FailingEndpoint]:
    """The endpoints of the configuration that are stopped or failing."""
    with database.read() as connection:
        found = endpoints.troubled(connection)
    for target, one in found:
        if _is_configured(config, target, one.name):
            yield _troubled(target, one)


def _is_configured(config: Config, target: str, endpoint: str) -> bool:
    options = config.targets[target].options if target in config.targets else None
    return isinstance(options, StreamOptions) and endpoint in options.webhooks


def _troubled(target: str, one: EndpointState) -> StoppedEndpoint | FailingEndpoint:
    success, next_, since = (
        None if moment is None else moment.isoformat()
        for moment in (one.succeeded_at, one.next_attempt, one.stopped_at)
    )
    if one.stopped is not None:
        return StoppedEndpoint(target, one.name, one.stopped, since, one.error)
    return FailingEndpoint(target, one.name, one.failures, success, next_, one.error)


def show_troubled(found: Sequence[StoppedEndpoint | FailingEndpoint]) -> None:
    """Print them, each with what to do."""
    from rich.text import Text

    from usersyncd.cli import text

    for one in found:
        why = f" ({one.error})" if one.error else ""
        if isinstance(one, StoppedEndpoint):
            what = f"nothing is sent to the endpoint {one.endpoint}: it is {one.status.replace('_', ' ')}{why}"
        else:
            when = "at once" if one.next_attempt is None else f"at {text.local(one.next_attempt)}"
            what = f"the endpoint {one.endpoint} takes no events{why}: it is tried again {when}"
        text.show(text.BLANK, Text(text.clean(f"{one.target}: {what}"), style="yellow"))
        text.show(
            text.hanging("  → ", f"correct the receiver, then `usersyncd events enable {one.target} {one.endpoint}`")
        )
