"""Keeps a pull until it is known to be whole, in a temporary database that ends with the process.

What the snapshot holds already is recognised by its digest and not kept: reading an unchanged directory again costs
little more than the reading. Memory stays flat: some thousand items at a time, and one bit for each known record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import msgspec
from msgspec import Struct
from sqlalchemy import select

from usersyncd.core.digest import digest, encode, name, names, names_digest
from usersyncd.core.items import Item, combined, merged
from usersyncd.core.legible import is_legible, mended
from usersyncd.core.report import MAX_FAILURES, Failed
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
  kind INTEGER, id TEXT, ref INTEGER, digest INTEGER, attributes TEXT, handles TEXT, manager INTEGER, PRIMARY KEY (kind,
  id)
) WITHOUT ROWID;
CREATE TABLE edges (
  seq INTEGER PRIMARY KEY, "group" TEXT, whole INTEGER, added TEXT, removed TEXT, digest INTEGER, count INTEGER
);
"""
_NEW = "ref IS NULL AND attributes IS NOT NULL"


ILLEGIBLE = (
    "its {} is not valid Unicode, and what a record is known by is not repaired\n  → correct it in the directory"
)


class Spooled(Struct, frozen=True, gc=False):
    """A record that is not as the snapshot has it. ``attributes`` None: the directory says that it is gone. ``ref``
    None: new."""

    kind: Kind
    id: str
    ref: int | None
    digest: int
    attributes: str | None
    handles: str | None
    manager: int | None


class ToldMembers(Struct, frozen=True, gc=False):
    """One piece of what was told about a group's members: JSON lists of names, and digest and count of ``added``."""

    group: str
    whole: bool
    added: str
    removed: str
    digest: int
    count: int


class Spool:
    """One pull of one directory, as it comes in.

    ``manager_of`` takes a user's native attributes and gives the id or handle of the manager, or None.
    """

    def __init__(
        self, database: Database, directory: int, manager_of: Callable[[dict[str, Value]], str | None]
    ) -> None:
        self._database = database
        self._directory = directory
        self._manager_of = manager_of
        self._file = scratch(SCHEMA)
        self._empty = True
        self.seen = BitSet()
        """The refs of the known records that were listed or named as present."""
        self.kept = BitSet()
        """The refs of the groups that were named as present: their members are as they were."""
        self.doubtful = 0
        """What was said of records that nobody knows: only a complete pull can tell who they are."""
        self.named = 0
        """How many records were only named as present."""
        self.unread: list[Failed] = []
        """The first records of which the directory hides what the rules need,"""
        self.unread_count = 0
        """and how many there are."""
        self._unnamed = set[str]()
        """The known groups with a member whose name cannot be stored."""
        self.edge_count = 0
        """How many edges were told."""
        self.mended: list[str] = []
        """Of the first records with text that cannot be stored: which, and where;"""
        self.mended_count = 0
        """and how many there are."""
        with database.read() as connection:
            self.first = (
                connection.scalar(select(records.c.ref).where(records.c.directory == directory).limit(1)) is None
            )
        """The snapshot is empty."""

    def close(self) -> None:
        self._file.close()

    def add(self, page: Page) -> None:
        """Take a page in. Raises SourceError when an item is not what the contract says."""
        incoming: dict[Kind, dict[str, Item]] = {kind: {} for kind in Kind}
        edges: list[Members] = []
        for item in page:
            if isinstance(item, Members):
                edges.append(item)
                continue
            said = incoming[item.kind]
            if (before := said.get(item.id)) is None:
                said[item.id] = item
            elif (both := combined(before, item)) is not None:
                said[item.id] = both
            else:
                self._records(item.kind, said)
                incoming[item.kind] = {item.id: item}
        for kind, said in incoming.items():
            if said:
                self._records(kind, said)
        if edges:
            self._edges(edges)

    def new(self) -> Iterator[Spooled]:
        """The records that the snapshot does not have, users before groups, by id."""
        return self._select(_NEW)

    def count_new(self) -> int:
        """How many these are."""
        return int(self._file.execute(f"SELECT count(*) FROM records WHERE {_NEW}").fetchone()[0])  # noqa: S608

    def changed(self) -> Iterator[Spooled]:
        """The records that the snapshot has otherwise, or as gone."""
        return self._select("ref IS NOT NULL AND attributes IS NOT NULL")

    def gone(self) -> list[int]:
        """The refs of the records that the directory says are gone."""
        query = "SELECT ref FROM records WHERE ref IS NOT NULL AND attributes IS NULL ORDER BY ref"
        return [ref for (ref,) in self._file.execute(query)]

    def _select(self, condition: str) -> Iterator[Spooled]:
        query = f"SELECT * FROM records WHERE {condition} ORDER BY kind, id"  # noqa: S608 - one of ours
        for kind, *rest in self._file.execute(query):
            yield Spooled(KIND[kind], *rest)

    def edges(self) -> Iterator[ToldMembers]:
        """What was said about members, group by group, in the order in which it came."""
        query = 'SELECT "group", whole, added, removed, digest, count FROM edges ORDER BY "group", seq'
        for row in self._file.execute(query):
            if row[0] not in self._unnamed:
                yield ToldMembers(*row)

    def _records(self, kind: Kind, said: Mapping[str, Item]) -> None:
        if self.first:
            self._compare(kind, said, {}, {})
            return
        with self._database.read() as connection:
            known = known_records(connection, self._directory, kind, list(said))
            patched = [known[id_].ref for id_, item in said.items() if isinstance(item, Patch) and id_ in known]
            held = bodies(connection, patched) if patched else {}
        self._compare(kind, said, known, held)

    def _compare(
        self, kind: Kind, said: Mapping[str, Item], known: Mapping[str, KnownRecord], held: Mapping[int, Body]
    ) -> None:
        """Keep what is not as it is ``known``; ``held`` are the bodies of the patched, by ref."""
        number = NUMBER[kind]
        unchanged: list[str] = []
        changed: list[tuple[int, str, int | None, int, str | None, str | None, int | None]] = []
        for id_, item in said.items():
            found = known.get(id_)
            if isinstance(item, Present):
                self._present(item, found)
                continue
            if isinstance(item, Unread):
                self._unread(item, found)
                continue
            record = self._patched(item, found, held) if isinstance(item, Patch) else item
            if record is None:
                self.doubtful += 1
                continue
            if isinstance(record, Gone):
                ref = found.ref if found else None
                changed.append((number, id_, ref, 0, None, None, None))
                if ref is not None:
                    self.seen.discard(ref)
                continue
            if not all(map(is_legible, record.handles)):
                self._unread(Unread(kind, id_, ILLEGIBLE.format("name")), found)
                continue
            attributes, body = self._written(record)
            handles = encode(sorted(set(record.handles))).decode() if record.handles else None
            fingerprint = digest(body + handles.encode()) if handles else digest(body)
            if found:
                self.seen.add(found.ref)
                if found.digest == fingerprint and not found.gone:
                    unchanged.append(id_)
                    continue
            manager = self._manager_of(attributes) if kind is Kind.USER else None
            changed.append(
                (
                    number,
                    id_,
                    found.ref if found else None,
                    fingerprint,
                    body.decode(),
                    handles,
                    name(manager) if manager else None,
                )
            )
        if unchanged and not self._empty:
            self._file.executemany(
                "DELETE FROM records WHERE kind = ? AND id = ?", [(number, id_) for id_ in unchanged]
            )
        if changed:
            self._file.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", changed)
            self._empty = False

    def _written(self, record: Record) -> tuple[dict[str, Value], bytes]:
        """A record's attributes, and how they are written. What cannot be stored is mended and noted."""
        try:
            return record.attributes, _encoded(record, record.attributes)
        except UnicodeEncodeError:
            attributes, names = mended(record.attributes)
            self._note(f"{record.kind} {record.id}: {', '.join(names)}")
            return attributes, _encoded(record, attributes)

    def _note(self, what: str) -> None:
        self.mended_count += 1
        if len(self.mended) < MAX_FAILURES:
            self.mended.append(what)

    def _present(self, item: Present, known: KnownRecord | None) -> None:
        self.named += 1
        if not self._keep(item.kind, known) and self._spooled(item) is None:
            self.doubtful += 1

    def _unread(self, item: Unread, known: KnownRecord | None) -> None:
        self.unread_count += 1
        if len(self.unread) < MAX_FAILURES:
            self.unread.append(Failed(item.kind, item.id, in_short(item.why)))
        self._keep(item.kind, known)

    def _keep(self, kind: Kind, known: KnownRecord | None) -> bool:
        """The snapshot has this record, and keeps it as it is."""
        if known is None or known.gone:
            return False
        self.seen.add(known.ref)
        if kind is Kind.GROUP:
            self.kept.add(known.ref)
        return True

    def _spooled(self, item: Patch | Present) -> Body | None:
        """Attributes and handles as this pull has told them before."""
        query = "SELECT attributes, handles FROM records WHERE kind = ? AND id = ?"
        row: Body | None = self._file.execute(query, (NUMBER[item.kind], item.id)).fetchone()
        return row

    def _patched(self, patch: Patch, known: KnownRecord | None, held: Mapping[int, Body]) -> Record | None:
        row = self._spooled(patch)
        if row is None and known is not None and not known.gone:
            row = held[known.ref]
        if row is None or row[0] is None:
            return None
        handles = patch.handles
        if handles is None:
            handles = tuple(msgspec.json.decode(row[1], type=list[str])) if row[1] else ()
        return Record(patch.kind, patch.id, merged(decode(row[0]), patch.attributes), handles)

    def _edges(self, edges: list[Members]) -> None:
        unnamed = {item.group for item in edges if not is_legible("".join((*item.added, *item.removed)))}
        if unnamed:
            self._keep_unnamed(unnamed)
            edges = [_legible_part(item) for item in edges]
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
        """Groups with a member whose name cannot be stored fail by name, and the known ones keep their members."""
        with self._database.read() as connection:
            known = known_records(connection, self._directory, Kind.GROUP, list(groups))
        for group in groups:
            self._unread(Unread(Kind.GROUP, group, ILLEGIBLE.format("member's name")), known.get(group))
            if group in known and not known[group].gone:
                self._unnamed.add(group)


def _legible_part(item: Members) -> Members:
    added, removed = (frozenset(filter(is_legible, some)) for some in (item.added, item.removed))
    return Members(item.group, added, removed, item.whole)


def _encoded(record: Record, attributes: dict[str, Value]) -> bytes:
    try:
        return encode(attributes)
    except UnicodeEncodeError:
        raise
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise SourceError(
            f"{record.kind} {record.id}: an attribute is nothing that JSON can say ({error})",
            "this is a fault of the connector: report it to its author",
        ) from error
