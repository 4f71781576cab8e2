"""A directory in memory whose changes become events, and an application that follows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs
from pydantic import BaseModel

from tests.run.world import World
from usersyncd.core.events import to_json
from usersyncd.job import PullJob
from usersyncd.plugin import Kind
from usersyncd.state import streams
from usersyncd.state.feed import FeedPage, SnapshotPage, read_feed, read_snapshot
from usersyncd_events.target import EventsOptions, EventsTarget


def plain(page: SnapshotPage) -> dict[str, Any]:
    """A page as an application gets it."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(page))
    return found


class StreamWorld(World):
    """A world whose only target, ``app``, is an events target."""

    options: Mapping[str, Any] = {}
    """The options of the target, as the YAML has them."""

    def __init__(self, folder: Path, *, state: str | None = None, incremental: bool = False) -> None:
        super().__init__(folder, state=state, incremental=incremental)

    def _job(self, connector: Any, options: BaseModel) -> PullJob:
        events = EventsOptions.model_validate(self.options)
        for name, target in self.targets.items():
            self.targets[name] = structs.replace(target, connector="events", options=events)
        pull = super()._job(connector, options)
        return structs.replace(
            pull, targets=tuple(structs.replace(each, connector=EventsTarget) for each in pull.targets)
        )

    def page(self, after: str | None = None, limit: int = 1000, types: Iterable[str] | None = None) -> FeedPage:
        return read_feed(self.database, "app", after, limit, None if types is None else set(types))

    def events(self, after: str | None = None) -> list[dict[str, Any]]:
        """Every event after a cursor."""
        return [msgspec.json.decode(to_json(event.body)) for event in self.page(after, 100_000).events]

    def cursor(self) -> str:
        """The cursor after the last event."""
        return self.page(None, 100_000).cursor

    def snapshot(self, limit: int = 1000) -> Follower:
        """The application that read the whole snapshot."""
        follower = Follower()
        page: str | None = None
        while True:
            found = read_snapshot(self.database, "app", page, limit)
            follower.load(plain(found))
            page = found.next
            if page is None:
                return follower


class Follower:
    """An application as docs/events.md describes it: it holds objects by id, and edges. ``cursor``: from where it
    follows the feed."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[int, Any]] = {}
        self.edges: dict[tuple[str, str], int] = {}
        self.cursor: str | None = None
        self.numbers: list[int] = []
        self.ids: dict[str, int] = {}

    def load(self, page: Mapping[str, Any]) -> None:
        """Take a page of a snapshot."""
        assert self.cursor in (None, page["cursor"])
        self.cursor = page["cursor"]
        for held in (*page["users"], *page["groups"]):
            self.objects[held["id"]] = held["version"], held["attributes"]
        for part in page["memberships"]:
            for member in part["members"]:
                self.edges[part["group"], member["id"]] = part["version"]

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event. An event that is older than what the application holds is left out."""
        assert self.ids.setdefault(event["id"], event["sequence"]) == event["sequence"]
        self.numbers.append(event["sequence"])
        held, kind = event["object"], event["type"].partition(".")[2]
        if kind == "member_added":
            self.edges[held["id"], event["member"]["id"]] = held["version"]
        elif kind == "member_removed":
            self.edges.pop((held["id"], event["member"]["id"]), None)
        elif self.objects.get(held["id"], (0, None))[0] >= held["version"]:
            return
        elif kind == "deleted":
            self.objects.pop(held["id"], None)
            self.edges = {edge: version for edge, version in self.edges.items() if held["id"] not in edge}
        else:
            self.objects[held["id"]] = held["version"], event["after"]

    def content(self) -> tuple[dict[str, Any], set[tuple[str, str]]]:
        return {id_: attributes for id_, (_, attributes) in self.objects.items()}, set(self.edges)


def all_types(stream: StreamWorld) -> list[dict[str, Any]]:
    """Events of all types, some of a person who was erased."""
    stream.user("u1", userName="anna")
    stream.people("u2")
    stream.group("g1", "u1", "u2", displayName="Team")
    stream.run()
    stream.user("u1", userName="anne")
    stream.group("g1", "u2", displayName="Crew")
    stream.run()
    stream.leave("u1")
    stream.run()
    stream.user("u1", userName="anne")
    stream.run()
    stream.leave("g1", kind=Kind.GROUP)
    stream.target(delete_after=timedelta(0))
    stream.leave("u2")
    stream.run()
    with stream.database.write() as connection:
        streams.erase(connection, "acme", "u2")
    return stream.events()
