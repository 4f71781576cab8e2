"""Keeps a pull in a temporary database until its end proves that it is complete.

Records that the snapshot has already are recognized by their digests and are not kept, so that a pull of an unchanged
directory costs little more than reading it. Memory stays flat: some thousand items at a time, and one bit for each
known record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import add

import msgspec
from msgspec import Struct
from sqlalchemy import bindparam, select

from usersyncd.core.digest import digests_of_bytes, encode, name, names, names_digest
from usersyncd.core.items import Item, combined, merged
from usersyncd.core.report import MAX_FAILURES, Failed
from usersyncd.core.storable_text import is_storable, with_replacements
from usersyncd.errors import SourceError, in_short
from usersyncd.plugin import Gone, Kind, Members, Page, Patch, Present, Record, Unread, Value
from usersyncd.state.bit_set import BitSet
from usersyncd.state.columns import KIND, NUMBER, decode
from usersyncd.state.database import Database
from usersyncd.state.known_records import Body, KnownGroup, KnownRecord, bodies, known_groups, known_records
from usersyncd.state.scratch import scratch
from usersyncd.state.tables import records

SCHEMA = """
CREATE TABLE records (
  kind INTEGER, id TEXT, ref INTEGER, digest INTEGER, attributes TEXT, handles TEXT, manager INTEGER
);
CREATE TABLE edges (
  seq INTEGER PRIMARY KEY, "group" TEXT, whole INTEGER, added TEXT, removed TEXT, digest INTEGER, count INTEGER
);
"""
INDEX = "CREATE INDEX IF NOT EXISTS records_id ON records (kind, id)"
_ANY = select(records.c.ref).where(records.c.directory == bindparam("directory")).limit(1)
_NEW = "ref IS NULL AND attributes IS NOT NULL"


ILLEGIBLE = (
    "its {} is not valid Unicode, and text that identifies a record is not repaired\n  → correct it in the directory"
)


class Spooled(Struct, frozen=True, gc=False):
    """A record that differs in the snapshot."""

    kind: Kind
    id: str
    ref: int
    digest: int
    attributes: str
    handles: str | None
    manager: int | None


class NewRecords(Struct, frozen=True):
    """Records of one kind that the snapshot does not have, as columns (see :class:`Spooled`)."""

    kind: Kind
    ids: Sequence[str]
    digests: Sequence[int]
    attributes: Sequence[str]
    handles: Sequence[str | None]
    managers: Sequence[int | None]


class SpooledMembers(Struct, frozen=True, gc=False):
    """One item about the members of a group. ``added`` and ``removed``: JSON lists of names; ``digest`` and ``count``:
    those of ``added``. ``added`` None: the names that the snapshot has. ``whole``: the item lists all members."""

    group: str
    whole: bool
    added: str | None
    removed: str
    digest: int
    count: int


class Spool:
    """The items of one pull of one directory.

    ``manager_of``: takes a user's native attributes and returns the id or handle of the manager, or None. ``complete``:
    the source was asked for everything.
    """

    def __init__(
        self,
        database: Database,
        directory: int,
        manager_of: Callable[[dict[str, Value]], str | None],
        *,
        complete: bool = False,
    ) -> None:
        self._database = database
        self._directory = directory
        self._manager_of = manager_of
        self._complete = complete
        self._file = scratch(SCHEMA)
        self._indexed = False
        """Whether the records are indexed, and each is kept once. Until then they are only appended: a first pull lists
        them in any order, and writing them in another one costs several times as much."""
        self._differing = BitSet()
        """The refs of the known records that are in the file."""
        self.seen = BitSet()
        """The refs of the known records that the pull lists or names as present."""
        self.kept = BitSet()
        """The refs of the groups that were only named as present: their members did not change."""
        self.doubtful = 0
        """How many items change or name a record that is unknown: only a complete pull can read these records."""
        self.named = 0
        """How many records were only named as present."""
        self.unread: list[Failed] = []
        """The first records that could not be read, with the reason."""
        self.unread_count = 0
        """How many records could not be read."""
        self._unnamed = set[str]()
        """The known groups with a member whose name cannot be stored."""
        self.edge_count = 0
        """How many edges the pull lists."""
        self.repaired: list[str] = []
        """The first records with text that cannot be stored and was replaced: kind, id and attributes."""
        self.repaired_count = 0
        """How many records these are."""
        with database.read() as connection:
            self.first = connection.scalar(_ANY, {"directory": directory}) is None
        """Whether the snapshot is empty."""

    def close(self) -> None:
        self._file.close()

    def add(self, page: Page) -> None:
        """Add the items of a page. Raises SourceError if an item breaks the contract."""
        edges = [item for item in page if isinstance(item, Members)]
        items = [item for item in page if not isinstance(item, Members)]
        for kind in Kind:
            self._add_kind(kind, [item for item in items if item.kind is kind])
        if edges:
            self._add_edges(edges)

    def new(self, size: int) -> Iterator[NewRecords]:
        """The records that the snapshot does not have, users before groups, ordered by id: up to ``size`` of one kind
        at a time."""
        self._index()
        columns = "id, digest, attributes, handles, manager"
        for kind, number in NUMBER.items():
            query = f"SELECT {columns} FROM records WHERE kind = ? AND {_NEW} ORDER BY +id"  # noqa: S608
            cursor = self._file.execute(query, (number,))
            while rows := cursor.fetchmany(size):
                yield NewRecords(kind, *zip(*rows, strict=True))

    def count_new(self) -> int:
        """How many records the snapshot does not have."""
        self._index()
        return int(self._file.execute(f"SELECT count(*) FROM records WHERE {_NEW}").fetchone()[0])  # noqa: S608

    def changed(self) -> Iterator[Spooled]:
        """The records that differ in the snapshot, or are marked as deleted there."""
        self._index()
        query = "SELECT * FROM records WHERE ref IS NOT NULL AND attributes IS NOT NULL ORDER BY kind, id"
        return (Spooled(KIND[kind], *rest) for kind, *rest in self._file.execute(query))

    def gone(self) -> list[int]:
        """The refs of the records that the directory reported as deleted."""
        self._index()
        query = "SELECT ref FROM records WHERE ref IS NOT NULL AND attributes IS NULL ORDER BY ref"
        return [ref for (ref,) in self._file.execute(query)]

    def edges(self) -> Iterator[SpooledMembers]:
        """The items about members, group by group, in the order in which they came."""
        query = 'SELECT "group", whole, added, removed, digest, count FROM edges ORDER BY "group", seq'
        for row in self._file.execute(query):
            if row[0] not in self._unnamed:
                yield SpooledMembers(*row)

    def reported_members(self, group: str, *, complete: bool) -> set[str] | None:
        """The names of members of a group that a pull adds or removes; None: it lists all members. ``complete``: the
        pull is complete."""
        query = 'SELECT whole, added, removed FROM edges WHERE "group" = ?'
        names = set[str]()
        for whole, added, removed in self._file.execute(query, (group,)):
            if whole or complete or added is None:
                return None
            names.update(msgspec.json.decode(added), msgspec.json.decode(removed))
        return names

    # ---- records

    def _add_kind(self, kind: Kind, items: Sequence[Item]) -> None:
        """Add the items about users, or those about groups. Several items about one record are combined."""
        latest = {item.id: item for item in items}
        if len(latest) < len(items):
            latest = {}
            for item in items:
                both = combined(latest[item.id], item) if item.id in latest else item
                if both is None:
                    self._add_records(kind, latest)
                    latest = {}
                latest[item.id] = both or item
        if latest:
            self._add_records(kind, latest)

    def _add_records(self, kind: Kind, items: Mapping[str, Item]) -> None:
        if self.first:
            self._keep_changed(kind, items, {}, {})
            return
        with self._database.read() as connection:
            known = known_records(connection, self._directory, kind, list(items))
            patched = [known[id_].ref for id_, item in items.items() if isinstance(item, Patch) and id_ in known]
            stored = bodies(connection, patched) if patched else {}
        self._keep_changed(kind, items, known, stored)

    def _keep_changed(
        self, kind: Kind, items: Mapping[str, Item], known: Mapping[str, KnownRecord], stored: Mapping[int, Body]
    ) -> None:
        """Keep the records that differ from the ``known`` ones. ``stored``: the bodies of patched records, by ref."""
        number = NUMBER[kind]
        listed: list[Record] = []
        changed: list[tuple[int, str, int | None, int, str | None, str | None, int | None]] = []
        for id_, item in items.items():
            if isinstance(item, Record) and not item.handles:
                listed.append(item)
                continue
            before = known.get(id_)
            record = self._resolved(item, before, stored)
            if isinstance(record, Record):
                listed.append(record)
            elif record is not None:
                changed.append((number, id_, before.ref if before else None, 0, None, None, None))
                if before:
                    self.seen.discard(before.ref)
        attributes, encoded = self._encoded_attributes(listed)
        handles = [encode(sorted(set(record.handles))) if record.handles else b"" for record in listed]
        fingerprints = digests_of_bytes(map(add, encoded, handles))
        self.seen.update([known[record.id].ref for record in listed if record.id in known])
        differing = self._differing.count
        again: list[str] = []  # Ids of records that may be in the file.
        for place, (record, fingerprint) in enumerate(zip(listed, fingerprints, strict=True)):
            before = known.get(record.id)
            if before is not None and before.digest == fingerprint and not before.gone:
                if differing and before.ref in self._differing:
                    self._differing.discard(before.ref)
                    again.append(record.id)
                continue
            manager = self._manager_of(attributes[place]) if kind is Kind.USER else None
            changed.append(
                (
                    number, record.id, before.ref if before else None, fingerprint, encoded[place].decode(),
                    handles[place].decode() or None, name(manager) if manager else None,
                )
            )  # fmt: skip
        if self._indexed or not self.first:
            again += [row[1] for row in changed if row[2] is None or row[2] in self._differing]
        if again:
            self._index()
            self._file.executemany("DELETE FROM records WHERE kind = ? AND id = ?", [(number, id_) for id_ in again])
        self._file.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", changed)
        self._differing.update([row[2] for row in changed if row[2] is not None])

    def _index(self) -> None:
        """Index the records by id, and keep of each what came last."""
        if self._indexed:
            return
        self._file.execute(INDEX)
        query = "SELECT kind, id, max(rowid) FROM records GROUP BY kind, id HAVING count(*) > 1"
        for last in self._file.execute(query).fetchall():
            self._file.execute("DELETE FROM records WHERE kind = ? AND id = ? AND rowid < ?", last)
        self._indexed = True

    def _resolved(self, item: Item, known: KnownRecord | None, stored: Mapping[int, Body]) -> Record | Gone | None:
        """The whole record that an item gives, or its deletion. None if the item gives neither: that is counted."""
        if isinstance(item, Present):
            self._note_present(item, known)
            return None
        if isinstance(item, Unread):
            self._note_unread(item, known)
            return None
        record = self._patched(item, known, stored) if isinstance(item, Patch) else item
        if record is None:
            self.doubtful += 1
        elif isinstance(record, Record) and not is_storable("".join(record.handles)):
            self._note_unread(Unread(record.kind, record.id, ILLEGIBLE.format("name")), known)
            return None
        return record

    def _encoded_attributes(self, listed: Sequence[Record]) -> tuple[list[dict[str, Value]], list[bytes]]:
        """The attributes of records, also as JSON. Text that cannot be stored is replaced, and the record is noted."""
        attributes = [record.attributes for record in listed]
        try:
            return attributes, list(map(encode, attributes))
        except (TypeError, ValueError, OverflowError, msgspec.MsgspecError):
            attributes = [self._repaired(record) for record in listed]
            return attributes, list(map(_encoded, listed, attributes))

    def _repaired(self, record: Record) -> dict[str, Value]:
        try:
            _encoded(record, record.attributes)
        except UnicodeEncodeError:
            attributes, names = with_replacements(record.attributes)
            self._note_repaired(f"{record.kind} {record.id}: {', '.join(names)}")
            return attributes
        return record.attributes

    def _note_repaired(self, record: str) -> None:
        self.repaired_count += 1
        if len(self.repaired) < MAX_FAILURES:
            self.repaired.append(record)

    def _note_present(self, item: Present, known: KnownRecord | None) -> None:
        self.named += 1
        if not self._keep_stored(item.kind, known) and self._spooled(item) is None:
            self.doubtful += 1

    def _note_unread(self, item: Unread, known: KnownRecord | None) -> None:
        self.unread_count += 1
        if len(self.unread) < MAX_FAILURES:
            self.unread.append(Failed(item.kind, item.id, in_short(item.why)))
        self._keep_stored(item.kind, known)

    def _keep_stored(self, kind: Kind, known: KnownRecord | None) -> bool:
        """Let the snapshot keep this record as it is. False if the snapshot does not have it."""
        if known is None or known.gone:
            return False
        self.seen.update([known.ref])
        if kind is Kind.GROUP:
            self.kept.update([known.ref])
        return True

    def _spooled(self, item: Patch | Present) -> Body | None:
        """The attributes and handles that this pull gave the record before."""
        self._index()
        query = "SELECT attributes, handles FROM records WHERE kind = ? AND id = ?"
        row: Body | None = self._file.execute(query, (NUMBER[item.kind], item.id)).fetchone()
        return row

    def _patched(self, patch: Patch, known: KnownRecord | None, stored: Mapping[int, Body]) -> Record | None:
        """The record with the changes of a patch; None if the record is unknown or deleted."""
        body = self._spooled(patch)
        if body is None and known is not None and not known.gone:
            body = stored[known.ref]
        if body is None or body[0] is None:
            return None
        handles = patch.handles
        if handles is None:
            handles = tuple(msgspec.json.decode(body[1], type=list[str])) if body[1] else ()
        return Record(patch.kind, patch.id, merged(decode(body[0]), patch.attributes), handles)

    # ---- memberships

    def _add_edges(self, edges: list[Members]) -> None:
        if unnamed := {item.group for item in edges if not _is_named(item)}:
            self._keep_unnamed(unnamed)
            edges = [_storable_part(item) for item in edges]
        known: Mapping[str, KnownGroup] = {}
        if not self.first:
            with self._database.read() as connection:
                known = known_groups(connection, self._directory, [item.group for item in edges])
        rows = [self._edges_row(item, known.get(item.group)) for item in edges]
        self.edge_count += sum(row[-1] for row in rows)
        self._file.executemany(
            'INSERT INTO edges ("group", whole, added, removed, digest, count) VALUES (?, ?, ?, ?, ?, ?)', rows
        )

    def _edges_row(self, item: Members, known: KnownGroup | None) -> tuple[str, bool, str | None, str, int, int]:
        fingerprint, count = names_digest(names(item.added)), len(item.added)
        is_same = known is not None and fingerprint == known.digest and count == known.count and not item.removed
        # What an item adds has to be known by name if it is one of a pull that lists only changes.
        added = None if is_same and (self._complete or item.whole) else encode(list(item.added)).decode()
        return item.group, item.whole, added, encode(list(item.removed)).decode(), fingerprint, count

    def _keep_unnamed(self, groups: Collection[str]) -> None:
        """Report groups with a member whose name cannot be stored. Known groups keep their stored members."""
        with self._database.read() as connection:
            known = known_records(connection, self._directory, Kind.GROUP, list(groups))
        for group in groups:
            self._note_unread(Unread(Kind.GROUP, group, ILLEGIBLE.format("member's name")), known.get(group))
            if group in known and not known[group].gone:
                self._unnamed.add(group)


def _is_named(item: Members) -> bool:
    """Whether the names of all members can be stored."""
    return is_storable("".join(item.added)) and is_storable("".join(item.removed))


def _storable_part(item: Members) -> Members:
    added, removed = (frozenset(filter(is_storable, names)) for names in (item.added, item.removed))
    return Members(item.group, added, removed, item.whole)


def _encoded(record: Record, attributes: dict[str, Value]) -> bytes:
    try:
        return encode(attributes)
    except UnicodeEncodeError:
        raise
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise SourceError(
            f"{record.kind} {record.id}: an attribute cannot be written as JSON ({error})",
            "this is a fault of the connector: report it to its author",
        ) from error
