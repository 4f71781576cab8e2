"""The temporary database that holds a plan until it is delivered or discarded. It ends with the process."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import structs

from usersyncd.core.digest import encode, pack, unpack
from usersyncd.core.links import shape_of
from usersyncd.core.plan import Hash, Section, count, count_creates, section
from usersyncd.core.report import Counts
from usersyncd.plugin import Change, Held, Kind, Op
from usersyncd.state import claimed_keys, plan_batches
from usersyncd.state.bulk import batched
from usersyncd.state.claimed_keys import ClaimedKeys, Key, KeyClaim
from usersyncd.state.plan_batches import ALL, steps
from usersyncd.state.planned import (
    COLUMNS,
    ORDER,
    QUIET,
    Batch,
    PlannedChange,
    PlannedCreates,
    Row,
    create_rows,
    quiet_row,
    row,
    step_of,
)
from usersyncd.state.scratch import scratch

_COLUMNS = f"""
  section INTEGER, chain INTEGER, directory TEXT, id TEXT, part INTEGER, ref INTEGER, left INTEGER, takes INTEGER,
  op TEXT, key TEXT, before TEXT, after TEXT, target_id TEXT, active INTEGER, people TEXT, members BLOB,
  counted INTEGER, PRIMARY KEY ({ORDER})
"""
SCHEMA = f"""
CREATE TABLE changes ({_COLUMNS}) WITHOUT ROWID;
CREATE INDEX changes_ref ON changes (ref);
CREATE TABLE fallbacks ({_COLUMNS}) WITHOUT ROWID;
CREATE TABLE shaped (directory TEXT, ref INTEGER, until TEXT);
"""
CACHE = 2_000
"""Kilobytes. A plan is written and read in order: four times as many did not make it faster."""
PAGE = 1_000
"""Changes that are hashed together."""
_HARMFUL = (
    Section.USERS_FREED, Section.GROUPS_FREED, Section.USERS, Section.GROUPS, Section.GROUPS_GONE,
    Section.USERS_LEAVING, Section.USERS_GONE,
)  # fmt: skip
"""The sections whose changes of records may be harmful."""
_INSERT = f"INSERT INTO changes ({ALL}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_SENT = f"section > {QUIET}"

_packed = msgspec.msgpack.Encoder().encode


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
        rows: list[Row] = []
        counts = self.counts[directory]
        for ref, id_, left, change in steps:
            if change is None:
                rows.append(quiet_row(ref, directory, id_, left=left))
            else:
                count(counts, change)
                rows.append(row(ref, change, left=left))
        self._file.executemany(_INSERT, rows)
        self.claims.add(claims)

    def add_creates(self, planned: PlannedCreates) -> None:
        """Add creates, and the claims of their keys."""
        creates = planned.creates
        count_creates(self.counts[creates.directory], creates.kind, len(planned))
        self._file.executemany(_INSERT, create_rows(planned))
        self.claims.add_new(creates.kind, creates.directory, planned.refs, creates.ids, creates.keys)

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
        self._file.execute(_INSERT, row(ref, change, part=part, members=members))

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
        self._file.execute("INSERT INTO changes SELECT * FROM fallbacks WHERE ref = ?", (takes,))
        self._file.execute("DELETE FROM fallbacks WHERE ref = ?", (takes,))
        if (change := self._change(takes)) is not None:
            self._count(change)

    def adopt(self, ref: int, held: Held, names: Sequence[str], takes: int | None, *, counted: bool) -> None:
        """Adopt an object instead of creating one. ``takes``: the leaver that is linked to the object. The leaver's
        step becomes a fallback, delivered if the adoption is refused. ``counted``: the guard counts the adoption."""
        create = self._change(ref)
        assert create is not None  # noqa: S101 - only what is to be created adopts
        self._uncount(ref)
        before = shape_of(held, names)
        change = structs.replace(create, op=Op.ADOPT, key=held.key, before=before, target_id=held.target_id)
        self._replace(ref, change, section(change))
        self._file.execute("UPDATE changes SET takes = ?, counted = ? WHERE ref = ?", (takes, counted, ref))
        self._count(change)
        if takes is not None and self._change(takes) is not None:
            self._uncount(takes)
            self._file.execute("INSERT INTO fallbacks SELECT * FROM changes WHERE ref = ?", (takes,))
            self._file.execute("DELETE FROM changes WHERE ref = ?", (takes,))

    def renew(self, claim: KeyClaim) -> None:
        """Create an object again that does not exist in the target any more."""
        change = self._change(claim.ref)
        assert change is not None  # noqa: S101 - who claims a key is changed
        assert claim.key is not None  # noqa: S101
        self._uncount(claim.ref)
        create = structs.replace(change, op=Op.CREATE, key=claim.key, before=None, target_id=None)
        self._replace(claim.ref, create, section(create))
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
        self._replace(ref, change)
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
        found = self._file.execute(f"SELECT {ALL} FROM changes WHERE ref = ?", (ref,)).fetchone()  # noqa: S608
        return step_of(found).change if found else None

    def _replace(self, ref: int, change: Change, place: Section | None = None) -> None:
        """Replace the change of a record. ``place``: its section; None: it stays where it is."""
        written = dict(zip(COLUMNS, row(ref, change), strict=True))
        values = {name: written[name] for name in ("op", "key", "before", "after", "target_id", "active")}
        if place is not None:
            values["section"] = int(place)
        names = ", ".join(f"{name} = ?" for name in values)
        self._file.execute(f"UPDATE changes SET {names} WHERE ref = ?", (*values.values(), ref))  # noqa: S608

    def _count(self, change: Change, times: int | None = None) -> None:
        count(self.counts[change.directory], change, times)

    def _uncount(self, ref: int) -> None:
        for change in (step.change for step in self._steps(f"ref = ? AND {_SENT} AND members IS NULL", ref)):
            assert change is not None  # noqa: S101 - it is sent
            self._count(change, times=-1)

    def keep_members(self, step: PlannedChange, places: Sequence[int]) -> None:
        """Keep only the members at these places of a membership change."""
        change = step.change
        assert change is not None  # noqa: S101 - a membership change has one
        self._count(change, times=-len(change.members))
        kept = structs.replace(change, members=tuple(change.members[place] for place in places))
        where = "WHERE section = ? AND ref = ? AND part = ?"
        key = int(section(change)), step.ref, step.part
        if not places:
            self._file.execute(f"DELETE FROM changes {where}", key)  # noqa: S608 - written above
            return
        self._count(kept)
        refs, people = pack(array("I", [step.members[place] for place in places])), encode(kept.members).decode()
        self._file.execute(f"UPDATE changes SET people = ?, members = ? {where}", (people, refs, *key))  # noqa: S608

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
        """The changes of records for which a condition holds, read before the first one is returned."""
        found = list(self._steps(f"{_SENT} AND members IS NULL AND {condition}", *values))
        return ((step.ref, step.change) for step in found if step.change is not None)

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
        columns = "section, directory, id, op, key, before, after, target_id, people"
        query = f"SELECT {columns} FROM changes WHERE {_SENT} AND directory = ? ORDER BY {ORDER}"  # noqa: S608
        for some in batched(self._file.execute(query, (directory,)), PAGE):
            made.add(b"".join(map(_packed, some)))
        return str(made)

    def __len__(self) -> int:
        return int(self._file.execute("SELECT count(*) FROM changes").fetchone()[0])

    def steps(self, directory: str) -> Iterator[PlannedChange]:
        """The steps of a directory, in the order of their delivery."""
        return self._steps("directory = ?", directory)

    def changes(self, directory: str) -> Iterator[Change]:
        """The changes of a directory, in the order of their delivery."""
        return (step.change for step in self.steps(directory) if step.change is not None)

    def batches(self, changes: int, creates: int, edges: int) -> Iterator[Batch]:
        """All steps in the order of their delivery (see :func:`plan_batches.batches`)."""
        return plan_batches.batches(self._file, changes, creates, edges)

    def _steps(self, where: str = "TRUE", *values: object, order: str = ORDER) -> Iterator[PlannedChange]:
        return steps(self._file, where, *values, order=order)


def _numbers(*sections: int) -> str:
    return ", ".join(str(int(one)) for one in sections)
