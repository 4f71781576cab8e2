"""Saves a batch of requests: what they change is spooled and saved by the same code as a pull, in one transaction that
survives a power loss."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from msgspec import Struct
from sqlalchemy import Connection

from usersyncd.core.items import Item
from usersyncd.job import PullJob
from usersyncd.plugin import Done, Kind, Members
from usersyncd.pull.save import open_spool, save_push
from usersyncd.push.overlay import Outcome, Overlay
from usersyncd.push.queue import SeenResources
from usersyncd.scim.store import Operation, StoredResource
from usersyncd.state import full_pushes, pushed
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState
from usersyncd.state.pushed import ListedNames, PushedRecord
from usersyncd.state.snapshot import SavedPull

CURSOR = "pushed"
"""The cursor of a directory that pushes."""


class Committed(Struct, frozen=True):
    """The outcome of each request of a batch. ``saved`` None: they changed nothing."""

    outcomes: list[Outcome]
    saved: SavedPull | None


class _Snapshot(Struct, frozen=True):
    """Implements ``PushedResources`` for one directory."""

    connection: Connection
    directory: int

    def records(self, kind: Kind, ids: Collection[str]) -> Mapping[str, PushedRecord]:
        return pushed.by_id(self.connection, self.directory, kind, ids)

    def holders(self, kind: Kind, handles: Collection[str]) -> Mapping[str, list[str]]:
        found = pushed.by_handle(self.connection, self.directory, kind, handles)
        return {handle: [record.id for record in records] for handle, records in found.items()}

    def listed(self, refs: Collection[int]) -> Mapping[int, ListedNames]:
        return pushed.listed_names(self.connection, refs)

    def groups_of(self, ids: Collection[str]) -> Mapping[str, list[str]]:
        found = pushed.groups(self.connection, self.directory, ids)
        return {id_: [group.id for group in groups] for id_, groups in found.items()}


def commit(
    database: Database,
    before: DirectoryState,
    job: PullJob,
    operations: Sequence[Operation | SeenResources],
    now: datetime,
) -> Committed:
    """Apply a batch of requests and save what they change. The caller holds the directory's lock, and ``before`` is the
    directory's last state. Raises StateError: then nothing was changed, or all of it and the requests may be repeated.
    """
    changes = [operation for operation in operations if not isinstance(operation, SeenResources)]
    with database.read() as connection:
        expected = full_pushes.expected(connection, before.id) is not None
        overlay = Overlay(_Snapshot(connection, before.id), timestamp(now), lambda: uuid4().hex)
        results = iter(overlay.apply_all(changes))
    outcomes = [None if isinstance(operation, SeenResources) else next(results) for operation in operations]
    saved = _save(database, before, job, items, now) if (items := overlay.items()) else None
    if expected:
        _note_seen(database, before.id, operations, outcomes)
    return Committed(outcomes, saved)


def _save(
    database: Database, before: DirectoryState, job: PullJob, items: Sequence[Item | Members], now: datetime
) -> SavedPull:
    spool = open_spool(database, before, job)
    try:
        spool.add(items)
        return save_push(database, before, job, spool, Done(CURSOR, complete=False), now)
    finally:
        spool.close()


def _note_seen(
    database: Database,
    directory: int,
    operations: Iterable[Operation | SeenResources],
    outcomes: Iterable[Outcome],
) -> None:
    """Note what the requests wrote or found. They are answered only after that."""
    found = [ref for operation in operations if isinstance(operation, SeenResources) for ref in operation.refs]
    written = [(outcome.kind, outcome.id) for outcome in outcomes if isinstance(outcome, StoredResource)]
    with database.read() as connection:
        refs = full_pushes.to_note(
            connection, directory, [*found, *full_pushes.refs_of(connection, directory, written)]
        )
    if refs:
        full_pushes.note(database, directory, refs)


def timestamp(now: datetime) -> str:
    """A time (UTC) as SCIM writes it (RFC 7643, section 2.3.5)."""
    return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"
