"""The CSV source: copies the files, then reads users, groups and memberships from the copies, page by page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import repeat
from operator import itemgetter
from typing import ClassVar, NamedTuple

from pydantic import BaseModel

from usersyncd.plugin import API, CANONICAL, Done, Kind, Members, Page, Record, SourceContext, Value, many
from usersyncd_csv.cells import GROUP_RULES, CellRule, check_cells, membership_rules, user_rules
from usersyncd_csv.client import Table, copy_files, shortened
from usersyncd_csv.duplicates import Duplicates
from usersyncd_csv.ids import check_ids
from usersyncd_csv.mapping import ACTIVE, GROUP_ID, ID, MAPPING, MEMBER_ID, MEMBER_KIND, TRUTH
from usersyncd_csv.missing_columns import missing_columns
from usersyncd_csv.options import CsvOptions

ROWS = 250
"""Rows per batch, and records per page. A batch of this size fits into the processor's cache: measured, it takes half
the time per row of a batch of 20,000."""

EDGES = 20_000
"""Rows of memberships per page."""


class Tables(NamedTuple):
    """The copied files of one pull."""

    users: Table
    groups: Table | None
    members: Table | None


class CsvSource:
    """Reads users from one file, and groups and memberships from two optional ones.

    Every pull is complete. One invalid row discards the pull, because an incomplete directory is worse than an old one.
    """

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = CsvOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = MAPPING

    def __init__(self, options: CsvOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context

    def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:  # noqa: ARG002 - a file keeps no history
        """Read everything. Raises SourceError, with file and line, when a file cannot be read or a row is invalid."""
        return self._context.blocking(self._pull)

    async def check(self) -> Sequence[str]:
        """Read everything, and describe the files without keeping their content. Raises SourceError as ``pull``
        does."""
        return [line async for line in self._context.blocking(self._describe)]

    def _pull(self) -> Iterator[Page | Done]:
        with ExitStack() as closing:
            tables = self._open(closing)
            for line in self._missing_columns(tables):
                self._context.log.warning(line, event_name="csv.attribute_missing")
            yield from self._pages(tables)
        yield Done(cursor=None, complete=True)

    def _describe(self) -> Iterator[str]:
        with ExitStack() as closing:
            tables = self._open(closing)
            users = groups = edges = 0
            for page in self._pages(tables):
                for item in page:
                    if isinstance(item, Members):
                        edges += len(item.added)
                    elif isinstance(item, Record):
                        users += item.kind is Kind.USER
                        groups += item.kind is Kind.GROUP
            yield _summary(tables.users, many(users, "user"), CANONICAL[Kind.USER])
            if tables.groups:
                yield _summary(tables.groups, many(groups, "group"), CANONICAL[Kind.GROUP])
            if tables.members:
                yield _summary(tables.members, many(edges, "membership"), (GROUP_ID, MEMBER_ID, MEMBER_KIND))
            for line in self._missing_columns(tables):
                yield f"warning: {line}"

    def _missing_columns(self, tables: Tables) -> Iterator[str]:
        for table, kind in ((tables.users, Kind.USER), (tables.groups, Kind.GROUP)):
            if table is not None:
                reads, mapped = self._context.reads.get(kind), self._context.mapped.get(kind, ())
                yield from missing_columns(table, kind, reads, mapped)

    def _open(self, closing: ExitStack) -> Tables:
        options = self._options
        names = [name for name in (options.users, options.groups, options.members) if name is not None]
        paths = [self._context.folder / name for name in names]
        required = ([options.id], [ID], [GROUP_ID, MEMBER_ID])
        known = (CANONICAL[Kind.USER], CANONICAL[Kind.GROUP], [MEMBER_KIND])
        copied = copy_files(paths, options.encoding, closing)
        tables = [
            Table(path, copy, options.delimiter, *names)
            for path, copy, *names in zip(paths, copied, required, known, strict=False)
        ]
        return Tables(tables[0], tables[1] if len(tables) > 1 else None, tables[2] if len(tables) > 2 else None)

    def _pages(self, tables: Tables) -> Iterator[Page]:
        reads, mapped = self._context.reads, self._context.mapped
        # "7" may be both a user and a group. Handles with the kind are needed only if memberships name the member's
        # kind.
        handles = tables.members is not None and MEMBER_KIND in tables.members.columns
        rules = user_rules(self._options.id, reads.get(Kind.USER), mapped.get(Kind.USER, ()))
        yield from _records(tables.users, Kind.USER, self._options.id, rules, reads.get(Kind.USER), handles)
        if tables.groups:
            known = set[str]()
            for page in _records(tables.groups, Kind.GROUP, ID, GROUP_RULES, reads.get(Kind.GROUP), handles):
                known.update(record.id for record in page)
                yield page
            if tables.members:
                yield from _memberships(tables.members, known)


def _records(
    table: Table, kind: Kind, key_name: str, rules: Sequence[CellRule], reads: frozenset[str] | None, handles: bool
) -> Iterator[list[Record]]:
    """One record per row; an empty cell is an absent attribute. ``key_name``: the column of the ids. Raises SourceError
    for an invalid row."""
    columns = table.columns
    key = columns.index(key_name)
    kept = [name for name in columns if (name != key_name if reads is None else name in reads)]
    pick = _picker([columns.index(name) for name in kept])
    truths = ACTIVE in kept and any(rule.column == ACTIVE for rule in rules)
    duplicates = Duplicates()
    for first, rows in table.batches(ROWS):
        check_ids(table, [key_name], first, rows)
        check_cells(table, rules, first, rows)
        ids = [row[key] for row in rows]
        duplicates.add(ids)
        attributes: list[dict[str, Value]] = [
            {name: cell for name, cell in zip(kept, cells) if cell}  # noqa: B905 - picked to be equally long
            for cells in map(pick, rows)
        ]
        if truths:
            for held in attributes:
                if ACTIVE in held:
                    held[ACTIVE] = TRUTH[str(held[ACTIVE]).lower()]
        if handles:
            names = [(f"{kind.value}:{identifier}",) for identifier in ids]
            yield list(map(Record, repeat(kind), ids, attributes, names))
        else:
            yield list(map(Record, repeat(kind), ids, attributes))
    if suspects := duplicates.suspects():
        _name_repeated(table, key, kind, suspects)


def _picker(indices: Sequence[int]) -> Callable[[list[str]], Sequence[str]]:
    """A function that returns the cells at ``indices`` of a row."""
    if len(indices) > 1:
        return itemgetter(*indices)  # the fastest way, but it returns a tuple only for two or more
    return lambda row: [row[index] for index in indices]


def _name_repeated(table: Table, key: int, kind: Kind, suspects: set[int]) -> None:
    """Raise SourceError if an id with one of these hashes really occurs twice."""
    seen: dict[str, int] = {}
    for first, rows in table.batches(ROWS):
        for number, row in enumerate(rows, first):
            identifier = row[key]
            if hash(identifier) in suspects:
                if identifier in seen:
                    other = table.line(seen[identifier])
                    raise table.fault(
                        number,
                        f"the id {shortened(identifier)} is also the id of the {kind} in line {other}",
                        "an id belongs to one record forever: remove one row, or correct its id",
                    )
                seen[identifier] = number


def _memberships(table: Table, groups: set[str]) -> Iterator[Page]:
    """Memberships, grouped by group within a page. Raises SourceError for an invalid row."""
    columns = table.columns
    group_column, member_column = columns.index(GROUP_ID), columns.index(MEMBER_ID)
    kind_column = columns.index(MEMBER_KIND) if MEMBER_KIND in columns else None
    rules = membership_rules(groups)
    edges: defaultdict[str, set[str]] = defaultdict(set)
    gathered = 0
    for first, rows in table.batches(ROWS):
        check_ids(table, [GROUP_ID, MEMBER_ID], first, rows)
        check_cells(table, rules, first, rows)
        for row in rows:
            member = row[member_column]
            if kind_column is not None and (kind := row[kind_column]):
                member = f"{kind}:{member}"
            edges[row[group_column]].add(member)
        gathered += len(rows)
        if gathered >= EDGES:
            yield [Members(group, frozenset(members)) for group, members in edges.items()]
            edges.clear()
            gathered = 0
    if edges:
        yield [Members(group, frozenset(members)) for group, members in edges.items()]


def _summary(table: Table, count: str, known: Sequence[str]) -> str:
    own = [name for name in table.columns if name not in known]
    columns = many(len(table.columns), "column")
    return f"{table.path}: {count}, {columns}" + (f", of your own: {', '.join(own)}" if own else "")
