"""The connectors of a third-party package, found by entry points. Some work; the others fail, each in another way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from usersyncd.errors import SourceError, TargetError
from usersyncd.plugin import (
    API,
    Capabilities,
    Change,
    Done,
    Held,
    Kind,
    Lookup,
    Members,
    Options,
    Outcome,
    Page,
    Record,
    Secret,
    SourceContext,
    TargetContext,
)


class Ink(Options):
    """How it is written."""

    colour: Literal["black", "blue"] = "black"
    blots: int = Field(0, ge=0)
    seal: Secret | None = None
    """What closes the letter."""


class PaperOptions(Options):
    """A directory on paper."""

    url: str | list[str] = "paper://desk"
    password: Secret | None = None
    pages: tuple[int, ...] = ()
    folder: Path | None = None
    inks: dict[str, Ink] = Field({})
    torn: bool = False


class Paper:
    """Three people and a group."""

    api: ClassVar[int] = API
    Options: ClassVar[type[PaperOptions]] = PaperOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = {
        Kind.USER: {"userName": "login", "email": 'raw.login + "@acme.example"'}
    }

    def __init__(self, options: PaperOptions, context: SourceContext) -> None:
        self._options, self._context = options, context

    async def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        yield [Record(Kind.USER, str(number), {"login": f"user{number}", "room": number}) for number in range(4)]
        if self._options.torn:
            return
        yield [Record(Kind.GROUP, "g", {"displayName": "all"}), Members("g", frozenset("0123"))]
        yield Done(None, complete=True)

    async def check(self) -> Sequence[str]:
        return [f"paper at {self._options.url}"]


class Flood(Paper):
    async def check(self) -> Sequence[str]:
        raise SourceError("the cellar is under water", "pump it out")


class Future(Paper):
    api: ClassVar[int] = API + 1


class Former(Paper):
    api: ClassVar[int] = API - 1


class Ancient:
    Options = PaperOptions


class Half:
    api = API
    Options = PaperOptions


class ShelfOptions(Options):
    """A target on a shelf."""

    height: int
    full: bool = False


class Shelf:
    api: ClassVar[int] = API
    Options: ClassVar[type[ShelfOptions]] = ShelfOptions
    capabilities: ClassVar[Capabilities] = Capabilities()

    def __init__(self, options: ShelfOptions, context: TargetContext) -> None:
        self._options, self._context = options, context

    async def identity(self) -> str:
        return "shelf"

    async def prepare(self) -> None:
        pass

    async def find(self, kind: Kind, lookups: Sequence[Lookup]) -> AsyncIterator[tuple[Lookup, Held]]:
        for lookup in lookups[:0]:
            yield lookup, Held("", lookup.key, {})

    async def read(self, kind: Kind, target_ids: Sequence[str]) -> AsyncIterator[Held]:
        for target_id in target_ids[:0]:
            yield Held(target_id, "", {})

    async def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        for change in changes:
            yield Outcome(target_id=change.target_id or str(change.key))

    async def check(self) -> Sequence[str]:
        if self._options.full:
            raise TargetError("the shelf is full", "sell some books")
        return [f"users have {', '.join(self._context.layouts[Kind.USER].attributes)}"]

    async def close(self) -> None:
        pass
