"""The runs, and the journal of every change that a target acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, delete, exists, insert, or_, select, update

from usersyncd.core.clock import gap
from usersyncd.core.digest import encode
from usersyncd.core.report import DeliveryRun, PullRun, RunReport, Status
from usersyncd.plugin import Change, Member
from usersyncd.state import bulk, counters, outcomes
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

_COLUMNS = ("run", "seq", "target", "directory", "op", "kind", "id", "key", "before", "after", "members")
_members = msgspec.json.Decoder(list[Member]).decode
_written = msgspec.json.Encoder(enc_hook=lambda _listing: None).encode
"""A report as it is kept: the journal has its changes."""


class RunKind(IntEnum):
    """What a run is: of a directory with its deliveries, as before release 0.2; or one of the two by itself."""

    WHOLE = 0
    PULL = 1
    DELIVERY = 2


Report = PullRun | DeliveryRun | RunReport
_DECODERS: Mapping[RunKind, Callable[[str], Report]] = {
    RunKind.WHOLE: msgspec.json.Decoder(RunReport).decode,
    RunKind.PULL: msgspec.json.Decoder(PullRun).decode,
    RunKind.DELIVERY: msgspec.json.Decoder(DeliveryRun).decode,
}


class Entry(Struct, frozen=True):
    """One change that a target acknowledged. ``members`` are those added or removed; empty for a record."""

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
        return RunKind.PULL
    return RunKind.DELIVERY if isinstance(report, DeliveryRun) else RunKind.WHOLE


def subject(report: Report) -> str:
    """The directory or the target that a run is about."""
    return report.target if isinstance(report, DeliveryRun) else report.directory


def begin(database: Database, report: Report) -> None:
    """Record the begin of a run. An earlier one of the same subject that never ended was interrupted: its lock is
    free."""
    mine = runs.c.kind == _kind(report), runs.c.subject == subject(report)
    with database.write() as connection:
        for kind, text in connection.execute(
            select(runs.c.kind, runs.c.report).where(*mine, runs.c.finished.is_(None))
        ).all():
            found = _decode(kind, text)
            _write(connection, structs.replace(found, status="failed", error=INTERRUPTED, finished=report.started))
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
    """The milliseconds from the first run of this subject to the one that begins."""
    query = select(runs.c.started, runs.c.elapsed).where(
        runs.c.kind == _kind(report), runs.c.subject == subject(report)
    )
    before = connection.execute(query.order_by(runs.c.number.desc()).limit(1)).one_or_none()
    if before is None:
        return 0
    passed = gap(datetime.fromisoformat(before.started), datetime.fromisoformat(report.started), LONGEST)
    return int(before.elapsed) + passed // timedelta(milliseconds=1)


def finish(database: Database, report: Report) -> None:
    """Record the end of a run. Those that are too old by now are deleted."""
    with database.write() as connection:
        _write(connection, report)
        if isinstance(report, DeliveryRun):
            outcomes.store(connection, report)
        now = select(runs.c.elapsed).where(runs.c.id == report.run).scalar_subquery()
        oldest = select(runs.c.id, now - runs.c.elapsed).where(
            runs.c.kind == _kind(report), runs.c.subject == subject(report)
        )
        rows = connection.execute(oldest.order_by(runs.c.number).limit(PRUNED)).all()
        if gone := [run for run, age in rows if age > KEPT // timedelta(milliseconds=1)]:
            connection.execute(delete(journal).where(journal.c.run.in_(gone)))
            connection.execute(delete(runs).where(runs.c.id.in_(gone)))


def discard(database: Database, report: Report) -> None:
    """Forget a run that did not begin: another process has what it needs."""
    with database.write() as connection:
        connection.execute(delete(runs).where(runs.c.id == report.run))


def _write(connection: Connection, report: Report) -> None:
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
            run, seq, target, change.directory, change.op.value, change.kind.value, change.id,
            encode(change.key).decode(),
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
    name: str | None = None,
    *,
    changed: bool = False,
    kinds: Collection[RunKind] = tuple(RunKind),
) -> list[Report]:
    """The last runs, newest first. ``name``: those of this directory or target only, with the deliveries to which the
    directory had a share; ``changed``: those that changed a target."""
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
    """The runs whose id begins so."""
    query = select(runs.c.kind, runs.c.report).where(runs.c.id.startswith(run.upper(), autoescape=True))
    query = query.order_by(runs.c.number).limit(3)
    return [_decode(kind, text) for kind, text in connection.execute(query)]


def deliveries_after(connection: Connection, pull: str) -> list[DeliveryRun]:
    """The deliveries that followed from a pull."""
    query = select(runs.c.report).where(
        runs.c.kind == int(RunKind.DELIVERY), runs.c.number > number(connection, pull), runs.c.report.contains(pull)
    )
    decode = msgspec.json.Decoder(DeliveryRun).decode
    found = [decode(text) for text in connection.scalars(query.order_by(runs.c.number))]
    return [run for run in found if pull in run.pulls]


def last(connection: Connection, directory: str, latest: datetime, *statuses: Status) -> str | None:
    """When the last pull of a directory that ended with one of these statuses began.

    One that is dated later than ``latest`` does not count: its clock was wrong, and its date would hide for long that
    nothing succeeds any more.
    """
    query = select(runs.c.started).where(
        runs.c.kind != int(RunKind.DELIVERY), runs.c.subject == directory, runs.c.status.in_(statuses)
    )
    query = query.where(runs.c.started <= latest.isoformat())
    began: str | None = connection.scalar(query.order_by(runs.c.number.desc()).limit(1))
    return began


def last_connector(connection: Connection, directory: str) -> str:
    """The connector that read a directory last; empty when no run of it is known."""
    mine = runs.c.subject == directory, runs.c.kind != int(RunKind.DELIVERY)
    query = select(runs.c.kind, runs.c.report).where(*mine).order_by(runs.c.number.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return "" if row is None else _decode(row.kind, row.report).connector


def number(connection: Connection, run: str) -> int:
    """The number of a run."""
    return int(connection.scalar(select(runs.c.number).where(runs.c.id == run)) or 0)


def entries(connection: Connection, run: str) -> Iterator[Entry]:
    """What a run changed, in the order of its delivery."""
    query = select(*(journal.c[name] for name in _COLUMNS[1:])).where(journal.c.run == run).order_by(journal.c.seq)
    for seq, target, directory, op, kind, id_, *texts, members in connection.execute(query):
        key, before, after = (text and msgspec.json.decode(text) for text in texts)
        found = _members(members) if members else []
        yield Entry(seq, target, directory or "", op, kind, id_, key, before, after, found)
