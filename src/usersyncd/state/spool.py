"""Keeps a pull in a temporary database until its end proves that it is complete.

Records that the snapshot has already are recognized by their digests and are not kept, so that a pull of an unchanged
directory costs little more than reading it. Memory stays flat: some thousand items at a time, and one bit for each
known record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import bindparam, select

from usersyncd.core.digest import digest, encode, name, names, names_digest
from usersyncd.core.items import Item, combined, merged
from usersyncd.core.report import MAX_FAILURES, Failed
from usersyncd.core.storable_text import is_storable, with_replacements
from usersyncd.errors import SourceError, in_short
from usersyncd.plugin import Gone, Kind, Members, Page, Patch, Present, Record, Unread, Value
from usersyncd.state.bit_set import BitSet
from usersyncd.state.columns import KIND, NUMBER, decode
from usersyncd.state.database import Database
from usersyncd.state.known_records import Body, KnownRecord, bodies, known_records
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
    those of ``added``. ``whole``: the item lists all members."""

    group: str
    whole: bool
    added: str
    removed: str
    digest: int
    count: int


class Spool:
    """The items of one pull of one directory.

    ``manager_of``: takes a user's native attributes and returns the id or handle of the manager, or None.
    """

    def __init__(
        self, database: Database, directory: int, manager_of: Callable[[dict[str, Value]], str | None]
    ) -> None:
        self._database = database
        self._directory = directory
        self._manager_of = manager_of
        self._file = scratch(SCHEMA)
        self._empty = True
        self._indexed = False
        """Whether the records are indexed, and each is kept once. Until then they are only appended: a first pull lists
        them in any order, and writing them in another one costs several times as much."""
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
        by_kind: dict[Kind, dict[str, Item]] = {kind: {} for kind in Kind}
        edges: list[Members] = []
        for item in page:
            if isinstance(item, Members):
                edges.append(item)
                continue
            items = by_kind[item.kind]
            if (before := items.get(item.id)) is None:
                items[item.id] = item
            elif (both := combined(before, item)) is not None:
                items[item.id] = both
            else:
                self._add_records(item.kind, items)
                by_kind[item.kind] = {item.id: item}
        for kind, items in by_kind.items():
            if items:
                self._add_records(kind, items)
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
            if whole or complete:
                return None
            names.update(msgspec.json.decode(added), msgspec.json.decode(removed))
        return names

    # ---- records

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
        unchanged: list[str] = []
        changed: list[tuple[int, str, int | None, int, str | None, str | None, int | None]] = []
        for id_, item in items.items():
            before = known.get(id_)
            record = self._resolved(item, before, stored)
            if record is None:
                continue
            ref = before.ref if before else None
            if isinstance(record, Gone):
                changed.append((number, id_, ref, 0, None, None, None))
                if ref is not None:
                    self.seen.discard(ref)
                continue
            attributes, body = self._encoded_attributes(record)
            handles = encode(sorted(set(record.handles))).decode() if record.handles else None
            fingerprint = digest(body + handles.encode()) if handles else digest(body)
            if before:
                self.seen.add(before.ref)
                if before.digest == fingerprint and not before.gone:
                    unchanged.append(id_)
                    continue
            manager = self._manager_of(attributes) if kind is Kind.USER else None
            row = (number, id_, ref, fingerprint, body.decode(), handles, name(manager) if manager else None)
            changed.append(row)
        if not self._empty and (unchanged or not self.first or self._indexed):
            self._index()
            again = [(number, id_) for id_ in (*unchanged, *(row[1] for row in changed))]
            self._file.executemany("DELETE FROM records WHERE kind = ? AND id = ?", again)
        if changed:
            self._file.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", changed)
            self._empty = False

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
        elif isinstance(record, Record) and not all(map(is_storable, record.handles)):
            self._note_unread(Unread(record.kind, record.id, ILLEGIBLE.format("name")), known)
            return None
        return record

    def _encoded_attributes(self, record: Record) -> tuple[dict[str, Value], bytes]:
        """A record's attributes, also as JSON. Text that cannot be stored is replaced, and the record is noted."""
        try:
            return record.attributes, _encoded(record, record.attributes)
        except UnicodeEncodeError:
            attributes, names = with_replacements(record.attributes)
            self._note_repaired(f"{record.kind} {record.id}: {', '.join(names)}")
            return attributes, _encoded(record, attributes)

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
        self.seen.add(known.ref)
        if kind is Kind.GROUP:
            self.kept.add(known.ref)
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
        unnamed = {item.group for item in edges if not is_storable("".join((*item.added, *item.removed)))}
        if unnamed:
            self._keep_unnamed(unnamed)
            edges = [_storable_part(item) for item in edges]
        rows = [
            (
                item.group,
                item.whole,
                encode(list(item.added)).decode(),
                encode(list(item.removed)).decode(),
                names_digest(names(item.added)),
                len(item.added),
            )
            for item in edges
        ]
        self.edge_count += sum(row[-1] for row in rows)
        self._file.executemany(
            'INSERT INTO edges ("group", whole, added, removed, digest, count) VALUES (?, ?, ?, ?, ?, ?)', rows
        )

    def _keep_unnamed(self, groups: Collection[str]) -> None:
        """Report groups with a member whose name cannot be stored. Known groups keep their stored members."""
        with self._database.read() as connection:
            known = known_records(connection, self._directory, Kind.GROUP, list(groups))
        for group in groups:
            self._note_unread(Unread(Kind.GROUP, group, ILLEGIBLE.format("member's name")), known.get(group))
            if group in known and not known[group].gone:
                self._unnamed.add(group)


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
