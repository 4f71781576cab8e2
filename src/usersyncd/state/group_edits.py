"""Applies changes to the members of groups: names that were added or removed, and names that mean another record after
the pull."""

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
from usersyncd.state.names import NameResolver, ResolvedNames, names_of
from usersyncd.state.stored_groups import StoredGroup

_strings = msgspec.json.Decoder(list[str]).decode


class GroupEdit(Struct):
    """What a pull changes in one group: the names that it gains and loses, and those of its names that mean another
    record than before (``moved``). ``tokens``: the texts of names."""

    group: StoredGroup
    added: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    moved: set[int] = field(default_factory=set)
    tokens: Mapping[int, str] = field(default_factory=dict)


class GroupEditor:
    """Applies edits to groups of one directory. ``before``: what names meant before the pull, where that may have
    changed. ``lost``: the texts of the names that records lost."""

    def __init__(
        self, connection: Connection, resolver: NameResolver, before: Mapping[int, Meaning], lost: Mapping[int, str]
    ) -> None:
        self._connection = connection
        self._resolver = resolver
        self._before = before
        self._lost = lost

    def apply(self, edits: Sequence[GroupEdit]) -> Iterator[tuple[StoredGroup, MembershipChange]]:
        """Each group after its edit, and the records that entered or left it."""
        now = self._resolver.resolve(name for edit in edits for name in self._names_to_resolve(edit))
        leaving = [self._formerly_meant(edit, now) for edit in edits]
        for edit, refs, kept in zip(edits, leaving, self._kept(edits, leaving), strict=True):
            yield self._applied(edit, now, refs - kept)

    def _names_to_resolve(self, edit: GroupEdit) -> set[int]:
        return edit.added | edit.moved | (edit.removed - self._before.keys())

    def _formerly_meant(self, edit: GroupEdit, now: ResolvedNames) -> set[int | None]:
        """The records that were in the group by a removed or moved name. None stands for names that meant no record."""
        return {
            self._before[name].ref if name in self._before else now.refs.get(name)
            for names in (edit.removed, edit.moved)
            for name in names
        }

    def _kept(self, edits: Sequence[GroupEdit], leaving: Sequence[Collection[int | None]]) -> Iterator[set[int]]:
        """For each group, the leaving records that stay in it by another of their names."""
        own_names = names_of(self._connection, {ref for refs in leaving for ref in refs if ref is not None})
        others = [
            [
                (ref, name)
                for ref in refs
                if ref is not None
                for name in own_names.get(ref, ())
                if name not in edit.removed and name not in edit.moved and has(edit.group.names, name)
            ]
            for edit, refs in zip(edits, leaving, strict=True)
        ]
        meant = self._resolver.resolve({name for pairs in others for _, name in pairs}).refs
        return ({ref for ref, name in pairs if meant.get(name) == ref} for pairs in others)

    def _applied(
        self, edit: GroupEdit, now: ResolvedNames, leaving: set[int | None]
    ) -> tuple[StoredGroup, MembershipChange]:
        held = edit.group
        entered = set(filter(None, map(now.refs.get, chain(edit.added, edit.moved))))
        left = set(filter(None, leaving)) - entered
        users, users_changed = _edited_refs(held.users, entered - now.groups, left)
        groups, groups_changed = _edited_refs(held.groups, entered & now.groups, left)
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

    def _unresolved(self, edit: GroupEdit, now: ResolvedNames) -> str | None:
        """The texts of the group's names that no record has, as a JSON list; None if there are none."""
        missing = edit.added.difference(now.refs, now.ambiguous) | edit.moved.difference(now.refs, now.ambiguous)
        held = edit.group.unresolved
        if held is None and not missing:
            return None
        before = {name(token): token for token in _strings(held or "[]")}
        unresolved = {number: token for number, token in before.items() if number not in edit.removed | edit.moved}
        unresolved.update((number, self._text_of(edit, number)) for number in missing)
        return msgspec.json.encode(sorted(unresolved.values())).decode() if unresolved else None

    def _text_of(self, edit: GroupEdit, number: int) -> str:
        return edit.tokens.get(number) or self._lost.get(number) or f"#{number & 2**64 - 1:016x}"


def _edited_refs(refs: array[int], named: set[int], unnamed: set[int]) -> tuple[array[int], array[int]]:
    """The members of a group after an edit, and those of them that entered or left."""
    if not refs:
        members = array("I", sorted(named))
        return members, members
    entered, left = named - those_in(refs, named), those_in(refs, unnamed)
    return edited(refs, entered, left), array("I", sorted(entered | left))
