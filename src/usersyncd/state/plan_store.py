"""Where a plan is kept until it is delivered or thrown away: a temporary database of its own, gone with the process."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs

from usersyncd.core.digest import encode, pack, unpack
from usersyncd.core.graph import NOBODY
from usersyncd.core.links import shape_of
from usersyncd.core.plan import Hash, Section, count, section
from usersyncd.core.report import Counts
from usersyncd.plugin import Change, Held, Kind, Op
from usersyncd.state.bulk import batched
from usersyncd.state.columns import KIND, NUMBER
from usersyncd.state.scratch import scratch

SCHEMA = """
CREATE TABLE changes (
  section INTEGER, chain INTEGER, directory TEXT, id TEXT, part INTEGER, ref INTEGER, left INTEGER, takes INTEGER,
  change BLOB, members BLOB, counted INTEGER, PRIMARY KEY (section, chain, directory, id, part)
) WITHOUT ROWID;
CREATE INDEX changes_ref ON changes (ref);
CREATE TABLE fallbacks (ref INTEGER PRIMARY KEY, id TEXT, change BLOB);
CREATE TABLE claims (
  ref INTEGER PRIMARY KEY, kind INTEGER, directory TEXT, id TEXT, key TEXT, here INTEGER, moves INTEGER, new INTEGER,
  space TEXT, delivered INTEGER
);
CREATE VIEW delivered_claims AS
  SELECT ref, kind, directory, id, key, here, moves, new, space FROM claims WHERE delivered;
CREATE TABLE found (kind INTEGER, space TEXT, key TEXT, held BLOB, exact INTEGER, mine INTEGER, protected INTEGER);
CREATE INDEX found_key ON found (kind, space, key);
CREATE TABLE shaped (directory TEXT, ref INTEGER, until TEXT);
"""
CACHE = 2_000
"""Kilobytes. A plan is written and read in order: measured, four times as many make it no faster."""
QUIET = -1
"""The section of what the target need not know."""
_HARMFUL = (
    Section.USERS_FREED, Section.GROUPS_FREED, Section.USERS, Section.GROUPS, Section.GROUPS_GONE,
    Section.USERS_LEAVING, Section.USERS_GONE,
)  # fmt: skip
"""The sections whose changes of records may harm."""
_INSERT = "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, TRUE)"
_ORDER = "section, chain, directory, id, part"

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(Change).decode
_held = msgspec.msgpack.Decoder(Held).decode

Key = str | int


class PlannedChange(Struct, frozen=True, gc=False):
    """One step of a plan: the record's ref, whether it is a leaver's from then on, the leaver whose object it adopts,
    the change (None: the target need not know), the refs of a membership change's members in their order, and the chain
    of keys to which it belongs (0: none)."""

    ref: int
    left: bool
    takes: int | None
    change: Change | None
    members: array[int]
    chain: int = 0
    fallback: bool = False
    """It is done only where the adoption of the object was refused."""
    encoded: bytes = b""
    """The change as the plan keeps it."""
    counted: bool = True
    """The guard counts it; False for an adoption to which a person consented, or of a first delivery."""


class KeyClaim(Struct, frozen=True, gc=False):
    """What the plan makes of a record that comes, leaves, returns or changes its key.

    ``key`` is the one that it has afterwards (None: it leaves), ``here`` whether it is there then, ``moves`` whether
    that is another answer than before, and ``new`` whether no object is linked to it yet.
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
    """An object that the target holds under a claimed key, or says is the record that claims it (``mine``)."""

    held: Held
    exact: bool
    mine: bool
    protected: bool


class PlanStore:
    """The plan of one target, while it is made and while it is delivered. Each change belongs to a directory.

    ``counts``: the changes of each directory. ``suspects``: refs of records that failed before and have nothing to
    change, whose steps are there only until the objects are read. ``strangers``: those of them whose objects belong to
    other records: they are never members. ``replacements``: leavers whose own objects are gone, by ref, each with the
    objects that have the key.
    """

    def __init__(self, *, shared_keys: bool) -> None:
        """``shared_keys``: a key belongs to one record of all directories, and not of its own directory alone."""
        self._file = scratch(SCHEMA, CACHE)
        self._shared_keys = shared_keys
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)
        self.suspects: set[int] = set()
        self.strangers: set[int] = set()
        self.replacements: dict[int, list[Held]] = {}

    def close(self) -> None:
        self._file.close()

    # ---- making it

    def space(self, directory: str) -> str:
        """Within what a key of this directory is unique."""
        return "" if self._shared_keys else directory

    def add(
        self, directory: str, steps: Iterable[tuple[int, str, bool, Change | None]], claims: Iterable[KeyClaim]
    ) -> None:
        """Add steps about records of a directory: ref, id, whether it is a leaver's from then on, the change."""
        rows: list[tuple[object, ...]] = []
        counts = self.counts[directory]
        for ref, id_, left, change in steps:
            if change is None:
                rows.append((QUIET, 0, directory, id_, ref, ref, left, None, None))
            else:
                count(counts, change)
                rows.append((int(section(change, left=left)), 0, directory, id_, 0, ref, left, _encode(change), None))
        self._file.executemany(_INSERT, rows)
        self._file.executemany("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, TRUE)", map(self._claim, claims))

    def _claim(self, claim: KeyClaim) -> tuple[object, ...]:
        kind, key = NUMBER[claim.kind], _json(claim.key)
        row = (claim.ref, kind, claim.directory, claim.id, key, claim.here, claim.moves, claim.new)
        return (*row, self.space(claim.directory))

    def note_shaped(self, directory: str, until: Iterable[tuple[int, str | None]]) -> None:
        """Note records that were shaped by rules which read the time, and until when their shapes hold."""
        self._file.executemany("INSERT INTO shaped VALUES (?, ?, ?)", ((directory, ref, at) for ref, at in until))

    def shaped(self, directory: str) -> Iterator[tuple[int, str | None]]:
        """What was noted of the records of a directory."""
        return iter(self._file.execute("SELECT ref, until FROM shaped WHERE directory = ?", (directory,)))

    def set_aside(self, directory: str) -> None:
        """Take the changes of a directory out of the plan. Its claims still contest those of other directories."""
        self._file.execute("DELETE FROM changes WHERE directory = ?", (directory,))
        self._file.execute("UPDATE claims SET delivered = FALSE WHERE directory = ?", (directory,))
        self.counts.pop(directory, None)

    def add_members(self, ref: int, change: Change, members: array[int], part: int) -> None:
        """Add a membership change, or a part of one; ``members`` are the refs of its members, in their order."""
        self._count(change)
        row = (int(section(change)), 0, change.directory, change.id, part, ref, False, _encode(change), pack(members))
        self._file.execute(_INSERT, row)

    def see(self, kind: Kind, sights: Iterable[tuple[str, Key, FoundObject]]) -> None:
        """Note what the target holds under keys that records of a directory claim."""
        self._file.executemany(
            "INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    NUMBER[kind], self.space(directory), _json(key), msgspec.msgpack.encode(s.held), s.exact, s.mine,
                    s.protected,
                )
                for directory, key, s in sights
            ],
        )  # fmt: skip

    def drop(self, ref: int) -> None:
        """Take a record's step out again."""
        self.spare(ref)
        self._file.execute("DELETE FROM claims WHERE ref = ?", (ref,))

    def spare(self, ref: int) -> None:
        """Take a record's step out again, but not its departure: a group that has to stay loses its members."""
        self._uncount(ref)
        self._file.execute("DELETE FROM changes WHERE ref = ?", (ref,))

    def withdraw(self, ref: int) -> None:
        """Take out what a complete plan does about a record. If that was the adoption of a leaver's object, the
        leaver's own step takes its place."""
        self._uncount(ref)
        (takes,) = self._file.execute("SELECT takes FROM changes WHERE ref = ? AND members IS NULL", (ref,)).fetchone()
        self._file.execute("DELETE FROM changes WHERE ref = ? AND members IS NULL", (ref,))
        row = self._file.execute("SELECT change FROM fallbacks WHERE ref = ?", (takes,)).fetchone()
        if row is None:
            return
        change = _decode(row[0])
        self._file.execute("DELETE FROM fallbacks WHERE ref = ?", (takes,))
        place = int(section(change, left=True)), 0, change.directory, change.id, 0
        self._file.execute(_INSERT, (*place, takes, True, row[0], None))
        self._count(change)

    def adopt(self, ref: int, held: Held, names: Sequence[str], takes: int | None, *, counted: bool) -> None:
        """``ref`` adopts an object instead of having one created. The step of the leaver ``takes``, from whose link the
        object is taken, becomes what is done when the adoption is refused. ``counted``: the guard counts it."""
        create = self._change(ref)
        assert create is not None  # noqa: S101 - only what is to be created adopts
        self._uncount(ref)
        before = shape_of(held, names)
        change = structs.replace(create, op=Op.ADOPT, key=held.key, before=before, target_id=held.target_id)
        self._file.execute(
            "UPDATE changes SET section = ?, takes = ?, change = ?, counted = ? WHERE ref = ?",
            (int(section(change)), takes, _encode(change), counted, ref),
        )
        self._count(change)
        if takes is not None and (step := self._change(takes)) is not None:
            self._uncount(takes)
            self._file.execute("INSERT INTO fallbacks VALUES (?, ?, ?)", (takes, step.id, _encode(step)))
            self._file.execute("DELETE FROM changes WHERE ref = ?", (takes,))

    def renew(self, claim: KeyClaim) -> None:
        """The object of a record that claims a key is gone: it is to be created again."""
        change = self._change(claim.ref)
        assert change is not None  # noqa: S101 - who claims a key is changed
        assert claim.key is not None  # noqa: S101
        self._uncount(claim.ref)
        create = structs.replace(change, op=Op.CREATE, key=claim.key, before=None, target_id=None)
        self._file.execute(
            "UPDATE changes SET section = ?, change = ? WHERE ref = ?",
            (int(section(create)), _encode(create), claim.ref),
        )
        self._file.execute("UPDATE claims SET new = 1, moves = 1 WHERE ref = ?", (claim.ref,))
        self._count(create)

    def start_over(self, ref: int, key: Key | None) -> None:
        """Plan a record whose object is another's as if it had none. It claims ``key`` for a new object; without a key
        it is a leaver's, and its step is dropped."""
        change = self._change(ref)
        assert change is not None  # noqa: S101 - the caller has it from the plan
        if key is None:
            self.drop(ref)
            return
        claim = KeyClaim(ref, change.kind, change.directory, change.id, key, here=True, moves=True, new=True)
        self._file.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, TRUE)", self._claim(claim))
        self.renew(claim)

    def restate(self, ref: int, change: Change) -> None:
        """Do this for the record instead. It stays in its place."""
        self._uncount(ref)
        self._file.execute("UPDATE changes SET change = ? WHERE ref = ?", (_encode(change), ref))
        self._count(change)

    def free(self, ref: int) -> None:
        """Delete this leaver's object before anything else: its key is claimed."""
        change = self._change(ref)
        if change is not None and change.op is Op.DELETE:
            first = Section.USERS_FREED if change.kind is Kind.USER else Section.GROUPS_FREED
            self._file.execute("UPDATE changes SET section = ? WHERE ref = ?", (int(first), ref))

    def chain(self, refs: Iterable[int], number: int) -> None:
        """These records hand their keys on among each other: they are delivered together."""
        self._file.executemany("UPDATE changes SET chain = ? WHERE ref = ?", [(number, ref) for ref in refs])

    def _change(self, ref: int) -> Change | None:
        row = self._file.execute("SELECT change FROM changes WHERE ref = ?", (ref,)).fetchone()
        return _decode(row[0]) if row and row[0] else None

    def _count(self, change: Change, times: int | None = None) -> None:
        count(self.counts[change.directory], change, times)

    def _uncount(self, ref: int) -> None:
        query = "SELECT change FROM changes WHERE ref = ? AND change IS NOT NULL AND members IS NULL"
        for (blob,) in self._file.execute(query, (ref,)).fetchall():
            self._count(_decode(blob), times=-1)

    def keep_members(self, step: PlannedChange, places: Sequence[int]) -> None:
        """Of this membership change, keep only these members, given by their places."""
        change = step.change
        assert change is not None  # noqa: S101 - a membership change has one
        self._count(change, times=-len(change.members))
        kept = structs.replace(change, members=tuple(change.members[place] for place in places))
        where = "WHERE section = ? AND ref = ? AND change = ?"
        row = int(section(change)), step.ref, step.encoded
        if not places:
            self._file.execute(f"DELETE FROM changes {where}", row)  # noqa: S608 - written above
            return
        self._count(kept)
        members = pack(array("I", [step.members[place] for place in places]))
        self._file.execute(f"UPDATE changes SET change = ?, members = ? {where}", (_encode(kept), members, *row))  # noqa: S608

    # ---- asking it

    def claims(self, refs: Iterable[int]) -> Iterator[KeyClaim]:
        """What the plan makes of these records, as far as it says."""
        query = "SELECT * FROM delivered_claims WHERE ref IN (SELECT value FROM json_each(?))"
        return map(_claim_of, self._file.execute(query, (encode(list(refs)).decode(),)))

    def spaces(self, kind: Kind) -> list[str]:
        """The spaces in which keys of this kind are claimed."""
        query = "SELECT DISTINCT space FROM delivered_claims WHERE kind = ? AND key IS NOT NULL ORDER BY space"
        return [space for (space,) in self._file.execute(query, (NUMBER[kind],))]

    def has_sights(self, kind: Kind, space: str) -> bool:
        """Whether the target holds anything under a claimed key."""
        query = "SELECT 1 FROM found WHERE kind = ? AND space = ? LIMIT 1"
        return self._file.execute(query, (NUMBER[kind], space)).fetchone() is not None

    def sights(self, kind: Kind, space: str, keys: Iterable[Key]) -> dict[Key, list[FoundObject]]:
        """What the target holds under these claimed keys."""
        query = (
            "SELECT key, held, exact, mine, protected FROM found "
            "WHERE kind = ? AND space = ? AND key IN (SELECT value FROM json_each(?))"
        )
        wanted = encode([_json(key) for key in keys]).decode()
        found: dict[Key, list[FoundObject]] = {}
        for key, held, exact, mine, protected in self._file.execute(query, (NUMBER[kind], space, wanted)):
            sight = FoundObject(_held(held), bool(exact), bool(mine), bool(protected))
            found.setdefault(msgspec.json.decode(key), []).append(sight)
        return found

    def objects(self, refs: Iterable[int]) -> dict[int, str]:
        """The objects that these records have, as far as they are to be changed."""
        return {ref: change.target_id for ref, change in self.changes_of(refs) if change.target_id is not None}

    def changes_of(self, refs: Iterable[int]) -> list[tuple[int, Change]]:
        """The changes of these records, without memberships."""
        return list(self._where("ref IN (SELECT value FROM json_each(?))", encode(list(refs)).decode()))

    def deletes(self, refs: Iterable[int]) -> set[int]:
        """Those of these records whose objects the plan deletes."""
        gone = _numbers(Section.USERS_FREED, Section.GROUPS_FREED, Section.GROUPS_GONE, Section.USERS_GONE)
        query = (
            f"SELECT ref FROM changes WHERE section IN ({gone}) "  # noqa: S608
            "AND ref IN (SELECT value FROM json_each(?))"
        )
        return {ref for (ref,) in self._file.execute(query, (encode(list(refs)).decode(),))}

    def taken(self) -> dict[int, int]:
        """The leavers whose objects are adopted, each with the record that adopts it."""
        return dict(self._file.execute("SELECT takes, ref FROM changes WHERE takes IS NOT NULL").fetchall())

    def leavers(self, refs: Iterable[int]) -> set[int]:
        """Those of these records that are leavers' from now on."""
        query = "SELECT ref FROM changes WHERE left AND ref IN (SELECT value FROM json_each(?))"
        return {ref for (ref,) in self._file.execute(query, (encode(list(refs)).decode(),))}

    def leaving(self) -> list[tuple[int, Change]]:
        """The changes of users who leave in this plan, or left before, with their refs."""
        found = self._where("left")
        return [(ref, change) for ref, change in found if change.kind is Kind.USER and ref not in self.suspects]

    def changed(self, kind: Kind, size: int) -> Iterator[list[tuple[int, Change]]]:
        """The records of one kind that have an object already and are to be changed, with their refs."""
        found = (pair for pair in self._where("true") if pair[1].kind is kind and pair[1].target_id is not None)
        yield from batched(found, size)

    def _where(self, condition: str, *values: str) -> Iterator[tuple[int, Change]]:
        query = f"SELECT ref, change FROM changes WHERE members IS NULL AND change IS NOT NULL AND {condition}"  # noqa: S608
        return ((ref, _decode(blob)) for ref, blob in self._file.execute(query, values).fetchall())

    def claimed(self, kind: Kind, size: int, space: str | None = None) -> Iterator[list[KeyClaim]]:
        """The records of one kind that come with a key, by directory and id. ``space``: of this one only."""
        cursor = self._file.execute(
            "SELECT * FROM delivered_claims WHERE kind = ? AND key IS NOT NULL AND space = ifnull(?, space) "
            "ORDER BY directory, id",
            (NUMBER[kind], space),
        )
        while rows := cursor.fetchmany(size):
            yield [_claim_of(row) for row in rows]

    def claims_of_keys(self, kind: Kind, keys: Iterable[Key]) -> Iterator[KeyClaim]:
        """The records of one kind that come with one of these keys."""
        query = "SELECT * FROM delivered_claims WHERE kind = ? AND key IN (SELECT value FROM json_each(?))"
        return map(_claim_of, self._file.execute(query, (NUMBER[kind], encode([_json(key) for key in keys]).decode())))

    def contested(self, kind: Kind, space: str) -> list[list[KeyClaim]]:
        """Records that come with the same key, those of one key together; also those of directories set aside."""
        query = (
            "SELECT ref, kind, directory, id, key, here, moves, new, space FROM claims "
            "WHERE kind = ?1 AND space = ?2 AND key IN (SELECT key FROM claims "
            "WHERE kind = ?1 AND space = ?2 AND key IS NOT NULL GROUP BY key HAVING count(*) > 1) "
            "ORDER BY key, directory, id"
        )
        found: dict[Key | None, list[KeyClaim]] = {}
        for claim in map(_claim_of, self._file.execute(query, (NUMBER[kind], space))):
            found.setdefault(claim.key, []).append(claim)
        return list(found.values())

    def moved(self, kind: Kind, directory: str) -> list[int]:
        """The refs of the records of a directory that come, leave or return."""
        query = "SELECT ref FROM delivered_claims WHERE kind = ? AND moves AND directory = ?"
        return [ref for (ref,) in self._file.execute(query, (NUMBER[kind], directory))]

    def member_steps(self, size: int) -> Iterator[list[PlannedChange]]:
        """The membership changes, so many at a time."""
        yield from batched((step for step in self._steps() if step.members), size)

    def member_groups(self) -> list[int]:
        """The refs of the groups that get or lose members."""
        return [ref for (ref,) in self._file.execute("SELECT DISTINCT ref FROM changes WHERE members IS NOT NULL")]

    # ---- what the guard asks

    def harmful(self, directory: str) -> Iterator[PlannedChange]:
        """The changes of a directory's records that may harm."""
        return self._steps(f"section IN ({_numbers(*_HARMFUL)}) AND directory = ?", directory)

    def edges(self, directory: str, section: Section) -> Iterator[tuple[int, array[int]]]:
        """The memberships that are added or removed: refs of the group and of its members, in parts."""
        query = "SELECT ref, members FROM changes WHERE section = ? AND directory = ? ORDER BY id, part"
        return ((ref, unpack("I", members)) for ref, members in self._file.execute(query, (int(section), directory)))

    def removals(self, directory: str) -> Iterator[PlannedChange]:
        """The changes that remove members from groups of a directory."""
        return self._steps(f"section = {int(Section.REMOVALS)} AND directory = ?", directory)

    def harmful_by_ref(self, directory: str) -> Iterator[PlannedChange]:
        """All changes of a directory that may harm, in an order that only depends on what they are about."""
        where = f"section IN ({_numbers(*_HARMFUL, Section.REMOVALS)}) AND directory = ?"
        return self._steps(where, directory, order="ref, members IS NOT NULL, part")

    # ---- reading it

    def hash(self, directory: str) -> str:
        """The hash of the changes of a directory: equal for equal plans."""
        made = Hash()
        for (blob,) in self._file.execute(
            f"SELECT change FROM changes WHERE change IS NOT NULL AND directory = ? ORDER BY {_ORDER}",  # noqa: S608
            (directory,),
        ):
            made.add(blob)
        return str(made)

    def __len__(self) -> int:
        return int(self._file.execute("SELECT count(*) FROM changes").fetchone()[0])

    def steps(self, directory: str) -> Iterator[PlannedChange]:
        """The steps of a directory, in the order of their delivery."""
        return self._steps("directory = ?", directory)

    def changes(self, directory: str) -> Iterator[Change]:
        """The changes of a directory, in the order of their delivery."""
        return (step.change for step in self.steps(directory) if step.change is not None)

    def batches(self, changes: int, edges: int) -> Iterator[list[PlannedChange]]:
        """All steps in the order of their delivery: so many in a batch, or with so many edges together, at the most.

        Records and memberships are never in one batch: who was refused can be no member. A chain of keys is never
        split. What is done about leavers when their objects are not adopted comes last.
        """
        batch: list[PlannedChange] = []
        weight = 0
        for step in self._steps():
            full = len(batch) >= changes or weight + len(step.members) > edges
            chained = bool(batch) and step.chain != 0 and step.chain == batch[-1].chain
            if batch and not chained and (full or bool(step.members) is not bool(batch[-1].members)):
                yield batch
                batch, weight = [], 0
            batch.append(step)
            weight += len(step.members)
        if batch:
            yield batch
        if fallbacks := list(self._fallbacks()):
            yield from batched(fallbacks, changes)

    def _steps(self, where: str = "TRUE", *values: str, order: str = _ORDER) -> Iterator[PlannedChange]:
        query = f"SELECT ref, left, takes, change, members, chain, counted FROM changes WHERE {where} ORDER BY {order}"  # noqa: S608
        for ref, left, takes, change, members, chain, counted in self._file.execute(query, values):
            yield PlannedChange(
                ref,
                bool(left),
                takes,
                change and _decode(change),
                unpack("I", members) if members else NOBODY,
                chain,
                encoded=change or b"",
                counted=bool(counted),
            )

    def _fallbacks(self) -> Iterator[PlannedChange]:
        """What is done about leavers whose objects were to be adopted, should that have been refused."""
        for ref, blob in self._file.execute("SELECT ref, change FROM fallbacks ORDER BY id"):
            yield PlannedChange(ref, True, None, _decode(blob), NOBODY, fallback=True, encoded=blob)


def _numbers(*sections: int) -> str:
    return ", ".join(str(int(one)) for one in sections)


def _claim_of(row: tuple[Any, ...]) -> KeyClaim:
    ref, kind, directory, id_, key, here, moves, new, _ = row
    return KeyClaim(
        ref, KIND[kind], directory, id_, key and msgspec.json.decode(key), bool(here), bool(moves), bool(new)
    )


def _json(key: Key | None) -> str | None:
    return None if key is None else encode(key).decode()
