"""Saves the memberships of a pull in the snapshot.

The members of a group are stored twice: as the names that the directory uses, and as the refs of the records that have
these names. Each can change without the other: a group may name a person whose record comes later, or still name a
person whose record was deleted. Only groups in which one of the two changed are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec
from sqlalchemy import Connection, select

from usersyncd.core.digest import names, wrapped
from usersyncd.core.sorted_arrays import those_in
from usersyncd.state import stored_groups
from usersyncd.state.bulk import batched
from usersyncd.state.group_edits import GroupEdit, GroupEditor
from usersyncd.state.groups_by_name import GroupsByName
from usersyncd.state.known_records import KnownGroup, known_groups
from usersyncd.state.membership_changes import MembershipChange
from usersyncd.state.names import NameResolver
from usersyncd.state.records import Records
from usersyncd.state.spool import Spool, SpooledMembers
from usersyncd.state.stored_groups import StoredGroup
from usersyncd.state.tables import memberships, records

CHUNK = 500
"""How many groups are read and written at a time."""

_strings = msgspec.json.Decoder(list[str]).decode
_SpooledGroup = tuple[str, list[SpooledMembers]]
"""The id of a group, and the pieces that the pull has of its members."""


class Memberships:
    """Saves the memberships of one pull, after its records have been saved."""

    def __init__(
        self, connection: Connection, directory: int, revision: int, spool: Spool, records: Records, *, complete: bool
    ) -> None:
        """``complete``: a group whose members were not listed has no members."""
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
        """The change in the number of edges."""
        self.changes: dict[int, MembershipChange] = {}
        """The records that entered or left each group. The first pull does not collect them."""
        self.rewritten = 0
        """How many groups list other members than before."""
        self.strangers: list[str] = []
        """Ids of groups whose members were listed, but that the directory does not have."""

    def save(self) -> Iterator[None]:
        """Write everything. Yields between batches."""
        listed: set[int] = set()
        moved = self._records.moved.by_group()
        spooled = ((id_, list(pieces)) for id_, pieces in groupby(self._spool.edges(), key=lambda piece: piece.group))
        for groups in batched(spooled, CHUNK):
            edits = self._edits(groups, listed)
            for edit in edits:
                edit.moved = set(moved.pop(edit.group.ref, ())) - edit.removed
            self._write(edits)
            yield
        for refs in batched(self._unlisted(listed) if self._complete else (), CHUNK):
            stored = stored_groups.load(self._connection, refs).values()
            self.rewritten += len(stored)
            self._write([GroupEdit(group, removed=set(group.names)) for group in stored])
            for ref in refs:
                moved.pop(ref, None)
            yield
        for refs in batched(sorted(self._records.deleted_groups), CHUNK):
            self._delete(refs)
            yield
        for refs in batched(sorted(moved), CHUNK):
            stored = stored_groups.load(self._connection, refs).values()
            self._write([GroupEdit(group, moved=set(moved[group.ref])) for group in stored])
            yield
        yield from self._by_name.save()

    # ---- groups whose members the pull lists

    def _edits(self, groups: Sequence[_SpooledGroup], listed: set[int]) -> list[GroupEdit]:
        """The edits of those groups that list other members than before. Adds the refs of all groups to ``listed``."""
        known = known_groups(self._connection, self._directory, [id_ for id_, _ in groups])
        self.strangers += [id_ for id_, _ in groups if id_ not in known]
        listed.update(group.ref for group in known.values())
        differing = {
            known[id_].ref: pieces for id_, pieces in groups if id_ in known and not self._is_same(pieces, known[id_])
        }
        stored = stored_groups.load(self._connection, differing) if not self._spool.first else {}
        edits = [self._edit(stored.get(ref) or StoredGroup(ref), pieces) for ref, pieces in differing.items()]
        changed = [edit for edit in edits if edit.added or edit.removed or edit.group.ref not in stored]
        self.rewritten += len(changed)
        return changed

    def _is_same(self, pieces: Sequence[SpooledMembers], known: KnownGroup) -> bool:
        """Whether the pieces list exactly the stored members, according to count and digest."""
        if not self._complete and not (len(pieces) == 1 and pieces[0].whole):
            return False
        return sum(p.count for p in pieces) == known.count and wrapped(sum(p.digest for p in pieces)) == known.digest

    def _edit(self, group: StoredGroup, pieces: Sequence[SpooledMembers]) -> GroupEdit:
        """The edit of a group that these pieces make, applied in their order."""
        whole = self._complete
        added: set[int] = set()
        removed: set[int] = set()
        tokens: dict[int, str] = {}
        for piece in pieces:
            added_names = group.names
            if piece.added is not None:
                added_tokens = _strings(piece.added)
                added_names = names(added_tokens)
                tokens.update(zip(added_names, added_tokens, strict=True))
            if piece.whole and not self._complete:
                whole = True
                added.clear()
            removed_names = names(_strings(piece.removed))
            added.update(added_names)
            added.difference_update(removed_names)
            removed.difference_update(added_names)
            removed.update(removed_names)
        if not whole:
            return GroupEdit(group, added - those_in(group.names, added), those_in(group.names, removed), tokens=tokens)
        if not group.names:
            return GroupEdit(group, added, tokens=tokens)
        before = set(group.names)
        return GroupEdit(group, added - before, before - added, tokens=tokens)

    # ---- groups whose members the pull does not list

    def _unlisted(self, listed: set[int]) -> Iterator[int]:
        """The groups that have members in the snapshot, and none in this complete pull."""
        query = (
            select(memberships.c.ref)
            .join(records, records.c.ref == memberships.c.ref)
            .where(memberships.c.directory == self._directory, memberships.c.count > 0, records.c.gone_at.is_(None))
        )
        refs = self._connection.scalars(query).all()
        return (ref for ref in refs if ref not in listed and ref not in self._spool.kept)

    def _delete(self, refs: Sequence[int]) -> None:
        """Delete the members of deleted groups."""
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
        # A list, because the editor reads from the database: PostgreSQL accepts no query during a COPY.
        applied = list(self._editor.apply(edits))
        if not self._spool.first:
            self.changes.update((group.ref, change) for group, change in applied if change)
        stored_groups.write(self._connection, self._directory, (group for group, _ in applied))
