"""The target: it applies a batch to a copy of the document, which then replaces the file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import ClassVar
from uuid import uuid4

import msgspec
from pydantic import BaseModel, Field
from usersyncd.plugin import (
    PROTECTED,
    Capabilities,
    Change,
    Edge,
    Held,
    Kind,
    Lookup,
    Op,
    Options,
    Outcome,
    TargetContext,
    Value,
)

from usersyncd_jsonfile.file import Document, Entry, load, save

Place = tuple[Kind, str, str | int]
TAKEN = Outcome(error="another object of the file has this key")


class JsonFileOptions(Options):
    """One JSON file. A relative path starts at the configuration file's folder."""

    path: str = Field(description="The file. usersyncd makes it; its folder must exist.")


class JsonFileTarget:
    """Delivers to one JSON file, which nothing else writes."""

    api: ClassVar[int] = 2
    Options: ClassVar[type[BaseModel]] = JsonFileOptions
    capabilities: ClassVar[Capabilities] = Capabilities(find="list", read=True, list=True, members=True, count=True)

    def __init__(self, options: JsonFileOptions, context: TargetContext) -> None:
        self._path = (context.folder / options.path).resolve()
        self._context = context

    async def identity(self) -> str:
        await self._load()
        return f"file {self._path}"

    async def prepare(self) -> None:
        await self._load()

    async def find(self, kind: Kind, lookups: Sequence[Lookup]) -> AsyncIterator[tuple[Lookup, Held]]:
        known: dict[Place, dict[str, Held]] = defaultdict(dict)
        for target_id, entry in (await self._load()).entries.items():
            for name in (self._place(entry.kind, entry.record, entry.key), (entry.kind, *entry.record)):
                known[name][target_id] = self._held(target_id, entry)
        for lookup in lookups:
            by_key = known[self._place(kind, (lookup.directory, lookup.id), lookup.key)]
            for found in (by_key | known[kind, lookup.directory, lookup.id]).values():
                yield lookup, found

    async def read(self, kind: Kind, target_ids: Sequence[str]) -> AsyncIterator[Held]:
        entries = (await self._load()).entries
        for target_id in target_ids:
            if (entry := entries.get(target_id)) and entry.kind is kind:
                yield self._held(target_id, entry)

    async def list(self, kind: Kind) -> AsyncIterator[Held]:
        for target_id, entry in (await self._load()).entries.items():
            if entry.kind is kind:
                yield self._held(target_id, entry)

    async def members(self, groups: Sequence[str]) -> AsyncIterator[Sequence[Edge]]:
        document = await self._load()
        there = [edge for edge in document.members if edge[0] in groups and edge[1] in document.entries]
        yield [(group, document.entries[member].kind, member) for group, member in there]

    async def count(self, kind: Kind, directory: str) -> int:
        entries = (await self._load()).entries.values()
        return sum(entry.kind is kind and entry.record[0] == directory for entry in entries)

    def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        return self._context.blocking(lambda: self._deliver(changes))

    async def check(self) -> Sequence[str]:
        document = await self._load()
        return [f"{self._path}: {len(document.entries)} users and groups, {len(document.members)} memberships"]

    async def close(self) -> None:
        """Nothing to do: no file is open."""

    async def _load(self) -> Document:
        [document] = [each async for each in self._context.blocking(lambda: [load(self._path)])]
        return document

    def _deliver(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        before, refused = load(self._path), dict[int, Outcome]()
        while True:
            document = Document(dict(before.entries), set(before.members))
            outcomes = [refused.get(n) or self._apply(change, document) for n, change in enumerate(changes)]
            clashes = self._clashes(before, document)
            if not clashes:
                break
            # A refused change keeps its old key: a change that waits for this key is refused in the next round.
            refused |= {n: TAKEN for n, each in enumerate(outcomes) if each.target_id in clashes}
        save(self._path, document)
        yield from outcomes

    def _clashes(self, before: Document, document: Document) -> set[str]:
        """Return the objects whose new key another object has. Keys are compared after all changes of the batch."""
        old, new = self._places(before), self._places(document)
        holders = Counter(new.values())
        return {target_id for target_id, place in new.items() if holders[place] > 1 and old.get(target_id) != place}

    def _places(self, document: Document) -> dict[str, Place]:
        return {each: self._place(entry.kind, entry.record, entry.key) for each, entry in document.entries.items()}

    def _place(self, kind: Kind, record: tuple[str, str], key: str | int) -> Place:
        """Return where a key must be unique: in its directory, or in the whole file if rules make the keys."""
        return kind, "" if self._context.layouts[kind].ruled else record[0], key

    def _apply(self, change: Change, document: Document) -> Outcome:
        target_id = uuid4().hex if change.op is Op.CREATE else change.target_id or ""
        entry = document.entries.get(target_id)
        if entry is None and change.op is not Op.CREATE:
            return Outcome(absent=True)
        if self._protected(entry):
            return Outcome(error=PROTECTED)
        if change.op in (Op.ADD, Op.REMOVE):
            return self._connect(change, target_id, document)
        if change.after is not None:
            known = entry.attributes if entry is not None and change.op is Op.DEACTIVATE else {}
            return self._write(change, target_id, known | change.after, document)
        del document.entries[target_id]
        document.members = {edge for edge in document.members if target_id not in edge}
        return Outcome()

    def _write(self, change: Change, target_id: str, after: dict[str, Value], document: Document) -> Outcome:
        try:
            msgspec.json.encode(after)
        except UnicodeEncodeError as error:
            return Outcome(error=f"a value is not Unicode text: {error}")
        key = msgspec.convert(after.get(self._context.layouts[change.kind].key, change.key), str | int)
        present: dict[str, Value] = {name: value for name, value in after.items() if value is not None}
        document.entries[target_id] = Entry(change.kind, key, (change.directory, change.id), present)
        return Outcome(target_id=target_id)

    def _connect(self, change: Change, group: str, document: Document) -> Outcome:
        refused, gone = dict[str, str](), set[str]()
        for member in change.members:
            target_id = member.target_id or ""
            if self._protected(document.entries.get(target_id)):
                refused[member.id] = PROTECTED
            elif change.op is Op.REMOVE:
                document.members.discard((group, target_id))
            elif target_id in document.entries:
                document.members.add((group, target_id))
            else:
                refused[member.id] = f"the file has no such {member.kind}"
                gone.add(member.id)
        return Outcome(refused=refused, gone=frozenset(gone))

    def _protected(self, entry: Entry | None) -> bool:
        return entry is not None and self._context.protected(entry.kind, entry.key, entry.attributes)

    def _held(self, target_id: str, entry: Entry) -> Held:
        absent = dict.fromkeys(self._context.layouts[entry.kind].attributes)
        return Held(target_id, entry.key, absent | entry.attributes, entry.record)
