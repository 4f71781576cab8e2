"""Applies the requests of one batch, in their order, on top of what the snapshot has.

What they changed comes out as the items of a small pull.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Protocol

from usersyncd.core.digest import digest, encode
from usersyncd.core.items import Item
from usersyncd.core.storable_text import is_keepable
from usersyncd.plugin import Gone, Kind, Members, Record, Value
from usersyncd.push.handles import UNIQUE, handles, unique_handle
from usersyncd.push.listed_members import ListedMembers
from usersyncd.scim.errors import ScimError, invalid_value, not_found, not_unique, version_differs
from usersyncd.scim.patch import MemberEdits, patched
from usersyncd.scim.reading import refuse_nul
from usersyncd.scim.store import (
    CreateResource,
    DeleteResource,
    Operation,
    PatchResource,
    ReplaceResource,
    StoredResource,
)
from usersyncd.state.columns import decode
from usersyncd.state.pushed import ListedNames, PushedRecord

LONGEST_MEMBER = 600
"""The longest id of a member, in characters: that of any record's id."""

Outcome = StoredResource | ScimError | None
"""What a request gets: the resource, the error, or None after a deletion."""


class PushedResources(Protocol):
    """What the snapshot has of one directory."""

    def records(self, kind: Kind, ids: Collection[str]) -> Mapping[str, PushedRecord]:
        """The resources with these ids, without deleted ones."""

    def holders(self, kind: Kind, handles: Collection[str]) -> Mapping[str, list[str]]:
        """The ids of the resources that have each of these handles."""

    def listed(self, refs: Collection[int]) -> Mapping[int, ListedNames]:
        """The members of these groups, by ref."""

    def groups_of(self, ids: Collection[str]) -> Mapping[str, list[str]]:
        """The ids of the groups that list each of these ids as a member."""


class Draft:
    """A resource while requests change it. ``record``: what the snapshot has; None: nothing. ``body`` None: it is
    deleted."""

    def __init__(self, kind: Kind, id_: str, record: PushedRecord | None, members: ListedMembers) -> None:
        self.kind = kind
        self.id = id_
        self.record = record
        self.members = members
        self.resource: dict[str, Value] = decode(record.attributes) if record else {}
        self.body: bytes | None = record.attributes.encode() if record else None
        self.changed = False

    @property
    def stored(self) -> StoredResource:
        assert self.body is not None  # noqa: S101 - a deleted draft is not found
        return StoredResource(
            self.kind, self.id, self.resource, version_of(self.kind, self.body, self.members.digest), None, None
        )

    def items(self) -> Iterator[Item | Members]:
        """What changed, as a pull says it."""
        if self.body is None:
            if self.record is not None:
                yield Gone(self.kind, self.id)
            return
        if self.changed:
            yield Record(self.kind, self.id, self.resource, handles(self.kind, self.resource))
        if self.kind is Kind.GROUP and (item := self.members.item(self.id)) is not None:
            yield item


def version_of(kind: Kind, body: bytes, members: int) -> str:
    """The version of a resource: it changes with the resource and, for a group, with its members."""
    own = f"{digest(body) & 2**64 - 1:016x}"
    return f"{own}{members & 2**64 - 1:016x}" if kind is Kind.GROUP else own


class Overlay:
    """The requests of one batch on top of the snapshot. ``now``: the time of the batch (RFC 3339). ``new_id``: returns
    the id of a new resource."""

    def __init__(self, stored: PushedResources, now: str, new_id: Callable[[], str]) -> None:
        self._stored = stored
        self._now = now
        self._new_id = new_id
        self._drafts: dict[tuple[Kind, str], Draft | None] = {}
        self._holders: dict[tuple[Kind, str], list[str]] = {}
        """The ids of the resources that had a unique handle before the batch."""
        self._gained: dict[tuple[Kind, str], list[str]] = {}
        """The ids of the resources that got it in the batch."""
        self._left: dict[str, set[str]] = {}
        """The members that left groups without a draft, because they were deleted: by the group's id."""

    def apply_all(self, operations: Iterable[Operation]) -> list[Outcome]:
        """The outcome of each request. A request that fails changes nothing, and stops no other."""
        operations = list(operations)
        self._prefetch(operations)
        return [self._outcome(operation) for operation in operations]

    def items(self) -> list[Item | Members]:
        """What the batch changed, as the items of a pull."""
        found = [item for draft in self._drafts.values() if draft is not None for item in draft.items()]
        drafted = {id_ for (kind, id_), draft in self._drafts.items() if kind is Kind.GROUP and draft is not None}
        found += (
            Members(group, frozenset(), frozenset(members))
            for group, members in self._left.items()
            if group not in drafted
        )
        return found

    # ---- requests

    def _outcome(self, operation: Operation) -> Outcome:
        try:
            match operation:
                case CreateResource():
                    return self._create(operation)
                case ReplaceResource():
                    return self._replace(operation)
                case PatchResource():
                    return self._patch(operation)
                case DeleteResource():
                    self._delete(operation)
        except ScimError as error:
            return error
        return None

    def _create(self, operation: CreateResource) -> StoredResource:
        _check_members(operation.members)
        draft = Draft(operation.kind, self._new_id(), None, ListedMembers())
        meta: Value = {"created": self._now, "lastModified": self._now}
        self._write(draft, {**operation.resource, "meta": meta})
        draft.members.edit(operation.members, ())
        self._drafts[draft.kind, draft.id] = draft
        return draft.stored

    def _replace(self, operation: ReplaceResource) -> StoredResource:
        draft = self._found(operation.kind, operation.id, operation.if_match)
        edits = MemberEdits(whole=operation.members) if operation.members is not None else None
        self._change(draft, operation.resource, edits)
        return draft.stored

    def _patch(self, operation: PatchResource) -> StoredResource:
        draft = self._found(operation.kind, operation.id, operation.if_match)
        self._change(draft, patched(draft.resource, operation.patch), operation.patch.member_edits)
        return draft.stored

    def _delete(self, operation: DeleteResource) -> None:
        draft = self._found(operation.kind, operation.id, operation.if_match)
        draft.body = None
        self._leave_groups(draft.id)

    # ---- changes

    def _change(self, draft: Draft, resource: Mapping[str, Value], edits: MemberEdits | None) -> None:
        """Give a draft another content and other members. ``lastModified`` changes only with one of them."""
        if edits is not None:
            _check_members((*(edits.whole or ()), *edits.added, *edits.removed))
        if draft.kind is Kind.USER and draft.resource.get("active") is False and resource.get("active") is None:
            resource = {**resource, "active": False}  # Only an explicit true gives access back.
        before = draft.resource.get("meta")
        same = encoded({**resource, "meta": before}) == draft.body
        if not same:
            self._write(draft, {**resource, "meta": self._touched(before)})
        if edits is not None and _edit(draft.members, edits) and same:
            self._write(draft, {**draft.resource, "meta": self._touched(before)})

    def _touched(self, meta: Value) -> Value:
        return {**(meta if isinstance(meta, dict) else {}), "lastModified": self._now}

    def _write(self, draft: Draft, resource: dict[str, Value]) -> None:
        """Give a draft this content. Raises ScimError, and changes nothing, if it cannot be stored or is not unique."""
        body, unique = encoded(resource), unique_handle(draft.kind, resource)
        if unique is not None and unique != unique_handle(draft.kind, draft.resource):
            if any(id_ != draft.id for id_ in self._holding(draft.kind, unique)):
                raise not_unique(UNIQUE[draft.kind], str(resource[UNIQUE[draft.kind]]))
            self._gained.setdefault((draft.kind, unique), []).append(draft.id)
        draft.resource, draft.body, draft.changed = resource, body, True

    def _leave_groups(self, member: str) -> None:
        """Remove a deleted resource from all groups."""
        for (kind, _), draft in self._drafts.items():
            if kind is Kind.GROUP and draft is not None:
                draft.members.edit((), (member,))
        for group in self._stored.groups_of([member]).get(member, ()):
            self._left.setdefault(group, set()).add(member)

    # ---- what the snapshot and the requests before have

    def _found(self, kind: Kind, id_: str, if_match: str | None) -> Draft:
        draft = self._drafts[kind, id_]
        if draft is None or draft.body is None:
            raise not_found(kind.value.capitalize(), id_)
        if if_match is not None and if_match != draft.stored.version:
            raise version_differs()
        return draft

    def _load(self, kind: Kind, ids: Collection[str]) -> None:
        """Make drafts of these resources; None stands for one that does not exist."""
        if not ids:
            return
        records = self._stored.records(kind, set(filter(is_keepable, ids)))
        listed: Mapping[int, ListedNames] = {}
        if kind is Kind.GROUP:
            listed = self._stored.listed([record.ref for record in records.values()])
        for id_ in ids:
            record = records.get(id_)
            if record is None:
                self._drafts[kind, id_] = None
            else:
                members = ListedMembers(listed.get(record.ref, ListedNames()))
                self._drafts[kind, id_] = Draft(kind, id_, record, members)

    def _prefetch(self, operations: list[Operation]) -> None:
        """Read what the requests name with few queries."""
        for kind in Kind:
            of_kind = [operation for operation in operations if operation.kind is kind]
            self._load(kind, {each.id for each in of_kind if not isinstance(each, CreateResource)})
            contents = (each.resource for each in of_kind if isinstance(each, CreateResource | ReplaceResource))
            self._load_holders(kind, filter(None, (unique_handle(kind, resource) for resource in contents)))

    def _load_holders(self, kind: Kind, wanted: Iterable[str]) -> None:
        missing = [text for text in dict.fromkeys(wanted) if (kind, text) not in self._holders]
        if missing:
            found = self._stored.holders(kind, missing)
            self._holders.update(((kind, text), found.get(text, [])) for text in missing)

    def _holding(self, kind: Kind, unique: str) -> Iterator[str]:
        """The ids of the resources that have this handle after the requests before."""
        self._load_holders(kind, [unique])
        for id_ in (*self._holders[kind, unique], *self._gained.get((kind, unique), ())):
            draft = self._drafts.get((kind, id_))
            if draft is None or (draft.body is not None and unique_handle(kind, draft.resource) == unique):
                yield id_


def encoded(resource: Mapping[str, Value]) -> bytes:
    """A resource as JSON. Raises ScimError for text that cannot be stored."""
    try:
        body = encode(resource)
    except UnicodeEncodeError:
        raise invalid_value("the resource has text that is not valid Unicode", "send whole characters") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid_value(f"the resource cannot be stored: {error}") from None
    refuse_nul(body)  # The filter in the path of a PATCH may describe it.
    return body


def _edit(members: ListedMembers, edits: MemberEdits) -> bool:
    if edits.whole is not None:
        return members.replace(edits.whole)
    return members.edit(edits.added, edits.removed)


def _check_members(ids: Iterable[str]) -> None:
    for id_ in ids:
        if not 0 < len(id_) <= LONGEST_MEMBER or not is_keepable(id_):
            raise invalid_value(f"a member's value has 1 to {LONGEST_MEMBER} characters, and no NUL character")
