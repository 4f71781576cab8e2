"""Stores the changes that the guard holds, and people's decisions about them."""

from __future__ import annotations

import gzip
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from io import BytesIO

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, RowMapping, Table, delete, func, insert, select

from usersyncd.core.approvals import Decision, Decisions, decided, hash_of, is_first_delivery, named
from usersyncd.core.digest import digest
from usersyncd.plugin import Change, Kind
from usersyncd.state import bulk, counters
from usersyncd.state.columns import KIND
from usersyncd.state.database import Database, among
from usersyncd.state.tables import decided as decided_table
from usersyncd.state.tables import decisions, directories, held, links, records, target_names, targets

PAGE = 5_000


class ShareKey(Struct, frozen=True):
    """Identifies the share of a directory in a target: numbers and names of both."""

    target: int
    directory: int
    target_name: str
    directory_name: str


class HeldShare(Struct, frozen=True):
    """The held changes of one share. ``identities``: those of the harmful changes; ``packed``: the changes as
    compressed JSON. If the ``first`` delivery is held, they are all changes of the plan."""

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
    """A decision in force, and the identities of the changes that it still covers."""

    share: ShareKey
    decision: Decision
    identities: list[str]


# ---- held changes


def hold(
    database: Database, share: ShareKey, identities: Collection[str], changes: Iterable[Change], now: datetime
) -> str:
    """Store the held changes of a share, unless exactly these are stored already. Returns their hash."""
    hash_ = hash_of(share.target_name, share.directory_name, identities)
    of_share = _of(held, share.target, share.directory)
    with database.read() as connection:
        if connection.scalar(select(held.c.hash).where(*of_share)) == hash_:
            return hash_
    row = {
        "target": share.target, "directory": share.directory, "hash": hash_, "since": now.isoformat(),
        "first": int(any(map(is_first_delivery, identities))),
        "identities": _packed(identity.encode() for identity in identities),
        "changes": _packed(msgspec.json.encode(change) for change in changes),
    }  # fmt: skip
    with database.write() as connection:
        connection.execute(delete(held).where(*of_share))
        connection.execute(insert(held).values(**row))
    return hash_


def release(database: Database, share: ShareKey, began: datetime) -> None:
    """Store that nothing is held of a share any more. Approvals that were given since the delivery ``began`` end: the
    plan no longer has what they approve."""
    of_share = _of(held, share.target, share.directory)
    with database.read() as connection:
        if connection.scalar(select(held.c.hash).where(*of_share)) is None:
            return
    too_late = select(decisions.c.number).where(
        *_of(decisions, share.target, share.directory), decisions.c.approved == 1, decisions.c.at > began.isoformat()
    )
    of_decided = _of(decided_table, share.target, share.directory)
    with database.write() as connection:
        connection.execute(delete(held).where(*of_share))
        connection.execute(delete(decided_table).where(*of_decided, decided_table.c.decision.in_(too_late)))


def is_held(connection: Connection, share: HeldShare) -> bool:
    """Whether exactly these changes are still held."""
    of_share = _of(held, share.share.target, share.share.directory)
    return connection.scalar(select(held.c.hash).where(*of_share)) == share.hash


def held_shares(connection: Connection) -> list[HeldShare]:
    """All held shares, ordered by the names of directory and target."""
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
    """The names that configurations have given a target."""
    return set(connection.scalars(select(target_names.c.name).where(target_names.c.target == target)))


def linked_ids(connection: Connection, target: int, refs: Collection[int]) -> Iterator[tuple[Kind, str]]:
    """Kind and id of each of these records that is linked and is not a leaver."""
    query = select(records.c.kind, records.c.id).join(links, links.c.ref == records.c.ref)
    query = query.where(links.c.target == target, links.c.left_at.is_(None))
    for batch in bulk.batched(refs, PAGE):
        for kind, id_ in connection.execute(query.where(among(connection, links.c.ref, batch))):
            yield KIND[kind], id_


# ---- decisions


def decide(
    connection: Connection, held_share: HeldShare, *, approved: bool, by: str, reason: str | None, now: datetime
) -> Decision:
    """Store a person's decision about held changes. It replaces earlier decisions about the same changes."""
    number = counters.take(connection, "decision")
    share, identities = held_share.share, held_share.identities
    connection.execute(
        insert(decisions).values(
            target=share.target, directory=share.directory, number=number, approved=int(approved), by=by,
            at=now.isoformat(), reason=reason, hash=held_share.hash, changes=len(identities),
        )
    )  # fmt: skip
    rows = (
        (share.target, share.directory, digest(identity.encode()), identity, number) for identity in identities
    )  # fmt: skip
    bulk.upsert(connection, decided_table, ("target", "directory", "digest", "identity", "decision"), rows)
    return Decision(number, approved, by, now, reason, held_share.hash)


def decided_after(connection: Connection, number: int) -> tuple[int, set[str]]:
    """The decisions with a higher number: the number of the last one, and the configured names of their targets."""
    query = select(decisions.c.number, target_names.c.name).outerjoin(
        target_names, target_names.c.target == decisions.c.target
    )
    rows = connection.execute(query.where(decisions.c.number > number)).all()
    return max((later for later, _ in rows), default=number), {name for _, name in rows if name is not None}


def decisions_of(connection: Connection, target: int, directory: int, now: datetime) -> Decisions:
    """The decisions in force about one directory in one target."""
    of_share = _of(decided_table, target, directory)
    query = select(decided_table.c.identity, decided_table.c.decision).where(*of_share)
    rows = connection.execute(query).all()
    if not rows:
        return Decisions()
    made = select(decisions).where(*_of(decisions, target, directory))
    by_number = {row["number"]: _decision(row) for row in connection.execute(made).mappings()}
    approved: dict[str, Decision] = {}
    rejected: dict[str, Decision] = {}
    for identity, number in rows:
        decision = by_number[number]
        if decision.is_in_force(now):
            (approved if decision.approved else rejected)[identity] = decision
    return Decisions(approved, rejected)


def by_directory(connection: Connection, target: int, now: datetime) -> dict[str, Decisions]:
    """The decisions in force about each directory in one target, by the directory's name."""
    query = select(directories.c.id, directories.c.name).where(
        directories.c.id.in_(select(decided_table.c.directory).where(decided_table.c.target == target))
    )
    found: dict[str, Decisions] = {}
    for number, name in connection.execute(query).all():
        made = decisions_of(connection, target, number, now)
        over = set(outdated(connection, number, made, now))
        approved = {one: decision for one, decision in made.approved.items() if one not in over}
        rejected = {one: decision for one, decision in made.rejected.items() if one not in over}
        found[name] = Decisions(approved, rejected)
    return found


def outdated(connection: Connection, directory: int, made: Decisions, now: datetime) -> list[str]:
    """The identities of decided changes whose record, or member, left its directory after the decision: that departure
    is another one than the person decided about. A departure in the future comes from a wrong clock and does not
    count."""
    decided_at = {one: decision.at.isoformat() for one, decision in (made.approved | made.rejected).items()}
    parts = {one: named(one) for one in decided_at}
    ids = {part.id for part in parts.values()} | {part.member.id for part in parts.values() if part.member}
    left = _departures(connection, directory, [one for one in ids if one is not None], now)
    return [
        one
        for one, part in parts.items()
        for kind, id_ in ((part.kind, part.id), (part.member.kind, part.member.id) if part.member else (None, None))
        if left.get((kind, id_), "") > decided_at[one]
    ]


def _departures(
    connection: Connection, directory: int, ids: Collection[str], now: datetime
) -> dict[tuple[str | None, str | None], str]:
    """When each of these records left, by kind and id."""
    query = select(records.c.kind, records.c.id, records.c.gone_at).where(
        records.c.directory == directory, records.c.gone_at <= now.isoformat()
    )
    return {
        (KIND[kind], id_): gone_at
        for batch in bulk.batched(ids, PAGE)
        for kind, id_, gone_at in connection.execute(query.where(among(connection, records.c.id, batch)))
    }


def open_decisions(connection: Connection, now: datetime) -> list[OpenDecision]:
    """All decisions in force about changes that were not delivered since, the latest decision first."""
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
    open_: dict[tuple[int, int], OpenDecision] = {}
    for row in connection.execute(query).mappings():
        if (decision := _decision(row)).is_in_force(now):
            key = decision.number, row["target"]
            open_.setdefault(key, OpenDecision(_share(row), decision, [])).identities.append(row["identity"])
    return list(open_.values())


def end(connection: Connection, target: int, directory: int, identities: Iterable[str]) -> None:
    """End the decisions about these changes, because the changes were delivered or are not planned any more."""
    of_share = _of(decided_table, target, directory)
    for digests in bulk.batched((digest(identity.encode()) for identity in identities), PAGE):
        connection.execute(delete(decided_table).where(*of_share, among(connection, decided_table.c.digest, digests)))


def end_expired(connection: Connection, target: int, directory: int, now: datetime) -> None:
    """End the expired approvals of a share. They stay in the table ``decisions`` as history."""
    of_share = _of(decided_table, target, directory)
    numbers = select(decided_table.c.decision).where(*of_share).distinct()
    query = select(decisions).where(*_of(decisions, target, directory), decisions.c.number.in_(numbers))
    rows = connection.execute(query).mappings()
    expired = [decision.number for decision in map(_decision, rows) if not decision.is_in_force(now)]
    if expired:
        connection.execute(delete(decided_table).where(*of_share, decided_table.c.decision.in_(expired)))


def is_decided(connection: Connection, target: int, directory: int) -> bool:
    """Whether any decision about a share is stored."""
    of_share = _of(decided_table, target, directory)
    return bool(connection.scalar(select(func.count()).select_from(decided_table).where(*of_share).limit(1)))


def consume(
    connection: Connection,
    target: int,
    directory: int,
    done: Iterable[tuple[Change, bool]],
    approved: Mapping[str, Decision],
) -> None:
    """End the approvals of changes that the target acknowledged. ``done``: each change, and whether it emptied a
    group."""
    identities = (identity for change, emptied in done for identity in decided(change, emptied=emptied))
    end(connection, target, directory, (identity for identity in identities if identity in approved))


# ---- rows


def _of(table: Table, target: int, directory: int) -> tuple[ColumnElement[bool], ...]:
    """The condition for the rows of one share."""
    return table.c.target == target, table.c.directory == directory


def _share(row: RowMapping) -> ShareKey:
    return ShareKey(row["target"], row["directory"], row["target_name"], row["directory_name"])


def _decision(row: RowMapping) -> Decision:
    return Decision(
        row["number"], bool(row["approved"]), row["by"], datetime.fromisoformat(row["at"]), row["reason"], row["hash"]
    )


def _packed(lines: Iterable[bytes]) -> bytes:
    buffer = BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as file:
        for line in lines:
            file.write(line + b"\n")
    return buffer.getvalue()


def _lines(packed: bytes) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=BytesIO(packed)) as file:
        for line in file:
            yield line.rstrip(b"\n")
