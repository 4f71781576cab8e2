"""Folding a pull into the snapshot: the records, and the names by which memberships and managers refer to them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, exists, func, select, update

from usersyncd.core.digest import name, names
from usersyncd.plugin import Kind
from usersyncd.state import bulk, counters
from usersyncd.state.bulk import batched
from usersyncd.state.columns import KIND, NUMBER, decode
from usersyncd.state.database import Database, among
from usersyncd.state.moved_names import MovedNames
from usersyncd.state.names import tokens
from usersyncd.state.spool import Spool, Spooled
from usersyncd.state.tables import directories, harms, link_members, links, records, sent, target_progress, targets
from usersyncd.state.tables import names as names_table
from usersyncd.state.vanished import Vanished

CHUNK = 5_000
"""How many records are handled at a time."""

_COLUMNS = ("ref", "directory", "kind", "id", "digest", "attributes", "handles", "manager", "revision")


def reserve(database: Database, many: int) -> int:
    """The first of so many refs for new records. Nobody else is given them, used or not: another directory's snapshot
    may be saved at the same time."""
    if not many:
        return 0
    with database.write() as connection:
        return counters.take(connection, "ref", many)


class Records:
    """What one pull changes among the records of a directory. ``first``: the first ref of the new ones (see
    :func:`reserve`); ``display_name`` gives a group's name; ``vanished`` is told what changed records lost."""

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
        """By how many the living records became more, or fewer."""
        self.changed = 0
        """How many records were new, changed or gone."""
        self.moved = MovedNames(connection, directory)
        """The names that mean other records now."""
        self.lost: dict[int, str] = {}
        """The names that were lost, as they are written."""
        self.returned = 0
        """How many records were gone and are back."""
        self.renamed: set[int] = set()
        """Groups that have another display name, or are new."""
        self.gone_groups: set[int] = set()
        self.managers: array[int] = array("q")
        """The names of users who are new, changed or gone: other people's manager may be one of them."""

    def save(self, *, complete: bool, now: str) -> Iterator[None]:
        """Write everything; pauses now and then. ``complete``: what was not seen is gone."""
        self._insert()
        yield
        for some in batched(self._spool.changed(), CHUNK):
            self._update(some)
            yield
        for refs in batched(self._gone(complete), CHUNK):
            self._remove(refs, now)
            yield

    # ---- new

    def _insert(self) -> None:
        first = ref = self._first
        remember = not self._spool.first
        numbers, whose, kinds = array("q"), array("I"), array("b")

        def rows() -> Iterator[bulk.Row]:
            nonlocal ref
            for item in self._spool.new():
                self.count[item.kind] += 1
                own = _names(item.id, item.handles)
                numbers.extend(own)
                whose.extend([ref] * len(own))
                kinds.extend([NUMBER[item.kind]] * len(own))
                if item.kind is Kind.GROUP:
                    self.renamed.add(ref)
                elif remember:
                    self.managers.extend(own)
                yield self._row(ref, item)
                ref += 1

        bulk.insert(self._connection, records, _COLUMNS, rows())
        self.changed += ref - first
        self._name(zip(numbers, whose, kinds, strict=True))

    def _row(self, ref: int, item: Spooled) -> bulk.Row:
        return (
            ref, self._directory, NUMBER[item.kind], item.id, item.digest, item.attributes, item.handles, item.manager,
            self._revision,
        )  # fmt: skip

    def _name(self, names: Iterable[tuple[int, int, int]]) -> None:
        """Give these names to these records: each with the record's ref and the number of its kind."""
        rows = ((self._directory, number, ref, self._revision, kind) for number, ref, kind in names)
        columns = ("directory", "name", "ref", "since", "kind")
        if self._spool.first:
            bulk.insert(self._connection, names_table, columns, rows)
            return
        for some in batched(rows, CHUNK):
            self.moved.note([row[1] for row in some])
            bulk.insert(self._connection, names_table, columns, some)

    # ---- changed

    def _update(self, items: Iterable[Spooled]) -> None:
        changed = {item.ref: item for item in items if item.ref is not None}
        held = self._held(changed)
        bulk.upsert(
            self._connection,
            records,
            (*_COLUMNS, "gone_at"),
            ((*self._row(ref, item), None) for ref, item in changed.items()),
        )
        self.changed += len(changed)
        never_left = self._vanished.held([ref for ref, (_, _, gone) in held.items() if gone])
        lost: list[tuple[int, Iterable[str]]] = []
        came: list[tuple[int, int, int]] = []
        for ref, item in changed.items():
            attributes, handles, gone = held[ref]
            if not gone or ref in never_left:
                self._vanished.note(item.kind, attributes, item.attributes or "{}")
            if gone:
                self.count[item.kind] += 1
                self.returned += 1
                came.extend((number, ref, NUMBER[item.kind]) for number in _names(item.id, item.handles))
            elif handles != item.handles:
                before, after = set(tokens(item.id, handles)), set(tokens(item.id, item.handles))
                lost.append((ref, before - after))
                came.extend((number, ref, NUMBER[item.kind]) for number in names(after - before))
            if item.kind is Kind.USER:
                self.managers.extend({*_names(item.id, item.handles), *_names(item.id, handles)})
            elif gone or self._display_name(decode(attributes)) != self._display_name(decode(item.attributes or "{}")):
                self.renamed.add(ref)
        self._unname(lost)
        self._name(came)

    def _held(self, refs: Iterable[int]) -> Mapping[int, tuple[str, str | None, bool]]:
        query = select(records.c.ref, records.c.attributes, records.c.handles, records.c.gone_at)
        rows = self._connection.execute(query.where(among(self._connection, records.c.ref, list(refs))))
        return {ref: (attributes, handles, gone_at is not None) for ref, attributes, handles, gone_at in rows}

    # ---- gone

    def _gone(self, complete: bool) -> Iterator[int]:
        here = (records.c.directory == self._directory, records.c.gone_at.is_(None))
        if not complete:
            for some in batched(self._spool.gone(), CHUNK):
                # Without the directory, or SQLite would look at all its records.
                told = among(self._connection, records.c.ref, some), records.c.gone_at.is_(None)
                yield from self._connection.scalars(select(records.c.ref).where(*told)).all()
            return
        held = select(directories.c.users + directories.c.groups).where(directories.c.id == self._directory)
        if not self.returned and self._spool.seen.count == self._connection.scalar(held):
            return  # All that were here are here.
        query = select(records.c.ref).where(*here, records.c.revision < self._revision)
        unseen = array("q", (ref for ref in self._connection.scalars(query) if ref not in self._spool.seen))
        yield from unseen

    def _remove(self, refs: Iterable[int], now: str) -> None:
        query = select(records.c.ref, records.c.kind, records.c.id, records.c.handles)
        rows = self._connection.execute(query.where(among(self._connection, records.c.ref, list(refs)))).all()
        mark = update(records).where(records.c.ref == bindparam("which"))
        self._connection.execute(
            mark.values(gone_at=now, revision=self._revision), [{"which": ref} for ref, *_ in rows]
        )
        self._unname([(ref, tokens(id_, handles)) for ref, _, id_, handles in rows])
        self.changed += len(rows)
        for ref, number, id_, handles in rows:
            self.count[KIND[number]] -= 1
            if KIND[number] is Kind.GROUP:
                self.gone_groups.add(ref)
            else:
                self.managers.extend(_names(id_, handles))

    def _unname(self, whose: Iterable[tuple[int, Iterable[str]]]) -> None:
        """Take these names from these records."""
        gone: list[dict[str, int]] = []
        for ref, some in whose:
            for token in some:
                number = name(token)
                self.lost[number] = token
                gone.append({"which": number, "whose": ref})
        if gone:
            self.moved.note({row["which"] for row in gone})
            statement = delete(names_table).where(
                names_table.c.directory == self._directory,
                names_table.c.name == bindparam("which"),
                names_table.c.ref == bindparam("whose"),
            )
            self._connection.execute(statement, gone)


def purge(database: Database, directory: int) -> None:
    """Forget the records that are gone, of which no target holds anything any more, and which the guard does not count;
    none while a target owes an answer."""
    behind = select(func.min(target_progress.c.revision)).where(target_progress.c.directory == directory)
    forgotten = (
        records.c.directory == directory,
        records.c.gone_at.is_not(None),
        records.c.revision <= func.coalesce(behind.scalar_subquery(), records.c.revision),
        _in_no_target(links),
        _in_no_target(link_members),
        records.c.ref.not_in(select(harms.c.ref)),
        ~exists().where(sent.c.directory == directory),
    )
    with database.write() as connection:
        connection.execute(delete(records).where(*forgotten))


def _in_no_target(table: Table) -> ColumnElement[bool]:
    """No target has a row of the record. The key of these tables begins with the target: each is asked for one row."""
    return ~exists().where(table.c.target.in_(select(targets.c.id)), table.c.ref == records.c.ref)


def _names(id_: str, handles: str | None) -> Collection[int]:
    return dict.fromkeys(names(tokens(id_, handles))) if handles else (name(id_),)
