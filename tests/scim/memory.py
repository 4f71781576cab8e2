"""A store of resources in memory: what the protocol and the HTTP routes are tested with."""

from __future__ import annotations

import bisect
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from msgspec import Struct

from usersyncd.plugin import Kind, Value
from usersyncd.scim.errors import not_found, not_unique, version_differs
from usersyncd.scim.patch import MemberEdits, patched
from usersyncd.scim.store import (
    CreateResource,
    DeleteResource,
    Operation,
    PatchResource,
    ReplaceResource,
    StoredMember,
    StoredResource,
)
from usersyncd.scim.values import folded

UNIQUE = {Kind.USER: "userName", Kind.GROUP: "displayName"}


class Row(Struct):
    ref: int
    kind: Kind
    id: str
    resource: dict[str, Value]
    members: dict[str, None]
    version: int = 1


class MemoryStore:
    """Holds everything in dictionaries. ``members_read`` counts the members that answers were given."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.refs: dict[str, int] = {}
        self.taken: dict[tuple[Kind, str], str] = {}
        self.members_read = 0
        self._numbers = count(1)

    # ---- reading

    def _stored(self, row: Row, *, members: bool = False, groups: bool = False) -> StoredResource:
        inside = outside = None
        if members and row.kind == Kind.GROUP:
            inside = tuple(self._reference(each) for each in row.members)
            self.members_read += len(inside)
        if groups and row.kind == Kind.USER:
            outside = tuple(self._reference(each.id) for each in self._of(Kind.GROUP) if row.id in each.members)
        return StoredResource(row.kind, row.id, row.resource, str(row.version), inside, outside)

    def _reference(self, resource_id: str) -> StoredMember:
        row = self.rows.get(resource_id)
        if row is None:
            return StoredMember(resource_id, Kind.USER, None)
        return StoredMember(resource_id, row.kind, row.resource.get("displayName"))  # type: ignore[arg-type]

    def _of(self, kind: Kind) -> list[Row]:
        return [row for row in self.rows.values() if row.kind == kind]

    async def get(self, kind: Kind, resource_id: str, /, *, members: bool, groups: bool) -> StoredResource | None:
        row = self.rows.get(resource_id)
        return self._stored(row, members=members, groups=groups) if row and row.kind == kind else None

    async def lookup(self, kind: Kind, attribute: str, value: str, /, *, members: bool) -> Sequence[StoredResource]:
        name, _, part = attribute.partition(".")
        key = (lambda text: text) if attribute == "externalId" else folded
        found = []
        for row in self._of(kind):
            held: Any = row.resource.get(name)
            values = [each.get(part) for each in held or ()] if part else [held]
            if any(isinstance(each, str) and key(each) == key(value) for each in values):
                found.append(self._stored(row, members=members))
        return found

    async def scan(self, kind: Kind, /, *, members: bool) -> AsyncIterator[Sequence[StoredResource]]:
        rows = self._of(kind)
        for start in range(0, len(rows), 7):
            yield [self._stored(row, members=members) for row in rows[start : start + 7]]

    async def page(self, kind: Kind, /, *, offset: int, count: int, members: bool) -> Sequence[StoredResource]:
        return [self._stored(row, members=members) for row in self._of(kind)[offset : offset + count]]

    async def after(self, kind: Kind, after: str | None, count: int, /, *, members: bool) -> Sequence[StoredResource]:
        rows = self._of(kind)
        first = 0 if after is None else bisect.bisect_right([row.ref for row in rows], self.refs[after])
        return [self._stored(row, members=members) for row in rows[first : first + count]]

    async def count(self, kind: Kind, /) -> int:
        return len(self._of(kind))

    async def groups_of(self, user_ids: Sequence[str], /) -> Mapping[str, tuple[StoredMember, ...]]:
        return {each: self._stored(self.rows[each], groups=True).groups or () for each in user_ids}

    # ---- changing

    async def change(self, operation: Operation, /) -> StoredResource | None:
        if isinstance(operation, CreateResource):
            return self._create(operation)
        row = self.rows.get(operation.id)
        if row is None or row.kind != operation.kind:
            raise not_found(operation.kind, operation.id)
        if operation.if_match not in (None, str(row.version)):
            raise version_differs()
        if isinstance(operation, DeleteResource):
            self._delete(row)
            return None
        members: dict[str, None] | None = row.members
        if isinstance(operation, ReplaceResource):
            resource = {**operation.resource, "meta": row.resource["meta"]}
            members = row.members if operation.members is None else dict.fromkeys(operation.members)
        elif isinstance(operation, PatchResource):
            resource = patched(row.resource, operation.patch)
            members = edited(row.members, operation.patch.member_edits)
        self._save(row, resource, members)
        return self._stored(row)

    def _create(self, operation: CreateResource) -> StoredResource:
        number = next(self._numbers)
        now = _now()
        resource = {**operation.resource, "meta": {"created": now, "lastModified": now}}
        row = Row(number, operation.kind, f"id-{number}", resource, dict.fromkeys(operation.members))
        self._claim(row, None, resource)
        self.rows[row.id] = row
        self.refs[row.id] = number
        return self._stored(row)

    def _save(self, row: Row, resource: dict[str, Value], members: dict[str, None]) -> None:
        self._claim(row, row.resource, resource)
        if resource == row.resource and members == row.members:
            return
        meta: Any = row.resource["meta"]
        row.resource = {**resource, "meta": {**meta, "lastModified": _now()}}
        row.members = members
        row.version += 1

    def _claim(self, row: Row, before: dict[str, Value] | None, after: dict[str, Value]) -> None:
        name = UNIQUE[row.kind]
        key = (row.kind, folded(str(after[name])))
        if self.taken.get(key, row.id) != row.id:
            raise not_unique(name, str(after[name]))
        if before is not None:
            del self.taken[row.kind, folded(str(before[name]))]
        self.taken[key] = row.id

    def _delete(self, row: Row) -> None:
        del self.rows[row.id]
        del self.taken[row.kind, folded(str(row.resource[UNIQUE[row.kind]]))]
        for other in self.rows.values():
            if row.id in other.members:
                del other.members[row.id]
                other.version += 1


def edited(members: Mapping[str, None], edits: MemberEdits | None) -> dict[str, None]:
    """The members after the edits."""
    if edits is None:
        return dict(members)
    if edits.whole is not None:
        return dict.fromkeys(edits.whole)
    kept = {each: None for each in members if each not in edits.removed}
    return {**kept, **dict.fromkeys(edits.added)}


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
