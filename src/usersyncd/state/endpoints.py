"""How far the endpoints of streams are: which events each one acknowledged, which wait for another attempt, and which
were given up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, func, select, update

from usersyncd.core.events import Event, events_of
from usersyncd.core.retry_schedule import LONGEST_PAUSE
from usersyncd.state import bulk, streams
from usersyncd.state.database import Database, among
from usersyncd.state.feed import entries, following
from usersyncd.state.streams import StreamState
from usersyncd.state.tables import endpoints, journal, parked, targets

WINDOW = 1_000
"""The most new events that one round looks at."""
WAITING = 100
"""The most parked events of one object that one round sends."""
MOST_PARKED = 10_000
"""The number of parked events that a round looks at, a few of each object, above which an endpoint gets no new ones."""

_PARKED_COLUMNS = ("target", "endpoint", "event", "object", "attempts", "next_attempt", "dead", "error")
_numbers = msgspec.json.Decoder(list[int]).decode


class EndpointState(Struct, frozen=True):
    """How far an endpoint is. ``acknowledged``: the numbers above the cursor that need no attempt. ``failures``: the
    attempts in a row that failed because of the endpoint as a whole; ``next_attempt``: when the next one is due."""

    target: int
    name: str
    cursor: int
    acknowledged: frozenset[int] = frozenset()
    failures: int = 0
    next_attempt: datetime | None = None
    succeeded_at: datetime | None = None
    stopped: str | None = None
    stopped_at: datetime | None = None
    error: str | None = None


class Parked(Struct, frozen=True):
    """An event that waits for another attempt, or for an earlier event of its object (``attempts`` 0). ``dead``: it is
    not sent any more."""

    number: int
    object: str
    attempts: int = 0
    next_attempt: datetime | None = None
    dead: bool = False
    error: str | None = None


class Pending(Struct, frozen=True):
    """An event to send. ``parked``: where it waited; None for a new event."""

    event: Event
    parked: Parked | None = None


class Round(Struct):
    """What an endpoint is sent next: the events of each object, in order. ``followers``: new events of objects whose
    earlier events wait; they wait, too. ``read_to``: the number of the last event that was looked at. ``due``: when the
    next parked event is due. ``more``: another round is due at once."""

    state: EndpointState
    queues: dict[str, list[Pending]]
    followers: list[Parked]
    read_to: int
    due: datetime | None
    more: bool


class RoundResult(Struct):
    """What a round changed. ``done``: new events that were acknowledged; ``freed``: parked ones. ``parked``: events
    that wait now, or wait again."""

    state: EndpointState
    done: set[int]
    freed: set[int]
    parked: list[Parked]


class EndpointStatus(Struct, frozen=True):
    """An endpoint for people. ``waiting``: events after its cursor; ``held``: parked events; ``dead``: those that are
    not sent any more."""

    state: EndpointState
    waiting: int
    held: int
    dead: int


class RefusedEvent(Struct, frozen=True):
    """An event that an endpoint refused, by its id and its number: why at the last attempt, and when it is sent again.
    ``dead``: it is not."""

    event: str
    sequence: int
    attempts: int
    next_attempt: datetime | None
    dead: bool
    error: str


def load(connection: Connection, target: int, name: str) -> EndpointState | None:
    """The state of an endpoint; None if it is new."""
    row = connection.execute(
        select(endpoints).where(endpoints.c.target == target, endpoints.c.name == name)
    ).one_or_none()
    return None if row is None else _state(row._asdict())


def _state(content: Mapping[str, Any]) -> EndpointState:
    moments = {name: _moment(content[name]) for name in ("next_attempt", "succeeded_at", "stopped_at")}
    return EndpointState(**{**content, **moments, "acknowledged": frozenset(_numbers(content["acknowledged"]))})


def _moment(text: object) -> datetime | None:
    return None if text is None else datetime.fromisoformat(str(text))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


# ---- sending


def next_round(
    database: Database, target: str, name: str, types: Collection[str] | None, now: datetime
) -> Round | None:
    """What the endpoint ``name`` of an events target is sent next; None if the target or the endpoint is new. An
    endpoint that is stopped, or left alone until later, is sent nothing. Raises StateError."""
    with database.read() as connection:
        stream = streams.by_name(connection, target)
        state = None if stream is None else load(connection, stream.target, name)
        if stream is None or state is None:
            return None
        made = Round(state, {}, [], state.cursor, state.next_attempt, more=False)
        if state.stopped is not None or _is_later(state.next_attempt, now):
            return made
        waiting = _waiting(connection, state)
        _add_parked(connection, stream, made, waiting, now)
        if sum(map(len, waiting.values())) < MOST_PARKED:
            _add_new(connection, stream, made, waiting, types)
        return made


def _is_later(moment: datetime | None, now: datetime) -> bool:
    """Whether an attempt is due later. A moment that is further away than the longest pause was set by a clock that was
    ahead: the attempt is due now."""
    return moment is not None and now < moment <= now + LONGEST_PAUSE


def _waiting(connection: Connection, state: EndpointState) -> dict[str, list[Parked]]:
    """The first parked events of each object that are to be sent to an endpoint, in order: one more than a round
    sends."""
    place = func.row_number().over(partition_by=parked.c.object, order_by=parked.c.event).label("place")
    of_endpoint = parked.c.target == state.target, parked.c.endpoint == state.name, parked.c.dead == 0
    numbered = select(parked, place).where(*of_endpoint).subquery()
    query = select(numbered).where(numbered.c.place <= WAITING + 1).order_by(numbered.c.event)
    found: dict[str, list[Parked]] = {}
    for row in connection.execute(query).all():
        one = Parked(row.event, row.object, row.attempts, _moment(row.next_attempt), error=row.error)
        found.setdefault(row.object, []).append(one)
    return found


def _add_parked(
    connection: Connection, stream: StreamState, made: Round, waiting: Mapping[str, Sequence[Parked]], now: datetime
) -> None:
    """Add the parked events whose turn it is."""
    made.due = None
    sendable: dict[int, Parked] = {}
    for queue in waiting.values():
        due = queue[0].next_attempt
        if due is None or not _is_later(due, now):
            sendable |= {one.number: one for one in queue[:WAITING]}
            made.more = made.more or len(queue) > WAITING
        elif made.due is None or due < made.due:
            made.due = due
        if len(sendable) >= WINDOW:
            made.more = True
            break
    for event in _events_at(connection, stream, sendable):
        made.queues.setdefault(event.object, []).append(Pending(event, sendable[event.number]))


def _events_at(connection: Connection, stream: StreamState, numbers: Collection[int]) -> Iterator[Event]:
    """The events with these numbers, in order."""
    wanted = sorted(numbers)
    first = [
        connection.scalar(
            select(func.max(journal.c.event)).where(journal.c.stream == stream.target, journal.c.event <= number)
        )
        for number in wanted
    ]
    where = among(connection, journal.c.event, list({number for number in first if number is not None}))
    for entry in entries(connection, stream, where, len(wanted)):
        yield from (event for event in events_of(entry, stream.epoch) if event.number in numbers)


def _add_new(
    connection: Connection,
    stream: StreamState,
    made: Round,
    waiting: Mapping[str, Sequence[Parked]],
    types: Collection[str] | None,
) -> None:
    """Add the events after the cursor."""
    state, count = made.state, 0
    for event in following(connection, stream, state.cursor, WINDOW):
        count += 1
        made.read_to = event.number
        if event.number in state.acknowledged or (types is not None and event.type not in types):
            continue
        if event.object in waiting:
            made.followers.append(Parked(event.number, event.object))
        else:
            made.queues.setdefault(event.object, []).append(Pending(event))
    made.more = made.more or count == WINDOW


def store(database: Database, result: RoundResult) -> None:
    """Store the result of a round. An endpoint that another process stopped stays stopped. Raises StateError."""
    state = result.state
    of_endpoint = parked.c.target == state.target, parked.c.endpoint == state.name
    with database.write() as connection:
        connection.execute(
            update(endpoints)
            .where(endpoints.c.target == state.target, endpoints.c.name == state.name, endpoints.c.stopped.is_(None))
            .values(
                cursor=state.cursor,
                acknowledged=msgspec.json.encode(sorted(state.acknowledged)).decode(),
                failures=state.failures,
                next_attempt=_text(state.next_attempt),
                succeeded_at=_text(state.succeeded_at),
                stopped=state.stopped,
                stopped_at=_text(state.stopped_at),
                error=state.error,
            )
        )
        if result.freed:
            freed = among(connection, parked.c.event, list(result.freed))
            connection.execute(delete(parked).where(*of_endpoint, freed))
        _park(connection, state.target, state.name, result.parked)


def _park(connection: Connection, target: int, name: str, events: Iterable[Parked]) -> None:
    rows = (
        (
            target, name, one.number, one.object, one.attempts, _text(one.next_attempt), int(one.dead), one.error
        )
        for one in events
    )  # fmt: skip
    bulk.upsert(connection, parked, _PARKED_COLUMNS, rows)


# ---- for people


def statuses(connection: Connection, stream: StreamState) -> list[EndpointStatus]:
    """All endpoints of a stream, by name."""
    rows = connection.execute(
        select(endpoints).where(endpoints.c.target == stream.target).order_by(endpoints.c.name)
    ).all()
    query = select(parked.c.endpoint, parked.c.dead, func.count().label("many")).where(parked.c.target == stream.target)
    counts = {
        (row.endpoint, row.dead): row.many
        for row in connection.execute(query.group_by(parked.c.endpoint, parked.c.dead))
    }
    return [
        EndpointStatus(
            state,
            max(_after(connection, stream, state.cursor) - len(state.acknowledged), 0),
            counts.get((state.name, 0), 0),
            counts.get((state.name, 1), 0),
        )
        for state in (_state(row._asdict()) for row in rows)
    ]


def _after(connection: Connection, stream: StreamState, number: int) -> int:
    """How many events there are after a number. Between two epochs are numbers without events."""
    if number >= stream.pruned:
        return stream.last - number
    return stream.last - stream.pruned + max(streams.last_before_epoch(connection, stream) - number, 0)


def refused(connection: Connection, stream: StreamState, name: str, limit: int) -> list[RefusedEvent]:
    """The first events that an endpoint refused at their last attempt."""
    of_endpoint = parked.c.target == stream.target, parked.c.endpoint == name, parked.c.error.is_not(None)
    rows = connection.execute(select(parked).where(*of_endpoint).order_by(parked.c.event).limit(limit)).all()
    return [
        RefusedEvent(
            streams.id_at(connection, stream, row.event), row.event, row.attempts, _moment(row.next_attempt),
            bool(row.dead), row.error,
        )
        for row in rows
    ]  # fmt: skip


def troubled(connection: Connection) -> list[tuple[str, EndpointState]]:
    """All endpoints that are stopped, or left alone until later, each with the name of its target."""
    query = select(targets.c.name.label("target_name"), *endpoints.c).join(targets, targets.c.id == endpoints.c.target)
    found: list[tuple[str, EndpointState]] = []
    is_troubled = endpoints.c.stopped.is_not(None) | (endpoints.c.failures > 0)
    for row in connection.execute(query.where(is_troubled).order_by(targets.c.name, endpoints.c.name)):
        content = row._asdict()
        found.append((content.pop("target_name"), _state(content)))
    return found


def enable(connection: Connection, stream: StreamState, name: str) -> bool:
    """Use an endpoint again that is disabled or given up. It continues where it stopped, or with the first event that
    is kept. Returns whether it was stopped."""
    state = load(connection, stream.target, name)
    if state is None or state.stopped is None:
        return False
    connection.execute(
        update(endpoints)
        .where(endpoints.c.target == stream.target, endpoints.c.name == name)
        .values(
            cursor=max(state.cursor, _first_kept(connection, stream) - 1), failures=0, next_attempt=None, stopped=None,
            stopped_at=None, error=None,
        )
    )  # fmt: skip
    return True


def _first_kept(connection: Connection, stream: StreamState) -> int:
    """The number of the first event that is kept, also of an epoch before; that of the next one if there is none."""
    first = connection.scalar(select(func.min(journal.c.event)).where(journal.c.stream == stream.target))
    return stream.last + 1 if first is None else int(first)


def retry(connection: Connection, stream: StreamState, name: str) -> bool:
    """Send to an endpoint at once what waits for another attempt, because a person says that its cause is corrected.
    Returns whether anything waited."""
    failing = endpoints.c.target == stream.target, endpoints.c.name == name, endpoints.c.failures > 0
    waiting = parked.c.target == stream.target, parked.c.endpoint == name, parked.c.next_attempt.is_not(None)
    found = (
        connection.execute(update(endpoints).where(*failing).values(failures=0, next_attempt=None, error=None)),
        connection.execute(update(parked).where(*waiting, parked.c.dead == 0).values(next_attempt=None)),
    )
    return any(one.rowcount for one in found)


def replay(connection: Connection, stream: StreamState, name: str, event: Event) -> None:
    """Send an event to an endpoint once more, at once. One that was not sent yet keeps its place."""
    state = load(connection, stream.target, name)
    if state is not None and (event.number <= state.cursor or event.number in state.acknowledged):
        _park(connection, stream.target, name, [Parked(event.number, event.object)])
    retry(connection, stream, name)


def replay_dead(connection: Connection, stream: StreamState, name: str) -> int:
    """Send the events to an endpoint once more, at once, that were given up. Returns their number."""
    given_up = update(parked).where(parked.c.target == stream.target, parked.c.endpoint == name, parked.c.dead == 1)
    revived = connection.execute(given_up.values(dead=0, attempts=0, next_attempt=None, error=None)).rowcount
    if revived:
        retry(connection, stream, name)
    return revived
