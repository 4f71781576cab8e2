"""A directory in memory, and the source that reads it, completely or incrementally, with faults on demand."""
# ruff: noqa: A001, A002 - `id` is the word of the contract

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from usersyncd.errors import AmbiguousPersonError, SourceError
from usersyncd.plugin import (
    API,
    Done,
    Gone,
    Kind,
    Listed,
    Members,
    Options,
    Page,
    Person,
    Record,
    SourceContext,
    Value,
)

Item = Record | Members | Gone


@dataclass
class SourceFaults:
    """The faults of the next pulls, until they are reset."""

    down: bool = False
    """Nothing can be read; a pull in progress fails."""
    fail_after: int | None = None
    """The pull fails with SourceError after this many pages."""
    no_done: bool = False
    """The pull ends silently, without Done: a connector must never do that, and the core must cope with it."""
    repeat: bool = False
    """Every page is yielded twice; the result must be the same."""
    shuffle: Random | None = None
    """Items and pages are shuffled by this generator; the result must be the same."""


@dataclass
class MemoryDirectory:
    """Users, groups and memberships that a test changes directly; ``members`` holds ids or handles, by group id."""

    users: dict[str, dict[str, Value]] = field(default_factory=dict)
    groups: dict[str, dict[str, Value]] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    handles: dict[tuple[Kind, str], tuple[str, ...]] = field(default_factory=dict)
    page_size: int = 100
    incremental: bool = False
    """Whether pulls return a cursor, and a pull with a cursor yields changes only."""
    faults: SourceFaults = field(default_factory=SourceFaults)
    listings: list[dict[Any, Item]] = field(default_factory=list)
    """The listing at the end of each pull that returned a cursor; the cursor is its index."""

    def remove(self, kind: Kind, id: str) -> None:
        """Delete the record with its memberships."""
        (self.users if kind is Kind.USER else self.groups).pop(id, None)
        names = {id, *self.handles.pop((kind, id), ())}
        if kind is Kind.GROUP:
            self.members.pop(id, None)
        for members in self.members.values():
            members -= names

    def listing(self) -> dict[Any, Item]:
        """All records and the members of each group, each under a unique key."""
        items: dict[Any, Item] = {}
        for kind, records in ((Kind.USER, self.users), (Kind.GROUP, self.groups)):
            for id, attributes in records.items():
                items[kind, id] = Record(kind, id, dict(attributes), self.handles.get((kind, id), ()))
        for group, members in self.members.items():
            items["members", group] = Members(group, frozenset(members))
        return items


def changes(before: Mapping[Any, Item], after: Mapping[Any, Item]) -> Iterator[Item]:
    """The items of an incremental pull: each changed record and each changed group's members, once."""
    for key, item in after.items():
        if before.get(key) != item:
            yield Members(item.group, item.added, whole=True) if isinstance(item, Members) else item
    for key, item in before.items():
        if isinstance(item, Record) and key not in after:
            yield Gone(item.kind, item.id)
        elif isinstance(item, Members) and key not in after and (Kind.GROUP, item.group) in after:
            yield Members(item.group, frozenset(), whole=True)


class MemorySourceOptions(Options):
    """A directory in memory."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    directory: Annotated[MemoryDirectory, WithJsonSchema({"type": "object"})] = Field(
        description="The directory to read.", exclude=True
    )


class MemorySource:
    """Reads a :class:`MemoryDirectory`, with its faults."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = MemorySourceOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = {Kind.USER: {}, Kind.GROUP: {}}

    def __init__(self, options: MemorySourceOptions, context: SourceContext) -> None:
        self._directory = options.directory
        self._context = context

    async def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        directory, faults = self._directory, self._directory.faults
        self._raise_if_down()
        listing = directory.listing()
        incremental = directory.incremental and cursor is not None
        items = list(changes(directory.listings[int(cursor or 0)], listing) if incremental else listing.values())
        for number, page in enumerate(self._pages(items)):
            if number == faults.fail_after:
                raise SourceError(f"the directory in memory failed after {number} pages", "pull again")
            yield page
            self._raise_if_down()
        if faults.fail_after is not None:
            raise SourceError("the directory in memory failed before the end", "pull again")
        if faults.no_done:
            return
        if directory.incremental:
            directory.listings.append(listing)
        yield Done(str(len(directory.listings) - 1) if directory.incremental else None, complete=not incremental)

    async def person(self, name: str, _listed: Listed) -> Person | None:
        directory = self._directory
        self._raise_if_down()
        found = [name] if name in directory.users else list(self._named(name))
        if len(found) > 1:
            raise AmbiguousPersonError(f"several users are called {name}: {', '.join(found)}", "ask for one of the ids")
        if not found:
            return None
        [id] = found
        record = Record(Kind.USER, id, dict(directory.users[id]), directory.handles.get((Kind.USER, id), ()))
        names = frozenset((id, *record.handles))
        return Person(
            record, {group: names & members for group, members in directory.members.items() if names & members}
        )

    def _named(self, name: str) -> Iterator[str]:
        """The ids of the users with this user name or email."""
        for id, attributes in self._directory.users.items():
            if name in (attributes.get("userName"), attributes.get("email")):
                yield id

    async def check(self) -> Sequence[str]:
        self._raise_if_down()
        return [f"in memory: {len(self._directory.users)} users, {len(self._directory.groups)} groups"]

    def _raise_if_down(self) -> None:
        if self._directory.faults.down:
            raise SourceError("the directory in memory is down", "reset its faults")

    def _pages(self, items: list[Item]) -> list[Page]:
        faults, size = self._directory.faults, self._directory.page_size
        if faults.shuffle:
            faults.shuffle.shuffle(items)
        pages: list[Page] = [items[start : start + size] for start in range(0, len(items), size)]
        if faults.repeat:
            pages += pages
        if faults.shuffle:
            faults.shuffle.shuffle(pages)
        return pages
