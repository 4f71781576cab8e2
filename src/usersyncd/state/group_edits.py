"""Applies to the members of groups what changed: names that came or went, and names that mean another record now."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

import msgspec
from msgspec import Struct, field
from sqlalchemy import Connection

from usersyncd.core.digest import name, wrapped
from usersyncd.core.sorted_arrays import edited, has, those_in
from usersyncd.state.membership_changes import MembershipChange
from usersyncd.state.moved_names import Meaning
from usersyncd.state.names import Meant, NameResolver, names_of
from usersyncd.state.stored_groups import StoredGroup

_strings = msgspec.json.Decoder(list[str]).decode


class GroupEdit(Struct):
    """What changes in one group: the names that it gains and loses, and those of its names that mean another record
    now. ``tokens``: how names are written."""

    group: StoredGroup
    added: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    moved: set[int] = field(default_factory=set)
    tokens: Mapping[int, str] = field(default_factory=dict)


class GroupEditor:
    """``before``: what moved names meant before the pull. ``lost``: how the names are written that records lost."""

    def __init__(
        self, connection: Connection, resolver: NameResolver, before: Mapping[int, Meaning], lost: Mapping[int, str]
    ) -> None:
        self._connection = connection
        self._resolver = resolver
        self._before = before
        self._lost = lost

    def apply(self, edits: Sequence[GroupEdit]) -> Iterator[tuple[StoredGroup, MembershipChange]]:
        """The groups as they are now, and who entered or left each."""
        now = self._resolver.meant(name for edit in edits for name in self._asked(edit))
        out = [self._formerly_meant(edit, now) for edit in edits]
        for edit, left, kept in zip(edits, out, self._kept(edits, out), strict=True):
            yield self._applied(edit, now, left - kept)

    def _asked(self, edit: GroupEdit) -> set[int]:
        return edit.added | edit.moved | (edit.removed - self._before.keys())

    def _formerly_meant(self, edit: GroupEdit, now: Meant) -> set[int | None]:
        """The records that were in the group by names that it loses, or that mean others now."""
        return {
            self._before[name].ref if name in self._before else now.refs.get(name)
            for some in (edit.removed, edit.moved)
            for name in some
        }

    def _kept(self, edits: Sequence[GroupEdit], out: Sequence[Collection[int | None]]) -> Iterator[set[int]]:
        """For each group those records that other names keep in it."""
        own = names_of(self._connection, {ref for some in out for ref in some if ref is not None})
        others = [
            [
                (ref, name)
                for ref in refs
                if ref is not None
                for name in own.get(ref, ())
                if name not in edit.removed and name not in edit.moved and has(edit.group.names, name)
            ]
            for edit, refs in zip(edits, out, strict=True)
        ]
        meant = self._resolver.meant({name for pairs in others for _, name in pairs}).refs
        return ({ref for ref, name in pairs if meant.get(name) == ref} for pairs in others)

    def _applied(self, edit: GroupEdit, now: Meant, left: set[int | None]) -> tuple[StoredGroup, MembershipChange]:
        held = edit.group
        came = set(filter(None, map(now.refs.get, chain(edit.added, edit.moved))))
        gone = set(filter(None, left)) - came
        users, users_changed = _moved(held.users, came - now.groups, gone)
        groups, groups_changed = _moved(held.groups, came & now.groups, gone)
        ambiguous = edit.added & now.ambiguous | edit.moved & now.ambiguous
        group = StoredGroup(
            held.ref,
            wrapped(held.digest + sum(edit.added) - sum(edit.removed)),
            held.count + len(edit.added) - len(edit.removed),
            self._unresolved(edit, now),
            edited(held.ambiguous, ambiguous, edit.removed | edit.moved - ambiguous),
            edited(held.names, edit.added, edit.removed),
            users,
            groups,
        )
        return group, MembershipChange(users_changed, groups_changed)

    def _unresolved(self, edit: GroupEdit, now: Meant) -> str | None:
        """The names of members that nobody has, as they are written."""
        missing = edit.added.difference(now.refs, now.ambiguous) | edit.moved.difference(now.refs, now.ambiguous)
        held = edit.group.unresolved
        if held is None and not missing:
            return None
        written = {name(token): token for token in _strings(held or "[]")}
        found = {number: token for number, token in written.items() if number not in edit.removed | edit.moved}
        found.update((number, self._written(edit, number)) for number in missing)
        return msgspec.json.encode(sorted(found.values())).decode() if found else None

    def _written(self, edit: GroupEdit, number: int) -> str:
        return edit.tokens.get(number) or self._lost.get(number) or f"#{number & 2**64 - 1:016x}"


def _moved(refs: array[int], came: set[int], gone: set[int]) -> tuple[array[int], array[int]]:
    """The refs of a group's members as they are now, and those who entered or left."""
    if not refs:
        found = array("I", sorted(came))
        return found, found
    entered, left = came - those_in(refs, came), those_in(refs, gone)
    return edited(refs, entered, left), array("I", sorted(entered | left))
