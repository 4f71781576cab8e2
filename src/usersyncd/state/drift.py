"""What a target was found to hold otherwise than its links say. It is kept in a temporary database: the links change
only when the plan that puts it right is delivered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.core.digest import encode, unpack
from usersyncd.core.links import Link, Shape, State
from usersyncd.plugin import Kind
from usersyncd.state import links
from usersyncd.state.bulk import batched
from usersyncd.state.columns import NUMBER, decode
from usersyncd.state.database import Database, among
from usersyncd.state.links import Membership, Row
from usersyncd.state.scratch import scratch
from usersyncd.state.tables import links as links_table
from usersyncd.state.tables import records

SCHEMA = """
CREATE TABLE changed (ref INTEGER PRIMARY KEY, link BLOB);
CREATE TABLE renamed (ref INTEGER PRIMARY KEY, shape BLOB);
CREATE TABLE regrouped (ref INTEGER PRIMARY KEY, members BLOB);
"""
PAGE = 5_000

_encode = msgspec.msgpack.Encoder().encode
_row = msgspec.msgpack.Decoder(Row).decode


class Drift:
    """``missing``: refs of records whose objects are gone, or are others' by a person's word: they have none.
    ``strangers``: refs of records whose objects are others', each with the reason for its failure. ``renamed``: refs of
    records whose objects have another key: they are written again."""

    def __init__(self) -> None:
        self._file = scratch(SCHEMA)
        self.missing: set[int] = set()
        self.strangers: dict[int, str] = {}
        self.renamed: set[int] = set()
        self.changed = 0
        self.regrouped = 0

    def close(self) -> None:
        self._file.close()

    def __bool__(self) -> bool:
        return bool(self.missing or self.strangers or self.renamed or self.changed or self.regrouped)

    # ---- noting what was found

    def change(self, rows: Collection[Row]) -> None:
        """Note links as they should be."""
        self._file.executemany("INSERT INTO changed VALUES (?, ?)", [(row.ref, _encode(row)) for row in rows])
        self.changed += len(rows)

    def rename(self, ref: int, shape: Shape) -> None:
        """Note an object that has another key, and what it holds."""
        self._file.execute("INSERT INTO renamed VALUES (?, ?)", (ref, encode(shape)))
        self.renamed.add(ref)

    def regroup(self, groups: Mapping[int, Membership]) -> None:
        """Note groups with other members."""
        rows = [(ref, links.packed(one.members)) for ref, one in groups.items()]
        self._file.executemany("INSERT INTO regrouped VALUES (?, ?)", rows)
        self.regrouped += len(rows)

    # ---- asking

    def refs(self) -> list[int]:
        """The records that are to be planned, whatever the directory says."""
        changed = self._file.execute("SELECT ref FROM changed")
        return [*(ref for (ref,) in changed), *self.missing, *self.strangers, *self.renamed]

    def links(self, refs: Iterable[int]) -> dict[int, Row]:
        """The links of these records as they should be, where they differ."""
        query = "SELECT link FROM changed WHERE ref IN (SELECT value FROM json_each(?))"
        rows = (_row(blob) for (blob,) in self._file.execute(query, (encode(list(refs)).decode(),)))
        return {row.ref: row for row in rows}

    def held(self, ref: int) -> Shape:
        """What the object of a renamed record holds."""
        query = "SELECT shape FROM renamed WHERE ref = ?"
        ((shape,),) = self._file.execute(query, (ref,))
        return decode(shape)

    def groups(self) -> list[int]:
        """The groups with other members."""
        return [ref for (ref,) in self._file.execute("SELECT ref FROM regrouped")]

    def members(self, groups: Iterable[int]) -> dict[int, Membership]:
        """The members of these groups, where they differ."""
        query = "SELECT ref, members FROM regrouped WHERE ref IN (SELECT value FROM json_each(?))"
        rows = self._file.execute(query, (encode(list(groups)).decode(),))
        return {ref: Membership(set(unpack("I", members)), set()) for ref, members in rows}

    # ---- delivering

    def apply(self, connection: Connection, target: int) -> None:
        """Bring the links up to what was found, and mark the records: what is not delivered is planned again."""
        links.end(connection, target, self.missing)
        for rows in batched(self._file.execute("SELECT link FROM changed"), PAGE):
            links.write(connection, target, (_row(blob) for (blob,) in rows))
        for refs in batched(self.groups(), PAGE):
            found = self.members(refs)
            for one in found.values():
                one.members -= self.missing
            links.write_members(connection, target, found)
        links.retry(connection, target, {*self.refs(), *self.groups()})


# ---- the links to compare


class Linked(Struct, frozen=True, gc=False):
    """A record with a link whose object can be read."""

    ref: int
    id: str
    link: Link


def page(database: Database, target: int, directory: int, kind: Kind, after: int, size: int) -> list[Linked]:
    """The next records of a directory whose objects can be read, by ref."""
    columns = (
        links_table.c.shape, links_table.c.key, links_table.c.target_id, links_table.c.state, links_table.c.left_at,
    )  # fmt: skip
    query = (
        select(links_table.c.ref, records.c.id, *columns)
        .join(records, records.c.ref == links_table.c.ref)
        .where(
            links_table.c.target == target,
            links_table.c.kind == NUMBER[kind],
            links_table.c.ref > after,
            links_table.c.target_id.is_not(None),
            links_table.c.state != State.PENDING,
            records.c.directory == directory,
        )
        .order_by(links_table.c.ref)
        .limit(size)
    )
    with database.read() as connection:
        return [Linked(ref, id_, links.link_of(*rest)) for ref, id_, *rest in connection.execute(query)]


def refs_of(
    connection: Connection, target: int, directory: int, kind: Kind, target_ids: Collection[str]
) -> Iterator[tuple[str, int]]:
    """The records of a directory that are linked to these objects: target id and ref."""
    query = (
        select(links_table.c.target_id, links_table.c.ref)
        .join(records, records.c.ref == links_table.c.ref)
        .where(links_table.c.target == target, links_table.c.kind == NUMBER[kind], records.c.directory == directory)
    )
    for some in batched(target_ids, PAGE):
        rows = connection.execute(query.where(among(connection, links_table.c.target_id, some)))
        yield from ((target_id, ref) for target_id, ref in rows)
