"""Reads single people, and saves what changed of them as a pull would: their records and their memberships.

A person is found in the snapshot by id, handle, key or target id, and in the directory by what its source knows. The
items are those of an incremental pull that reports nothing but these people; they go through the same spool. The
directory's cursor stays, so the next pull reports the same changes again, which does no harm.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence

from msgspec import Struct, field
from structlog.typing import FilteringBoundLogger

from usersyncd import recording
from usersyncd.blocking import result_of, to_its_end
from usersyncd.core.report import Failed, PullRun, Skipped
from usersyncd.core.storable_text import escaped, is_keepable
from usersyncd.errors import AmbiguousPersonError, SourceError, UnknownPersonError, WholePullError
from usersyncd.job import PullJob
from usersyncd.plugin import Done, Gone, Kind, Listed, Members, Page, Person, PersonSource, Record, Unread
from usersyncd.pull.receive import LONGEST, receive
from usersyncd.pull.save import open_spool, snapshot_of_people
from usersyncd.state import journal, losses, renaming
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState, known
from usersyncd.state.known_people import KnownPerson, existing_groups, groups_listing, known_people
from usersyncd.state.lock import Lock
from usersyncd.state.snapshot import SavedPull
from usersyncd.state.spool import Spool

TRIES = 3
"""How often a person is read whose names change while the person is read."""
WAITS = "the snapshot does not have this group: the next pull reads it, if the directory's options select it"


class PeopleRead(Struct):
    """What was saved of some people. ``skipped``: groups that the snapshot does not have; ``failed``: people whose
    attributes the directory hides."""

    saved: SavedPull
    changed: bool
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


def verify_name(directory: str, name: str) -> None:
    """Raises UnknownPersonError if nobody can have this name: databases do not store it."""
    if not 0 < len(name) <= LONGEST or not is_keepable(name):
        raise UnknownPersonError(
            f"{directory} has no person “{escaped(name)[:LONGEST]}”: an id or key has 1 to {LONGEST} valid characters",
            "check the id, user name or email",
        )


def readable_state(database: Database, job: PullJob) -> DirectoryState:
    """The state of a directory of which single people can be read. Raises WholePullError if there is none."""
    name, was = job.directory.name, job.directory.was
    remedy = f"pull the whole directory once: usersyncd sync {name}"
    if was is not None and renaming.is_known(database, was):
        raise WholePullError(f"{name} was called {was} at its last pull, and is renamed by the next one", remedy)
    with database.read() as connection:
        state = known(connection, name)
        held = [held for held in losses.held_losses(connection) if state is not None and held.directory == state.id]
    if state is None or not state.users + state.groups:
        raise WholePullError(
            f"the snapshot of {name} is empty: there is nothing that one person could be added to", remedy
        )
    if state.basis != job.basis:
        raise WholePullError(
            f"the options of {name}, or the attributes that rules read, changed since its last pull", remedy
        )
    if held:
        raise WholePullError(
            f"pulls of {name} are discarded: {held[0].losses[0]}", "`usersyncd status` says what waits for a decision"
        )
    return state


def changed_on_request(database: Database, directory: str) -> list[PullRun]:
    """The pulls of one person that changed the snapshot since the last pull of the directory."""
    with database.read() as connection:
        return journal.people_read(connection, directory)


def memberships_before(requests: Sequence[PullRun], spool: Spool, *, complete: bool) -> list[Members]:
    """What to add to groups and remove from them, so that names that requests added or removed are listed as they were
    before, except where the pull in ``spool`` reports them. ``complete``: that pull was complete."""
    was_listed: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    for request in requests:
        for listed, edits in ((False, request.entered), (True, request.left)):
            for group, names in edits.items():
                for each in names:
                    was_listed[group].setdefault(each, listed)
    restored = []
    for group, before in was_listed.items():
        reported = spool.reported_members(group, complete=complete)
        if reported is not None:
            added = frozenset(each for each, listed in before.items() if listed)
            restored.append(Members(group, added - reported, frozenset(before) - added - reported))
    return restored


async def read_people(
    database: Database,
    job: PullJob,
    state: DirectoryState,
    source: PersonSource,
    requests: Sequence[PullRun],
    restored: Sequence[Members],
    lock: Lock,
    log: FilteringBoundLogger,
) -> PeopleRead:
    """Read people again who were read on request. A name that nobody has any more, or that several people have, is
    left to the pull. ``restored``: the memberships before the requests, for names that nobody of them has now. Raises
    SourceError, StateError."""
    reading = _Reading(database, state, source)
    items: list[Item] = []
    for each in dict.fromkeys(one for request in requests for one in request.people):
        try:
            items += await reading.person(each)
        except (UnknownPersonError, AmbiguousPersonError) as error:
            log.info("a person could not be read again", event_name="pull.person_left_out", why=error.message)
    there = await to_its_end(lambda: reading.existing([item.group for item in restored]))
    items += [
        Members(item.group, item.added - reading.names, item.removed - reading.names)
        for item in restored
        if item.group in there
    ]
    return await _save(reading, job, items, lock, log)


async def read_person(
    database: Database,
    job: PullJob,
    state: DirectoryState,
    source: object,
    name: str,
    lock: Lock,
    log: FilteringBoundLogger,
    note: Callable[[list[str], Sequence[Members]], object],
) -> PeopleRead:
    """Read one person, and save what changed. ``state``: the directory, by :func:`readable_state`. ``note`` is called
    in a thread with the ids that were read and the memberships that change, before anything is saved.

    Raises UnknownPersonError, AmbiguousPersonError, WholePullError, or another SourceError: then nothing changed.
    Raises StateError.
    """
    if not isinstance(source, PersonSource):
        raise WholePullError(
            f"the connector {job.directory.connector} cannot read one person",
            f"pull the whole directory: usersyncd sync {job.directory.name}",
        )
    reading = _Reading(database, state, source)
    items = await reading.person(name)
    await to_its_end(lambda: note(reading.ids, [item for item in items if isinstance(item, Members)]))
    return await _save(reading, job, items, lock, log)


Item = Record | Unread | Gone | Members


async def _save(reading: _Reading, job: PullJob, items: Page, lock: Lock, log: FilteringBoundLogger) -> PeopleRead:
    database, state, began = reading.database, reading.state, recording.now()
    spool = await to_its_end(lambda: open_spool(database, state, job))
    try:
        done = await receive(_pages(items, state.cursor), spool, lambda _: None)
        await to_its_end(lock.verify)
        saved = await result_of(
            lambda: snapshot_of_people(database, state, job, spool, done, began),
            name="saving", log=log, tick=lambda: None,
        )  # fmt: skip
    finally:
        spool.close()
    changed = saved.directory.revision != state.revision
    return PeopleRead(saved, changed, reading.skipped, spool.unread)


async def _pages(items: Page, cursor: str | None) -> AsyncIterator[Page | Done]:
    """These items as an incremental pull whose cursor stays."""
    yield items
    yield Done(cursor, complete=False)


class _Reading:
    """Reads people from a source, and compares them with the snapshot."""

    def __init__(self, database: Database, state: DirectoryState, source: PersonSource) -> None:
        self.database, self.state = database, state
        self.ids: list[str] = []
        self.names = set[str]()
        """The names that the people have now."""
        self.skipped: list[Skipped] = []
        self._source = source

    async def person(self, name: str) -> list[Item]:
        """The items about the people whose id or key is ``name``: one, or two if it passed from one to the other."""
        directory = self.state.name
        found = await to_its_end(lambda: self._known(name))
        if len(found) > 1:
            raise AmbiguousPersonError(
                f"{len(found)} people of {directory} have the name “{name}”: {', '.join(one.id for one in found)}",
                "ask for one of these ids",
            )
        if not found:
            answer, listed = await self._read(name, frozenset())
            if answer is None:
                raise UnknownPersonError(
                    f"{directory} has no person “{name}”, or its options leave the person out, and the snapshot has "
                    "none",
                    "check the id, user name or email",
                )
            return await self._items(answer, listed)
        [known] = found
        answer, listed = await self._read(known.id, known.names)
        if answer is not None and answer.record.id != known.id:
            raise _broken(f"was asked for the user {known.id} and answered with {answer.record.id}")
        items = self._gone(known) if answer is None else await self._items(answer, listed)
        if name != known.id:
            other, listed = await self._read(name, frozenset())
            if other is not None and other.record.id != known.id:
                items += await self._items(other, listed)
        return items

    def _known(self, name: str) -> list[KnownPerson]:
        with self.database.read() as connection:
            return known_people(connection, self.state, name)

    def _gone(self, known: KnownPerson) -> list[Item]:
        self.ids.append(known.id)
        return [] if known.gone else [Gone(Kind.USER, known.id)]

    async def _read(self, name: str, names: Collection[str]) -> tuple[Person | None, Listed]:
        """The source's answer, and the groups of the snapshot that list the person by a name that the person has
        now. The source is asked again if it did not know of all these groups."""
        listed = await self._listing(names)
        for _ in range(TRIES):
            answer = await self._source.person(name, listed)
            if answer is None or isinstance(answer.record, Unread):
                return answer, {}
            now = await self._listing(_names(answer))
            if now.keys() <= listed.keys():
                return answer, now
            listed = {**listed, **now}
        raise SourceError(f"the names of the person {name} change all the time", "ask again")

    async def _listing(self, names: Collection[str]) -> Listed:
        def look() -> Listed:
            with self.database.read() as connection:
                return groups_listing(connection, self.state.id, names)

        return await to_its_end(look) if names else {}

    async def _items(self, answer: Person, listed: Listed) -> list[Item]:
        self.ids.append(answer.record.id)
        if isinstance(answer.record, Unread):
            return [answer.record]
        groups = answer.groups.keys() | listed.keys()
        self.names |= {answer.record.id, *answer.record.handles}
        there = await to_its_end(lambda: self.existing(groups))
        self.skipped += [Skipped(Kind.GROUP, group, WAITS) for group in sorted(groups - there)]
        return [answer.record, *_memberships(answer, listed, there)]

    def existing(self, groups: Collection[str]) -> set[str]:
        """Those of these groups that the snapshot has."""
        with self.database.read() as connection:
            return existing_groups(connection, self.state.id, groups)


def _names(answer: Person) -> frozenset[str]:
    """The names of the person. Raises SourceError if the answer breaks the contract."""
    record = answer.record
    if not isinstance(record, Record) or record.kind is not Kind.USER:
        raise _broken(f"gave something that is not a user: {record!r:.200}")
    names = frozenset((record.id, *record.handles))
    if strange := frozenset[str]().union(*answer.groups.values()) - names:
        raise _broken(f"gave a membership of {record.id} by another name: {min(strange)!r:.200}")
    return names


def _memberships(answer: Person, listed: Listed, there: Collection[str]) -> Iterator[Members]:
    """What changed of the memberships in the groups that are ``there``."""
    for group in sorted(there):
        now, before = answer.groups.get(group, frozenset()), listed.get(group, frozenset())
        if now != before:
            yield Members(group, now - before, before - now)


def _broken(what: str) -> SourceError:
    return SourceError(f"the connector {what}", "this is a fault of the connector: report it to its author")
