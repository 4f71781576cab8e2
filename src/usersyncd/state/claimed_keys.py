"""The keys that the records of a plan claim, and the objects that the target holds under them. A part of the plan's
temporary database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import msgspec
from msgspec import Struct

from usersyncd.core.digest import encode
from usersyncd.plugin import Held, Kind
from usersyncd.state.columns import KIND, NUMBER

SCHEMA = """
CREATE TABLE claims (
  ref INTEGER PRIMARY KEY, kind INTEGER, directory TEXT, id TEXT, key TEXT, here INTEGER, moves INTEGER, new INTEGER,
  space TEXT, delivered INTEGER
);
CREATE VIEW delivered_claims AS
  SELECT ref, kind, directory, id, key, here, moves, new FROM claims WHERE delivered;
CREATE TABLE found (kind INTEGER, space TEXT, key TEXT, held BLOB, exact INTEGER, mine INTEGER, protected INTEGER);
CREATE INDEX found_key ON found (kind, space, key);
"""
_INSERT = "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, TRUE)"

_encode = msgspec.msgpack.Encoder().encode
_held = msgspec.msgpack.Decoder(Held).decode

Key = str | int


class KeyClaim(Struct, frozen=True, gc=False):
    """The key that a record has after the plan, for each record that comes, leaves, returns or changes its key.

    ``key``: None if the record leaves. ``here``: the record is in its directory then; ``moves``: it was not before, or
    the other way round. ``new``: no object is linked to the record yet.
    """

    ref: int
    kind: Kind
    directory: str
    id: str
    key: Key | None
    here: bool
    moves: bool
    new: bool


class FoundObject(Struct, frozen=True, gc=False):
    """An object that the target holds under a claimed key (``exact``: in the same spelling). ``mine``: the target says
    that it belongs to the record that claims the key."""

    held: Held
    exact: bool
    mine: bool
    protected: bool


class ClaimedKeys:
    """The claims of a plan. Of a directory that was set aside, only :meth:`contested` returns claims."""

    def __init__(self, file: sqlite3.Connection, *, shared: bool) -> None:
        """``shared``: a key belongs to one record of all directories, and not of its own directory alone."""
        self._file = file
        self._shared = shared

    def space(self, directory: str) -> str:
        """The space in which the keys of this directory are unique."""
        return "" if self._shared else directory

    # ---- writing

    def add(self, claims: Iterable[KeyClaim]) -> None:
        """Add claims. A claim replaces an earlier one of the same record."""
        self._file.executemany(_INSERT, map(self._row, claims))

    def add_new(self, kind: Kind, directory: str, refs: Sequence[int], ids: Sequence[str], keys: Sequence[str]) -> None:
        """Add the claims of records that come and have no object yet. ``keys`` are JSON."""
        space = self.space(directory)
        rows = zip(
            refs, repeat(NUMBER[kind]), repeat(directory), ids, keys, repeat(True), repeat(True), repeat(True),
            repeat(space),
        )  # fmt: skip
        self._file.executemany(_INSERT, rows)

    def drop(self, ref: int) -> None:
        """Remove the claim of a record."""
        self._file.execute("DELETE FROM claims WHERE ref = ?", (ref,))

    def renew(self, ref: int) -> None:
        """The record claims its key for a new object."""
        self._file.execute("UPDATE claims SET new = 1, moves = 1 WHERE ref = ?", (ref,))

    def set_aside(self, directory: str) -> None:
        """Nothing of this directory is delivered. Its claims still contest those of other directories."""
        self._file.execute("UPDATE claims SET delivered = FALSE WHERE directory = ?", (directory,))

    def add_found(self, kind: Kind, found: Iterable[tuple[str, Key, FoundObject]]) -> None:
        """Add the objects that the target holds under claimed keys, each with the directory of the claim."""
        rows = [
            (
                NUMBER[kind], self.space(directory), _json(key), _encode(one.held), one.exact, one.mine, one.protected,
            )
            for directory, key, one in found
        ]  # fmt: skip
        self._file.executemany("INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _row(self, claim: KeyClaim) -> tuple[object, ...]:
        kind, key = NUMBER[claim.kind], _json(claim.key)
        row = (claim.ref, kind, claim.directory, claim.id, key, claim.here, claim.moves, claim.new)
        return (*row, self.space(claim.directory))

    # ---- reading

    def of_records(self, refs: Iterable[int]) -> Iterator[KeyClaim]:
        """The claims of these records."""
        query = "SELECT * FROM delivered_claims WHERE ref IN (SELECT value FROM json_each(?))"
        return map(_claim, self._file.execute(query, (_list(refs),)))

    def of_keys(self, kind: Kind, keys: Iterable[Key]) -> Iterator[KeyClaim]:
        """The claims of these keys."""
        query = "SELECT * FROM delivered_claims WHERE kind = ? AND key IN (SELECT value FROM json_each(?))"
        return map(_claim, self._file.execute(query, (NUMBER[kind], _list(map(_json, keys)))))

    def spaces(self, kind: Kind) -> list[str]:
        """The spaces in which keys of this kind are claimed, in order."""
        query = "SELECT DISTINCT space FROM claims WHERE delivered AND kind = ? AND key IS NOT NULL ORDER BY space"
        return [space for (space,) in self._file.execute(query, (NUMBER[kind],))]

    def pages(self, kind: Kind, size: int, space: str | None = None) -> Iterator[list[KeyClaim]]:
        """All claims of keys of one kind, by directory and id. ``space``: only those of this space."""
        cursor = self._file.execute(
            "SELECT ref, kind, directory, id, key, here, moves, new FROM claims "
            "WHERE delivered AND kind = ? AND key IS NOT NULL AND space = ifnull(?, space) ORDER BY directory, id",
            (NUMBER[kind], space),
        )
        while rows := cursor.fetchmany(size):
            yield [_claim(row) for row in rows]

    def contested(self, kind: Kind, space: str) -> list[list[KeyClaim]]:
        """The claims of keys that several records claim, also of directories set aside: one list for each key."""
        query = (
            "SELECT ref, kind, directory, id, key, here, moves, new FROM claims "
            "WHERE kind = ?1 AND space = ?2 AND key IN (SELECT key FROM claims "
            "WHERE kind = ?1 AND space = ?2 AND key IS NOT NULL GROUP BY key HAVING count(*) > 1) "
            "ORDER BY key, directory, id"
        )
        by_key: dict[Key | None, list[KeyClaim]] = {}
        for claim in map(_claim, self._file.execute(query, (NUMBER[kind], space))):
            by_key.setdefault(claim.key, []).append(claim)
        return list(by_key.values())

    def moved(self, kind: Kind, directory: str) -> list[int]:
        """The refs of the records of a directory that come, leave or return."""
        query = "SELECT ref FROM delivered_claims WHERE kind = ? AND moves AND directory = ?"
        return [ref for (ref,) in self._file.execute(query, (NUMBER[kind], directory))]

    def has_found(self, kind: Kind, space: str) -> bool:
        """Whether the target holds an object under any claimed key of this space."""
        query = "SELECT 1 FROM found WHERE kind = ? AND space = ? LIMIT 1"
        return self._file.execute(query, (NUMBER[kind], space)).fetchone() is not None

    def found(self, kind: Kind, space: str, keys: Iterable[Key]) -> dict[Key, list[FoundObject]]:
        """The objects that the target holds under these claimed keys."""
        query = (
            "SELECT key, held, exact, mine, protected FROM found "
            "WHERE kind = ? AND space = ? AND key IN (SELECT value FROM json_each(?))"
        )
        by_key: dict[Key, list[FoundObject]] = {}
        for key, held, exact, mine, protected in self._file.execute(
            query, (NUMBER[kind], space, _list(map(_json, keys)))
        ):
            one = FoundObject(_held(held), bool(exact), bool(mine), bool(protected))
            by_key.setdefault(msgspec.json.decode(key), []).append(one)
        return by_key


def _claim(row: tuple[Any, ...]) -> KeyClaim:
    ref, kind, directory, id_, key, here, moves, new = row
    return KeyClaim(
        ref, KIND[kind], directory, id_, key and msgspec.json.decode(key), bool(here), bool(moves), bool(new)
    )


def _list(values: Iterable[object]) -> str:
    """A parameter for SQLite's ``json_each``."""
    return encode(list(values)).decode()


def _json(key: Key | None) -> str | None:
    return None if key is None else encode(key).decode()
