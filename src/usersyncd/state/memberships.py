"""Folding a pull into the snapshot: who is in which group.

A group's members are kept as the directory names them, and as refs of whom these names mean now. Both change on their
own: an edge comes before the person it names, a person leaves while the group still names them. Only the groups to
which one of both happened are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.core.digest import names, wrapped
from usersyncd.core.sorted_arrays import those_in
from usersyncd.plugin import Kind
from usersyncd.state import stored_groups
from usersyncd.state.bulk import batched
from usersyncd.state.columns import NUMBER
from usersyncd.state.database import among
from usersyncd.state.group_edits import GroupEdit, GroupEditor
from usersyncd.state.groups_by_name import GroupsByName
from usersyncd.state.membership_changes import MembershipChange
from usersyncd.state.names import NameResolver
from usersyncd.state.records import Records
from usersyncd.state.spool import Spool, ToldMembers
from usersyncd.state.stored_groups import StoredGroup
from usersyncd.state.tables import memberships, records

CHUNK = 500
"""How many groups are handled at a time."""

_strings = msgspec.json.Decoder(list[str]).decode
_Told = tuple[str, list[ToldMembers]]
"""The id of a group, and what was told of its members."""


class _Known(Struct, frozen=True, gc=False):
    """A group of the directory. ``digest`` None: nothing is stored of its members."""

    ref: int
    digest: int | None
    count: int


class Memberships:
    """What one pull changes among the memberships of a directory, once its records are saved."""

    def __init__(
        self, connection: Connection, directory: int, revision: int, spool: Spool, records: Records, *, complete: bool
    ) -> None:
        """``complete``: a group of which nothing was told has no members."""
        self._complete = complete
        self._connection = connection
        self._directory = directory
        self._revision = revision
        self._spool = spool
        self._records = records
        resolver = NameResolver(connection, directory, spool.edge_count if spool.first else 0)
        self._editor = GroupEditor(connection, resolver, records.moved.before, records.lost)
        self._by_name = GroupsByName(connection, directory, everything=spool.first)
        self.count = 0
        """By how many the edges became more, or fewer."""
        self.changes: dict[int, MembershipChange] = {}
        """Who entered or left which group; not collected in the first pull."""
        self.rewritten = 0
        """Groups of which the directory names other members."""
        self.strangers: list[str] = []
        """Ids of groups whose members were told, and that nobody has."""

    def save(self) -> Iterator[None]:
        """Write everything; pauses now and then."""
        told: set[int] = set()
        moved = self._records.moved.by_group()
        pieces = ((id_, list(some)) for id_, some in groupby(self._spool.edges(), key=lambda edges: edges.group))
        for groups in batched(pieces, CHUNK):
            edits = self._told(groups, told)
            for edit in edits:
                edit.moved = set(moved.pop(edit.group.ref, ())) - edit.removed
            self._write(edits)
            yield
        for refs in batched(self._silent(told) if self._complete else (), CHUNK):
            found = stored_groups.load(self._connection, refs).values()
            self.rewritten += len(found)
            self._write([GroupEdit(group, removed=set(group.names)) for group in found])
            for ref in refs:
                moved.pop(ref, None)
            yield
        for refs in batched(sorted(self._records.gone_groups), CHUNK):
            self._forget(refs)
            yield
        for refs in batched(sorted(moved), CHUNK):
            found = stored_groups.load(self._connection, refs).values()
            self._write([GroupEdit(group, moved=set(moved[group.ref])) for group in found])
            yield
        yield from self._by_name.save()

    # ---- what was told

    def _told(self, groups: Sequence[_Told], told: set[int]) -> list[GroupEdit]:
        """The groups of which the directory names other members than before; adds the refs of all to ``told``."""
        known = self._known([id_ for id_, _ in groups])
        self.strangers += [id_ for id_, _ in groups if id_ not in known]
        told.update(group.ref for group in known.values())
        other = {
            known[id_].ref: pieces for id_, pieces in groups if id_ in known and not self._same(pieces, known[id_])
        }
        held = stored_groups.load(self._connection, other) if not self._spool.first else {}
        edits = [self._folded(held.get(ref) or StoredGroup(ref), pieces) for ref, pieces in other.items()]
        changed = [edit for edit in edits if edit.added or edit.removed or edit.group.ref not in held]
        self.rewritten += len(changed)
        return changed

    def _known(self, ids: list[str]) -> dict[str, _Known]:
        query = (
            select(records.c.id, records.c.ref, memberships.c.digest, memberships.c.count)
            .outerjoin(memberships, memberships.c.ref == records.c.ref)
            .where(
                records.c.directory == self._directory,
                records.c.kind == NUMBER[Kind.GROUP],
                records.c.gone_at.is_(None),
                among(self._connection, records.c.id, ids),
            )
        )
        return {id_: _Known(ref, digest, count or 0) for id_, ref, digest, count in self._connection.execute(query)}

    def _same(self, pieces: Sequence[ToldMembers], held: _Known) -> bool:
        """Whether these are the members that are held, told from their digests alone."""
        if not self._complete and not (len(pieces) == 1 and pieces[0].whole):
            return False
        return sum(p.count for p in pieces) == held.count and wrapped(sum(p.digest for p in pieces)) == held.digest

    def _folded(self, group: StoredGroup, pieces: Sequence[ToldMembers]) -> GroupEdit:
        """What the pieces change in a group."""
        whole = self._complete
        added: set[int] = set()
        removed: set[int] = set()
        tokens: dict[int, str] = {}
        for piece in pieces:
            came = _strings(piece.added)
            numbers = names(came)
            tokens.update(zip(numbers, came, strict=True))
            if piece.whole and not self._complete:
                whole = True
                added.clear()
            gone = names(_strings(piece.removed))
            added.update(numbers)
            added.difference_update(gone)
            removed.difference_update(numbers)
            removed.update(gone)
        if not whole:
            return GroupEdit(group, added - those_in(group.names, added), those_in(group.names, removed), tokens=tokens)
        if not group.names:
            return GroupEdit(group, added, tokens=tokens)
        before = set(group.names)
        return GroupEdit(group, added - before, before - added, tokens=tokens)

    # ---- what follows from others

    def _silent(self, told: set[int]) -> Iterator[int]:
        """The groups that have members, and of which a complete pull told nothing."""
        query = (
            select(memberships.c.ref)
            .join(records, records.c.ref == memberships.c.ref)
            .where(memberships.c.directory == self._directory, memberships.c.count > 0, records.c.gone_at.is_(None))
        )
        refs = self._connection.scalars(query).all()
        return (ref for ref in refs if ref not in told and ref not in self._spool.kept)

    def _forget(self, refs: Sequence[int]) -> None:
        """Groups that are gone have no members."""
        for group in stored_groups.load(self._connection, refs).values():
            self.count -= group.count
            self.changes[group.ref] = MembershipChange(group.users, group.groups)
            self._by_name.note(group.ref, (), group.names)
        stored_groups.forget(self._connection, refs)

    # ---- writing

    def _write(self, edits: Sequence[GroupEdit]) -> None:
        for edit in edits:
            self.count += len(edit.added) - len(edit.removed)
            self._by_name.note(edit.group.ref, edit.added, edit.removed)
        # Listed, because the editor asks the database too: PostgreSQL answers nothing while rows are copied into it.
        applied = list(self._editor.apply(edits))
        if not self._spool.first:
            self.changes.update((group.ref, change) for group, change in applied if change)
        stored_groups.write(self._connection, self._directory, (group for group, _ in applied))
