"""Saves a batch of requests: what they change is spooled and saved by the same code as a pull, in one transaction that
survives a power loss."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from msgspec import Struct
from sqlalchemy import Connection

from usersyncd.job import PullJob
from usersyncd.plugin import Done, Kind
from usersyncd.pull.save import open_spool, save_push
from usersyncd.push.overlay import Outcome, Overlay
from usersyncd.scim.store import Operation
from usersyncd.state import pushed
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
    database: Database, before: DirectoryState, job: PullJob, operations: Sequence[Operation], now: datetime
) -> Committed:
    """Apply a batch of requests and save what they change. The caller holds the directory's lock, and ``before`` is the
    directory's last state. Raises StateError: then nothing was changed."""
    with database.read() as connection:
        overlay = Overlay(_Snapshot(connection, before.id), timestamp(now), lambda: uuid4().hex)
        outcomes = overlay.apply_all(operations)
    if not (items := overlay.items()):
        return Committed(outcomes, None)
    spool = open_spool(database, before, job)
    try:
        spool.add(items)
        return Committed(outcomes, save_push(database, before, job, spool, Done(CURSOR, complete=False), now))
    finally:
        spool.close()


def timestamp(now: datetime) -> str:
    """A time (UTC) as SCIM writes it (RFC 7643, section 2.3.5)."""
    return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"
