"""Where a plan is kept until it is delivered or thrown away: a temporary database of its own, gone with the process."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from usersyncd.core.digest import encode, pack, unpack
from usersyncd.core.graph import NOBODY
from usersyncd.core.plan import Hash, count, section
from usersyncd.core.report import Counts
from usersyncd.plugin import Change, Kind
from usersyncd.state.scratch import scratch
from usersyncd.state.spool import KIND, NUMBER

SCHEMA = """
CREATE TABLE changes (
  section INTEGER, id TEXT, part INTEGER, ref INTEGER, left INTEGER, takes INTEGER, change BLOB, members BLOB,
  PRIMARY KEY (section, id, part)
) WITHOUT ROWID;
CREATE INDEX changes_ref ON changes (ref);
CREATE TABLE claims (ref INTEGER PRIMARY KEY, kind INTEGER, id TEXT, key TEXT, here INTEGER, moves INTEGER);
"""
QUIET = -1
"""The section of what the target need not know."""
_INSERT = "INSERT INTO changes VALUES (?, ?, ?, ?, ?, NULL, ?, ?)"

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(Change).decode

Key = str | int


class Planned(Struct, frozen=True, gc=False):
    """One step of a plan: the record's ref, whether it is a leaver's from then on, the leaver whose key it takes over,
    the change (None: the target need not know), and the refs of a membership change's members in their order."""

    ref: int
    left: bool
    takes: int | None
    change: Change | None
    members: array[int]


class Claim(Struct, frozen=True, gc=False):
    """What the plan makes of a record that comes, leaves, returns or changes its key.

    ``key`` is the one that it has afterwards (None: it leaves), ``here`` whether it is there then, and ``moves``
    whether that is another answer than before.
    """

    ref: int
    kind: Kind
    id: str
    key: Key | None
    here: bool
    moves: bool


class Plan:
    """The plan of one target for one directory, while it is made and while it is delivered."""

    def __init__(self) -> None:
        self._file = scratch(SCHEMA)
        self.counts = Counts()

    def close(self) -> None:
        self._file.close()

    # ---- making it

    def add(self, steps: Iterable[tuple[int, str, bool, Change | None]], claims: Iterable[Claim]) -> None:
        """Add steps about records: ref, id, whether it is a leaver's from then on, the change."""
        rows: list[tuple[object, ...]] = []
        for ref, id_, left, change in steps:
            if change is None:
                rows.append((QUIET, id_, ref, ref, left, None, None))
            else:
                count(self.counts, change)
                rows.append((int(section(change)), id_, 0, ref, left, _encode(change), None))
        self._file.executemany(_INSERT, rows)
        self._file.executemany(
            "INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)",
            [(c.ref, NUMBER[c.kind], c.id, _json(c.key), c.here, c.moves) for c in claims],
        )

    def add_members(self, ref: int, change: Change, members: array[int], part: int) -> None:
        """Add a membership change, or a part of one; ``members`` are the refs of its members, in their order."""
        count(self.counts, change)
        row = (int(section(change)), change.id, part, ref, False, _encode(change), pack(members))
        self._file.execute(_INSERT, row)

    def drop(self, ref: int) -> None:
        """Take a record's step out again."""
        self._uncount(ref)
        self._file.execute("DELETE FROM changes WHERE ref = ?", (ref,))
        self._file.execute("DELETE FROM claims WHERE ref = ?", (ref,))

    def take(self, ref: int, taken: int) -> None:
        """``ref`` takes over the key of the leaver ``taken``, of whom nothing else is to be done."""
        self._uncount(taken)
        self._file.execute("DELETE FROM changes WHERE ref = ?", (taken,))
        self._file.execute("UPDATE changes SET takes = ? WHERE ref = ?", (taken, ref))

    def _uncount(self, ref: int) -> None:
        query = "SELECT change FROM changes WHERE ref = ? AND change IS NOT NULL"
        for (blob,) in self._file.execute(query, (ref,)).fetchall():
            count(self.counts, _decode(blob), times=-1)

    # ---- asking it

    def claims(self, refs: Iterable[int]) -> Iterator[Claim]:
        """What the plan makes of these records, as far as it says."""
        query = "SELECT * FROM claims WHERE ref IN (SELECT value FROM json_each(?))"
        return map(_claim, self._file.execute(query, (encode(list(refs)).decode(),)))

    def claimed(self, kind: Kind, size: int) -> Iterator[list[Claim]]:
        """All records of one kind that come with a key, by id."""
        cursor = self._file.execute(
            "SELECT * FROM claims WHERE kind = ? AND key IS NOT NULL ORDER BY id", (NUMBER[kind],)
        )
        while rows := cursor.fetchmany(size):
            yield [_claim(row) for row in rows]

    def contested(self, kind: Kind) -> list[list[Claim]]:
        """Records that come with the same key, those of one key together."""
        query = (
            "SELECT * FROM claims WHERE kind = ? AND key IN "
            "(SELECT key FROM claims WHERE kind = ? AND key IS NOT NULL GROUP BY key HAVING count(*) > 1) "
            "ORDER BY key, id"
        )
        found: dict[Key | None, list[Claim]] = {}
        for claim in map(_claim, self._file.execute(query, (NUMBER[kind], NUMBER[kind]))):
            found.setdefault(claim.key, []).append(claim)
        return list(found.values())

    def moved(self, kind: Kind) -> list[int]:
        """The refs of the records that come, leave or return."""
        query = "SELECT ref FROM claims WHERE kind = ? AND moves"
        return [ref for (ref,) in self._file.execute(query, (NUMBER[kind],))]

    def member_groups(self) -> list[int]:
        """The refs of the groups that get or lose members."""
        return [ref for (ref,) in self._file.execute("SELECT DISTINCT ref FROM changes WHERE members IS NOT NULL")]

    # ---- reading it

    def hash(self) -> str:
        """The plan's hash: equal for equal plans."""
        made = Hash()
        for (blob,) in self._file.execute(
            "SELECT change FROM changes WHERE change IS NOT NULL ORDER BY section, id, part"
        ):
            made.add(blob)
        return str(made)

    def __len__(self) -> int:
        return int(self._file.execute("SELECT count(*) FROM changes").fetchone()[0])

    def changes(self) -> Iterator[Change]:
        """The changes, in the order of their delivery."""
        return (step.change for step in self._steps() if step.change is not None)

    def batches(self, changes: int, edges: int) -> Iterator[list[Planned]]:
        """All steps in the order of their delivery: so many in a batch, or with so many edges together, at the most.

        Records and memberships are never in one batch: who was refused can be no member.
        """
        batch: list[Planned] = []
        weight = 0
        for step in self._steps():
            full = len(batch) >= changes or weight + len(step.members) > edges
            if batch and (full or bool(step.members) is not bool(batch[-1].members)):
                yield batch
                batch, weight = [], 0
            batch.append(step)
            weight += len(step.members)
        if batch:
            yield batch

    def _steps(self) -> Iterator[Planned]:
        query = "SELECT ref, left, takes, change, members FROM changes ORDER BY section, id, part"
        for ref, left, takes, change, members in self._file.execute(query):
            yield Planned(
                ref, bool(left), takes, change and _decode(change), unpack("I", members) if members else NOBODY
            )


def _claim(row: tuple[Any, ...]) -> Claim:
    ref, kind, id_, key, here, moves = row
    return Claim(ref, KIND[kind], id_, key and msgspec.json.decode(key), bool(here), bool(moves))


def _json(key: Key | None) -> str | None:
    return None if key is None else encode(key).decode()
