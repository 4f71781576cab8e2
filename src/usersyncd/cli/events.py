"""``usersyncd events``: the streams of events targets, their endpoints, and what people do about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from usersyncd.cli.common import ConfigOption, JsonOption, load_config, print_json, say
from usersyncd.cli.flags import Command, Group
from usersyncd.errors import ConfigError, UsersyncError

if TYPE_CHECKING:
    from usersyncd.config import Config
    from usersyncd.plugin import StreamOptions
    from usersyncd.state.database import Database
    from usersyncd.state.endpoints import EndpointStatus, RefusedEvent
    from usersyncd.state.streams import StreamState

FEW = 3
"""How many of the events that an endpoint refused are named."""

events = typer.Typer(cls=Group, name="events", invoke_without_command=True)

TargetArgument = Annotated[str, typer.Argument(metavar="TARGET", help="The events target.", show_default=False)]


@events.callback()
def show_streams(context: typer.Context, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show the streams of events targets: their last event, and how far each endpoint is.

    Changes nothing.
    """
    if context.invoked_subcommand is not None:
        if config is not None:
            context.obj = config
        return
    from usersyncd.cli.saved_state import saved_state

    loaded = load_config(context, config)
    names = _names(loaded)
    with saved_state(loaded) as database:
        found = [_stream(database, name) for name in names]
    if json:
        print_json({"format": 1, "streams": found})
    else:
        _show(found)


@events.command(cls=Command)
def replay(
    context: typer.Context,
    target: TargetArgument,
    config: ConfigOption = None,
    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", metavar="E", help="Only this endpoint. Default: all.", show_default=False),
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", metavar="ID", help="The event with this id.", show_default=False)
    ] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All events that are not sent any more.")] = False,
    json: JsonOption = False,
) -> None:
    """Send events to webhooks once more, with the same ids: one event, or those that every attempt refused."""
    from usersyncd.state import endpoints, feed

    if (event is None) is not dead:
        raise ConfigError("say which events: exactly one of --event and --dead", "see `usersyncd events replay --help`")
    loaded = load_config(context, config)
    database, stream, names = _opened(loaded, target, endpoint)
    try:
        found = None if event is None else feed.find_event(database, target, event)
        if event is not None and found is None:
            raise UsersyncError(f"{target} has no event {event}", "it may not be kept any more: see `usersyncd events`")
        with database.write() as connection:
            if found is None:
                counts = {name: endpoints.replay_dead(connection, stream, name) for name in names}
            else:
                counts = dict.fromkeys(_taking(loaded, target, names, found.type), 1)
                for name in counts:
                    endpoints.replay(connection, stream, name, found)
    finally:
        database.close()
    if json:
        print_json({"format": 1, "target": target, "replayed": counts})
    for name, many in counts.items() if not json else ():
        say(f"{name}: {_many(many)} will be sent again.")


@events.command(cls=Command)
def enable(
    context: typer.Context,
    target: TargetArgument,
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint.", show_default=False)],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Use an endpoint again that is disabled or given up, or try one at once that takes no events at present.

    It continues where it stopped. Events that it refused are sent again at once.
    """
    from usersyncd.state import endpoints

    database, stream, _ = _opened(load_config(context, config), target, endpoint)
    try:
        with database.write() as connection:
            enabled = endpoints.enable(connection, stream, endpoint)
            retried = endpoints.retry(connection, stream, endpoint)
    finally:
        database.close()
    if json:
        print_json(
            {"format": 1, "target": target, "endpoint": endpoint, "enabled": enabled, "retried": enabled or retried}
        )
    elif enabled:
        say(f"{endpoint} is enabled.")
    else:
        say(f"{endpoint} is tried at once." if retried else f"{endpoint} is in use: nothing was to be done.")


@events.command(cls=Command)
def erase(
    context: typer.Context,
    directory: Annotated[str, typer.Argument(metavar="DIRECTORY", help="The person's directory.", show_default=False)],
    person: Annotated[str, typer.Argument(metavar="ID", help="The person's id there.", show_default=False)],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Erase what events say about a person, except ids and the type of each event.

    Events that were not sent yet are sent without it. What applications received, and what the directory says in
    future events, is not changed.
    """
    from usersyncd.cli.saved_state import saved_state
    from usersyncd.nearest import nearest
    from usersyncd.state import streams

    loaded = load_config(context, config)
    with saved_state(loaded) as database:
        count = 0
        if database is not None:
            with database.write() as connection:
                count = streams.erase(connection, directory, person)
    if not count and directory not in loaded.directories:
        raise ConfigError(
            f"there is no directory “{directory}” in {loaded.file}{nearest(directory, loaded.directories)}",
            "no event is about a person of it: give the directory's name and the person's id there",
        )
    if not count:
        raise UsersyncError(
            f"no event is about a person {person} of {directory}", "give the directory and the id there"
        )
    if json:
        print_json({"format": 1, "directory": directory, "id": person, "redacted": count})
    else:
        say(f"Erased the keys and attributes of person {person} of {directory} in {_many(count)}.")


# ---- shared


def _names(config: Config) -> list[str]:
    from usersyncd.plugin import StreamOptions

    return [name for name, target in config.targets.items() if isinstance(target.options, StreamOptions)]


def _taking(loaded: Config, target: str, names: Sequence[str], type_: str) -> list[str]:
    """Those of the endpoints that get events of a type. Raises ConfigError if none does."""
    webhooks = cast("StreamOptions", loaded.targets[target].options).webhooks
    kept = [name for name in names if name in webhooks and type_ in (webhooks[name].types or (type_,))]
    if not kept:
        raise ConfigError(
            f"no endpoint of {target} that was chosen gets events of the type {type_}", "see `types` of its webhooks"
        )
    return kept


def _opened(loaded: Config, target: str, endpoint: str | None) -> tuple[Database, StreamState, Sequence[str]]:
    """The state database, which the caller closes, the stream of a target, and the chosen endpoints."""
    from usersyncd.opening import open_existing
    from usersyncd.state import endpoints, streams

    if target not in (known := _names(loaded)):
        raise ConfigError(f"{target} is not an events target", f"the events targets are: {', '.join(known) or 'none'}")
    database = open_existing(loaded)
    stream = None
    if database is not None:
        with database.read() as connection:
            stream = streams.by_name(connection, target)
            names = [] if stream is None else [one.state.name for one in endpoints.statuses(connection, stream)]
    if database is None or stream is None:
        raise UsersyncError(f"{target} has no stream yet", "it begins with the first delivery")
    if endpoint is not None and endpoint not in names:
        database.close()
        raise ConfigError(f"{target} has no endpoint {endpoint}", f"its endpoints are: {', '.join(names) or 'none'}")
    return database, stream, names if endpoint is None else [endpoint]


def _stream(database: Database | None, name: str) -> dict[str, Any]:
    from usersyncd.state import endpoints, streams

    nothing: dict[str, Any] = {"target": name, "epoch": None, "last": 0, "pruned": 0, "endpoints": []}
    if database is None:
        return nothing
    with database.read() as connection:
        stream = streams.by_name(connection, name)
        if stream is None:
            return nothing
        found = endpoints.statuses(connection, stream)
        refused = {one.state.name: endpoints.refused(connection, stream, one.state.name, FEW) for one in found}
    return {
        "target": name,
        "epoch": stream.epoch,
        "last": stream.last,
        "pruned": stream.pruned,
        "endpoints": [_endpoint(one, refused[one.state.name]) for one in found],
    }


def _endpoint(one: EndpointStatus, refused: Sequence[RefusedEvent]) -> dict[str, Any]:
    """An endpoint in the JSON document. ``refused``: the first events that it refused."""
    state = one.state
    times = {
        name: None if moment is None else moment.isoformat()
        for name, moment in (
            ("next_attempt", state.next_attempt), ("last_success", state.succeeded_at), ("stopped_at", state.stopped_at)
        )
    }  # fmt: skip
    counts = {"waiting": one.waiting, "held": one.held, "dead": one.dead, "failures": state.failures}
    return {"endpoint": state.name, "status": _status(one), **counts, **times, "error": state.error, "refused": refused}


def _status(one: EndpointStatus) -> str:
    return one.state.stopped or ("failing" if one.state.failures else "ok")


def _show(streams: Sequence[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from usersyncd.cli import text

    if not streams:
        say("No target of the configuration is an events target.")
        return
    for one in streams:
        text.show(Text(f"{one['target']}: {_extent(one)}", style="bold"))
        if not one["endpoints"]:
            continue
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("endpoint", overflow="fold")
        table.add_column("status", no_wrap=True)
        for name in ("waiting", "held", "dead"):
            table.add_column(name, no_wrap=True, justify="right")
        table.add_column("last success", no_wrap=True)
        for each in one["endpoints"]:
            numbers = (f"{each[name]:,}" for name in ("waiting", "held", "dead"))
            last = each["last_success"]
            ago = "–" if last is None else f"{text.age(datetime.now(UTC) - datetime.fromisoformat(last))} ago"
            style = "" if each["status"] == "ok" else "yellow"
            table.add_row(each["endpoint"], Text(each["status"].replace("_", " "), style=style), *numbers, ago)
        text.show(table)
        for each in one["endpoints"]:
            if each["error"] and each["status"] != "ok":
                text.show(text.hanging(f"{each['endpoint']}: ", text.clean(_why(each))))
            for event in each["refused"]:
                text.show(text.hanging(f"{each['endpoint']}: ", text.clean(_refusal(event))))
            if each["dead"]:
                command = f"usersyncd events replay {one['target']} --endpoint {each['endpoint']} --dead"
                text.show(text.hanging("  → ", f"correct the receiver, then `{command}`"))
            if each["status"] != "ok":
                command = f"usersyncd events enable {one['target']} {each['endpoint']}"
                text.show(text.hanging("  → ", f"correct the receiver, then `{command}`"))


def _extent(stream: Mapping[str, Any]) -> str:
    """How many events of a stream are kept, and which."""
    last, pruned = stream["last"], stream["pruned"]
    if stream["epoch"] is None:
        return "no events yet: the stream begins with the first delivery"
    if last == pruned:
        return f"the stream is empty, its next event has the number {last + 1:,}"
    return f"{_many(last - pruned)}, number {pruned + 1:,} to {last:,}"


def _why(endpoint: Mapping[str, Any]) -> str:
    """Why an endpoint takes no events, and when it is tried again."""
    from usersyncd.cli.text import local

    next_ = endpoint["next_attempt"]
    return str(endpoint["error"]) if next_ is None else f"{endpoint['error']}; it is tried again at {local(next_)}"


def _refusal(event: RefusedEvent) -> str:
    """Why an event was refused, and whether it is sent again."""
    from usersyncd.cli.text import local
    from usersyncd.words import many

    when = "at once" if event.next_attempt is None else f"at {local(event.next_attempt.isoformat())}"
    after = "it is not sent any more" if event.dead else f"it is sent again {when}"
    tried = f"event {event.sequence:,} ({event.event}) was refused, {many(event.attempts, 'attempt')}"
    return f"{tried}, {after}: {event.error}"


def _many(count: int) -> str:
    from usersyncd.words import many

    return many(count, "event")
