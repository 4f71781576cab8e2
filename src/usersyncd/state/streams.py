"""Streams: the journal's changes of an events target, numbered without a gap in the order of their commits.

The numbers are given in the transaction that writes the links, under a lock of the stream's row: a transaction that
commits later has higher numbers, so that no reader passes an event that it has not seen.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select, update
from ulid import ULID

from usersyncd.core.cursors import Position, check_of
from usersyncd.core.events import event_id, redact
from usersyncd.plugin import Change, Op
from usersyncd.state import bulk
from usersyncd.state.database import among
from usersyncd.state.tables import endpoints, journal, parked, runs, stream_objects, streams, targets

_OBJECT_COLUMNS = ("target", "ref", "version")


class StreamState(Struct, frozen=True):
    """The stream of a target. ``last``: the number of its last event. ``pruned``: the number up to which events are
    not served any more, and that event's id. ``key``: authenticates the cursors."""

    target: int
    epoch: str
    last: int
    pruned: int
    pruned_id: str
    key: bytes


class Stamp(Struct, frozen=True, gc=False):
    """What the journal stores of a change beside the change: the stream, the number of the first event, the id of the
    object, the time. ``stream`` and ``event`` None: the change has no events."""

    stream: int | None
    event: int | None
    target_id: str | None
    at: str | None


class Publication(Struct, frozen=True):
    """Where the changes of a delivery are published: the target's stream. ``silent``: the directories whose changes
    have no events."""

    target: int
    silent: frozenset[str] = frozenset()


def load(connection: Connection, target: int) -> StreamState | None:
    """The stream of a target; None if it has none."""
    row = connection.execute(select(streams).where(streams.c.target == target)).one_or_none()
    if row is None:
        return None
    return StreamState(row.target, row.epoch, row.next - 1, row.pruned, row.pruned_id, row.key)


def by_name(connection: Connection, name: str) -> StreamState | None:
    """The stream of the events target with this name; None if nothing was ever delivered to it."""
    number = connection.scalar(select(targets.c.id).where(targets.c.identity == f"events:{name}"))
    return None if number is None else load(connection, number)


def is_open(connection: Connection, target: int, names: Collection[str]) -> bool:
    """Whether a target has its stream, with a place for each of these endpoints."""
    known = connection.scalars(select(endpoints.c.name).where(endpoints.c.target == target)).all()
    return load(connection, target) is not None and set(names) <= set(known)


def open_stream(connection: Connection, target: int, names: Collection[str]) -> None:
    """Create the stream of a target if it has none, and a place in it for each of these endpoints. A new endpoint gets
    the events that follow."""
    if load(connection, target) is None:
        connection.execute(
            insert(streams).values(target=target, epoch=str(ULID()), next=1, pruned=0, pruned_id="", key=os.urandom(32))
        )
    known = set(connection.scalars(select(endpoints.c.name).where(endpoints.c.target == target)))
    if new := [name for name in names if name not in known]:
        last = connection.scalar(select(streams.c.next - 1).where(streams.c.target == target).with_for_update())
        rows = [{"target": target, "name": name, "cursor": last, "acknowledged": "[]", "failures": 0} for name in new]
        connection.execute(insert(endpoints), rows)


# ---- writing


def publish(
    connection: Connection,
    publication: Publication,
    changes: Sequence[tuple[int, Change]],
    target_ids: Mapping[int, str],
) -> list[Stamp]:
    """Number the events of changes, each with the ref of its record. ``target_ids``: the ids of objects that the target
    returned, by ref."""
    target, at = publication.target, _now()
    sizes = [0 if change.directory in publication.silent else len(change.members) or 1 for _, change in changes]
    total = sum(sizes)
    number = 0
    if total:
        taken = update(streams).where(streams.c.target == target).values(next=streams.c.next + total)
        number = connection.execute(taken.returning(streams.c.next - total)).scalar_one()
    stamps: list[Stamp] = []
    versions: dict[int, int] = {}
    for (ref, change), size in zip(changes, sizes, strict=True):
        id_ = target_ids.get(ref, change.target_id)
        stamps.append(Stamp(target, number, id_, at) if size else Stamp(None, None, id_, None))
        if size and change.op is not Op.DELETE:
            versions[ref] = number + size - 1
        number += size
    if deleted := [ref for ref, change in changes if change.op is Op.DELETE]:
        of_target = stream_objects.c.target == target
        connection.execute(delete(stream_objects).where(of_target, among(connection, stream_objects.c.ref, deleted)))
    bulk.upsert(
        connection, stream_objects, _OBJECT_COLUMNS, ((target, ref, version) for ref, version in versions.items())
    )
    return stamps


def begin_epoch(connection: Connection, target: int, above: int) -> None:
    """Begin another history of the numbers, because the state was restored: the feed does not serve the events before
    it any more, and its numbers are higher than ``above``, the highest one that a reader of the lost history is known
    to have. What waits for an endpoint is still sent: its receiver may have no other way to learn of it."""
    of_target = endpoints.c.target == target
    last = select(streams.c.next - 1).where(streams.c.target == target).with_for_update()
    before = int(connection.scalars(last).one())
    first = max(before, above) + 1
    connection.execute(
        update(streams)
        .where(streams.c.target == target)
        .values(epoch=str(ULID()), next=first, pruned=first - 1, pruned_id="")
    )
    connection.execute(update(endpoints).where(of_target, endpoints.c.cursor == before).values(cursor=first - 1))


# ---- positions


def start(stream: StreamState) -> Position:
    """The position before the first event that is served."""
    return Position(stream.epoch, stream.pruned, check_of(stream.pruned_id))


def end(connection: Connection, stream: StreamState) -> Position:
    """The position after the last event."""
    return Position(stream.epoch, stream.last, check_at(connection, stream, stream.last))


def check_at(connection: Connection, stream: StreamState, number: int) -> bytes:
    """The check of the event with a number, which is not pruned."""
    return check_of(id_at(connection, stream, number))


def id_at(connection: Connection, stream: StreamState, number: int) -> str:
    """The id of the event with a number; empty if there is none."""
    if number <= stream.pruned:
        return stream.pruned_id if number == stream.pruned else ""
    query = select(journal.c.run, journal.c.seq, journal.c.event, journal.c.members).where(
        journal.c.stream == stream.target, journal.c.event <= number
    )
    row = connection.execute(query.order_by(journal.c.event.desc()).limit(1)).one_or_none()
    if row is None:
        return ""
    return event_id(row.run, row.seq, None if row.members is None else number - row.event)


def last_before_epoch(connection: Connection, stream: StreamState) -> int:
    """The number of the last event that is kept but not served, because it is of an epoch before; 0: there is none."""
    query = select(journal.c.event, journal.c.members).where(
        journal.c.stream == stream.target, journal.c.event <= stream.pruned
    )
    row = connection.execute(query.order_by(journal.c.event.desc()).limit(1)).one_or_none()
    if row is None:
        return 0
    return int(row.event) + (1 if row.members is None else len(msgspec.json.decode(row.members))) - 1


# ---- keeping


def prune(
    connection: Connection, target: int, run: str, retention: timedelta, longest: timedelta, names: Collection[str]
) -> list[str]:
    """Take events out of the stream that are older than ``retention``, unless an endpoint still needs them; then those
    that are older than ``longest``. Age is measured as the history of runs measures it (``elapsed``).

    ``run``: the delivery that prunes. ``names``: the configured endpoints. Returns the endpoints that are given up,
    because events are pruned that they did not get.
    """
    stream = load(connection, target)
    if stream is None:
        return []
    old, too_old = (_last_older(connection, stream, run, age) for age in (retention, longest))
    rows = connection.execute(select(endpoints.c.name, endpoints.c.cursor).where(endpoints.c.target == target)).all()
    first_parked = (
        select(parked.c.endpoint, func.min(parked.c.event).label("event"))
        .where(parked.c.target == target, parked.c.dead == 0)
        .group_by(parked.c.endpoint)
    )
    oldest_parked = {row.endpoint: row.event for row in connection.execute(first_parked)}
    needed = {row.name: min(row.cursor, oldest_parked.get(row.name, row.cursor + 1) - 1) for row in rows}
    in_use = [needed[name] for name in names if name in needed]
    bound = max(min([old, *in_use]), too_old)
    bound = _whole(connection, stream, bound)
    if bound <= stream.pruned:
        return []
    lost = [name for name, number in needed.items() if number < bound]
    id_ = id_at(connection, stream, bound)
    connection.execute(
        update(journal).where(journal.c.stream == target, journal.c.event <= bound).values(stream=None, event=None)
    )
    connection.execute(update(streams).where(streams.c.target == target).values(pruned=bound, pruned_id=id_))
    connection.execute(delete(parked).where(parked.c.target == target, parked.c.event <= bound))
    given_up = [name for name in lost if name in names]
    connection.execute(
        delete(endpoints).where(endpoints.c.target == target, endpoints.c.name.in_([n for n in lost if n not in names]))
    )
    already = endpoints.c.stopped.is_not(None)
    stopped = connection.scalars(select(endpoints.c.name).where(endpoints.c.target == target, already)).all()
    connection.execute(
        update(endpoints)
        .where(endpoints.c.target == target, endpoints.c.name.in_(given_up))
        .values(
            stopped="given_up", stopped_at=_now(),
            error=f"it did not take events for {longest.days} days: those up to number {bound} are pruned",
        )
    )  # fmt: skip
    return [name for name in given_up if name not in stopped]


def is_any_due(connection: Connection, target: int, run: str, age: timedelta) -> bool:
    """Whether the first change that is served is older than ``age`` in the run ``run``."""
    stream = load(connection, target)
    if stream is None:
        return False
    first = select(journal.c.run).where(journal.c.stream == stream.target, journal.c.event > stream.pruned)
    oldest = connection.scalar(first.order_by(journal.c.event).limit(1))
    ages = {
        row.id: row.elapsed
        for row in connection.execute(select(runs.c.id, runs.c.elapsed).where(runs.c.id.in_([run, oldest])))
    }
    return oldest in ages and run in ages and _milliseconds(ages[run] - ages[oldest]) > age


def _last_older(connection: Connection, stream: StreamState, run: str, age: timedelta) -> int:
    """The number of the last event that is older than ``age`` in the run ``run``; that of the last pruned one if there
    is none."""
    now = select(runs.c.elapsed).where(runs.c.id == run).scalar_subquery()
    number = connection.scalar(
        select(func.max(journal.c.event))
        .join(runs, runs.c.id == journal.c.run)
        .where(journal.c.stream == stream.target, now - runs.c.elapsed > age // timedelta(milliseconds=1))
    )
    if number is None:
        return stream.pruned
    following = _first_after(connection, stream, number)
    return stream.last if following is None else following - 1


def _milliseconds(number: int) -> timedelta:
    return timedelta(milliseconds=number)


def _whole(connection: Connection, stream: StreamState, number: int) -> int:
    """The last number up to ``number`` that ends a change: a change is pruned whole."""
    following = _first_after(connection, stream, number)
    if number >= stream.last or following == number + 1:
        return number
    begin = select(func.max(journal.c.event)).where(journal.c.stream == stream.target, journal.c.event <= number)
    return int(connection.scalar(begin) or stream.pruned + 1) - 1


def _first_after(connection: Connection, stream: StreamState, number: int) -> int | None:
    """The first number of the change after the one that contains ``number``; None if there is none."""
    query = select(func.min(journal.c.event)).where(journal.c.stream == stream.target, journal.c.event > number)
    found: int | None = connection.scalar(query)
    return found


def erase(connection: Connection, directory: str, id_: str) -> int:
    """Erase what the events of all streams say about a user beside ids: key, attributes, and the key as a member.
    Returns the number of changes that were redacted."""
    emitted = journal.c.at.is_not(None), journal.c.directory == directory
    done = connection.execute(
        update(journal)
        .where(*emitted, journal.c.id == id_, journal.c.kind == "user", journal.c.members.is_(None))
        .values(key='""', before=None, after=None, redacted=1)
    ).rowcount
    memberships = select(journal.c.run, journal.c.seq, journal.c.members).where(
        *emitted, journal.c.members.is_not(None)
    )
    for run, seq, members in connection.execute(memberships).all():
        if (redacted := redact(members, id_)) is not None:
            entry = journal.c.run == run, journal.c.seq == seq
            connection.execute(update(journal).where(*entry).values(members=redacted))
            done += 1
    return done


def close_stream(connection: Connection, target: int) -> None:
    """Take all events of a stream that is deleted out of it."""
    connection.execute(update(journal).where(journal.c.stream == target).values(stream=None, event=None))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
