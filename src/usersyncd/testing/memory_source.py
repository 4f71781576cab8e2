"""A directory in memory, and the source that reads it: it fails on demand, and tells changes when asked to."""
# ruff: noqa: A001, A002 - `id` is the word of the contract

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from usersyncd.errors import SourceError
from usersyncd.plugin import API, Done, Gone, Kind, Members, Options, Page, Record, SourceContext, Value

Item = Record | Members | Gone


@dataclass
class SourceFaults:
    """What goes wrong in the next pulls, until it is set otherwise."""

    down: bool = False
    """Nothing can be read at all, or no further."""
    fail_after: int | None = None
    """The pull breaks off with SourceError after this many pages."""
    no_done: bool = False
    """The pull ends quietly, without Done: what a connector must never do, and the core must survive."""
    repeat: bool = False
    """Every page comes twice, which changes nothing."""
    shuffle: Random | None = None
    """Items and pages come in an order by this generator, which changes nothing."""


@dataclass
class MemoryDirectory:
    """Users, groups and memberships that a test changes as it likes; ``members`` holds ids or handles, by group id."""

    users: dict[str, dict[str, Value]] = field(default_factory=dict)
    groups: dict[str, dict[str, Value]] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    handles: dict[tuple[Kind, str], tuple[str, ...]] = field(default_factory=dict)
    page_size: int = 100
    incremental: bool = False
    """Whether a pull hands out a cursor, and a pull with a cursor tells changes only."""
    faults: SourceFaults = field(default_factory=SourceFaults)
    told: list[dict[Any, Item]] = field(default_factory=list)
    """What each pull with a cursor to give has told; the cursor is the number of the listing."""

    def remove(self, kind: Kind, id: str) -> None:
        """The record is gone, with its memberships."""
        (self.users if kind is Kind.USER else self.groups).pop(id, None)
        names = {id, *self.handles.pop((kind, id), ())}
        if kind is Kind.GROUP:
            self.members.pop(id, None)
        for members in self.members.values():
            members -= names

    def listing(self) -> dict[Any, Item]:
        """All records, and the members of each group, keyed by what they are about."""
        items: dict[Any, Item] = {}
        for kind, records in ((Kind.USER, self.users), (Kind.GROUP, self.groups)):
            for id, attributes in records.items():
                items[kind, id] = Record(kind, id, dict(attributes), self.handles.get((kind, id), ()))
        for group, members in self.members.items():
            items["members", group] = Members(group, frozenset(members))
        return items


def changes(before: Mapping[Any, Item], after: Mapping[Any, Item]) -> Iterator[Item]:
    """What an incremental pull tells: each record and each group's members once, if they are others than before."""
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
    """Reads a :class:`MemoryDirectory`, with the faults that it asks for."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = MemorySourceOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = {Kind.USER: {}, Kind.GROUP: {}}

    def __init__(self, options: MemorySourceOptions, context: SourceContext) -> None:
        self._directory = options.directory
        self._context = context

    async def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        directory, faults = self._directory, self._directory.faults
        self._knock()
        listing = directory.listing()
        incremental = directory.incremental and cursor is not None
        items = list(changes(directory.told[int(cursor or 0)], listing) if incremental else listing.values())
        for number, page in enumerate(self._pages(items)):
            if number == faults.fail_after:
                raise SourceError(f"the directory in memory broke off after {number} pages", "pull again")
            yield page
            self._knock()
        if faults.fail_after is not None:
            raise SourceError("the directory in memory broke off before the end", "pull again")
        if faults.no_done:
            return
        if directory.incremental:
            directory.told.append(listing)
        yield Done(str(len(directory.told) - 1) if directory.incremental else None, complete=not incremental)

    async def check(self) -> Sequence[str]:
        self._knock()
        return [f"in memory: {len(self._directory.users)} users, {len(self._directory.groups)} groups"]

    def _knock(self) -> None:
        if self._directory.faults.down:
            raise SourceError("the directory in memory is down", "set its faults otherwise")

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
