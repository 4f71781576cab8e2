"""Saves the records of a pull in the snapshot, with the names by which memberships and managers refer to them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, exists, func, select, update

from usersyncd.core.digest import name, names
from usersyncd.plugin import Kind
from usersyncd.state import bulk, counters
from usersyncd.state.bulk import batched
from usersyncd.state.columns import KIND, NUMBER, decode
from usersyncd.state.conditions import one_of
from usersyncd.state.database import Database, among
from usersyncd.state.moved_names import MovedNames
from usersyncd.state.names import tokens
from usersyncd.state.spool import NewRecords, Spool, Spooled
from usersyncd.state.tables import directories, harms, link_members, links, records, sent, target_progress, targets
from usersyncd.state.tables import names as names_table
from usersyncd.state.vanished import Vanished

CHUNK = 5_000
"""How many records are read and written at a time."""

_COLUMNS = ("ref", "directory", "kind", "id", "digest", "attributes", "handles", "manager", "revision")
_STORED = select(records.c.ref, records.c.attributes, records.c.handles, records.c.gone_at).where(
    one_of(records.c.ref, "refs")
)


def reserve(database: Database, many: int) -> int:
    """Reserve ``many`` refs for new records. Returns the first one. No other pull gets these refs, even if they are not
    used: another directory may be saved at the same time."""
    if not many:
        return 0
    with database.write() as connection:
        return counters.take(connection, "ref", many)


class Records:
    """Saves the records of one pull.

    ``first``: the first ref for new records (see :func:`reserve`). ``display_name``: takes a group's native attributes
    and returns its name. ``vanished``: counts the attributes that records lost.
    """

    def __init__(
        self,
        connection: Connection,
        directory: int,
        revision: int,
        spool: Spool,
        first: int,
        display_name: Callable[[dict[str, Any]], str | None],
        vanished: Vanished,
    ) -> None:
        self._connection = connection
        self._first = first
        self._directory = directory
        self._revision = revision
        self._spool = spool
        self._display_name = display_name
        self._vanished = vanished
        self.count: dict[Kind, int] = dict.fromkeys(Kind, 0)
        """The change in the number of records, by kind."""
        self.changed = 0
        """How many records are new, changed or deleted."""
        self.moved = MovedNames(connection, directory)
        """The names that mean other records now."""
        self.lost: dict[int, str] = {}
        """The names that records lost, with their texts."""
        self.returned = 0
        """How many deleted records came back."""
        self.renamed: set[int] = set()
        """Groups that are new or have another display name."""
        self.deleted_groups: set[int] = set()
        """Groups that were deleted."""
        self.managers: array[int] = array("q")
        """The names of users that are new, changed or deleted: each may be the manager of other users."""

    def save(self, *, complete: bool, now: str) -> Iterator[None]:
        """Write everything. Yields between batches. ``complete``: records that the pull does not list are deleted."""
        yield from self._insert()
        for items in batched(self._spool.changed(), CHUNK):
            self._update(items)
            yield
        for refs in batched(self._deleted(complete), CHUNK):
            self._delete(refs, now)
            yield

    # ---- new

    def _insert(self) -> Iterator[None]:
        """Insert the new records. Yields between batches."""
        ref = self._first
        owners = array("q"), array("I"), array("b")
        for new in self._spool.new(CHUNK):
            refs = range(ref, ref := ref + len(new.ids))
            rows = zip(
                refs, repeat(self._directory), repeat(NUMBER[new.kind]), new.ids, new.digests, new.attributes,
                new.handles, new.managers, repeat(self._revision),
            )  # fmt: skip
            bulk.insert(self._connection, records, _COLUMNS, rows)
            self._note_new(new, refs, *owners)
            yield
        self._add_names(*owners)
        yield

    def _note_new(
        self, new: NewRecords, refs: Sequence[int], numbers: array[int], owners: array[int], kinds: array[int]
    ) -> None:
        """Count new records, and add their names: for each a number, the ref of its owner and the owner's kind."""
        before = len(numbers)
        if any(new.handles):
            for ref, id_, handles in zip(refs, new.ids, new.handles, strict=True):
                own_names = _names(id_, handles)
                numbers.extend(own_names)
                owners.extend(repeat(ref, len(own_names)))
        else:
            numbers.extend(names(new.ids))
            owners.extend(refs)
        kinds.extend(repeat(NUMBER[new.kind], len(numbers) - before))
        self.changed += len(refs)
        self.count[new.kind] += len(refs)
        if new.kind is Kind.GROUP:
            self.renamed.update(refs)
        elif not self._spool.first:
            self.managers.extend(numbers[before:])

    def _row(self, item: Spooled) -> bulk.Row:
        return (
            item.ref, self._directory, NUMBER[item.kind], item.id, item.digest, item.attributes, item.handles,
            item.manager, self._revision,
        )  # fmt: skip

    def _add_names(self, numbers: Sequence[int], refs: Sequence[int], kinds: Sequence[int]) -> None:
        """Give names to records: names, the refs of the records, and the numbers of their kinds. They are written in
        the order of the table's key: in another order, each may change another page."""
        order = sorted(range(len(numbers)), key=numbers.__getitem__)
        columns = "directory", "name", "ref", "since", "kind"
        for places in batched(order, CHUNK):
            rows = [(self._directory, numbers[n], refs[n], self._revision, kinds[n]) for n in places]
            if not self._spool.first:
                self.moved.note([row[1] for row in rows])
            bulk.insert(self._connection, names_table, columns, rows)

    # ---- changed

    def _update(self, items: Iterable[Spooled]) -> None:
        changed = {item.ref: item for item in items}
        before = self._stored(changed)
        bulk.upsert(
            self._connection,
            records,
            (*_COLUMNS, "gone_at"),
            ((*self._row(item), None) for item in changed.values()),
        )
        self.changed += len(changed)
        never_left = self._vanished.held([ref for ref, (_, _, was_deleted) in before.items() if was_deleted])
        lost: list[tuple[int, Iterable[str]]] = []
        gained: list[tuple[int, int, int]] = []
        for ref, item in changed.items():
            attributes, handles, was_deleted = before[ref]
            if not was_deleted or ref in never_left:
                self._vanished.note(item.kind, attributes, item.attributes)
            if was_deleted:
                self.count[item.kind] += 1
                self.returned += 1
                gained.extend((number, ref, NUMBER[item.kind]) for number in _names(item.id, item.handles))
            elif handles != item.handles:
                old, new = set(tokens(item.id, handles)), set(tokens(item.id, item.handles))
                lost.append((ref, old - new))
                gained.extend((number, ref, NUMBER[item.kind]) for number in names(new - old))
            if item.kind is Kind.USER:
                self.managers.extend({*_names(item.id, item.handles), *_names(item.id, handles)})
            elif was_deleted or (self._display_name(decode(attributes)) != self._display_name(decode(item.attributes))):
                self.renamed.add(ref)
        self._remove_names(lost)
        if gained:
            self._add_names(*zip(*gained, strict=True))

    def _stored(self, refs: Collection[int]) -> Mapping[int, tuple[str, str | None, bool]]:
        """Attributes and handles of records as JSON, and whether the record was deleted, by ref."""
        rows = self._connection.execute(_STORED, {"refs": refs})
        return {ref: (attributes, handles, gone_at is not None) for ref, attributes, handles, gone_at in rows}

    # ---- deleted

    def _deleted(self, complete: bool) -> Iterator[int]:
        """The refs of the records that the directory has deleted since the last pull."""
        here = (records.c.directory == self._directory, records.c.gone_at.is_(None))
        if not complete:
            for refs in batched(self._spool.gone(), CHUNK):
                # With a condition on the directory, SQLite would read all records of the directory.
                still_here = among(self._connection, records.c.ref, refs), records.c.gone_at.is_(None)
                yield from self._connection.scalars(select(records.c.ref).where(*still_here)).all()
            return
        before = select(directories.c.users + directories.c.groups).where(directories.c.id == self._directory)
        if not self.returned and self._spool.seen.count == self._connection.scalar(before):
            return  # The pull lists every record of the snapshot.
        query = select(records.c.ref).where(*here, records.c.revision < self._revision)
        unseen = array("q", (ref for ref in self._connection.scalars(query) if ref not in self._spool.seen))
        yield from unseen

    def _delete(self, refs: Iterable[int], now: str) -> None:
        """Mark records as deleted: their rows stay, without names."""
        query = select(records.c.ref, records.c.kind, records.c.id, records.c.handles)
        rows = self._connection.execute(query.where(among(self._connection, records.c.ref, list(refs)))).all()
        mark = update(records).where(records.c.ref == bindparam("which"))
        self._connection.execute(
            mark.values(gone_at=now, revision=self._revision), [{"which": ref} for ref, *_ in rows]
        )
        self._remove_names([(ref, tokens(id_, handles)) for ref, _, id_, handles in rows])
        self.changed += len(rows)
        for ref, number, id_, handles in rows:
            self.count[KIND[number]] -= 1
            if KIND[number] is Kind.GROUP:
                self.deleted_groups.add(ref)
            else:
                self.managers.extend(_names(id_, handles))

    def _remove_names(self, lost: Iterable[tuple[int, Iterable[str]]]) -> None:
        """Take names from records: each record's ref, and the texts of its lost names."""
        rows: list[dict[str, int]] = []
        for ref, texts in lost:
            for token in texts:
                number = name(token)
                self.lost[number] = token
                rows.append({"which": number, "whose": ref})
        if rows:
            self.moved.note({row["which"] for row in rows})
            statement = delete(names_table).where(
                names_table.c.directory == self._directory,
                names_table.c.name == bindparam("which"),
                names_table.c.ref == bindparam("whose"),
            )
            self._connection.execute(statement, rows)


def purge(database: Database, directory: int) -> None:
    """Delete the rows of deleted records that no target holds anything of, that every target's progress has passed, and
    that the guard does not count. While a change of the directory is unanswered, no row is deleted."""
    behind = select(func.min(target_progress.c.revision)).where(target_progress.c.directory == directory)
    unneeded = (
        records.c.directory == directory,
        records.c.gone_at.is_not(None),
        records.c.revision <= func.coalesce(behind.scalar_subquery(), records.c.revision),
        _in_no_target(links),
        _in_no_target(link_members),
        records.c.ref.not_in(select(harms.c.ref)),
        ~exists().where(sent.c.directory == directory),
    )
    with database.write() as connection:
        connection.execute(delete(records).where(*unneeded))


def _in_no_target(table: Table) -> ColumnElement[bool]:
    """No target has a row for the record. The primary key of these tables begins with the target, so the query names
    the targets and finds each row by the key."""
    return ~exists().where(table.c.target.in_(select(targets.c.id)), table.c.ref == records.c.ref)


def _names(id_: str, handles: str | None) -> Collection[int]:
    return dict.fromkeys(names(tokens(id_, handles))) if handles else (name(id_),)
