"""Stores how the last delivery of each directory to each target ended, by their names in the configuration."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.core.report import DeliveryRun, Status, share_status
from usersyncd.state.tables import outcomes


class ShareOutcome(Struct, frozen=True):
    """The last delivery of a directory to a target. ``delivered_at``: the start of the last delivery that reached the
    target; ``succeeded_at``: the start of the last one without a failure (both ISO 8601)."""

    target: str
    directory: str
    run: str
    status: Status
    delivered_at: str | None
    succeeded_at: str | None


def store(connection: Connection, report: DeliveryRun) -> None:
    """Store how a delivery ended for each of its directories."""
    for share in report.targets:
        status = share_status(share)
        reached = report.started if status in ("succeeded", "partial") else None
        succeeded = report.started if status == "succeeded" else None
        _upsert(connection, ShareOutcome(report.target, share.directory, report.run, status, reached, succeeded))


def _upsert(connection: Connection, new: ShareOutcome) -> None:
    of_share = outcomes.c.target_name == new.target, outcomes.c.directory_name == new.directory
    before = connection.execute(select(outcomes).where(*of_share)).one_or_none()
    delivered = new.delivered_at or (before and before.delivered_at)
    succeeded = new.succeeded_at or (before and before.succeeded_at)
    values = {"run": new.run, "status": new.status, "delivered_at": delivered, "succeeded_at": succeeded}
    if before is None:
        connection.execute(outcomes.insert().values(target_name=new.target, directory_name=new.directory, **values))
    else:
        connection.execute(outcomes.update().where(*of_share).values(**values))


def of_directory(connection: Connection, directory: str) -> list[ShareOutcome]:
    """How the last delivery of a directory ended at each target."""
    return [
        ShareOutcome(*row) for row in connection.execute(select(outcomes).where(outcomes.c.directory_name == directory))
    ]


def last_delivered(connection: Connection, target: str, directory: str) -> datetime | None:
    """The start of the last delivery of a directory that reached a target; None: there was none."""
    of_share = outcomes.c.target_name == target, outcomes.c.directory_name == directory
    started = connection.scalar(select(outcomes.c.delivered_at).where(*of_share))
    return None if started is None else datetime.fromisoformat(started)
