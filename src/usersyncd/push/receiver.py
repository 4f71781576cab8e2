"""The store of one directory that pushes: reads the snapshot, and saves waiting requests together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from usersyncd.blocking import to_its_end
from usersyncd.core.storable_text import is_keepable
from usersyncd.errors import StateError
from usersyncd.job import PullJob
from usersyncd.plugin import Kind
from usersyncd.push.burst import ENDED, Burst
from usersyncd.push.handles import handle
from usersyncd.push.overlay import version_of
from usersyncd.push.queue import RequestQueue, SeenResources
from usersyncd.scim.errors import ScimError
from usersyncd.scim.store import Operation, StoredMember, StoredResource
from usersyncd.state import directories, full_pushes, pushed
from usersyncd.state.columns import decode
from usersyncd.state.database import Database
from usersyncd.state.pushed import PushedMember, PushedRecord

T = TypeVar("T")

FAULT_PAUSE = 5.0
"""Seconds without a new attempt after an unexpected error, which may last."""
SCANNED = 500
"""How many resources a scan reads at a time."""


class DirectoryReceiver:
    """Implements ``ResourceStore`` for one directory.

    ``job``: the pull of the directory; a reload replaces it. ``pushed``: is called with the id of the push's run after
    each commit that changed something, to request the deliveries.
    """

    def __init__(self, database: Database, job: PullJob, pushed: Callable[[str], None]) -> None:
        self.job = job
        self._database = database
        self._pushed = pushed
        self._queue = RequestQueue(job.directory.name)
        self._log = structlog.get_logger().bind(directory=job.directory.name)

    # ---- changes

    async def change(self, operation: Operation, /) -> StoredResource | None:
        """See ``ResourceStore``."""
        return await self._queue.ask(operation)

    async def run(self) -> None:
        """Save what is asked for, until ``stop`` was called and nothing waits any more."""
        stack = ExitStack()
        try:
            await to_its_end(lambda: stack.enter_context(self._database.kept_open()))
            while await self._queue.wait(None):
                try:
                    await Burst(self._database, self.job, self._queue, self._pushed, self._log).run()
                except Exception:
                    self._log.exception("unexpected error", event_name="run.crashed")
                    await asyncio.sleep(FAULT_PAUSE)
        finally:
            self._queue.close()
            self._queue.refuse_all(ENDED)
            await to_its_end(stack.close)

    def stop(self) -> None:
        """Refuse new requests. ``run`` ends when those that were accepted are answered."""
        self._queue.close()

    # ---- reading

    async def get(
        self, kind: Kind, resource_id: str, /, *, members: bool, groups: bool, listed: bool = False
    ) -> StoredResource | None:
        """See ``ResourceStore``."""

        def find(connection: Connection, directory: int) -> Sequence[PushedRecord]:
            ids = [resource_id] if is_keepable(resource_id) else []
            return list(pushed.by_id(connection, directory, kind, ids).values())

        found = await self._find(kind, find, members=members, groups=groups, noted=not listed)
        return found[0] if found else None

    async def lookup(self, kind: Kind, attribute: str, value: str, /, *, members: bool) -> Sequence[StoredResource]:
        """See ``ResourceStore``."""
        if not is_keepable(value):
            return []
        wanted = handle(attribute, value)

        def find(connection: Connection, directory: int) -> Sequence[PushedRecord]:
            return pushed.by_handle(connection, directory, kind, [wanted]).get(wanted, [])

        return await self._find(kind, find, members=members, groups=False)

    async def scan(self, kind: Kind, /, *, members: bool) -> AsyncIterator[Sequence[StoredResource]]:
        """See ``ResourceStore``."""
        last: str | None = None
        while batch := await self.after(kind, last, SCANNED, members=members):
            yield batch
            last = batch[-1].id

    async def page(self, kind: Kind, /, *, offset: int, count: int, members: bool) -> Sequence[StoredResource]:
        """See ``ResourceStore``."""

        def read(connection: Connection, directory: int) -> list[StoredResource]:
            records = pushed.page(connection, directory, kind, count, offset=offset)
            return _resources(connection, directory, kind, records, members=members)

        return await self._read(read, [])

    async def after(self, kind: Kind, after: str | None, count: int, /, *, members: bool) -> Sequence[StoredResource]:
        """See ``ResourceStore``."""

        def read(connection: Connection, directory: int) -> list[StoredResource]:
            ref = 0 if after is None else pushed.ref_of(connection, directory, kind, after)
            if ref is None:
                raise ScimError(400, "the cursor is not valid any more", "list again", scim_type="expiredCursor")
            records = pushed.page(connection, directory, kind, count, after=ref)
            return _resources(connection, directory, kind, records, members=members)

        return await self._read(read, [])

    async def count(self, kind: Kind, /) -> int:
        """See ``ResourceStore``."""
        return await self._read(lambda connection, directory: pushed.count(connection, directory, kind), 0)

    async def groups_of(self, user_ids: Sequence[str], /) -> Mapping[str, tuple[StoredMember, ...]]:
        """See ``ResourceStore``."""

        def read(connection: Connection, directory: int) -> Mapping[str, tuple[StoredMember, ...]]:
            found = pushed.groups(connection, directory, user_ids)
            return {id_: _stored_members(groups) for id_, groups in found.items()}

        return await self._read(read, {})

    async def found(self, kind: Kind, ids: Sequence[str], /) -> None:
        """See ``ResourceStore``."""

        def read(connection: Connection, directory: int) -> list[int]:
            if full_pushes.expected(connection, directory) is None:
                return []
            refs = full_pushes.refs_of(connection, directory, ((kind, id_) for id_ in ids))
            return full_pushes.to_note(connection, directory, refs)

        if ids:
            await self._note(await self._read(read, []))

    async def _find(
        self,
        kind: Kind,
        find: Callable[[Connection, int], Sequence[PushedRecord]],
        *,
        members: bool,
        groups: bool,
        noted: bool = True,
    ) -> list[StoredResource]:
        """The resources that ``find`` returns. While a full push is expected, they are noted as seen: a provider that
        finds a resource as it should be does not send it again."""

        def read(connection: Connection, directory: int) -> tuple[list[StoredResource], list[int]]:
            records = find(connection, directory)
            resources = _resources(connection, directory, kind, records, members=members, groups=groups)
            refs = [record.ref for record in records] if noted else []
            return resources, full_pushes.to_note(connection, directory, refs)

        nothing: tuple[list[StoredResource], list[int]] = [], []
        resources, unseen = await self._read(read, nothing)
        await self._note(unseen)
        return resources

    async def _note(self, refs: Sequence[int]) -> None:
        """Save that these resources were seen."""
        if refs:
            await self._queue.ask(SeenResources(tuple(refs)))

    async def _read(self, read: Callable[[Connection, int], T], nothing: T) -> T:
        """What ``read`` returns for a connection and the directory's number; ``nothing`` if it was never saved."""

        def work() -> T:
            with self._database.read() as connection:
                state = directories.known(connection, self.job.directory.name)
                return nothing if state is None else read(connection, state.id)

        try:
            return await asyncio.to_thread(work)
        except StateError as error:
            self._log.error(str(error), event_name="state.failed", code=error.code)
            raise self._queue.refusal("the state database cannot be read") from None


def _resources(
    connection: Connection,
    directory: int,
    kind: Kind,
    records: Sequence[PushedRecord],
    *,
    members: bool,
    groups: bool = False,
) -> list[StoredResource]:
    found_members = found_groups = None
    if members and kind is Kind.GROUP:
        found_members = pushed.members(connection, [record.ref for record in records])
    if groups and kind is Kind.USER:
        found_groups = pushed.groups(connection, directory, [record.id for record in records])
    return [
        StoredResource(
            kind,
            record.id,
            decode(record.attributes),
            version_of(kind, record.attributes.encode(), record.members),
            None if found_members is None else _stored_members(found_members.get(record.ref, ())),
            None if found_groups is None else _stored_members(found_groups.get(record.id, ())),
        )
        for record in records
    ]


def _stored_members(members: Sequence[PushedMember]) -> tuple[StoredMember, ...]:
    return tuple(StoredMember(member.id, member.kind, member.display) for member in members)
