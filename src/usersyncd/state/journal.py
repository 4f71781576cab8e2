"""Stores the runs, and the journal of every change that a target acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import repeat
from typing import Any

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, delete, exists, func, insert, or_, select, update

from usersyncd.core.clock import gap
from usersyncd.core.digest import encode
from usersyncd.core.report import DeliveryRun, PullRun, RunReport, Status
from usersyncd.plugin import Change, Creates, Member, Op
from usersyncd.state import bulk, counters, outcomes
from usersyncd.state.database import Database
from usersyncd.state.streams import Stamp
from usersyncd.state.tables import journal, runs

KEPT = timedelta(days=90)
"""How long runs and their journal are kept, measured by ``elapsed``."""
LONGEST = KEPT / 10
"""The most that a gap between two runs adds to ``elapsed``, so that one wrong clock deletes little of the history."""
PRUNED = 100
"""The most runs that are deleted at the end of a run."""
INTERRUPTED = (
    "it was interrupted: the process ended before the run did. Nothing is lost: the next run goes on from there"
)

_COLUMNS = ("run", "seq", "target", "directory", "op", "kind", "id", "key", "before", "after", "members")
_STAMPS = ("stream", "event", "target_id", "at")
_members = msgspec.json.Decoder(list[Member]).decode
_written = msgspec.json.Encoder(enc_hook=lambda _listing: None).encode
"""Encodes a report without its list of changes: the journal has them."""


class RunKind(IntEnum):
    """The kind of a run. WHOLE: a pull and its deliveries in one run, as before release 0.2. PERSON: a pull of one
    person."""

    WHOLE = 0
    PULL = 1
    DELIVERY = 2
    PERSON = 3


PULLS = (RunKind.WHOLE, RunKind.PULL)
"""The runs that read a directory."""


Report = PullRun | DeliveryRun | RunReport
_DECODERS: Mapping[RunKind, Callable[[str], Report]] = {
    RunKind.WHOLE: msgspec.json.Decoder(RunReport).decode,
    RunKind.PULL: msgspec.json.Decoder(PullRun).decode,
    RunKind.DELIVERY: msgspec.json.Decoder(DeliveryRun).decode,
    RunKind.PERSON: msgspec.json.Decoder(PullRun).decode,
}


class Entry(Struct, frozen=True):
    """One change that a target acknowledged. ``members``: the members added or removed; empty for a change of a
    record."""

    seq: int
    target: str
    directory: str
    op: str
    kind: str
    id: str
    key: Any
    before: Any
    after: Any
    members: list[Member]


def _kind(report: Report) -> RunKind:
    if isinstance(report, PullRun):
        return RunKind.PULL if report.person is None else RunKind.PERSON
    return RunKind.DELIVERY if isinstance(report, DeliveryRun) else RunKind.WHOLE


def subject(report: Report) -> str:
    """The directory or the target that a run is about."""
    return report.target if isinstance(report, DeliveryRun) else report.directory


def begin(database: Database, report: Report) -> None:
    """Record the start of a run. An earlier run of the same subject that has no end was interrupted, because this run
    holds the lock."""
    of_subject = runs.c.kind == _kind(report), runs.c.subject == subject(report)
    with database.write() as connection:
        for kind, text in connection.execute(
            select(runs.c.kind, runs.c.report).where(*of_subject, runs.c.finished.is_(None))
        ).all():
            interrupted = _decode(kind, text)
            _write(
                connection, structs.replace(interrupted, status="failed", error=INTERRUPTED, finished=report.started)
            )
        connection.execute(
            insert(runs).values(
                id=report.run,
                kind=int(_kind(report)),
                number=counters.take(connection, "run"),
                elapsed=_elapsed(connection, report),
                subject=subject(report),
                started=report.started,
                report=_written(report).decode(),
            )
        )


def _elapsed(connection: Connection, report: Report) -> int:
    """The milliseconds from the first run of this subject to the run that begins, with long gaps cut to LONGEST."""
    query = select(runs.c.started, runs.c.elapsed).where(
        runs.c.kind == _kind(report), runs.c.subject == subject(report)
    )
    before = connection.execute(query.order_by(runs.c.number.desc()).limit(1)).one_or_none()
    if before is None:
        return 0
    passed = gap(datetime.fromisoformat(before.started), datetime.fromisoformat(report.started), LONGEST)
    return int(before.elapsed) + passed // timedelta(milliseconds=1)


def note(database: Database, report: Report) -> None:
    """Record what a run knows before its end, in case it is interrupted."""
    with database.write() as connection:
        connection.execute(update(runs).where(runs.c.id == report.run).values(report=_written(report).decode()))


def finish(database: Database, report: Report) -> None:
    """Record the end of a run, and delete runs that are too old."""
    with database.write() as connection:
        _write(connection, report)
        if isinstance(report, DeliveryRun):
            outcomes.store(connection, report)
        latest = runs.alias()
        now = select(latest.c.elapsed).where(latest.c.id == report.run).scalar_subquery()
        # A stream keeps its events, with the runs that caused them, for a time of its own.
        streamed = exists().where(journal.c.run == runs.c.id, journal.c.stream.is_not(None))
        oldest = select(runs.c.id).where(
            runs.c.kind == _kind(report),
            runs.c.subject == subject(report),
            runs.c.elapsed < now - KEPT // timedelta(milliseconds=1),
            ~streamed,
        )
        if expired := connection.scalars(oldest.order_by(runs.c.number).limit(PRUNED)).all():
            connection.execute(delete(journal).where(journal.c.run.in_(expired)))
            connection.execute(delete(runs).where(runs.c.id.in_(expired)))


def discard(database: Database, report: Report) -> None:
    """Delete a run that could not start, because another process holds the lock that it needs."""
    with database.write() as connection:
        connection.execute(delete(runs).where(runs.c.id == report.run))


def _write(connection: Connection, report: Report) -> None:
    connection.execute(
        update(runs)
        .where(runs.c.id == report.run)
        .values(finished=report.finished, status=report.status, report=_written(report).decode())
    )


def write(
    connection: Connection,
    run: str,
    target: str,
    first: int,
    changes: Iterable[bulk.Row],
    stamps: Iterable[Stamp] | None = None,
) -> None:
    """Add the changes that a target acknowledged, numbered from ``first``, as rows of :func:`entry_of` or
    :func:`entries_of`. ``stamps``: their places in a stream; None: they are in none."""
    rows: Iterable[bulk.Row] = ((run, seq, target, *row) for seq, row in enumerate(changes, first))
    if stamps is None:
        bulk.insert(connection, journal, _COLUMNS, rows)
    else:
        stamped = (row + structs.astuple(stamp) for row, stamp in zip(rows, stamps, strict=True))
        bulk.insert(connection, journal, (*_COLUMNS, *_STAMPS), stamped)


def entry_of(change: Change, text: str | None) -> bulk.Row:
    """The row of a change. ``text``: the new shape of the object as JSON."""
    return (
        change.directory, change.op.value, change.kind.value, change.id, encode(change.key).decode(),
        None if change.before is None else encode(change.before).decode(), text,
        encode(change.members).decode() if change.members else None,
    )  # fmt: skip


def entries_of(creates: Creates) -> Iterator[bulk.Row]:
    """The rows of creates."""
    return zip(
        repeat(creates.directory), repeat(Op.CREATE.value), repeat(creates.kind.value), creates.ids, creates.keys,
        repeat(None), creates.shapes, repeat(None),
    )  # fmt: skip


# ---- reading


def history(
    connection: Connection,
    limit: int,
    name: str | None = None,
    *,
    changed: bool = False,
    kinds: Collection[RunKind] = tuple(RunKind),
) -> list[Report]:
    """The last runs, newest first. ``name``: only runs of this directory or target, and deliveries with a share of this
    directory. ``changed``: only runs that changed a target."""
    query = select(runs.c.kind, runs.c.report).where(runs.c.kind.in_([int(kind) for kind in kinds]))
    query = query.order_by(runs.c.number.desc()).limit(limit)
    if name is not None:
        share = runs.c.report.contains(f'"directory":{encode(name).decode()}', autoescape=True)
        query = query.where(or_(runs.c.subject == name, share))
    if changed:
        query = query.where(exists().where(journal.c.run == runs.c.id))
    return [_decode(kind, text) for kind, text in connection.execute(query)]


def _decode(kind: int, text: str) -> Report:
    return _DECODERS[RunKind(kind)](text)


def find(connection: Connection, run: str) -> list[Report]:
    """Up to three runs whose ids begin with ``run``: more than one means that ``run`` is ambiguous."""
    query = select(runs.c.kind, runs.c.report).where(runs.c.id.startswith(run.upper(), autoescape=True))
    query = query.order_by(runs.c.number).limit(3)
    return [_decode(kind, text) for kind, text in connection.execute(query)]


def deliveries_after(connection: Connection, pull: str) -> list[DeliveryRun]:
    """The deliveries that delivered what a pull saved."""
    query = select(runs.c.report).where(
        runs.c.kind == int(RunKind.DELIVERY), runs.c.number > number(connection, pull), runs.c.report.contains(pull)
    )
    decode = msgspec.json.Decoder(DeliveryRun).decode
    deliveries = [decode(text) for text in connection.scalars(query.order_by(runs.c.number))]
    return [delivery for delivery in deliveries if pull in delivery.pulls]


def last(connection: Connection, directory: str, latest: datetime, *statuses: Status) -> str | None:
    """The start of the last pull of a directory that ended with one of these statuses.

    A pull that started after ``latest`` does not count: the clock was wrong, and a date in the future would hide that
    no pull succeeds any more.
    """
    query = select(runs.c.started).where(
        runs.c.kind.in_(PULLS), runs.c.subject == directory, runs.c.status.in_(statuses)
    )
    query = query.where(runs.c.started <= latest.isoformat())
    started: str | None = connection.scalar(query.order_by(runs.c.number.desc()).limit(1))
    return started


def people_read(connection: Connection, directory: str) -> list[PullRun]:
    """The pulls of one person that changed the snapshot, or were interrupted, since the last pull of the directory that
    succeeded; the first one first."""
    pull = select(func.max(runs.c.number)).where(
        runs.c.kind.in_(PULLS), runs.c.subject == directory, runs.c.status.in_(("succeeded", "partial"))
    )
    query = select(runs.c.finished, runs.c.report).where(
        runs.c.kind == int(RunKind.PERSON),
        runs.c.subject == directory,
        runs.c.number > func.coalesce(pull.scalar_subquery(), 0),
    )
    rows = connection.execute(query.order_by(runs.c.number)).all()
    reports = [(finished, _DECODERS[RunKind.PERSON](text)) for finished, text in rows]
    return [
        report
        for finished, report in reports
        if isinstance(report, PullRun) and (report.changed or report.error is not None or finished is None)
    ]


def last_connector(connection: Connection, directory: str) -> str:
    """The connector of the last pull of a directory; empty if there is no pull."""
    of_directory = runs.c.subject == directory, runs.c.kind != int(RunKind.DELIVERY)
    query = select(runs.c.kind, runs.c.report).where(*of_directory).order_by(runs.c.number.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return "" if row is None else _decode(row.kind, row.report).connector


def number(connection: Connection, run: str) -> int:
    """The number of a run; 0 if it is unknown."""
    return int(connection.scalar(select(runs.c.number).where(runs.c.id == run)) or 0)


def entries(connection: Connection, run: str) -> Iterator[Entry]:
    """The changes of a run, in the order of their delivery."""
    query = select(*(journal.c[name] for name in _COLUMNS[1:])).where(journal.c.run == run).order_by(journal.c.seq)
    for seq, target, directory, op, kind, id_, *texts, members in connection.execute(query):
        key, before, after = (text and msgspec.json.decode(text) for text in texts)
        yield Entry(
            seq, target, directory or "", op, kind, id_, key, before, after, _members(members) if members else []
        )
