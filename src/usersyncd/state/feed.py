"""Reads a stream: its events in order from a cursor, one event by its id, and the snapshot of what it delivered."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, func, select
from sqlalchemy.sql import ColumnElement

from usersyncd.core.cursors import ForgedError, Position, read_cursor, seal, unseal, write_cursor
from usersyncd.core.digest import unpack
from usersyncd.core.events import Event, StreamEntry, events_of
from usersyncd.core.storable_text import is_keepable
from usersyncd.errors import CursorError, FeedError, NoStreamError, RestoredError
from usersyncd.plugin import Kind, Op
from usersyncd.state import streams
from usersyncd.state.columns import KIND, NUMBER
from usersyncd.state.database import Database, among
from usersyncd.state.streams import StreamState
from usersyncd.state.tables import directories, journal, link_members, links, records, runs, stream_objects

SCANNED = 5_000
"""The most events that one page of a feed looks at."""

_SNAPSHOT = "read the snapshot, and follow the feed from its cursor: GET /api/v1/snapshot"
_PRUNED = "the events after this cursor are not kept any more"
_RESTORED = "the state database was restored: the events that followed this cursor are lost"
_OTHER = "the cursor is of another stream, or of a state database that was replaced"


class FeedPage(Struct, frozen=True):
    """Some events in order. ``cursor``: follows the last one that was looked at. ``more``: there are more now."""

    epoch: str
    events: list[Event]
    cursor: str
    more: bool


class SnapshotObject(Struct, frozen=True, gc=False):
    """A user or a group. ``id``: its id in events; ``directory``, ``record``: where it is from; ``version``: the number
    of its last event."""

    kind: Kind
    id: str
    directory: str
    record: str
    key: str | int | None
    version: int
    attributes: msgspec.Raw


class SnapshotMember(Struct, frozen=True, gc=False):
    """A member of a group, by its id in events."""

    kind: Kind
    id: str


class SnapshotMembers(Struct, frozen=True, gc=False):
    """Members of a group, by its id in events. A large group stands on several pages. ``version``: the number of the
    group's last event."""

    group: str
    version: int
    members: list[SnapshotMember]


class SnapshotPage(Struct, frozen=True):
    """A part of what a stream has delivered. ``cursor``: from where to follow the feed, the same on
    every page. ``next``: the next page; None: this is the last."""

    epoch: str
    cursor: str
    users: list[SnapshotObject]
    groups: list[SnapshotObject]
    memberships: list[SnapshotMembers]
    next: str | None


# ---- the feed


def read_feed(
    database: Database, name: str, cursor: str | None, limit: int, types: Collection[str] | None = None
) -> FeedPage:
    """The next events of the events target ``name`` after a cursor; None: from the first one that is kept.

    Raises FeedError if there is no such stream, CursorError if the cursor cannot be followed. The first cursor that
    shows that the state was restored begins a new epoch, and is a RestoredError. Raises StateError.
    """
    with _snapshot_of(database) as connection:
        stream = _stream(connection, name)
        position = streams.start(stream) if cursor is None else _followed(connection, stream, cursor)
        if position is not None:
            return _page(connection, stream, position, limit, types)
    with database.write() as connection:
        stream = _stream(connection, name)
        found = read_cursor(cursor or "", stream.key)
        is_first = found.epoch == stream.epoch
        if is_first:
            streams.begin_epoch(connection, stream.target, found.number)
    raise (RestoredError if is_first else CursorError)(_RESTORED, _SNAPSHOT)


@contextmanager
def _snapshot_of(database: Database) -> Iterator[Connection]:
    """A connection for reading, whose queries all see the state at one moment: events that are pruned between two
    queries must not be passed unseen."""
    with database.read() as connection:
        yield connection if database.sqlite else connection.execution_options(isolation_level="REPEATABLE READ")


def _stream(connection: Connection, name: str) -> StreamState:
    stream = streams.by_name(connection, name)
    if stream is None:
        raise NoStreamError(f"{name} has no stream yet", "it begins with the first delivery")
    return stream


def _followed(connection: Connection, stream: StreamState, cursor: str) -> Position | None:
    """The position of a cursor; None if it shows that the state was restored. Raises CursorError."""
    try:
        position = read_cursor(cursor, stream.key)
    except ForgedError:
        raise CursorError(_OTHER, _SNAPSHOT) from None
    except (ValueError, msgspec.MsgspecError):
        raise FeedError("`after` is not a cursor", "send the cursor of the last page as it was") from None
    if position.epoch != stream.epoch:
        raise CursorError(_RESTORED, _SNAPSHOT)
    if position.number < stream.pruned:
        raise CursorError(_PRUNED, _SNAPSHOT)
    if position.number > stream.last or streams.check_at(connection, stream, position.number) != position.check:
        return None
    return position


def _page(
    connection: Connection, stream: StreamState, position: Position, limit: int, types: Collection[str] | None
) -> FeedPage:
    events: list[Event] = []
    last = position.number
    for event in following(connection, stream, position.number, SCANNED):
        if len(events) == limit:
            break
        last = event.number
        if types is None or event.type in types:
            events.append(event)
    # The stream's row may have been read before the last events.
    reached = (
        position
        if last == position.number
        else Position(stream.epoch, last, streams.check_at(connection, stream, last))
    )
    return FeedPage(stream.epoch, events, write_cursor(reached, stream.key), more=last < stream.last)


def following(connection: Connection, stream: StreamState, after: int, limit: int) -> Iterator[Event]:
    """Up to ``limit`` events after a number, in order."""
    begin = select(func.max(journal.c.event)).where(journal.c.stream == stream.target, journal.c.event <= after + 1)
    first = connection.scalar(begin)
    where = journal.c.event >= (after + 1 if first is None else first)
    left = limit
    for entry in entries(connection, stream, where, limit + 1):
        for event in events_of(entry, stream.epoch, after):
            if left == 0:
                return
            left -= 1
            yield event


def entries(
    connection: Connection, stream: StreamState, where: ColumnElement[bool], limit: int
) -> Iterator[StreamEntry]:
    """Changes of a stream, in order."""
    columns = (
        "event", "run", "seq", "at", "directory", "op", "kind", "id", "target_id", "redacted", "key", "before", "after",
        "members",
    )  # fmt: skip
    query = select(*(journal.c[name] for name in columns)).where(journal.c.stream == stream.target, where)
    causes: dict[str, _RunCause] = {}
    for row in connection.execute(query.order_by(journal.c.event).limit(limit)).all():
        if row.run not in causes:
            causes[row.run] = _cause(connection, row.run)
        yield StreamEntry(
            row.event, row.run, row.seq, row.at, causes[row.run].cause,
            causes[row.run].approved_by(row.directory or ""), row.directory or "", Op(row.op), Kind(row.kind),
            row.id, row.target_id or "", bool(row.redacted), row.key, row.before, row.after, row.members,
        )  # fmt: skip


class _Approver(Struct, frozen=True):
    by: str


class _ApprovedShare(Struct, frozen=True):
    directory: str = ""
    approved: list[_Approver] = []


class _RunCause(Struct, frozen=True):
    """What the report of a run says of its cause."""

    cause: str = "manual"
    targets: list[_ApprovedShare] = []

    def approved_by(self, directory: str) -> tuple[str, ...]:
        """Who approved changes of the share of a directory."""
        shares = (share for share in self.targets if share.directory == directory)
        return tuple(dict.fromkeys(approval.by for share in shares for approval in share.approved))


_run_cause = msgspec.json.Decoder(_RunCause).decode


def _cause(connection: Connection, run: str) -> _RunCause:
    report = connection.scalar(select(runs.c.report).where(runs.c.id == run))
    return _RunCause() if report is None else _run_cause(report)


def find_event(database: Database, name: str, id_: str) -> Event | None:
    """One event by its id; None if the stream does not have it. An event of an epoch before is found as long as it is
    kept: it may still wait for a webhook."""
    run, _, rest = id_.partition("-")
    seq, _, place = rest.partition("-")
    if not is_keepable(run) or not seq.isdecimal() or len(seq) > 9 or (place and not place.isdecimal()):
        return None
    with _snapshot_of(database) as connection:
        stream = _stream(connection, name)
        where = and_(journal.c.run == run, journal.c.seq == int(seq))
        for entry in entries(connection, stream, where, 1):
            return next((event for event in events_of(entry, stream.epoch) if event.id == id_), None)
    return None


# ---- the snapshot


class _Place(Struct, frozen=True, array_like=True):
    """Where a page of a snapshot begins: after the record ``ref`` in the ``part`` (0 users, 1 groups, 2 members of
    groups), and in a group after the member ``member``."""

    position: Position
    part: int = 0
    ref: int = 0
    member: int = 0


MEMBERS = 2
"""The part of a snapshot that has the memberships."""


def read_snapshot(database: Database, name: str, page: str | None, limit: int) -> SnapshotPage:
    """One page of what the events target ``name`` has delivered: users first, then groups, then memberships.

    ``page``: ``next`` of the page before; None: the first one. What changes between two pages is in the events after
    the cursor. Raises as :func:`read_feed` does.
    """
    with _snapshot_of(database) as connection:
        stream = _stream(connection, name)
        place = _Place(streams.end(connection, stream)) if page is None else _place(stream, page)
        objects: dict[int, list[SnapshotObject]] = {0: [], 1: []}
        memberships: list[SnapshotMembers] = []
        following_: _Place | None = place
        if place.part < MEMBERS:
            found = _objects(connection, stream.target, KIND[place.part], place.ref, limit)
            objects[place.part] = [content for _, content in found]
            whole = len(found) < limit
            following_ = (
                _Place(place.position, place.part + 1) if whole else _Place(place.position, place.part, found[-1][0])
            )
        else:
            memberships, following_ = _memberships(connection, stream.target, place, limit)
        next_ = None if following_ is None else seal(msgspec.msgpack.encode(following_), stream.key)
        return SnapshotPage(
            stream.epoch, write_cursor(place.position, stream.key), objects[0], objects[1], memberships, next_
        )


def _place(stream: StreamState, page: str) -> _Place:
    try:
        place = msgspec.msgpack.decode(unseal(page, stream.key), type=_Place)
    except ForgedError:
        raise CursorError(_OTHER, _SNAPSHOT) from None
    except (ValueError, msgspec.MsgspecError):
        raise FeedError("`page` is not a page of a snapshot", "send `next` of the page before as it was") from None
    if place.position.epoch != stream.epoch:
        raise CursorError(_RESTORED, _SNAPSHOT)
    return place


def _objects(
    connection: Connection, target: int, kind: Kind, after: int, limit: int
) -> list[tuple[int, SnapshotObject]]:
    query = (
        select(
            links.c.ref, directories.c.name, records.c.id, links.c.target_id, links.c.key, links.c.shape,
            func.coalesce(stream_objects.c.version, 0).label("version"),
        )
        .join(records, records.c.ref == links.c.ref)
        .join(directories, directories.c.id == records.c.directory)
        .join(
            stream_objects,
            and_(stream_objects.c.target == links.c.target, stream_objects.c.ref == links.c.ref),
            isouter=True,
        )
        .where(links.c.target == target, links.c.kind == NUMBER[kind], links.c.ref > after)
        .order_by(links.c.ref)
        .limit(limit)
    )  # fmt: skip
    return [
        (
            row.ref,
            SnapshotObject(
                kind, row.target_id, row.name, row.id, msgspec.json.decode(row.key), row.version,
                msgspec.Raw(row.shape.encode()),
            ),
        )
        for row in connection.execute(query).all()
    ]  # fmt: skip


def _memberships(
    connection: Connection, target: int, place: _Place, limit: int
) -> tuple[list[SnapshotMembers], _Place | None]:
    """Up to ``limit`` memberships, in parts of groups. ``place.ref``: the group that the page before ended in; it
    ended after the member ``place.member``."""
    query = (
        select(
            link_members.c.ref, links.c.target_id, link_members.c.members,
            func.coalesce(stream_objects.c.version, 0).label("version"),
        )
        .join(links, and_(links.c.target == link_members.c.target, links.c.ref == link_members.c.ref))
        .join(
            stream_objects,
            and_(stream_objects.c.target == link_members.c.target, stream_objects.c.ref == link_members.c.ref),
            isouter=True,
        )
        .where(link_members.c.target == target, link_members.c.ref >= place.ref)
        .order_by(link_members.c.ref)
        .limit(limit)
    )  # fmt: skip
    found: list[SnapshotMembers] = []
    left = limit
    rows = connection.execute(query).all()
    for row in rows:
        members = unpack("I", row.members)
        begin = bisect_right(members, place.member) if row.ref == place.ref else 0
        part: array[int] = members[begin : begin + left]
        if part:
            found.append(SnapshotMembers(row.target_id, row.version, _members(connection, target, part)))
            left -= len(part)
        if left == 0:
            return found, _Place(place.position, MEMBERS, row.ref, part[-1])
    return found, _Place(place.position, MEMBERS, rows[-1].ref + 1) if len(rows) == limit else None


def _members(connection: Connection, target: int, refs: Sequence[int]) -> list[SnapshotMember]:
    query = select(links.c.kind, links.c.target_id).where(
        links.c.target == target, among(connection, links.c.ref, list(refs))
    )
    return [
        SnapshotMember(KIND[kind], target_id) for kind, target_id in connection.execute(query.order_by(links.c.ref))
    ]
