"""Folding a pull into the snapshot: who is in which group.

A group's members are kept as the directory names them, and as refs of whom these names mean now. Both change on their
own: an edge comes before the person it names, a person leaves while the group still names them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, or_, select

from usersyncd.core.digest import name, names, names_digest, pack, unpack, wrapped
from usersyncd.core.graph import Graph
from usersyncd.core.report import Skipped
from usersyncd.plugin import Kind
from usersyncd.state import bulk
from usersyncd.state.bulk import batched
from usersyncd.state.database import among
from usersyncd.state.names import Names, Shared, group_ids, sharing
from usersyncd.state.records import Records
from usersyncd.state.spool import Edges, Spool
from usersyncd.state.tables import memberships

CHUNK = 500
"""How many groups are written at a time."""

MISSING = "its member {0} is nobody whom this directory lists"
AMBIGUOUS = "its member {0} is ambiguous: {1} have this name; {2}"
_COLUMNS = ("ref", "directory", "digest", "count", "revision", "unresolved", "ambiguous", "names", "users", "groups")
_strings = msgspec.json.Decoder(list[str]).decode


class Stored(Struct, frozen=True):
    """What the snapshot knows of a group's members without looking at them."""

    digest: int
    count: int


class Members(Struct):
    """A group's members as they shall be saved. ``tokens``: how some of the names are written."""

    ref: int
    names: set[int]
    tokens: dict[int, str]


def graph(connection: Connection, directory: int) -> Graph:
    """All memberships of a directory."""
    query = select(memberships.c.ref, memberships.c.users, memberships.c.groups)
    users: dict[int, array[int]] = {}
    groups: dict[int, array[int]] = {}
    for ref, user_refs, group_refs in connection.execute(query.where(memberships.c.directory == directory)):
        users[ref], groups[ref] = unpack("I", user_refs), unpack("I", group_refs)
    return Graph(users, groups)


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
        self.count = 0
        """By how many the edges became more, or fewer."""
        self.changed: set[int] = set()
        """Groups that have other users or groups in them now."""
        self.rewritten = 0
        """Groups of which the directory names other members."""
        self.strangers: list[str] = []
        """Ids of groups whose members were told, and that nobody has."""

    def save(self) -> Iterator[None]:
        """Write everything; pauses now and then."""
        told: set[int] = set()
        for some in batched(self._told(told), CHUNK):
            self._write(some)
            yield
        if self._complete:
            silent = [ref for ref, held in self._held.items() if held.count and ref not in told]
            emptied = [Members(ref, set(), {}) for ref in silent if ref not in self._spool.kept and ref in self._groups]
            self.rewritten += len(emptied)
            self._write(emptied)
        self._forget_groups()
        for some in batched(self._waiting(), CHUNK):
            self._write(some)
            yield

    @cached_property
    def _groups(self) -> dict[int, str]:
        return group_ids(self._connection, self._directory)

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {id_: ref for ref, id_ in self._groups.items()}

    @cached_property
    def _held(self) -> dict[int, Stored]:
        query = select(memberships.c.ref, memberships.c.digest, memberships.c.count)
        rows = self._connection.execute(query.where(memberships.c.directory == self._directory))
        return {ref: Stored(digest, count) for ref, digest, count in rows}

    @cached_property
    def _names(self) -> Names:
        return Names(self._connection, self._directory, self._groups.keys(), self._spool.edge_count)

    # ---- what was told

    def _told(self, told: set[int]) -> Iterator[Members]:
        """The groups of which the directory names other members than before."""
        for id_, group in groupby(self._spool.edges(), key=lambda edges: edges.group):
            pieces = list(group)
            ref = self._by_id.get(id_)
            if ref is None:
                self.strangers.append(id_)
                continue
            told.add(ref)
            held = self._held.get(ref)
            if held and _same(pieces, held, complete=self._complete):
                continue
            members = self._folded(ref, pieces)
            if held is None or held.digest != names_digest(members.names) or held.count != len(members.names):
                self.rewritten += 1
                yield members

    def _folded(self, ref: int, pieces: Sequence[Edges]) -> Members:
        found: set[int] = set()
        tokens: dict[int, str] = {}
        if not self._complete and ref in self._held:
            found, tokens = self._stored(ref)
        for piece in pieces:
            added = _strings(piece.added)
            numbers = names(added)
            tokens.update(zip(numbers, added, strict=True))
            if piece.whole and not self._complete:
                found = set(numbers)
            else:
                found.update(numbers)
                found.difference_update(names(_strings(piece.removed)))
        return Members(ref, found, tokens)

    def _stored(self, ref: int) -> tuple[set[int], dict[int, str]]:
        query = select(memberships.c.names, memberships.c.unresolved).where(memberships.c.ref == ref)
        blob, unresolved = self._connection.execute(query).one()
        return set(unpack("q", blob)), _tokens(unresolved)

    # ---- what follows from records that came, went or were renamed

    def _waiting(self) -> Iterator[Members]:
        """Groups of which the directory says nothing new, but whose names may mean others now."""
        renamed = self._records.appeared or self._records.unnamed
        refs = self._unclear() if renamed and not self._spool.first else set()
        refs |= self._holding(self._records.unnamed)
        for ref in sorted(refs):
            if ref in self._groups:
                found, tokens = self._stored(ref)
                yield Members(ref, found, tokens)

    def _unclear(self) -> set[int]:
        """The groups with members that are not found, or ambiguous."""
        query = select(memberships.c.ref).where(
            memberships.c.directory == self._directory,
            or_(memberships.c.unresolved.is_not(None), memberships.c.ambiguous.is_not(None)),
        )
        return set(self._connection.scalars(query))

    def _holding(self, refs: set[int]) -> set[int]:
        """The groups that have one of these in them."""
        if not refs:
            return set()
        found = graph(self._connection, self._directory)
        return {
            group
            for group, users in found.users.items()
            if not refs.isdisjoint(users) or not refs.isdisjoint(found.groups.get(group, ()))
        }

    def _forget_groups(self) -> None:
        """Groups that are gone have no members."""
        gone = [ref for ref in self._records.renamed if ref in self._held and ref not in self._groups]
        for some in batched(gone, CHUNK):
            self.count -= sum(self._held[ref].count for ref in some)
            self.changed.update(some)
            self._connection.execute(delete(memberships).where(among(self._connection, memberships.c.ref, some)))

    # ---- writing

    def _write(self, groups: Sequence[Members]) -> None:
        before = self._resolved([group.ref for group in groups])
        bulk.upsert(self._connection, memberships, _COLUMNS, [self._row(group, before) for group in groups])

    def _resolved(self, refs: list[int]) -> Mapping[int, tuple[bytes, bytes, int]]:
        if self._spool.first:
            return {}
        query = select(memberships.c.ref, memberships.c.users, memberships.c.groups, memberships.c.revision)
        rows = self._connection.execute(query.where(among(self._connection, memberships.c.ref, refs)))
        return {ref: (users, groups, revision) for ref, users, groups, revision in rows}

    def _row(self, group: Members, before: Mapping[int, tuple[bytes, bytes, int]]) -> bulk.Row:
        meant = self._names.meant(group.names)
        refs = set(meant.refs.values())
        nested = refs & self._groups.keys()
        users, groups = (pack(array("I", sorted(some))) for some in (refs - nested, nested))
        missing = group.names - meant.refs.keys() - meant.ambiguous if len(meant.refs) < len(group.names) else ()
        unresolved = sorted(self._written(group, number) for number in missing)
        users_before, groups_before, revision = before.get(group.ref, (b"", b"", self._revision))
        if (users, groups) != (users_before, groups_before):
            self.changed.add(group.ref)
            revision = self._revision
        held, now = self._held.get(group.ref), Stored(names_digest(group.names), len(group.names))
        self.count += now.count - (held.count if held else 0)
        self._held[group.ref] = now
        return (
            group.ref, self._directory, now.digest, now.count, revision,
            msgspec.json.encode(unresolved).decode() if unresolved else None,
            pack(array("q", sorted(meant.ambiguous))) if meant.ambiguous else None,
            pack(array("q", sorted(group.names))), users, groups,
        )  # fmt: skip

    def _written(self, group: Members, number: int) -> str:
        return group.tokens.get(number) or self._records.lost.get(number) or f"#{number & 2**64 - 1:016x}"


def _same(pieces: Sequence[Edges], held: Stored, *, complete: bool) -> bool:
    """Whether these are the members that are held, told from their digests alone."""
    if not complete and not (len(pieces) == 1 and pieces[0].whole):
        return False
    return sum(p.count for p in pieces) == held.count and wrapped(sum(p.digest for p in pieces)) == held.digest


def _tokens(unresolved: str | None) -> dict[int, str]:
    return {name(token): token for token in _strings(unresolved)} if unresolved else {}


class Unclear(Struct):
    """Members of groups that are not clear: how many are ``missing`` from the directory, how many are
    ``ambiguous``, and the first of both by name."""

    missing: int = 0
    ambiguous: int = 0
    named: list[Skipped] = []


def unclear(connection: Connection, directory: int, limit: int) -> Unclear:
    """The members of groups that are not clear; ``limit`` of them by name."""
    found = Unclear()
    query = select(memberships.c.ref, memberships.c.unresolved, memberships.c.ambiguous).where(
        memberships.c.directory == directory,
        or_(memberships.c.unresolved.is_not(None), memberships.c.ambiguous.is_not(None)),
    )
    rows = connection.execute(query.order_by(memberships.c.ref)).all()
    ids = group_ids(connection, directory) if rows else {}
    several = sharing(connection, directory, {number for *_, numbers in rows for number in unpack("q", numbers)})
    for ref, unresolved, ambiguous in rows:
        tokens, shared = _strings(unresolved or "[]"), [several[number] for number in unpack("q", ambiguous)]
        found.missing += len(tokens)
        found.ambiguous += len(shared)
        reasons = [AMBIGUOUS.format(one.token, " and ".join(one.ids), _verdict(one)) for one in shared]
        reasons += [MISSING.format(token) for token in tokens]
        left = limit - len(found.named)
        found.named += [Skipped(Kind.GROUP, ids.get(ref, f"#{ref}"), reason) for reason in reasons[:left]]
    return found


def _verdict(shared: Shared) -> str:
    meant = shared.meant
    return "none of them is a member by it" if meant is None else f"{meant} had it first, and is the member"
