"""Saving a pull: snapshot and cursor in one transaction, and whom it concerns."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, bindparam, update

from usersyncd.core.graph import Graph, regrouped
from usersyncd.core.report import Skipped
from usersyncd.plugin import Done, Kind
from usersyncd.state import directories, links
from usersyncd.state.bulk import batched
from usersyncd.state.database import Database, among
from usersyncd.state.directories import DirectoryState
from usersyncd.state.memberships import Memberships, Unclear, graph, unclear
from usersyncd.state.records import CHUNK, Records, reserve
from usersyncd.state.spool import Spool
from usersyncd.state.tables import records
from usersyncd.state.vanished import Vanished, Watched

NAMED = 100
"""How many members that cannot be resolved a run names; it counts them all."""


class Interest(Struct, frozen=True):
    """What shapes depend on besides the record itself: the names of a user's groups, which ``display_name`` gives, and
    the manager. ``rules`` are the targets, and the fingerprint of the rules by which each is shaped."""

    rules: Mapping[str, str]
    groups: bool
    manager: bool
    display_name: Callable[[dict[str, Any]], str | None]


class Saved(Struct, frozen=True):
    """What was saved: the reading as it is now, how many records and groups' members changed, which members are not
    clear, what was left out, and which attributes are missing everywhere by a person's word."""

    directory: DirectoryState
    changed: int
    unclear: Unclear
    left_out: list[Skipped]
    accepted: list[str]


def save(
    database: Database,
    reading: DirectoryState,
    spool: Spool,
    done: Done,
    basis: str,
    interest: Interest,
    watched: Watched,
    now: datetime,
) -> Generator[None, None, Saved]:
    """Fold a whole pull into the snapshot. Pauses now and then; given up between, nothing was changed. Raises
    SourceError, and changes nothing, if all records lost an attribute that is ``watched``."""
    first = reserve(database, spool.count_new())
    with database.write() as connection:
        revision = reading.revision + 1
        vanished = Vanished(connection, reading.id, watched)
        changed = Records(connection, reading.id, revision, spool, first, interest.display_name, vanished)
        before = _graph(connection, reading, interest, spool)
        yield from changed.save(complete=done.complete, now=now.isoformat())
        accepted = vanished.verify(reading.name)
        members = Memberships(connection, reading.id, revision, spool, changed, complete=done.complete)
        yield from members.save()
        yield from _concerned(connection, reading.id, revision, changed, members, interest, before)
        after = structs.replace(
            reading,
            cursor=done.cursor,
            basis=basis,
            # Who was only named was not read again.
            completed_at=now if done.complete and not spool.named else reading.completed_at,
            revision=revision if changed.changed or members.rewritten or members.changed else reading.revision,
            complete=int(done.complete),
            users=reading.users + changed.count[Kind.USER],
            groups=reading.groups + changed.count[Kind.GROUP],
            memberships=reading.memberships + members.count,
        )
        directories.save(connection, after)
        links.distrust(connection, reading.id, interest.rules)
        found = unclear(connection, reading.id, NAMED)
    strangers = [
        Skipped(Kind.GROUP, id_, "its members were told, but this directory does not list the group")
        for id_ in members.strangers[:NAMED]
    ]
    return Saved(after, changed.changed + members.rewritten, found, strangers + found.named, accepted)


def _graph(connection: Connection, reading: DirectoryState, interest: Interest, spool: Spool) -> Graph | None:
    """Who was in which group until now; None when nobody asks, or nobody was."""
    return graph(connection, reading.id) if interest.groups and not spool.first else None


def _concerned(
    connection: Connection,
    directory: int,
    revision: int,
    changed: Records,
    members: Memberships,
    interest: Interest,
    before: Graph | None,
) -> Generator[None, None, None]:
    """Mark those who are to be shaped again, though they themselves did not change."""
    if before is not None and (members.changed or changed.renamed):
        touched = regrouped(before, graph(connection, directory), members.changed, changed.renamed)
        for refs in batched(sorted(touched), CHUNK):
            connection.execute(
                update(records)
                .where(among(connection, records.c.ref, refs), records.c.gone_at.is_(None))
                .values(revision=revision)
            )
            yield
    if interest.manager:
        mark = update(records).where(records.c.directory == directory, records.c.manager == bindparam("whose"))
        for names in batched(changed.managers, CHUNK):
            connection.execute(mark.values(revision=revision), [{"whose": name} for name in names])
            yield
