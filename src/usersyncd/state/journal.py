"""The runs, and the journal of every change that a target acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, delete, exists, insert, select, update

from usersyncd.core.clock import gap
from usersyncd.core.digest import encode
from usersyncd.core.report import RunReport, Status
from usersyncd.plugin import Change, Member
from usersyncd.state import bulk, counters
from usersyncd.state.database import Database
from usersyncd.state.tables import journal, runs

KEPT = timedelta(days=90)
"""How long runs and their journal are kept."""
LONGEST = KEPT / 10
"""How much of a gap between two runs counts for that. A clock that is wrong once costs no more of the history."""
PRUNED = 100
"""How many runs the end of a run deletes at most."""
INTERRUPTED = (
    "it was interrupted: the process ended before the run did. Nothing is lost: the next run goes on from there"
)

_WHOLE = ~runs.c.report.contains('"only":"')
"""A run that was for all targets: its report, as JSON, names no single one."""
_COLUMNS = ("run", "seq", "target", "op", "kind", "id", "key", "before", "after", "members")
_members = msgspec.json.Decoder(list[Member]).decode
_written = msgspec.json.Encoder(enc_hook=lambda _listing: None).encode
"""A report as it is kept: the journal has its changes."""
_report = msgspec.json.Decoder(RunReport).decode


class Entry(Struct, frozen=True):
    """One change that a target acknowledged. ``members`` are those added or removed; empty for a record."""

    seq: int
    target: str
    op: str
    kind: str
    id: str
    key: Any
    before: Any
    after: Any
    members: list[Member]


def begin(database: Database, report: RunReport) -> None:
    """A run begins. One of this directory that never ended was interrupted: its lock is free, so nobody runs it."""
    with database.write() as connection:
        interrupted = select(runs.c.report).where(runs.c.directory == report.directory, runs.c.finished.is_(None))
        for text in connection.scalars(interrupted).all():
            _write(
                connection, structs.replace(_report(text), status="failed", error=INTERRUPTED, finished=report.started)
            )
        connection.execute(
            insert(runs).values(
                id=report.run,
                number=counters.take(connection, "run"),
                elapsed=_elapsed(connection, report),
                directory=report.directory,
                started=report.started,
                report=_written(report).decode(),
            )
        )


def _elapsed(connection: Connection, report: RunReport) -> int:
    """The milliseconds from the first run of this directory to the one that begins."""
    query = select(runs.c.started, runs.c.elapsed).where(runs.c.directory == report.directory)
    before = connection.execute(query.order_by(runs.c.number.desc()).limit(1)).one_or_none()
    if before is None:
        return 0
    passed = gap(datetime.fromisoformat(before.started), datetime.fromisoformat(report.started), LONGEST)
    return int(before.elapsed) + passed // timedelta(milliseconds=1)


def finish(database: Database, report: RunReport) -> None:
    """A run has ended. Those that are too old by now are deleted."""
    with database.write() as connection:
        _write(connection, report)
        now = select(runs.c.elapsed).where(runs.c.id == report.run).scalar_subquery()
        oldest = select(runs.c.id, now - runs.c.elapsed).where(runs.c.directory == report.directory)
        rows = connection.execute(oldest.order_by(runs.c.number).limit(PRUNED)).all()
        if gone := [run for run, age in rows if age > KEPT // timedelta(milliseconds=1)]:
            connection.execute(delete(journal).where(journal.c.run.in_(gone)))
            connection.execute(delete(runs).where(runs.c.id.in_(gone)))


def _write(connection: Connection, report: RunReport) -> None:
    connection.execute(
        update(runs)
        .where(runs.c.id == report.run)
        .values(finished=report.finished, status=report.status, report=_written(report).decode())
    )


def write(
    connection: Connection, run: str, target: str, first: int, changes: Iterable[Change], texts: Iterable[str | None]
) -> None:
    """Write what a target acknowledged, numbered from ``first``. ``texts`` are the shapes that it has now, in JSON."""
    rows = (
        (
            run, seq, target, change.op.value, change.kind.value, change.id, encode(change.key).decode(),
            None if change.before is None else encode(change.before).decode(), text,
            encode(change.members).decode() if change.members else None,
        )
        for seq, (change, text) in enumerate(zip(changes, texts, strict=True), first)
    )  # fmt: skip
    bulk.insert(connection, journal, _COLUMNS, rows)


# ---- reading


def history(
    connection: Connection,
    limit: int,
    directory: str | None = None,
    *,
    changed: bool = False,
    whole: bool = False,
) -> list[RunReport]:
    """The last runs, newest first; of one directory when it is named. ``changed``: only those that changed a target;
    ``whole``: only those that were for all targets."""
    query = select(runs.c.report).order_by(runs.c.number.desc()).limit(limit)
    if directory is not None:
        query = query.where(runs.c.directory == directory)
    if whole:
        query = query.where(_WHOLE)
    if changed:
        query = query.where(exists().where(journal.c.run == runs.c.id))
    return [_report(text) for text in connection.scalars(query)]


def find(connection: Connection, run: str) -> list[RunReport]:
    """The runs whose id begins so."""
    query = select(runs.c.report).where(runs.c.id.startswith(run.upper(), autoescape=True))
    query = query.order_by(runs.c.number).limit(3)
    return [_report(text) for text in connection.scalars(query)]


def last(connection: Connection, directory: str, latest: datetime, *statuses: Status) -> str | None:
    """When the last run of a directory, for all targets, that ended with one of these statuses began.

    One that is dated later than ``latest`` does not count: its clock was wrong, and its date would hide for long that
    nothing succeeds any more.
    """
    query = select(runs.c.started).where(runs.c.directory == directory, runs.c.status.in_(statuses))
    query = query.where(runs.c.started <= latest.isoformat(), _WHOLE)
    began: str | None = connection.scalar(query.order_by(runs.c.number.desc()).limit(1))
    return began


def entries(connection: Connection, run: str) -> Iterator[Entry]:
    """What a run changed, in the order of its delivery."""
    query = select(*(journal.c[name] for name in _COLUMNS[1:])).where(journal.c.run == run).order_by(journal.c.seq)
    for seq, target, op, kind, id_, *texts, members in connection.execute(query):
        key, before, after = (text and msgspec.json.decode(text) for text in texts)
        yield Entry(seq, target, op, kind, id_, key, before, after, _members(members) if members else [])
