"""The temporary database that holds a plan until it is delivered or discarded. It ends with the process."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct, structs

from usersyncd.core.digest import encode, pack, unpack
from usersyncd.core.graph import NOBODY
from usersyncd.core.links import shape_of
from usersyncd.core.plan import Hash, Section, count, section
from usersyncd.core.report import Counts
from usersyncd.plugin import Change, Held, Kind, Op
from usersyncd.state import claimed_keys
from usersyncd.state.bulk import batched
from usersyncd.state.claimed_keys import ClaimedKeys, Key, KeyClaim
from usersyncd.state.scratch import scratch

SCHEMA = """
CREATE TABLE changes (
  section INTEGER, chain INTEGER, directory TEXT, id TEXT, part INTEGER, ref INTEGER, left INTEGER, takes INTEGER,
  change BLOB, members BLOB, counted INTEGER, PRIMARY KEY (section, chain, directory, id, part)
) WITHOUT ROWID;
CREATE INDEX changes_ref ON changes (ref);
CREATE TABLE fallbacks (ref INTEGER PRIMARY KEY, id TEXT, change BLOB);
CREATE TABLE shaped (directory TEXT, ref INTEGER, until TEXT);
"""
CACHE = 2_000
"""Kilobytes. A plan is written and read in order: four times as many did not make it faster."""
QUIET = -1
"""The section of the steps that change a link only, and send nothing to the target."""
_HARMFUL = (
    Section.USERS_FREED, Section.GROUPS_FREED, Section.USERS, Section.GROUPS, Section.GROUPS_GONE,
    Section.USERS_LEAVING, Section.USERS_GONE,
)  # fmt: skip
"""The sections whose changes of records may be harmful."""
_INSERT = "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, TRUE)"
_ORDER = "section, chain, directory, id, part"

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(Change).decode


class PlannedChange(Struct, frozen=True, gc=False):
    """One step of a plan.

    ``ref``: the record; ``left``: it is a leaver after this step; ``takes``: the leaver whose object it adopts.
    ``change`` None: nothing is sent to the target. ``members``: the refs of a membership change's members, in order.
    ``chain``: the number of the chain of keys that the step belongs to; 0 for none.
    """

    ref: int
    left: bool
    takes: int | None
    change: Change | None
    members: array[int]
    chain: int = 0
    fallback: bool = False
    """Delivered only if the adoption of the object was refused."""
    encoded: bytes = b""
    """The change as the database holds it."""
    counted: bool = True
    """The guard counts it. False for an adoption that a person allowed, and in a first delivery."""


class PlanStore:
    """The plan of one target. Each change belongs to a directory.

    ``claims``: the keys that its records claim. ``counts``: the number of changes for each directory. ``suspects``:
    refs of records that failed before and have nothing to change; their steps remain until their objects were read.
    ``strangers``: suspects whose objects belong to other records; they are never added as members. ``replacements``:
    for the ref of each leaver whose object does not exist, the objects that have its key.
    """

    def __init__(self, *, shared_keys: bool) -> None:
        """``shared_keys``: a key belongs to one record of all directories, and not of its own directory alone."""
        self._file = scratch(SCHEMA + claimed_keys.SCHEMA, CACHE)
        self.claims = ClaimedKeys(self._file, shared=shared_keys)
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)
        self.suspects: set[int] = set()
        self.strangers: set[int] = set()
        self.replacements: dict[int, list[Held]] = {}

    def close(self) -> None:
        self._file.close()

    # ---- building the plan

    def add(
        self, directory: str, steps: Iterable[tuple[int, str, bool, Change | None]], claims: Iterable[KeyClaim]
    ) -> None:
        """Add the steps of a directory's records, as (ref, id, left, change), and their claims."""
        rows: list[tuple[object, ...]] = []
        counts = self.counts[directory]
        for ref, id_, left, change in steps:
            if change is None:
                rows.append((QUIET, 0, directory, id_, ref, ref, left, None, None))
            else:
                count(counts, change)
                rows.append((int(section(change, left=left)), 0, directory, id_, 0, ref, left, _encode(change), None))
        self._file.executemany(_INSERT, rows)
        self.claims.add(claims)

    def note_shaped(self, directory: str, until: Iterable[tuple[int, str | None]]) -> None:
        """Store records that were shaped by rules which read the time, and the moment until which each shape holds."""
        self._file.executemany("INSERT INTO shaped VALUES (?, ?, ?)", ((directory, ref, at) for ref, at in until))

    def shaped(self, directory: str) -> Iterator[tuple[int, str | None]]:
        """The stored records of a directory, each with the moment until which its shape holds."""
        return iter(self._file.execute("SELECT ref, until FROM shaped WHERE directory = ?", (directory,)))

    def set_aside(self, directory: str) -> None:
        """Remove the changes of a directory. Its claims still contest those of other directories."""
        self._file.execute("DELETE FROM changes WHERE directory = ?", (directory,))
        self.claims.set_aside(directory)
        self.counts.pop(directory, None)

    def add_members(self, ref: int, change: Change, members: array[int], part: int) -> None:
        """Add a membership change, or a part of one; ``members`` are the refs of its members, in their order."""
        self._count(change)
        row = (int(section(change)), 0, change.directory, change.id, part, ref, False, _encode(change), pack(members))
        self._file.execute(_INSERT, row)

    def drop(self, ref: int) -> None:
        """Remove a record's step and its claim."""
        self.spare(ref)
        self.claims.drop(ref)

    def spare(self, ref: int) -> None:
        """Remove a record's step, but not its claim. For a group that is protected: it stays, and loses its members."""
        self._uncount(ref)
        self._file.execute("DELETE FROM changes WHERE ref = ?", (ref,))

    def withdraw(self, ref: int) -> None:
        """Remove a record's step from a complete plan. If it adopted a leaver's object, the leaver's own step
        returns."""
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
        """Adopt an object instead of creating one. ``takes``: the leaver that is linked to the object. The leaver's
        step becomes a fallback, delivered if the adoption is refused. ``counted``: the guard counts the adoption."""
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
        """Create an object again that does not exist in the target any more."""
        change = self._change(claim.ref)
        assert change is not None  # noqa: S101 - who claims a key is changed
        assert claim.key is not None  # noqa: S101
        self._uncount(claim.ref)
        create = structs.replace(change, op=Op.CREATE, key=claim.key, before=None, target_id=None)
        self._file.execute(
            "UPDATE changes SET section = ?, change = ? WHERE ref = ?",
            (int(section(create)), _encode(create), claim.ref),
        )
        self.claims.renew(claim.ref)
        self._count(create)

    def start_over(self, ref: int, key: Key | None) -> None:
        """Ignore a record's object, because it belongs to another record. The record claims ``key`` for a new object.
        ``key`` None: the record is a leaver, and its step is removed."""
        change = self._change(ref)
        assert change is not None  # noqa: S101 - the caller has it from the plan
        if key is None:
            self.drop(ref)
            return
        claim = KeyClaim(ref, change.kind, change.directory, change.id, key, here=True, moves=True, new=True)
        self.claims.add([claim])
        self.renew(claim)

    def restate(self, ref: int, change: Change) -> None:
        """Replace a record's change. Its place in the plan stays the same."""
        self._uncount(ref)
        self._file.execute("UPDATE changes SET change = ? WHERE ref = ?", (_encode(change), ref))
        self._count(change)

    def free(self, ref: int) -> None:
        """Delete this leaver's object before all other changes, because another record claims its key."""
        change = self._change(ref)
        if change is not None and change.op is Op.DELETE:
            first = Section.USERS_FREED if change.kind is Kind.USER else Section.GROUPS_FREED
            self._file.execute("UPDATE changes SET section = ? WHERE ref = ?", (int(first), ref))

    def chain(self, refs: Iterable[int], number: int) -> None:
        """Deliver these records together: they pass keys on to each other."""
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
        """Keep only the members at these places of a membership change."""
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

    # ---- reading parts of it

    def objects(self, refs: Iterable[int]) -> dict[int, str]:
        """The target ids of the objects of those of these records that the plan changes."""
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
        """For each leaver whose object is adopted, the record that adopts it."""
        return dict(self._file.execute("SELECT takes, ref FROM changes WHERE takes IS NOT NULL").fetchall())

    def leavers(self, refs: Iterable[int]) -> set[int]:
        """Those of these records that are leavers after this plan."""
        query = "SELECT ref FROM changes WHERE left AND ref IN (SELECT value FROM json_each(?))"
        return {ref for (ref,) in self._file.execute(query, (encode(list(refs)).decode(),))}

    def leaving(self) -> list[tuple[int, Change]]:
        """The changes of users who leave by this plan or left before, with their refs."""
        found = self._where("left")
        return [(ref, change) for ref, change in found if change.kind is Kind.USER and ref not in self.suspects]

    def changed(self, kind: Kind, size: int) -> Iterator[list[tuple[int, Change]]]:
        """The changes of records of one kind that have an object, with their refs, in pages."""
        found = (pair for pair in self._where("true") if pair[1].kind is kind and pair[1].target_id is not None)
        yield from batched(found, size)

    def _where(self, condition: str, *values: str) -> Iterator[tuple[int, Change]]:
        query = f"SELECT ref, change FROM changes WHERE members IS NULL AND change IS NOT NULL AND {condition}"  # noqa: S608
        return ((ref, _decode(blob)) for ref, blob in self._file.execute(query, values).fetchall())

    def member_steps(self, size: int) -> Iterator[list[PlannedChange]]:
        """The membership changes, ``size`` at a time."""
        yield from batched((step for step in self._steps() if step.members), size)

    def member_groups(self) -> list[int]:
        """The refs of the groups that gain or lose members."""
        return [ref for (ref,) in self._file.execute("SELECT DISTINCT ref FROM changes WHERE members IS NOT NULL")]

    # ---- harmful changes

    def harmful(self, directory: str) -> Iterator[PlannedChange]:
        """The changes of a directory's records that may be harmful."""
        return self._steps(f"section IN ({_numbers(*_HARMFUL)}) AND directory = ?", directory)

    def edges(self, directory: str, section: Section) -> Iterator[tuple[int, array[int]]]:
        """The memberships that are added or removed: refs of the group and of its members, in parts."""
        query = "SELECT ref, members FROM changes WHERE section = ? AND directory = ? ORDER BY id, part"
        return ((ref, unpack("I", members)) for ref, members in self._file.execute(query, (int(section), directory)))

    def removals(self, directory: str) -> Iterator[PlannedChange]:
        """The changes that remove members from groups of a directory."""
        return self._steps(f"section = {int(Section.REMOVALS)} AND directory = ?", directory)

    def harmful_by_ref(self, directory: str) -> Iterator[PlannedChange]:
        """All changes of a directory that may be harmful, ordered by record."""
        where = f"section IN ({_numbers(*_HARMFUL, Section.REMOVALS)}) AND directory = ?"
        return self._steps(where, directory, order="ref, members IS NOT NULL, part")

    # ---- reading all of it

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

    def batches(self, changes: int, edges: int, first: int | None = None) -> Iterator[list[PlannedChange]]:
        """All steps in the order of their delivery, with at most ``changes`` changes or ``edges`` members in a batch.
        ``first``: at most so many of either in the first one.

        A batch has either records or memberships, because a record that is refused cannot become a member. A chain of
        keys is never split. Fallbacks come last.
        """
        batch: list[PlannedChange] = []
        weight = 0
        most = (changes, edges) if first is None else (first, first)
        for step in self._steps():
            full = len(batch) >= most[0] or weight + len(step.members) > most[1]
            chained = bool(batch) and step.chain != 0 and step.chain == batch[-1].chain
            if batch and not chained and (full or bool(step.members) is not bool(batch[-1].members)):
                yield batch
                batch, weight, most = [], 0, (changes, edges)
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
        """The steps of leavers whose objects are adopted, for the case that the adoption is refused."""
        for ref, blob in self._file.execute("SELECT ref, change FROM fallbacks ORDER BY id"):
            yield PlannedChange(ref, True, None, _decode(blob), NOBODY, fallback=True, encoded=blob)


def _numbers(*sections: int) -> str:
    return ", ".join(str(int(one)) for one in sections)
