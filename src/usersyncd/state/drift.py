"""The differences that a verification found between a target and its links.

They are kept in a temporary database: the links change only when the plan that corrects the target is delivered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec
from sqlalchemy import Connection

from usersyncd.core.digest import encode, pack, unpack
from usersyncd.core.links import Shape
from usersyncd.state import links, progress_store
from usersyncd.state.bulk import batched
from usersyncd.state.columns import decode
from usersyncd.state.held_members import GroupMembers, HeldMembers, write_members
from usersyncd.state.links import Row
from usersyncd.state.scratch import scratch

SCHEMA = """
CREATE TABLE changed (ref INTEGER PRIMARY KEY, link BLOB);
CREATE TABLE renamed (ref INTEGER PRIMARY KEY, shape BLOB);
CREATE TABLE regrouped (ref INTEGER PRIMARY KEY, members BLOB);
"""
PAGE = 5_000

_encode = msgspec.msgpack.Encoder().encode
_row = msgspec.msgpack.Decoder(Row).decode


class Drift:
    """The differences of one directory in one target.

    ``missing``: refs of records whose objects do not exist, or do not belong to them and a person agreed to forget the
    link. ``strangers``: refs of records whose objects do not belong to them, each with the message of its failure.
    ``renamed``: refs of records whose objects have another key, and are written again.
    """

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

    # ---- noting differences

    def change(self, rows: Collection[Row]) -> None:
        """Note links that are to hold what was found."""
        self._file.executemany("INSERT INTO changed VALUES (?, ?)", [(row.ref, _encode(row)) for row in rows])
        self.changed += len(rows)

    def rename(self, ref: int, shape: Shape) -> None:
        """Note an object that has another key, and its shape."""
        self._file.execute("INSERT INTO renamed VALUES (?, ?)", (ref, encode(shape)))
        self.renamed.add(ref)

    def regroup(self, groups: Mapping[int, GroupMembers]) -> None:
        """Note the members that were found in groups whose members differ."""
        rows = [(ref, pack(group.as_arrays().members)) for ref, group in groups.items()]
        self._file.executemany("INSERT INTO regrouped VALUES (?, ?)", rows)
        self.regrouped += len(rows)

    # ---- reading differences

    def refs(self) -> list[int]:
        """The records that differ, and have to be planned even if nothing changed in the directory."""
        changed = self._file.execute("SELECT ref FROM changed")
        return [*(ref for (ref,) in changed), *self.missing, *self.strangers, *self.renamed]

    def links(self, refs: Iterable[int]) -> dict[int, Row]:
        """What was found of these records, as links; only those that differ."""
        query = "SELECT link FROM changed WHERE ref IN (SELECT value FROM json_each(?))"
        rows = (_row(blob) for (blob,) in self._file.execute(query, (encode(list(refs)).decode(),)))
        return {row.ref: row for row in rows}

    def held(self, ref: int) -> Shape:
        """The shape of the object of a record in ``renamed``."""
        query = "SELECT shape FROM renamed WHERE ref = ?"
        ((shape,),) = self._file.execute(query, (ref,))
        return decode(shape)

    def groups(self) -> list[int]:
        """The groups whose members differ."""
        return [ref for (ref,) in self._file.execute("SELECT ref FROM regrouped")]

    def members(self, groups: Iterable[int]) -> dict[int, GroupMembers]:
        """The members that were found in these groups; only groups whose members differ."""
        query = "SELECT ref, members FROM regrouped WHERE ref IN (SELECT value FROM json_each(?))"
        rows = self._file.execute(query, (encode(list(groups)).decode(),))
        return {ref: HeldMembers(unpack("I", members)).as_sets() for ref, members in rows}

    # ---- delivering

    def apply(self, connection: Connection, target: int) -> None:
        """Write what was found into the links, and mark the records for a retry: until a plan corrects them, each plan
        tries again."""
        links.end(connection, target, self.missing)
        for rows in batched(self._file.execute("SELECT link FROM changed"), PAGE):
            links.write(connection, target, (_row(blob) for (blob,) in rows))
        for refs in batched(self.groups(), PAGE):
            groups = self.members(refs)
            for group in groups.values():
                group.members -= self.missing
            write_members(connection, target, {ref: group.as_arrays() for ref, group in groups.items()})
        progress_store.retry(connection, target, {*self.refs(), *self.groups()})
