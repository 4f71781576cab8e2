"""Stores what the guard holds, and what people decided about it."""

from __future__ import annotations

import gzip
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from io import BytesIO

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, RowMapping, delete, func, insert, select

from usersyncd.core.approvals import FIRST, Decision, Decisions, decided, hash_of
from usersyncd.core.digest import digest
from usersyncd.plugin import Change, Kind
from usersyncd.state import bulk, counters
from usersyncd.state.columns import KIND
from usersyncd.state.database import Database, among
from usersyncd.state.tables import decided as decided_table
from usersyncd.state.tables import decisions, directories, held, links, records, target_names, targets

PAGE = 5_000


class ShareKey(Struct, frozen=True):
    """A directory in a target: the numbers of both, and their names."""

    target: int
    directory: int
    target_name: str
    directory_name: str


class HeldShare(Struct, frozen=True):
    """What is held of one directory in one target. ``identities``: of the changes that wait for a decision;
    ``changes``: these as JSON, all of the plan for a ``first`` delivery."""

    share: ShareKey
    hash: str
    since: datetime
    first: bool
    identities: list[str]
    packed: bytes

    def changes(self) -> Iterator[bytes]:
        """The changes, each as a line of JSON."""
        return _lines(self.packed)


class OpenDecision(Struct, frozen=True):
    """A decision that still counts, and the identities of the changes that it is about."""

    share: ShareKey
    decision: Decision
    identities: list[str]


# ---- what is held


def hold(
    database: Database, share: ShareKey, identities: Collection[str], changes: Iterable[Change], now: datetime
) -> str:
    """Store what is held, unless exactly these changes are stored already. Returns their hash."""
    made = hash_of(share.target_name, share.directory_name, identities)
    mine = held.c.target == share.target, held.c.directory == share.directory
    with database.read() as connection:
        if connection.scalar(select(held.c.hash).where(*mine)) == made:
            return made
    row = {
        "target": share.target, "directory": share.directory, "hash": made, "since": now.isoformat(),
        "first": int(FIRST in identities), "identities": _packed(one.encode() for one in identities),
        "changes": _packed(msgspec.json.encode(one) for one in changes),
    }  # fmt: skip
    with database.write() as connection:
        connection.execute(delete(held).where(*mine))
        connection.execute(insert(held).values(**row))
    return made


def let_go(database: Database, share: ShareKey) -> None:
    """Store that nothing is held of a directory in a target."""
    mine = held.c.target == share.target, held.c.directory == share.directory
    with database.read() as connection:
        if connection.scalar(select(held.c.hash).where(*mine)) is None:
            return
    with database.write() as connection:
        connection.execute(delete(held).where(*mine))


def held_shares(connection: Connection) -> list[HeldShare]:
    """Everything that is held, in the order of the names."""
    query = select(*held.c, targets.c.name.label("target_name"), directories.c.name.label("directory_name"))
    joined = query.join(targets, targets.c.id == held.c.target).join(directories, directories.c.id == held.c.directory)
    rows = connection.execute(joined.order_by(directories.c.name, targets.c.name)).mappings()
    return [
        HeldShare(
            _share(row), row["hash"], datetime.fromisoformat(row["since"]), bool(row["first"]),
            [line.decode() for line in _lines(row["identities"])], row["changes"],
        )
        for row in rows
    ]  # fmt: skip


def names_of(connection: Connection, target: int) -> set[str]:
    """The names by which configurations call a target."""
    return set(connection.scalars(select(target_names.c.name).where(target_names.c.target == target)))


def kept(connection: Connection, target: int, refs: Collection[int]) -> Iterator[tuple[Kind, str]]:
    """Kind and id of those of these records that are linked and did not leave."""
    query = select(records.c.kind, records.c.id).join(links, links.c.ref == records.c.ref)
    query = query.where(links.c.target == target, links.c.left_at.is_(None))
    for some in bulk.batched(refs, PAGE):
        for kind, id_ in connection.execute(query.where(among(connection, links.c.ref, some))):
            yield KIND[kind], id_


# ---- decisions


def decide(
    connection: Connection, one: HeldShare, *, approved: bool, by: str, reason: str | None, now: datetime
) -> Decision:
    """Store a person's decision about what is held. It replaces earlier decisions about the same changes."""
    number = counters.take(connection, "decision")
    share, identities = one.share, one.identities
    connection.execute(
        insert(decisions).values(
            target=share.target, directory=share.directory, number=number, approved=int(approved), by=by,
            at=now.isoformat(), reason=reason, hash=one.hash, changes=len(identities),
        )
    )  # fmt: skip
    rows = ((share.target, share.directory, digest(each.encode()), each, number) for each in identities)
    bulk.upsert(connection, decided_table, ("target", "directory", "digest", "identity", "decision"), rows)
    return Decision(number, approved, by, now, reason, one.hash)


def decided_after(connection: Connection, number: int) -> tuple[int, set[str]]:
    """The number of the last decision, and the targets about which the decisions after a number are, by their names in
    configurations."""
    named = select(decisions.c.number, target_names.c.name).outerjoin(
        target_names, target_names.c.target == decisions.c.target
    )
    rows = connection.execute(named.where(decisions.c.number > number)).all()
    return max((made for made, _ in rows), default=number), {name for _, name in rows if name is not None}


def decisions_of(connection: Connection, target: int, directory: int, now: datetime) -> Decisions:
    """The decisions in force about one directory in one target."""
    mine = decided_table.c.target == target, decided_table.c.directory == directory
    query = select(decided_table.c.identity, decided_table.c.decision).where(*mine)
    rows = connection.execute(query).all()
    if not rows:
        return Decisions()
    taken = decisions.c.target == target, decisions.c.directory == directory
    made = {row["number"]: _decision(row) for row in connection.execute(select(decisions).where(*taken)).mappings()}
    found: dict[bool, dict[str, Decision]] = {True: {}, False: {}}
    for one, number in rows:
        decision = made[number]
        if decision.is_in_force(now):
            found[decision.approved][one] = decision
    return Decisions(found[True], found[False])


def by_directory(connection: Connection, target: int, now: datetime) -> dict[str, Decisions]:
    """The decisions in force about each directory in one target, by the directory's name."""
    query = select(directories.c.id, directories.c.name).where(
        directories.c.id.in_(select(decided_table.c.directory).where(decided_table.c.target == target))
    )
    return {name: decisions_of(connection, target, number, now) for number, name in connection.execute(query)}


def open_decisions(connection: Connection, now: datetime) -> list[OpenDecision]:
    """All decisions that still count about changes which were not delivered since, the last one first."""
    names = targets.c.name.label("target_name"), directories.c.name.label("directory_name")
    query = (
        select(*decisions.c, *names, decided_table.c.identity)
        .join(targets, targets.c.id == decisions.c.target)
        .join(directories, directories.c.id == decisions.c.directory)
        .join(
            decided_table,
            (decided_table.c.target == decisions.c.target)
            & (decided_table.c.directory == decisions.c.directory)
            & (decided_table.c.decision == decisions.c.number),
        )
        .order_by(decisions.c.number.desc(), decided_table.c.identity)
    )
    found: dict[tuple[int, int], OpenDecision] = {}
    for row in connection.execute(query).mappings():
        if (decision := _decision(row)).is_in_force(now):
            key = decision.number, row["target"]
            found.setdefault(key, OpenDecision(_share(row), decision, [])).identities.append(row["identity"])
    return list(found.values())


def end(connection: Connection, target: int, directory: int, identities: Iterable[str]) -> None:
    """End the decisions about these changes: they were delivered, or are not planned any more."""
    mine = decided_table.c.target == target, decided_table.c.directory == directory
    for some in bulk.batched((digest(one.encode()) for one in identities), PAGE):
        connection.execute(delete(decided_table).where(*mine, among(connection, decided_table.c.digest, some)))


def end_expired(connection: Connection, target: int, directory: int, now: datetime) -> None:
    """Delete what expired approvals were about. The approvals themselves stay as history."""
    mine = decided_table.c.target == target, decided_table.c.directory == directory
    numbers = select(decided_table.c.decision).where(*mine).distinct()
    rows = connection.execute(
        select(decisions).where(
            decisions.c.target == target, decisions.c.directory == directory, decisions.c.number.in_(numbers)
        )
    ).mappings()
    over = [one.number for one in map(_decision, rows) if not one.is_in_force(now)]
    if over:
        connection.execute(delete(decided_table).where(*mine, decided_table.c.decision.in_(over)))


def is_decided(connection: Connection, target: int, directory: int) -> bool:
    """Whether any decision about a directory in a target is stored."""
    mine = decided_table.c.target == target, decided_table.c.directory == directory
    return bool(connection.scalar(select(func.count()).select_from(decided_table).where(*mine).limit(1)))


def consume(
    connection: Connection,
    target: int,
    directory: int,
    done: Iterable[tuple[Change, bool]],
    approved: Mapping[str, Decision],
) -> None:
    """End the approvals of changes that the target acknowledged. ``done``: each with whether it emptied a group."""
    end(
        connection,
        target,
        directory,
        (one for change, emptied in done for one in decided(change, emptied=emptied) if one in approved),
    )


# ---- rows


def _share(row: RowMapping) -> ShareKey:
    return ShareKey(row["target"], row["directory"], row["target_name"], row["directory_name"])


def _decision(row: RowMapping) -> Decision:
    return Decision(
        row["number"], bool(row["approved"]), row["by"], datetime.fromisoformat(row["at"]), row["reason"], row["hash"]
    )


def _packed(lines: Iterable[bytes]) -> bytes:
    packed = BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as file:
        for line in lines:
            file.write(line + b"\n")
    return packed.getvalue()


def _lines(packed: bytes) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=BytesIO(packed)) as file:
        for line in file:
            yield line.rstrip(b"\n")
